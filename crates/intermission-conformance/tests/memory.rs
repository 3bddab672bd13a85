//! The suite on the state that is nothing but a ledger.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use intermission::{MemoryState, Timing};
use intermission_conformance::{Capabilities, Fixture, FixtureError, ManualClock, trials};

struct Memory {
    state: MemoryState,
    clock: ManualClock,
}

impl Fixture for Memory {
    type State = MemoryState;

    fn capabilities() -> Capabilities {
        Capabilities::none().with_moves_clock().with_pushes_record().with_shared_between_handles()
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

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, trials::<Memory>("memory")).exit_code()
}
