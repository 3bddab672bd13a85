//! What the lines and the hook have in common: whom they ask, and where they say it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use intermission::{Operator, StateError, StateErrorKind, Timestamp};
use intermission_admin::{Line, json};

use crate::failure::{Failure, in_full};
use crate::output::Output;
use crate::render::history::in_words;
use crate::session::Session;

/// How often a state that is out of reach is tried again.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Asks the state, for as long as it takes, and says what there is to say.
pub(super) struct Watcher<'w, 's, 'o> {
    operator: Operator,
    /// Borrowed for one line at a time, and never while something is waited for.
    session: RefCell<&'w mut Session<'s, 'o>>,
    /// Whether somebody was told that the state is out of reach.
    is_away: Cell<bool>,
}

impl<'w, 's, 'o> Watcher<'w, 's, 'o> {
    pub(super) fn new(session: &'w mut Session<'s, 'o>) -> Self {
        Self {
            operator: session.operator.clone(),
            session: RefCell::new(session),
            is_away: Cell::new(false),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.session.borrow().now()
    }

    /// Says something.
    pub(super) fn say(
        &self,
        say: impl FnOnce(&mut Output<'o>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        say(self.session.borrow_mut().output)
    }

    /// Prints a line.
    pub(super) fn tell(&self, line: &Line<'_>) -> Result<(), Failure> {
        let as_json = self.session.borrow().json;
        self.say(|output| {
            if as_json {
                output.json(&json::Event::of(line))
            } else {
                output.line(&in_words(line))
            }
        })
    }

    /// Asks until there is an answer: a failover is no reason to stop watching, nor not to begin.
    pub(super) async fn answer<T>(
        &self,
        ask: impl AsyncFn(&Operator) -> Result<T, StateError>,
    ) -> Result<T, Failure> {
        loop {
            match ask(&self.operator).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.until_in_reach(error).await?,
            }
        }
    }

    /// Waits until the state is in reach. Says that the state is out of reach, and when it is back, once each, whoever
    /// waits for it.
    async fn until_in_reach(&self, error: StateError) -> Result<(), Failure> {
        let mut trouble = error;
        loop {
            if trouble.kind() != StateErrorKind::Unavailable {
                return Err(trouble.into());
            }
            if !self.is_away.replace(true) {
                let trouble = in_full(&trouble);
                self.say(|output| {
                    output.warning(&format!("trying again until it is back: {trouble}"))
                })?;
            }
            tokio::time::sleep(TRY_EVERY).await;
            match self.operator.inspect(0).await {
                Ok(_) if self.is_away.replace(false) => {
                    return self.say(|output| output.note("the state is in reach again"));
                }
                Ok(_) => return Ok(()),
                Err(error) => trouble = error,
            }
        }
    }
}
