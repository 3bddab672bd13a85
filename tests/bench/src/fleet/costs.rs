//! What a fleet costs Redis: by its requests, by its mere presence, and in memory.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use intermission::{
    Activate, Change, Clock, Deactivate, ExecutionInfo, SystemClock, Timing, Visitor,
};

use super::accounts::Work;
use super::{Fleet, MESSAGE};

/// For how many heartbeats the idle fleet is watched.
const IDLE_HEARTBEATS: u32 = 4;

/// How often a node is asked, to see whether that causes a command.
pub(super) const QUESTIONS: usize = 100_000;

/// What the fleet does while nothing happens.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) nodes: usize,
    pub(super) seconds: f64,
    pub(super) work: Work,
}

/// What a node takes of Redis' memory, in bytes.
#[derive(Debug)]
pub(super) struct Bytes {
    pub(super) deactivated: u64,
    pub(super) activated: u64,
    pub(super) connection: u64,
}

impl Fleet {
    /// How many commands are caused by [`QUESTIONS`] requests and as many executions, open and closed.
    pub(super) fn commands_of_requests(&mut self) -> Result<u64> {
        let open = self.commands_of_questions()?;
        let activate = Change::Activate(Activate::by("bench").with_message(MESSAGE));
        self.runtime.block_on(self.inspector.change(activate))?;
        let view = self.settled(|view| view.quiescent_at.is_some())?;
        self.payload = view.record.to_json().len();
        let closed = self.commands_of_questions()?;
        let deactivate = Change::Deactivate(Deactivate::new());
        self.runtime.block_on(self.inspector.change(deactivate))?;
        Ok(open + closed)
    }

    fn commands_of_questions(&mut self) -> Result<u64> {
        let gate = self.gates.first().context("one has joined")?;
        let page = Visitor::new("POST", "/");
        let mut fewest = u64::MAX;
        // A heartbeat may come in between. Not each time.
        for _ in 0..10 {
            let before = self.runtime.block_on(self.accounts.work())?;
            for _ in 0..QUESTIONS {
                drop(gate.admit(&page));
                drop(gate.execution(ExecutionInfo::new("job")));
            }
            // What they have caused is sent now, if it was not at once.
            sleep(Duration::from_millis(50));
            let work = self.runtime.block_on(self.accounts.work())?.since(before);
            // The first of the two questions to the server is counted by the second.
            fewest = fewest.min(work.commands.saturating_sub(1));
            if fewest == 0 {
                break;
            }
        }
        Ok(fewest)
    }

    /// Watches it for some heartbeats in which nothing happens.
    pub(super) fn idle(&mut self) -> Result<Idle> {
        sleep(Timing::default().heartbeat);
        let from = SystemClock.steady();
        let before = self.runtime.block_on(self.accounts.work())?;
        sleep(Timing::default().heartbeat * IDLE_HEARTBEATS);
        let work = self.runtime.block_on(self.accounts.work())?.since(before);
        ensure!(
            work.scripts > 0,
            "no node has renewed its lease in {IDLE_HEARTBEATS} heartbeats: the fleet is not there, or its scripts are \
             called otherwise than by EVALSHA"
        );
        Ok(Idle {
            nodes: self.gates.len(),
            seconds: (SystemClock.steady() - from).as_secs_f64(),
            work,
        })
    }

    pub(super) fn memory(&mut self) -> Result<Bytes> {
        let nodes = u64::try_from(self.gates.len())?;
        let keys = "{intermission:";
        let deactivated = self.runtime.block_on(self.accounts.bytes_of_keys(keys))?;
        let activate = Change::Activate(Activate::by("bench").with_message(MESSAGE));
        self.runtime.block_on(self.inspector.change(activate))?;
        self.settled(|view| view.quiescent_at.is_some())?;
        ensure!(deactivated > 0, "there is no key `{keys}…` in Redis");
        let activated = self.runtime.block_on(self.accounts.bytes_of_keys(keys))?;
        let connection = self
            .runtime
            .block_on(self.accounts.bytes_of_a_connection())?;
        Ok(Bytes {
            deactivated: deactivated / nodes,
            activated: activated / nodes,
            connection,
        })
    }
}
