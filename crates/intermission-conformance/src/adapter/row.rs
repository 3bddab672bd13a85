//! The rows, and how one is run.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use crate::failure::{Checked, Failure};

use super::Server;
use super::expected::Expect;
use super::given::Given;
use super::http1::{IMPATIENCE, Request};
use super::stage::{Set, Stage};

/// How long what is not expected to come is waited for. A row that needs longer would be taken for unmet, so it can
/// only hide that the list is out of date.
const SHORT: Duration = Duration::from_secs(1);

/// How long a row as a whole may take.
const WHOLE: Duration = Duration::from_secs(60);

/// Which part of the contract a row belongs to. There is one file for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowGroup {
    /// Bodies of requests and responses, and how long a request counts.
    Bodies,
    /// Connections that are kept, cut, or fed with nonsense.
    Connections,
    /// The rules of the decision.
    Decision,
    /// What starts an execution, and what a drain waits for.
    Executions,
    /// Many requests that nobody has thought of, held against what core says of each.
    Generated,
    /// The same over HTTP/2.
    Http2,
    /// A state that is out of reach.
    Outage,
    /// Bypasses for single persons.
    Passes,
    /// What is announced of a planned maintenance.
    Plans,
    /// What a refused visitor gets.
    Replies,
    /// Flags and paths.
    Routes,
    /// Parts of the site that are closed by themselves.
    Scopes,
    /// Who tries to pass for somebody else.
    Spoofing,
    /// Conversations that outlive their response.
    Websocket,
}

impl RowGroup {
    /// The word that listings show, and the name of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Connections => "connections",
            Self::Decision => "decision",
            Self::Executions => "executions",
            Self::Generated => "generated",
            Self::Http2 => "http2",
            Self::Outage => "outage",
            Self::Passes => "passes",
            Self::Plans => "plans",
            Self::Replies => "replies",
            Self::Routes => "routes",
            Self::Scopes => "scopes",
            Self::Spoofing => "spoofing",
            Self::Websocket => "websocket",
        }
    }
}

impl fmt::Display for RowGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

pub(crate) type Scene = for<'a> fn(&'a Stage) -> Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

#[derive(Clone, Debug)]
enum Act {
    /// Each is asked on a connection of its own, one after the other.
    Asks(Vec<(Request, Expect)>),
    Plays(Scene),
}

/// One promise of the contract: a request or a short scene, and what must come of it.
#[derive(Clone)]
#[must_use]
pub struct Row {
    group: RowGroup,
    name: &'static str,
    promise: &'static str,
    given: Given,
    act: Act,
}

impl Row {
    /// One request, and what must come back.
    pub(crate) fn asks(
        group: RowGroup,
        name: &'static str,
        promise: &'static str,
        given: Given,
        asks: impl Into<Vec<(Request, Expect)>>,
    ) -> Self {
        Self {
            group,
            name,
            promise,
            given,
            act: Act::Asks(asks.into()),
        }
    }

    pub(crate) const fn plays(
        group: RowGroup,
        name: &'static str,
        promise: &'static str,
        given: Given,
        scene: Scene,
    ) -> Self {
        Self {
            group,
            name,
            promise,
            given,
            act: Act::Plays(scene),
        }
    }

    /// Which part of the contract it belongs to.
    #[must_use]
    pub const fn group(&self) -> RowGroup {
        self.group
    }

    /// Its name, which no other row has.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the contract promises, in a sentence.
    #[must_use]
    pub const fn promise(&self) -> &'static str {
        self.promise
    }

    /// Starts a server, plays the row on it, and stops it.
    ///
    /// It takes no notice of [`Server::UNMET`]: who runs the row on a server that cannot meet it expects an error.
    ///
    /// # Errors
    ///
    /// The adapter does not keep the promise, or the server could not be started.
    ///
    /// # Panics
    ///
    /// The server panicked where it was called, or it runs outside of a tokio runtime with timers and sockets.
    pub async fn run<S: Server>(&self) -> Result<(), RowFailure> {
        let failed = |failure| self.failed(failure);
        let Set { stage, server } = Set::<S>::build(self.given.clone()).await.map_err(failed)?;
        let outcome = tokio::time::timeout(WHOLE, self.perform(&stage))
            .await
            .unwrap_or_else(|_| {
                let message = format!("the row was not over after {WHOLE:?}");
                Err(Failure::new(message))
            });
        // Also after a failure, so that nothing holds the server up.
        let cleared = stage.clear().await;
        drop(stage);
        server.stop().await;
        outcome.map_err(failed)?;
        cleared.map_err(failed)
    }

    /// Runs the row on a server that [cannot meet it](Server::UNMET), and so must fail.
    ///
    /// It gives up sooner than [`run`](Self::run) on what does not come.
    ///
    /// # Errors
    ///
    /// The row is met.
    ///
    /// # Panics
    ///
    /// As of [`run`](Self::run).
    pub async fn run_unmet<S: Server>(&self) -> Result<(), RowFailure> {
        match IMPATIENCE.scope(SHORT, self.run::<S>()).await {
            Err(_) => Ok(()),
            Ok(()) => Err(self.failed(Failure::new("it is met now: take it off the list"))),
        }
    }

    async fn perform(&self, stage: &Stage) -> Checked {
        stage.set().await?;
        match &self.act {
            Act::Plays(scene) => scene(stage).await,
            Act::Asks(asks) => {
                for (request, expect) in asks {
                    stage.expect(request, expect).await?;
                }
                Ok(())
            }
        }
    }

    fn failed(&self, Failure { message, at }: Failure) -> RowFailure {
        RowFailure {
            name: self.name,
            promise: self.promise,
            message,
            at,
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("group", &self.group)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An adapter does not keep a promise, or its server failed.
#[derive(Clone, Debug)]
pub struct RowFailure {
    name: &'static str,
    promise: &'static str,
    message: String,
    at: &'static Location<'static>,
}

impl RowFailure {
    /// Which row failed.
    #[must_use]
    pub const fn row(&self) -> &'static str {
        self.name
    }

    /// What the contract promises.
    #[must_use]
    pub const fn promise(&self) -> &'static str {
        self.promise
    }

    /// What was found instead.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for RowFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            promise,
            message,
            at,
        } = self;
        write!(
            f,
            "`{name}` failed at {at}: {message}; the contract says: {promise}"
        )
    }
}

impl Error for RowFailure {}

/// A scene as a row: its name is that of the function.
macro_rules! plays {
    ($group:ident, $name:ident, $promise:literal, $given:expr) => {
        $crate::adapter::row::Row::plays(
            $crate::adapter::row::RowGroup::$group,
            stringify!($name),
            $promise,
            $given,
            |stage| Box::pin($name(stage)),
        )
    };
}
pub(crate) use plays;
