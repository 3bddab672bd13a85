//! Maintenance for as long as a piece of work takes.

use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use intermission_core::{
    Acquire, Activate, ActivationId, Actor, Change, ChangeError, Completion, DrainPolicy, HolderId,
    ScopeName, StateError, StateErrorKind, UnconfirmedCause, View,
};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{sleep, timeout};

use crate::gate::Gate;
use crate::log::{Line, line};
use crate::operator::{Accepted, Goal, Operator, OperatorError, Waited};

/// How often a state that is out of reach is asked again.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// What becomes of the site if the work fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third way must not compile until every holder has an answer for it"
)]
pub enum OnFailure {
    /// It stays closed until a person deactivates it: half of a migration is no site to serve.
    #[default]
    Keep,
    /// What was before is restored, as after a success: for work that leaves everything as it was if it fails.
    Lift,
}

/// How maintenance is held on for a piece of work. See [`Gate::during`].
#[derive(Clone, Debug)]
#[must_use]
pub struct During {
    activate: Activate,
    label: String,
    scope: Option<ScopeName>,
    goal: Goal,
    drain_at_most: Option<Duration>,
    on_failure: OnFailure,
}

impl During {
    /// For the work that people know by this name, as asked for by `activate`: who asks, level, message, announced end.
    ///
    /// A planned start and an automatic end make no sense for it and are refused; an allow list outlives the work, as it
    /// outlives every maintenance.
    pub fn new(label: impl Into<String>, activate: Activate) -> Self {
        Self {
            activate,
            label: label.into(),
            scope: None,
            goal: Goal::Activated,
            drain_at_most: None,
            on_failure: OnFailure::Keep,
        }
    }

    /// Close only this part of the site. An allow list cannot be given then: it is the whole site's.
    pub fn with_scope(mut self, scope: ScopeName) -> Self {
        self.scope = Some(scope);
        self
    }

    /// What has to be reached before the work begins; [`Goal::Activated`] by default: no execution runs any more, while
    /// visitors' requests that came before may still end. Work that must not meet any of them needs
    /// [`Goal::Quiescent`]; it must not be asked for from within a request that the level closes out, which would wait for
    /// itself.
    pub const fn with_goal(mut self, goal: Goal) -> Self {
        self.goal = goal;
        self
    }

    /// How long the drain may take; for ever by default. Then nothing is begun, and what was before is restored.
    pub const fn with_drain_at_most(mut self, limit: Duration) -> Self {
        self.drain_at_most = Some(limit);
        self
    }

    /// What becomes of the site if the work fails; [`OnFailure::Keep`] by default.
    pub const fn with_on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}

/// Why the work was not done, or not well, or not in maintenance to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum DuringError<T, E> {
    /// The site could not be closed. The work was not begun.
    NotClosed(OperatorError),
    /// Maintenance was on, and the state failed for good before the drain was over. The work was not begun, and what was
    /// before is restored as soon as the state allows it.
    NotDrained(StateError),
    /// The drain took longer than it may. The work was not begun, and what was before is restored.
    DrainTooLong(Duration),
    /// Something runs on these nodes, or may: they could not be asked, or somebody else has forced the drain. The work was
    /// not begun, and what was before is restored. Once it is certain that nothing runs there, have them
    /// [forgotten](Operator::forget).
    Unconfirmed(Vec<String>),
    /// Nobody can know when the last request of a visitor ends, which was to be waited for: the drain was forced with work
    /// still running, or the state has lost data. The work was not begun, and what was before is restored.
    NotQuiescent,
    /// Somebody deactivated before the drain was over, or it was aborted. The work was not begun.
    OpenedBefore,
    /// The work has failed. Whether the site stays closed is as it was [asked for](During::with_on_failure).
    Failed {
        /// How.
        error: E,
        /// Whether the site stays closed until somebody deactivates it.
        stays_closed: bool,
    },
    /// The work is done, but somebody deactivated while it ran: visitors may have been let in.
    OpenedMeanwhile(T),
    /// The work is done, and the state does not accept that the site is released: it stays closed until somebody
    /// deactivates it.
    NotReleased {
        /// What the work came to.
        output: T,
        /// Why.
        error: OperatorError,
    },
}

