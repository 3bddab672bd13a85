//! What `GET /events` tells, as server-sent events: the same in each example.
//!
//! A stream of events is a response that lasts: it is counted as a request until it ends, and would keep a closed site
//! from getting quiet, and a process from ending. So it ends by itself, with a last event that says why, and whoever
//! listens comes back on his own: a browser's `EventSource` does, and meets the refusal, which says when to try again.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::interval;

use crate::process::Ending;

/// What kind of response it is. No cache may keep it, nor wait for its end.
pub(crate) const HEADERS: [(&str, &str); 2] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache"),
];

const EVERY: Duration = Duration::from_secs(1);

/// The last event, if the site closes.
const CLOSING: &str = "event: closing\ndata: closed for maintenance\n\n";

/// One event at once and one each second, until `closing` is over, the process ends, or nobody listens any more.
pub(crate) fn events(
    closing: impl Future<Output = ()> + Send + 'static,
    ending: Ending,
) -> impl Stream<Item = Result<String, Infallible>> + Send + Sync + 'static {
    let (listener, mut told) = channel(1);
    tokio::spawn(tell(listener, closing, ending));
    poll_fn(move |context| told.poll_recv(context).map(|event| event.map(Ok)))
}

async fn tell(listener: Sender<String>, closing: impl Future<Output = ()>, ending: Ending) {
    let mut closing = pin!(closing);
    let mut ticks = interval(EVERY);
    for number in 1_u64.. {
        let event = tokio::select! {
            // A site that is closed already tells nothing else.
            biased;
            () = &mut closing => {
                // Whoever has left at the same moment needs no goodbye.
                let _ = listener.send(CLOSING.to_owned()).await;
                return;
            }
            // Another process takes over: come back at once.
            () = ending.begun() => return,
            () = listener.closed() => return,
            _ = ticks.tick() => format!("event: tick\ndata: {number}\n\n"),
        };
        if listener.send(event).await.is_err() {
            return;
        }
    }
}
