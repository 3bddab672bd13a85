//! Visitors and jobs that try to get in all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use intermission::{AdmitReason, Decision, ExecutionInfo, Gate, Visitor};

/// Somebody who asks at each of several gates once a millisecond, whatever else happens, until told to end.
pub(crate) struct Visitors {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

/// What they met with.
#[derive(Debug, Default)]
struct Tally {
    asked: u64,
    pages: u64,
    /// Of these: because no maintenance was on.
    deactivated: u64,
    executions: u64,
}

impl Visitors {
    pub(crate) fn at(gates: &[&Gate]) -> Self {
        let gates: Vec<Gate> = gates.iter().map(|&gate| gate.clone()).collect();
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let thread = thread::spawn(move || {
            let mut tally = Tally::default();
            loop {
                // Once more after the end, so that nobody is at ease without having asked.
                let is_last = is_done.load(Ordering::SeqCst);
                for gate in &gates {
                    tally.asked += 1;
                    let decision = gate.decide(&page());
                    tally.pages += u64::from(decision.is_admit());
                    let deactivated = Decision::Admit(AdmitReason::Deactivated);
                    tally.deactivated += u64::from(decision == deactivated);
                    tally.executions +=
                        u64::from(gate.execution(ExecutionInfo::new("visit")).is_ok());
                }
                if is_last {
                    return tally;
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { done, thread }
    }

    /// Ends it: neither a visitor nor an execution got in anywhere.
    pub(crate) fn nobody_got_in(self) {
        let tally = self.end();
        assert_eq!((tally.pages, tally.executions), (0, 0), "{tally:?}");
    }

    /// Ends it: nobody found the site open. Pages may have been served while a drain went on.
    pub(crate) fn nobody_found_it_open(self) {
        let tally = self.end();
        assert_eq!((tally.deactivated, tally.executions), (0, 0), "{tally:?}");
    }

    /// Ends it: every visitor got in, whatever became of the executions.
    pub(crate) fn everybody_got_in(self) {
        let tally = self.end();
        assert_eq!(tally.pages, tally.asked, "{tally:?}");
    }

    /// Ends it: every visitor got in, and every execution.
    pub(crate) fn everything_got_in(self) {
        let tally = self.end();
        assert_eq!(
            (tally.pages, tally.executions),
            (tally.asked, tally.asked),
            "{tally:?}"
        );
    }

    fn end(self) -> Tally {
        self.done.store(true, Ordering::SeqCst);
        self.thread.join().expect("visitors do not panic")
    }
}

pub(crate) fn page() -> Visitor<'static> {
    Visitor::new("GET", "/")
}
