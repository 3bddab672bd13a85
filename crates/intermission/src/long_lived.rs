//! A conversation that outlives its request.

use intermission_core::{AdmitReason, Decision, Level, Phase, RouteAccess, Visitor};

use crate::admission::{Admission, Admitted, Refusal};
use crate::gate::Gate;

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
    _admitted: Option<Admitted>,
}

impl LongLived {
    /// Counts a conversation that a request begins, apart from the request itself, whose count ends with its response.
    /// `decision` is what was decided about the request; `None` if nothing had to be asked.
    ///
    /// # Errors
    ///
    /// The gate was closed since the request was let in: what to answer it.
    pub fn begin(
        gate: Gate,
        method: &str,
        path: &str,
        decision: Option<Decision>,
    ) -> Result<Self, Box<Refusal>> {
        let reason = reason_of(decision);
        // Whoever was let in past the closed gate is let in again by the same right.
        let access = match reason {
            AdmitReason::RouteAlways => RouteAccess::Always,
            _ => RouteAccess::Ordinary,
        };
        let visitor = Visitor::new(method, path)
            .with_access(access)
            .with_permission(reason.is_bypass());
        match gate.admit(&visitor) {
            Admission::Admitted(admitted) => Ok(Self {
                gate,
                reason,
                _admitted: Some(admitted),
            }),
            Admission::Refused(refusal) => Err(Box::new(refusal)),
        }
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
    pub fn of_response(gate: Gate, decision: Option<Decision>) -> Self {
        Self {
            gate,
            reason: reason_of(decision),
            _admitted: None,
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
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing(&self) {
        if self.reason == AdmitReason::RouteAlways {
            return std::future::pending().await;
        }
        if !self.reason.is_bypass() {
            return self.gate.closing().await;
        }
        self.gate
            .reached(|record| {
                record.phase() == Phase::Activated && record.level() == Level::Exclusive
            })
            .await;
    }
}

fn reason_of(decision: Option<Decision>) -> AdmitReason {
    match decision {
        Some(Decision::Admit(reason)) => reason,
        // The gate was open and nothing was asked, or there is no adapter in front.
        Some(Decision::Refuse(_)) | None => AdmitReason::Deactivated,
    }
}
