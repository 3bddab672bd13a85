//! The suite on the state that is nothing but a ledger.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use intermission::{MemoryState, SystemClock, Timing};
use intermission_conformance::{Capabilities, Fixture, FixtureError, ManualClock, trials};

struct Memory {
    state: MemoryState,
    clock: ManualClock,
}

impl Fixture for Memory {
    type State = MemoryState;

    fn capabilities() -> Capabilities {
        Capabilities::none()
            .with_moves_clock()
            .with_pushes_record()
            .with_shared_between_handles()
    }

    async fn fresh() -> Result<Self, FixtureError> {
        let clock = ManualClock::new();
        let state = MemoryState::with_timing_and_clock(Timing::default(), Arc::new(clock.clone()));
        Ok(Self { state, clock })
    }

    fn state(&self) -> MemoryState {
        self.state.clone()
    }

    fn timing(&self) -> Timing {
        Timing::default()
    }

    async fn advance(&self, by: Duration) -> Result<(), FixtureError> {
        self.clock.advance(by);
        Ok(())
    }

    /// Nothing outside the process can reach this state, so a clone is all that another handle can be.
    async fn second_handle(&self) -> Result<MemoryState, FixtureError> {
        Ok(self.state.clone())
    }
}

/// The same on a clock that nobody can move, as a server has it.
struct InRealTime {
    state: MemoryState,
}

impl Fixture for InRealTime {
    type State = MemoryState;

    fn capabilities() -> Capabilities {
        Capabilities::none().with_pushes_record()
    }

    async fn fresh() -> Result<Self, FixtureError> {
        Ok(Self {
            state: MemoryState::with_timing_and_clock(short_timing(), Arc::new(SystemClock)),
        })
    }

    fn state(&self) -> MemoryState {
        self.state.clone()
    }

    fn timing(&self) -> Timing {
        short_timing()
    }

    async fn advance(&self, by: Duration) -> Result<(), FixtureError> {
        tokio::time::sleep(by).await;
        Ok(())
    }
}

fn short_timing() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_millis(400);
    timing.heartbeat = Duration::from_millis(50);
    timing.timeout = Duration::from_millis(50);
    timing.step = Duration::from_millis(20);
    timing.margin = Duration::from_millis(50);
    timing.grace = Duration::from_millis(400);
    timing.reconcile = Duration::from_millis(100);
    timing.drain_poll = Duration::from_millis(20);
    timing
}

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut all = trials::<Memory>("memory");
    all.extend(trials::<InRealTime>("memory-in-real-time"));
    libtest_mimic::run(&arguments, all).exit_code()
}
