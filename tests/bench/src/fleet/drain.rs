//! How long it takes from the end of the last execution until the site is activated, and until the operator hears it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use intermission::{
    Activate, ActivationId, Actor, Change, Clock, Deactivate, ExecutionInfo, Goal, Operator,
    SystemClock, Waited,
};

use super::flips::PATIENCE;
use super::{Fleet, MESSAGE, patient_state};
use crate::statistics::{Sample, millis_between};

/// How long the operator has been waiting when the execution ends. Whoever drains a fleet waits for minutes.
const WAITS_ALREADY: Duration = Duration::from_millis(200);

/// What was measured with so many nodes, on one of which something ran. In milliseconds from its end.
#[derive(Debug)]
pub(super) struct Drains {
    pub(super) nodes: usize,
    /// Until `activated` was written, by Redis' clock, which is this machine's.
    pub(super) activated: Sample,
    /// Until an operator who waits for that hears it.
    pub(super) heard: Sample,
}

/// Drains so often, as long as that takes less than `at_most`.
pub(super) fn measure(fleet: &Fleet, times: usize, at_most: Duration) -> Result<Drains> {
    let limit = SystemClock.steady() + at_most;
    let (mut activated, mut heard) = (Vec::new(), Vec::new());
    while activated.is_empty() || (activated.len() < times && SystemClock.steady() < limit) {
        let drain = fleet.drain()?;
        activated.push(drain.activated);
        heard.push(drain.heard);
    }
    Ok(Drains {
        nodes: fleet.gates.len(),
        activated: Sample::new(activated),
        heard: Sample::new(heard),
    })
}

struct Drain {
    activated: f64,
    heard: f64,
}

impl Fleet {
    /// Activates while one node runs something, and ends that when all the others have drained.
    fn drain(&self) -> Result<Drain> {
        let nodes = u64::try_from(self.gates.len())?;
        let gate = self.gates.first().context("one has joined")?;
        let execution = gate
            .execution(ExecutionInfo::new("job"))
            .map_err(|refused| anyhow::anyhow!("the open gate starts nothing: {refused:?}"))?;
        let activate = Change::Activate(Activate::by("bench").with_message(MESSAGE));
        let accepted = self.runtime.block_on(self.inspector.change(activate))?;
        let activation = accepted.record.activation();
        let activation = activation.context("the mode is on")?.id;
        self.settled(|view| view.count.drained + 1 == nodes)?;
        let waiter = Waiter::start(&self.url, activation)?;
        sleep(WAITS_ALREADY);
        let (ended, ended_at) = (SystemClock.steady(), SystemClock.now());
        drop(execution);
        let heard = waiter.heard()?;
        let view = self.settled(|view| view.quiescent_at.is_some())?;
        let activation = view.record.activation().context("the mode is on")?;
        let done = activation.completion.as_ref().context("it has drained")?;
        let activated = done.at.saturating_since(ended_at).as_secs_f64() * 1_000.0;
        let deactivate = Change::Deactivate(Deactivate::new());
        self.runtime.block_on(self.inspector.change(deactivate))?;
        self.all_have_seen_it()?;
        Ok(Drain {
            activated,
            heard: millis_between(ended, heard),
        })
    }
}

/// An operator who waits as `intermission activate --wait` does: on a thread of its own, as that is another process.
struct Waiter(Receiver<Result<Said>>);

enum Said {
    /// It has looked, and not found what it waits for.
    Waits,
    /// It has heard it, then.
    Heard(Duration),
}

impl Waiter {
    /// Returns when it waits.
    fn start(url: &str, activation: ActivationId) -> Result<Self> {
        let (says, heard) = channel();
        let url = url.to_owned();
        // It ends with what it waits for, or with its patience.
        std::thread::spawn(move || {
            let heard = wait(&url, activation, &says).map(Said::Heard);
            // Nobody listens any more if the bench has failed elsewhere.
            drop(says.send(heard));
        });
        let waiter = Self(heard);
        match waiter.next()? {
            Said::Waits => Ok(waiter),
            Said::Heard(_) => bail!("the drain was over while something still ran"),
        }
    }

    fn heard(self) -> Result<Duration> {
        loop {
            if let Said::Heard(at) = self.next()? {
                return Ok(at);
            }
        }
    }

    fn next(&self) -> Result<Said> {
        let said = self.0.recv_timeout(PATIENCE * 2);
        said.context("the operator who waits says nothing")?
    }
}

fn wait(url: &str, activation: ActivationId, says: &Sender<Result<Said>>) -> Result<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let operator = Operator::new(patient_state(url)?, Actor::new("bench", "bench"));
    let show = |_: &_| drop(says.send(Ok(Said::Waits)));
    let waiting = operator.wait(activation, Goal::Activated, show);
    let waited = runtime.block_on(async { tokio::time::timeout(PATIENCE, waiting).await });
    let waited = waited.context("the drain does not end")??;
    ensure!(
        matches!(waited, Waited::Reached(_)),
        "somebody else has ended the activation"
    );
    Ok(SystemClock.steady())
}
