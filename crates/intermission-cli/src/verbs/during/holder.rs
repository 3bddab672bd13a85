//! What is said to the state of one holder: the first word and the last.

use std::time::Duration;

use intermission::{
    Accepted, Acquire, Activate, Change, ChangeError, HolderId, NodeId, OperatorError, Record,
    StateErrorKind,
};
use tokio::time::{Instant, sleep};

use crate::child::say;
use crate::child::signals::Signals;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::session::Session;

/// For how long the last word is tried: the site stays closed meanwhile, and after that as well.
const TRY_AT_MOST: Duration = Duration::from_secs(300);

/// The same for a holder of which nobody knows whether the state has ever heard of it.
const TRY_DOUBTFUL_AT_MOST: Duration = Duration::from_secs(10);

const TRY_EVERY: Duration = Duration::from_millis(500);

/// A holder of the site.
pub(super) struct Holder {
    pub(super) id: HolderId,
    acquire: Acquire,
    /// Whether the state has said that it holds.
    holds: bool,
}

/// The last word of a holder.
pub(super) enum Last {
    /// The work is done, or never began.
    Release,
    /// The work has failed for this reason, and the site is to stay closed.
    Failure(String),
}

impl Holder {
    pub(super) fn new(
        label: &str,
        node: NodeId,
        node_name: &str,
        request: Activate,
    ) -> Result<Self, Failure> {
        let id = HolderId::random().map_err(OperatorError::from)?;
        Ok(Self {
            id,
            acquire: Acquire::new(id, node, node_name, label, request),
            holds: false,
        })
    }

    /// Closes the site, or joins those who have closed it.
    pub(super) async fn acquire(
        &mut self,
        session: &mut Session<'_, '_>,
    ) -> Result<Record, Failure> {
        let accepted = session
            .change(Change::Acquire(self.acquire.clone()))
            .await?;
        self.holds = true;
        Ok(after(&accepted))
    }

    /// Says the last word, again and again while the state is out of reach, and returns what became of the site.
    ///
    /// # Errors
    ///
    /// The site stays closed, or was opened by somebody else before.
    pub(super) async fn end(
        &self,
        last: Last,
        signals: &mut Signals,
        session: &mut Session<'_, '_>,
    ) -> Result<Record, Failure> {
        let change = match last {
            Last::Release => Change::Release(self.id),
            Last::Failure(reason) => Change::NoteFailure(self.id, reason),
        };
        let began = Instant::now();
        let at_most = if self.holds {
            TRY_AT_MOST
        } else {
            TRY_DOUBTFUL_AT_MOST
        };
        let mut is_uncertain = false;
        loop {
            let error = match session.operator.change(change.clone()).await {
                Ok(accepted) => return Ok(after(&accepted)),
                Err(error) => error,
            };
            let pause = match &error {
                // It was never stored, or somebody has opened the site.
                OperatorError::Change(ChangeError::NotHeld { .. }) => {
                    return self.gone(is_uncertain, session).await;
                }
                OperatorError::Reconciling { after } => (*after).min(TRY_EVERY),
                OperatorError::State(error) if is_passing(error.kind()) => TRY_EVERY,
                _ => return Err(self.stays(error, session)),
            };
            if began.elapsed() >= at_most {
                return Err(self.stays(error, session));
            }
            if !std::mem::replace(&mut is_uncertain, true) {
                let line = format!("trying again, for the site is still held: {error}");
                say(session.output, &line);
            }
            tokio::select! {
                () = sleep(pause.max(Duration::from_millis(20))) => {}
                // Whoever has no patience is told how things are.
                _ = signals.next() => return Err(self.stays(error, session)),
            }
        }
    }

    /// What the site is if this holder is not there any more.
    async fn gone(&self, is_uncertain: bool, session: &Session<'_, '_>) -> Result<Record, Failure> {
        // Of an earlier try nobody knows what came of it; most likely, this.
        if self.holds && !is_uncertain {
            let record = session.operator.inspect(0).await?.record;
            let message = if record.phase().is_on() {
                "somebody opened the site meanwhile, and closed it again"
            } else {
                "somebody opened the site meanwhile: visitors may have been let in while the command ran"
            };
            return Err(Failure::new(ExitCode::ChangedMeanwhile, message));
        }
        Ok((*session.operator.inspect(0).await?.record).clone())
    }

    fn stays(&self, error: OperatorError, session: &Session<'_, '_>) -> Failure {
        let invocation = &session.invocation;
        Failure::from(error).adding(&if self.holds {
            format!("the site stays closed, held by this command: `{invocation} deactivate` opens it")
        } else {
            format!("whether the site is held by this command is not known: `{invocation} status` shows it")
        })
    }
}

const fn is_passing(kind: StateErrorKind) -> bool {
    matches!(kind, StateErrorKind::Unavailable | StateErrorKind::Conflict)
}

fn after(accepted: &Accepted) -> Record {
    (*accepted.record).clone()
}