impl<T, E> fmt::Display for DuringError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotClosed(_) => {
                f.write_str("the site could not be closed, so the work was not begun")
            }
            Self::NotDrained(_) => {
                f.write_str("the state failed before the drain was over, so the work was not begun")
            }
            Self::DrainTooLong(limit) => {
                write!(
                    f,
                    "the drain took longer than {limit:?}, so the work was not begun"
                )
            }
            Self::Unconfirmed(nodes) => write!(
                f,
                "something runs, or may run, on {}, so the work was not begun",
                nodes.join(", ")
            ),
            Self::NotQuiescent => f.write_str(
                "nobody can know when the last request of a visitor ends, so the work was not begun",
            ),
            Self::OpenedBefore => f.write_str(
                "the site was opened before the drain was over, so the work was not begun",
            ),
            Self::Failed {
                stays_closed: true, ..
            } => f.write_str(
                "the work has failed, and the site stays closed until somebody deactivates it",
            ),
            Self::Failed {
                stays_closed: false,
                ..
            } => f.write_str("the work has failed, and the site is as it was before"),
            Self::OpenedMeanwhile(_) => {
                f.write_str("the work is done, but somebody opened the site while it ran")
            }
            Self::NotReleased { .. } => f.write_str(
                "the work is done, but the site stays closed until somebody deactivates it",
            ),
        }
    }
}

impl<T: fmt::Debug, E: Error + 'static> Error for DuringError<T, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotClosed(error) | Self::NotReleased { error, .. } => Some(error),
            Self::NotDrained(error) => Some(error),
            Self::Failed { error, .. } => Some(error),
            Self::DrainTooLong(_)
            | Self::Unconfirmed(_)
            | Self::NotQuiescent
            | Self::OpenedBefore
            | Self::OpenedMeanwhile(_) => None,
        }
    }
}

