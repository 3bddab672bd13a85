//! What a backend brings along to be tested.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{MaintenanceState, SharedState, Timing};

use crate::Capabilities;

/// A fixture could not do what was asked. Whatever it is, the case fails with it.
pub type FixtureError = Box<dyn Error + Send + Sync>;

/// One fresh place for a backend's ledger, and what a test must be able to do with it. Each case gets its own.
///
/// The fixture is also the guard: when it is dropped, nothing of the place is left. Methods for
/// [capabilities](crate::Capability) that are not claimed need not be written; the default bodies fail, so claiming
/// without writing fails, too.
///
/// The crate's front page has a whole example.
pub trait Fixture: Send + Sync + Sized + 'static {
    /// The backend. Use `Arc<…>` or [`SharedState`] if it has no cheap clone.
    type State: MaintenanceState;

    /// What the backend and this fixture can do. Asked before anything is built, to list the cases that apply.
    fn capabilities() -> Capabilities;

    /// How long the suite waits for what must come, such as a watcher's wake-up, before it calls it missing. A case
    /// as a whole has twelve times as long. Nothing is measured against it: make it long.
    #[must_use]
    fn patience() -> Duration {
        Duration::from_secs(10)
    }

    /// A fresh place that holds no record, and that no other fixture shares.
    ///
    /// A store that is in grace while it is empty must have it behind it: nobody can know more than this place.
    ///
    /// # Errors
    ///
    /// The place cannot be made, for example because the server that it needs is not there. Whether that fails the
    /// run or leaves the backend out is decided before, by whoever lists the trials.
    fn fresh() -> impl Future<Output = Result<Self, FixtureError>> + Send;

    /// A handle on the place.
    fn state(&self) -> Self::State;

    /// The periods of the backend's ledger.
    ///
    /// They must be [valid](Timing::validate), and the lease must be at least ten times [`Timing::step`]: the suite
    /// lets time pass in steps of that length, which is the most that a ledger believes at once.
    fn timing(&self) -> Timing;

    /// Lets this much time pass for the store: moves its clocks if they can be moved
    /// ([`MovesClock`](crate::Capability::MovesClock)), and otherwise really waits, for which the backend should run
    /// with a [`Timing`] of milliseconds.
    ///
    /// # Errors
    ///
    /// The clock cannot be moved.
    fn advance(&self, by: Duration) -> impl Future<Output = Result<(), FixtureError>> + Send;

    /// Another handle on the same place, made as another process would make it: not a clone.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    fn second_handle(&self) -> impl Future<Output = Result<Self::State, FixtureError>> + Send {
        async { Err(missing("second_handle")) }
    }

    /// Ends the process and starts it again, as far as the backend can tell: afterwards [`state`](Self::state) gives
    /// handles that know nothing but what was stored. The suite has dropped all its own before.
    ///
    /// # Errors
    ///
    /// The place cannot be opened again.
    fn reopen(&mut self) -> impl Future<Output = Result<(), FixtureError>> + Send {
        async { Err(missing("reopen")) }
    }

    /// From now on the store cannot be reached, by any handle, until [`heal`](Self::heal).
    ///
    /// # Errors
    ///
    /// The link cannot be broken.
    fn break_link(&self) -> impl Future<Output = Result<(), FixtureError>> + Send {
        async { Err(missing("break_link")) }
    }

    /// From now on the store can be reached again. Handles made before work again, at once or after a few refusals.
    ///
    /// # Errors
    ///
    /// The link cannot be mended.
    fn heal(&self) -> impl Future<Output = Result<(), FixtureError>> + Send {
        async { Err(missing("heal")) }
    }

    /// Makes the stored record unreadable, as a torn write or a stray hand would.
    ///
    /// # Errors
    ///
    /// It cannot be reached.
    fn corrupt(&self) -> impl Future<Output = Result<(), FixtureError>> + Send {
        async { Err(missing("corrupt")) }
    }
}

fn missing(method: &str) -> FixtureError {
    format!("the fixture claims a capability for which it must write `Fixture::{method}`").into()
}

type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, FixtureError>> + Send + 'a>>;

/// The object-safe twin, so that the cases are compiled once and not for each backend.
pub(crate) trait ErasedFixture: Send + Sync {
    fn capabilities(&self) -> Capabilities;
    fn patience(&self) -> Duration;
    fn state(&self) -> SharedState;
    /// The same behind the wrappers that core offers.
    fn wrapped_state(&self) -> SharedState;
    fn timing(&self) -> Timing;
    fn advance(&self, by: Duration) -> Pending<'_, ()>;
    fn second_handle(&self) -> Pending<'_, SharedState>;
    fn reopen(&mut self) -> Pending<'_, ()>;
    fn break_link(&self) -> Pending<'_, ()>;
    fn heal(&self) -> Pending<'_, ()>;
    fn corrupt(&self) -> Pending<'_, ()>;
}

impl<F: Fixture> ErasedFixture for F {
    fn capabilities(&self) -> Capabilities {
        F::capabilities()
    }

    fn patience(&self) -> Duration {
        F::patience()
    }

    fn state(&self) -> SharedState {
        SharedState::new(Fixture::state(self))
    }

    fn wrapped_state(&self) -> SharedState {
        SharedState::new(Arc::new(SharedState::new(Arc::new(Fixture::state(self)))))
    }

    fn timing(&self) -> Timing {
        Fixture::timing(self)
    }

    fn advance(&self, by: Duration) -> Pending<'_, ()> {
        Box::pin(Fixture::advance(self, by))
    }

    fn second_handle(&self) -> Pending<'_, SharedState> {
        Box::pin(async { Fixture::second_handle(self).await.map(SharedState::new) })
    }

    fn reopen(&mut self) -> Pending<'_, ()> {
        Box::pin(Fixture::reopen(self))
    }

    fn break_link(&self) -> Pending<'_, ()> {
        Box::pin(Fixture::break_link(self))
    }

    fn heal(&self) -> Pending<'_, ()> {
        Box::pin(Fixture::heal(self))
    }

    fn corrupt(&self) -> Pending<'_, ()> {
        Box::pin(Fixture::corrupt(self))
    }
}
