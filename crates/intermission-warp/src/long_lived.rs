//! Conversations that outlive their response.

use std::convert::Infallible;

use http::request::Parts;
use intermission::AdmitReason;
use intermission_tower::{Asked, MaintenanceLayer, Passage, let_in};
use warp::Filter;

use crate::head::{Head, head};
use crate::refused::Refused;

/// A conversation that outlives its response, such as a WebSocket: it counts as a request in flight for as long as what
/// this extracts lives, and learns when it is to end.
///
/// A stream of events is a response that lasts, and counts as one. Its handler learns when to end it from
/// [`long_lived_response`], as `/events` of `examples/warp-app` does.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use futures_util::{SinkExt, StreamExt};
/// use intermission::{Gate, MemoryState};
/// use intermission_warp::{LongLived, Refused, guard, long_lived, maintenance};
/// use warp::ws::{Message, WebSocket, Ws};
/// use warp::{Filter, Reply};
///
/// async fn echo(upgrade: Ws, connection: Result<LongLived, Refused>) -> Result<impl Reply, Refused> {
///     let connection = connection?;
///     Ok(upgrade.on_upgrade(async move |mut socket: WebSocket| {
///         loop {
///             let message = tokio::select! {
///                 message = socket.next() => message,
///                 () = connection.closing() => {
///                     let _ = socket.send(Message::close_with(1012_u16, "maintenance")).await;
///                     return;
///                 }
///             };
///             let Some(Ok(message)) = message else { return };
///             if socket.send(message).await.is_err() {
///                 return;
///             }
///         }
///     }))
/// }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate).with_always("/health").build()?;
/// let chat = warp::path!("ws").and(warp::ws()).and(long_lived(&maintenance)).then(echo);
/// let site = guard(&maintenance, chat);
/// # drop(site); Ok(()) }
/// ```
#[must_use]
pub fn long_lived(
    maintenance: &MaintenanceLayer,
) -> impl Filter<Extract = (Result<LongLived, Refused>,), Error = Infallible>
+ Clone
+ Send
+ Sync
+ 'static
+ use<> {
    let maintenance = maintenance.clone();
    head().map(move |head: Head| begin(&maintenance, &mut head.into_parts()))
}

/// A response that lasts, such as a stream of events, and when it is to end. It counts by itself for as long as it lasts.
///
/// The gate is asked anew, as by [`admitted_by`](crate::admitted_by). Who would be refused by now learns at once that it is
/// to end.
#[must_use]
pub fn long_lived_response(
    maintenance: &MaintenanceLayer,
) -> impl Filter<Extract = (intermission::LongLived,), Error = Infallible>
+ Clone
+ Send
+ Sync
+ 'static
+ use<> {
    let maintenance = maintenance.clone();
    head().map(move |head: Head| {
        let mut parts = head.into_parts();
        // The guard counts the request already.
        drop(maintenance.ask_for_conversation(&mut parts));
        let gate = maintenance.gate().clone();
        intermission::LongLived::of_response(gate, let_in(&parts.extensions))
    })
}

/// Asked anew rather than taken over: what counts the request so far ends with its response.
fn begin(maintenance: &MaintenanceLayer, parts: &mut Parts) -> Result<LongLived, Refused> {
    let passage = match maintenance.ask_for_conversation(parts) {
        Asked::Admitted(passage) => passage,
        Asked::Answered(response) => return Err(Refused::from(response)),
    };
    let (gate, let_in) = (maintenance.gate().clone(), let_in(&parts.extensions));
    Ok(LongLived {
        connection: intermission::LongLived::of_response(gate, let_in),
        _passage: passage,
    })
}

/// A conversation, and when it is to end. Made by [`long_lived`].
#[derive(Debug)]
#[must_use = "the connection counts as ended when this is dropped"]
pub struct LongLived {
    connection: intermission::LongLived,
    _passage: Passage,
}

impl LongLived {
    /// The rule that let the visitor in.
    #[must_use]
    pub const fn reason(&self) -> AdmitReason {
        self.connection.reason()
    }

    /// Waits until the connection is to end: see [`intermission::LongLived::closing`].
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing(&self) {
        self.connection.closing().await;
    }
}