impl Gate {
    /// Closes the site, waits until no execution runs any more in the whole fleet, does the work, and restores what was
    /// before: for migrations and deployments. The command `intermission during` does the same for a program.
    ///
    /// The work is no execution itself, and begins none: they are refused meanwhile. So it must not be done from within
    /// one, for which the drain would wait.
    ///
    /// Several may hold a site closed at a time, each for itself. It opens with the last of them; not at all if it was
    /// closed before, or if somebody [activates](Change::Activate) it meanwhile. A person who deactivates opens it at
    /// once.
    ///
    /// # If it goes wrong
    ///
    /// Work that fails leaves the site closed, unless [asked otherwise](OnFailure::Lift). So does a process that dies:
    /// nobody knows how far it has come. `intermission status` shows who holds the site, whether its node is still in
    /// contact, and what to do. Only `Err` is a failure, and a panic, and a future that is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// See [`DuringError`]. A state that is out of reach when the work is over is waited for: the site stays closed that
    /// long.
    ///
    /// # Cancel safety
    ///
    /// Before the work has begun, a dropped call restores what was before. Later it counts as a failure. Both need the
    /// runtime to live on for a moment; without, the site stays closed as if the process had died.
    ///
    /// # Examples
    ///
    /// ```
    /// use intermission::{Activate, During, Gate, MemoryState, Phase};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate = Gate::builder(MemoryState::new()).start().await?;
    /// let closed = Activate::by("deploy").with_message("A new version, back in a minute");
    /// let rows = gate
    ///     .during(During::new("migration 42", closed), async {
    ///         // Nothing runs on any node now.
    ///         assert_eq!(gate.reached(|record| record.phase() == Phase::Activated).await.holders().len(), 1);
    ///         Ok::<_, std::io::Error>(12)
    ///     })
    ///     .await?;
    /// assert_eq!(rows, 12);
    /// gate.reached(|record| !record.phase().is_on()).await;
    /// # Ok(()) }
    /// ```
    pub async fn during<T, E>(
        &self,
        during: During,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, DuringError<T, E>> {
        let who = during.activate.requested_by().to_owned();
        let mut operator = self.operator(Actor::new(who, "code"));
        if let Some(scope) = &during.scope {
            operator = operator.for_scope(scope.clone());
        }
        let id = HolderId::random().map_err(|error| not_closed(error.into()))?;
        let (node, node_name) = (self.status().node, self.node_name().to_owned());
        let acquire = Acquire::new(id, node, &node_name, &during.label, during.activate.clone());
        let mut held = Held {
            operator,
            id,
            label: during.label.clone(),
            on_drop: OnDrop::Release,
            acquiring: None,
        };
        // If it fails, nobody knows whether the site is held; `held` sees to it.
        let accepted = held.acquire(&acquire).await.map_err(not_closed)?;
        let activation = accepted.record.activation().map(|on| on.id);
        // Without an activation the drain was aborted in the same step.
        let activation = activation.ok_or(DuringError::OpenedBefore)?;
        drained(&held.operator, activation, &during).await?;
        held.on_drop = match during.on_failure {
            OnFailure::Keep => OnDrop::NoteFailure,
            OnFailure::Lift => OnDrop::Release,
        };
        let outcome = work.await;
        let error = match outcome {
            Ok(output) => {
                return match held.end(Change::Release(id)).await {
                    Ok(()) => Ok(output),
                    Err(OperatorError::Change(ChangeError::NotHeld { .. })) => {
                        Err(DuringError::OpenedMeanwhile(output))
                    }
                    Err(error) => Err(DuringError::NotReleased { output, error }),
                };
            }
            Err(error) => error,
        };
        let (change, stays_closed) = match during.on_failure {
            OnFailure::Keep => (
                Change::NoteFailure(id, "it returned an error".to_owned()),
                true,
            ),
            OnFailure::Lift => (Change::Release(id), false),
        };
        let stays_closed = match held.end(change).await {
            Ok(()) => stays_closed,
            Err(OperatorError::Change(ChangeError::NotHeld { .. })) => false,
            Err(_) => true,
        };
        Err(DuringError::Failed {
            error,
            stays_closed,
        })
    }
}

const fn not_closed<T, E>(error: OperatorError) -> DuringError<T, E> {
    DuringError::NotClosed(error)
}

/// Waits for the drain, and says why the work must not begin.
async fn drained<T, E>(
    operator: &Operator,
    activation: ActivationId,
    during: &During,
) -> Result<(), DuringError<T, E>> {
    let reached = through_outages(operator, activation, during.goal);
    let waited = match during.drain_at_most {
        Some(limit) => timeout(limit, reached)
            .await
            .map_err(|_| DuringError::DrainTooLong(limit))?,
        None => reached.await,
    };
    match waited.map_err(DuringError::NotDrained)? {
        Waited::Reached(view) | Waited::Doubtful(view) => {
            let forces = matches!(during.activate.drain(), Some(DrainPolicy::Force(_)));
            let unknown = unknown_nodes(&view, forces);
            if !unknown.is_empty() {
                Err(DuringError::Unconfirmed(unknown))
            } else if during.goal == Goal::Quiescent && view.quiescent_at.is_none() {
                Err(DuringError::NotQuiescent)
            } else {
                Ok(())
            }
        }
        Waited::Superseded(_) => Err(DuringError::OpenedBefore),
    }
}

async fn through_outages(
    operator: &Operator,
    activation: ActivationId,
    goal: Goal,
) -> Result<Waited, StateError> {
    loop {
        match operator.wait(activation, goal, |_| ()).await {
            Err(error) if error.kind() == StateErrorKind::Unavailable => sleep(TRY_EVERY).await,
            ended => return ended,
        }
    }
}

/// The nodes on which something may run. What still runs although the drain was forced is accepted by who has asked for
/// that, and not by who joins.
fn unknown_nodes(view: &View, forces: bool) -> Vec<String> {
    let completion = view
        .record
        .activation()
        .and_then(|on| on.completion.as_ref());
    let unconfirmed = completion.map_or(&[][..], |Completion { unconfirmed, .. }| unconfirmed);
    unconfirmed
        .iter()
        .filter(|node| !forces || node.cause != UnconfirmedCause::StillRunning)
        .map(|node| node.label.clone())
        .collect()
}

/// That a site is held by this process, until something else is known of it.
struct Held {
    operator: Operator,
    id: HolderId,
    label: String,
    on_drop: OnDrop,
    /// What holds it, on its way to the state.
    acquiring: Option<JoinHandle<Result<Accepted, OperatorError>>>,
}

#[derive(Clone, Copy)]
enum OnDrop {
    Nothing,
    NoteFailure,
    Release,
}

impl Held {
    /// Closes the site, or joins those who have, once the state knows for certain what it is.
    async fn acquire(&mut self, acquire: &Acquire) -> Result<Accepted, OperatorError> {
        loop {
            let (operator, change) = (self.operator.clone(), Change::Acquire(acquire.clone()));
            // A task of its own: were it dropped on its way, it could arrive after what takes it back.
            let acquiring = tokio::spawn(async move { operator.change(change).await });
            let acquired = self.acquiring.insert(acquiring).await;
            self.acquiring = None;
            match acquired.map_err(JoinError::try_into_panic) {
                Ok(Err(OperatorError::Reconciling { after })) => sleep(after.min(TRY_EVERY)).await,
                Ok(done) => return done,
                Err(Ok(panic)) => resume_unwind(panic),
                // The runtime ends, and whoever asks ends with it.
                Err(Err(_)) => return pending().await,
            }
        }
    }

