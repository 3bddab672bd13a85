//! Waiting for a state that may have lost data, or is new, and hears its nodes first: who opens waits for some seconds of
//! that, who edits or initialises for all of it.

use std::cell::Cell;
use std::time::Duration;

use intermission::{Operator, OperatorError};
use tokio::time::{sleep, timeout};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::fleet;
use crate::session::Session;
use crate::time::brief;

/// Longer than any grace, but for that of nodes that fence themselves late.
const AT_MOST: Duration = Duration::from_secs(120);

/// How often a state is asked again. Its clock may believe in one second for each question, so it is asked sooner.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Asks for something that a state may put off for some seconds, until it does it. Says so meanwhile.
pub(crate) async fn patiently<T>(
    session: &mut Session<'_, '_>,
    ask: impl AsyncFn(&Operator) -> Result<T, OperatorError>,
) -> Result<T, Failure> {
    let Session {
        operator, output, ..
    } = session;
    let progress = output.progress();
    let is_said = Cell::new(false);
    let asking = async {
        loop {
            let after = match ask(operator).await {
                Err(OperatorError::Reconciling { after }) => after,
                done => return done.map_err(Failure::from),
            };
            let line = fleet::reconciling_in_words(after);
            if !is_said.replace(true) && progress.is_hidden() {
                output.note(&line)?;
            }
            progress.set_message(line);
            sleep(after.min(ASK_EVERY)).await;
        }
    };
    let done = timeout(AT_MOST, asking).await;
    progress.finish_and_clear();
    done.unwrap_or_else(|_elapsed| {
        let message = format!(
            "the state may have lost data, or is new, and still hears its nodes after {}",
            brief(AT_MOST)
        );
        Err(Failure::new(ExitCode::Unreachable, message)
            .with_hint("look at `intermission status`; closing, by `intermission activate`, is always possible"))
    })
}
