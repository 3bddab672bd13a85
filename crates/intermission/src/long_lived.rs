//! A conversation that outlives its request.

use intermission_core::{AdmitReason, Decision, Level, Phase, RouteAccess, ScopeName, Visitor};

use crate::admission::{Admission, Admitted, Refusal};
use crate::gate::Gate;
use crate::scopes::RequestScopes;
use crate::shared::Installed;

/// A conversation that goes on after its response, such as a WebSocket: it counts as a request in flight for as long as
/// this lives, and learns when it is to end.
///
/// The crates for axum, warp and actix-web have an extractor for it. Where there is none, make it when the connection is
/// upgraded.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{Gate, LongLived, MemoryState};
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// // The decision is in the request's extensions, if the gate had to be asked.
/// let Ok(connection) = LongLived::begin(gate.clone(), "GET", "/chat", None) else {
///     return Err("the gate was closed meanwhile: answer with the refusal's reply".into());
/// };
/// assert_eq!(gate.status().requests, 1);
/// tokio::spawn(async move {
///     // … messages, until …
///     connection.closing().await;
///     // … and a last one that says goodbye.
/// });
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "the conversation counts as ended when this is dropped"]
pub struct LongLived {
    gate: Gate,
    reason: AdmitReason,
    past_site: bool,
    /// The scopes that it belongs to, and whether it began past the closed door of each.
    scopes: Box<[(ScopeName, bool)]>,
    _admitted: Option<Admitted>,
}

impl LongLived {
    /// Counts a conversation that a request begins, apart from the request itself, whose count ends with its response.
    /// `let_in` is how the request was let in: what the adapter has put into its extensions, or the decision alone; `None`
    /// if nothing had to be asked.
    ///
    /// # Errors
    ///
    /// The gate was closed since the request was let in, or a scope of it: what to answer it.
    pub fn begin(
        gate: Gate,
        method: &str,
        path: &str,
        let_in: impl Into<LetIn>,
    ) -> Result<Self, Box<Refusal>> {
        let let_in = let_in.into();
        // Whoever was let in past the closed gate is let in again by the same right.
        let access = match let_in.reason {
            AdmitReason::RouteAlways => RouteAccess::Always,
            _ => RouteAccess::Ordinary,
        };
        let visitor = Visitor::new(method, path).with_access(access);
        let of_site = visitor.clone().with_permission(let_in.past_site);
        let admitted = admitted(&gate, &of_site)?;
        // The right to pass a scope is none to pass the site. Asked after it was counted: whoever closes the scope in
        // between finds the conversation, and the conversation learns of it.
        if gate.is_closed_in(&let_in.scopes) {
            let in_scopes = visitor
                .with_scopes(&let_in.scopes)
                .with_permission(let_in.reason.is_bypass());
            drop(self::admitted(&gate, &in_scopes)?);
        }
        Ok(Self::of(gate, &let_in, Some(admitted)))
    }

    /// The same where the conversation is the response's body, so that the request's own count lasts as long: a stream of
    /// server-sent events everywhere, and a WebSocket in some frameworks.
    ///
    /// An `EventSource` whose stream ends comes back by itself. It is refused then, and a browser gives up after a refusal:
    /// so end the stream with an event that says why, upon which the page makes a new `EventSource` later.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// use intermission::{Gate, LongLived, MemoryState};
    /// use tokio::sync::mpsc;
    ///
    /// /// Writes into the body of a response.
    /// async fn tell(connection: LongLived, body: mpsc::Sender<&'static str>) {
    ///     loop {
    ///         tokio::select! {
    ///             () = connection.closing() => break,
    ///             () = tokio::time::sleep(Duration::from_secs(1)) => {
    ///                 if body.send("event: tick\ndata: 1\n\n").await.is_err() { return }
    ///             }
    ///         }
    ///     }
    ///     let _ = body.send("event: closing\ndata: closed for maintenance\n\n").await;
    /// }
    ///
    /// # let gate = Gate::builder(MemoryState::new()).start().await?;
    /// # let operator = gate.operator(intermission::Actor::new("ana", "code"));
    /// # let (body, mut told) = mpsc::channel(8);
    /// # let telling = tokio::spawn(tell(LongLived::of_response(gate.clone(), None), body));
    /// # operator.change(intermission::Change::Activate(intermission::Activate::by("ana"))).await?;
    /// # telling.await?;
    /// # let mut last = None;
    /// # while let Some(event) = told.recv().await { last = Some(event); }
    /// # assert!(last.is_some_and(|event| event.starts_with("event: closing\n")));
    /// # Ok(()) }
    /// ```
    pub fn of_response(gate: Gate, let_in: impl Into<LetIn>) -> Self {
        Self::of(gate, &let_in.into(), None)
    }

