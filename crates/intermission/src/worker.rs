//! Loops that pause with the site and go on with it.

use intermission_core::{Level, RefuseReason, ScopeName, Snapshot};
use tokio::sync::watch;
use tokio::task::yield_now;

use crate::execution::{Execution, Past};
use crate::execution_info::ExecutionInfo;
use crate::gate::Gate;
use crate::log::{Line, line};
use crate::scopes::execution_refusal;

/// What a worker does when its turn comes while no execution may start.
///
/// Which one is right is the job's to say. Magento's cron and queue consumers ran on during maintenance, which broke
/// upgrades; when they were stopped for good, those broke who test behind allowed addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new policy must not compile until every match has an answer for it"
)]
pub enum WhenClosed {
    /// It waits, and goes on by itself: a consumer of a queue.
    #[default]
    Wait,
    /// It leaves this turn out: a periodic job, which comes again anyway.
    Skip,
    /// It works all the same, and no drain waits for it: a job that the maintenance itself needs. At level
    /// [`Exclusive`](Level::Exclusive), or while this node is fenced, it waits.
    Run,
}

/// What a worker is to do now.
#[derive(Debug)]
#[must_use = "the execution that it holds ends when it is dropped"]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever overlooks one of them loses a turn, or never ends"
)]
pub enum Turn {
    /// Work, and hold this until the work is done: a drain waits for it.
    Work(Execution),
    /// Leave this turn out. Only under [`WhenClosed::Skip`].
    Skip(RefuseReason),
    /// End: the gate is [shutting down](Gate::shutdown). Whatever it has not begun, the worker must not begin.
    End,
}

/// One loop that pauses with the site: made by [`Gate::worker`].
#[derive(Debug)]
pub struct Worker {
    gate: Gate,
    info: ExecutionInfo,
    when_closed: WhenClosed,
    ending: watch::Receiver<bool>,
    /// Whether the log says that it is paused.
    is_paused: bool,
}

impl Gate {
    /// A loop of work, such as the consumer of a queue, that takes turns: it asks before it takes a message, and so pauses
    /// and resumes with the site on every node by itself. `info` names each of its executions.
    ///
    /// The log gets one line when it pauses and one when it resumes, for a worker that says nothing looks as if it hung.
    ///
    /// # Examples
    ///
    /// ```
    /// use intermission::{ExecutionInfo, Gate, MemoryState, Turn, WhenClosed};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate = Gate::builder(MemoryState::new()).start().await?;
    /// let mut worker = gate.worker(ExecutionInfo::new("consumer").with_label("mails"), WhenClosed::Wait);
    /// # let mut mails = vec!["one", "two"];
    /// let consumer = tokio::spawn(async move {
    ///     while let Turn::Work(execution) = worker.turn().await {
    ///         // Take one message, and finish it. What was taken before the site closes is finished; nothing is taken after.
    ///         let Some(_mail) = mails.pop() else { break };
    ///         drop(execution);
    ///     }
    /// });
    /// # consumer.await?;
    /// gate.shutdown().await;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn worker(&self, info: ExecutionInfo, when_closed: WhenClosed) -> Worker {
        Worker {
            gate: self.clone(),
            info,
            when_closed,
            ending: self.shared().ending.subscribe(),
            is_paused: false,
        }
    }
}

impl Worker {
    /// Waits for the next turn, as long as [`WhenClosed`] says. A shutdown of the gate interrupts the wait.
    ///
    /// Take a message after this and not before: one that was taken before may have to be held for the whole
    /// maintenance.
    ///
    /// # Cancel safety
    ///
    /// Safe: a dropped call has begun nothing.
    pub async fn turn(&mut self) -> Turn {
        if *self.ending.borrow() {
            return Turn::End;
        }
        let reason = match self.begin() {
            Ok(execution) => return self.work(execution),
            Err(reason) => reason,
        };
        self.pause(reason);
        if self.when_closed == WhenClosed::Skip {
            return Turn::Skip(reason);
        }
        let mut published = self.gate.shared().published.subscribe();
        let when_closed = self.when_closed;
        let scopes = self.info.scopes();
        loop {
            tokio::select! {
                biased;
                _ = self.ending.wait_for(|ending| *ending) => return Turn::End,
                moved = published.wait_for(|installed| may_begin(&installed.snapshot, when_closed, scopes)) => {
                    if moved.is_err() {
                        return Turn::End;
                    }
                }
            }
            if let Ok(execution) = self.begin() {
                return self.work(execution);
            }
            // The keeper has moved one of the node's doors, and needs a turn to move the other.
            yield_now().await;
        }
    }

    fn begin(&self) -> Result<Execution, RefuseReason> {
        let shared = self.gate.shared();
        let refused = match self.gate.execution(self.info.clone()) {
            Ok(execution) => return Ok(execution),
            Err(refused) => refused.reason,
        };
        if self.when_closed != WhenClosed::Run {
            return Err(refused);
        }
        let installed = shared.installed.load();
        if is_exclusive(&installed.snapshot, self.info.scopes()) {
            return Err(RefuseReason::Exclusive);
        }
        let past = Past {
            site: true,
            scopes: Some(&installed.snapshot),
        };
        shared.begin(self.info.clone(), past).ok_or(refused)
    }

    fn work(&mut self, execution: Execution) -> Turn {
        if std::mem::take(&mut self.is_paused) {
            line(&Line::WorkerResumed(&self.info));
        }
        Turn::Work(execution)
    }

    fn pause(&mut self, reason: RefuseReason) {
        if !std::mem::replace(&mut self.is_paused, true) {
            line(&Line::WorkerPaused(&self.info, reason));
        }
    }
}

/// Whether it is worth asking the doors.
fn may_begin(snapshot: &Snapshot, when_closed: WhenClosed, scopes: &[ScopeName]) -> bool {
    match when_closed {
        WhenClosed::Wait | WhenClosed::Skip => {
            snapshot.execution_refusal().is_none() && execution_refusal(snapshot, scopes).is_none()
        }
        WhenClosed::Run => !is_exclusive(snapshot, scopes) && !snapshot.executions_suspended,
    }
}

fn is_exclusive(snapshot: &Snapshot, scopes: &[ScopeName]) -> bool {
    let (phase, level) = snapshot.closure();
    let mut closed = scopes.iter().filter_map(|scope| snapshot.scope(scope));
    (phase.is_on() && level == Level::Exclusive)
        || closed.any(|scope| scope.level() == Level::Exclusive)
}