    /// Says the last word about it. A state that is out of reach is waited for.
    async fn end(mut self, change: Change) -> Result<(), OperatorError> {
        let ended = told(&self.operator, change, &self.label).await;
        self.on_drop = OnDrop::Nothing;
        ended
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let change = match self.on_drop {
            OnDrop::Nothing => return,
            OnDrop::Release => Change::Release(self.id),
            OnDrop::NoteFailure => {
                let how = if thread::panicking() {
                    "it panicked"
                } else {
                    "it was dropped before it was done"
                };
                Change::NoteFailure(self.id, how.to_owned())
            }
        };
        let Ok(runtime) = Handle::try_current() else {
            // As if the process had died: whoever looks sees who held it.
            return;
        };
        let (operator, label) = (self.operator.clone(), self.label.clone());
        let acquiring = self.acquiring.take();
        runtime.spawn(async move {
            if let Some(acquiring) = acquiring {
                // What came of it does not matter any more, only that it has arrived.
                let _ = acquiring.await;
            }
            match told(&operator, change, &label).await {
                // It was opened meanwhile, or never held.
                Ok(()) | Err(OperatorError::Change(_)) => {}
                Err(error) => line(&Line::StillHeld(&label, &error)),
            }
        });
    }
}

/// Makes the change, as soon as the state can be reached and knows all.
async fn told(operator: &Operator, change: Change, label: &str) -> Result<(), OperatorError> {
    let mut is_told = false;
    loop {
        let pause = match operator.change(change.clone()).await {
            Ok(_) => return Ok(()),
            Err(OperatorError::Reconciling { after }) => after.min(TRY_EVERY),
            Err(OperatorError::State(error))
                if matches!(
                    error.kind(),
                    StateErrorKind::Conflict | StateErrorKind::Unavailable
                ) =>
            {
                if !is_told {
                    line(&Line::StillHeld(label, &OperatorError::State(error)));
                    is_told = true;
                }
                TRY_EVERY
            }
            // Of an earlier try nobody knows what came of it; most likely, this.
            Err(OperatorError::Change(ChangeError::NotHeld { .. })) if is_told => return Ok(()),
            Err(error) => return Err(error),
        };
        sleep(pause.max(Duration::from_millis(20))).await;
    }
}