    fn of(gate: Gate, let_in: &LetIn, admitted: Option<Admitted>) -> Self {
        let is_past = |scope: &ScopeName| {
            let_in.reason.is_bypass() && gate.is_closed_in(std::slice::from_ref(scope))
        };
        let scopes = let_in.scopes.iter();
        let scopes = scopes
            .map(|scope| (scope.clone(), is_past(scope)))
            .collect();
        Self {
            gate,
            reason: let_in.reason,
            past_site: let_in.past_site,
            scopes,
            _admitted: admitted,
        }
    }

    /// The rule that let the visitor in.
    #[must_use]
    pub const fn reason(&self) -> AdmitReason {
        self.reason
    }

    /// Waits until the conversation is to end: when the gate turns ordinary visitors away, or, for a visitor who was
    /// let in past the closed gate, when it turns away even those. At once if it already does. Never on a route that is
    /// always open, if the gate was closed when the conversation began; one that began before is taken for an ordinary
    /// one.
    ///
    /// The same goes for each scope that the conversation belongs to, if its request was known to belong to it: see
    /// [`LetIn`].
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing(&self) {
        if self.reason == AdmitReason::RouteAlways {
            return std::future::pending().await;
        }
        self.gate.shown(|installed| self.ends_by(installed)).await;
    }

    fn ends_by(&self, installed: &Installed) -> bool {
        let snapshot = &installed.snapshot;
        let (phase, level) = snapshot.closure();
        let ends_in = |(scope, past): &(ScopeName, bool)| {
            let closure = snapshot.scope(scope);
            closure.is_some_and(|closure| ends(closure.phase, closure.level(), *past))
        };
        ends(phase, level, self.past_site) || self.scopes.iter().any(ends_in)
    }
}

/// Whether a conversation ends that began past the closed door, or before.
fn ends(phase: Phase, level: Level, past: bool) -> bool {
    phase == Phase::Activated
        && match level {
            Level::Full => !past,
            Level::ReadOnly => false,
            Level::Exclusive => true,
        }
}

fn admitted(gate: &Gate, visitor: &Visitor<'_>) -> Result<Admitted, Box<Refusal>> {
    match gate.admit(visitor) {
        Admission::Admitted(admitted) => Ok(admitted),
        Admission::Refused(refusal) => Err(Box::new(refusal)),
    }
}

/// How a request was let in, as far as a conversation is to know that outlives it. Adapters put it into the extensions of
/// a request that belongs to scopes; where there is none, the [`Decision`] says all.
///
/// While no scope is closed, nobody asks to which ones an ordinary request belongs. The adapters ask for those that begin
/// a conversation, as far as their heads show it: an `Upgrade`, a `CONNECT`, or an `Accept` that names `text/event-stream`.
/// Whatever else goes on for long says its scopes itself, with [`while_open`](Self::while_open) or
/// [`with_scopes`](Self::with_scopes).
#[derive(Clone, Debug)]
#[must_use]
pub struct LetIn {
    reason: AdmitReason,
    scopes: RequestScopes,
    past_site: bool,
}

impl LetIn {
    pub(crate) const fn new(reason: AdmitReason, scopes: RequestScopes, past_site: bool) -> Self {
        Self {
            reason,
            scopes,
            past_site,
        }
    }

    /// Of a request of these scopes, while neither the site nor one of them was closed.
    pub const fn while_open(scopes: RequestScopes) -> Self {
        Self::new(AdmitReason::Deactivated, scopes, false)
    }

    /// Of a request of these scopes that the gate has let in: for those who ask it themselves.
    pub const fn admitted(admitted: &Admitted, scopes: RequestScopes) -> Self {
        Self::new(admitted.reason, scopes, admitted.past_site)
    }

    /// The same, with these scopes in place of those that are known.
    pub fn with_scopes(mut self, scopes: RequestScopes) -> Self {
        self.scopes = scopes;
        self
    }
}

impl From<Option<Decision>> for LetIn {
    /// Of a request that belongs to no scope.
    fn from(decision: Option<Decision>) -> Self {
        let reason = match decision {
            Some(Decision::Admit(reason)) => reason,
            // The gate was open and nothing was asked, or there is no adapter in front.
            Some(Decision::Refuse(_)) | None => AdmitReason::Deactivated,
        };
        Self::new(reason, RequestScopes::none(), reason.is_bypass())
    }
}
