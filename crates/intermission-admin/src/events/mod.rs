//! Server-sent events: one for each change, and how far a drain is while it goes on.

mod id;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use intermission::{Clock, HistoryEntry, Operator, Phase, Record, StateError, Timestamp, View};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::json::{self, Event, Executions, Nodes, Status};
use crate::line::Line;
use crate::problem::in_full;

pub(crate) use id::EventId;

/// More changes than this between two looks, and some go untold.
const LOOK_BACK: usize = 256;
/// At most so many nodes are shown.
const NODES_SHOWN: usize = 256;
/// How often to look while something is awaited.
const WHILE_DRAINING: Duration = Duration::from_millis(250);
/// How often to look otherwise. A change is heard of at once where the state can push.
const AT_REST: Duration = Duration::from_secs(1);
/// How often to say when nodes were last heard of, if nothing else is new.
const AGES_EVERY: Duration = Duration::from_secs(5);
/// A list of at most so many addresses is short.
const SHORT_LIST: usize = 1_000;
/// How long a stream lasts. Its client comes back, and is asked again who it is: somebody may have left the company.
const LASTS: Duration = Duration::from_secs(600);
/// Proxies end a connection on which nothing happens, and this server learns only by writing that nobody listens. A browser's
/// script does not see it.
const SAY_SOMETHING_EVERY: Duration = Duration::from_secs(10);

/// Server-sent events, already in their text form.
///
/// A task of its own looks at the state for it, and ends when this is dropped, and after ten minutes: whoever comes back has to
/// be authorized again.
///
/// There are three events. `view` is how everything is: status, executions and nodes; it comes first, whenever any of
/// it has changed, and every few seconds, for when the nodes were heard of. `change` is one line of the history, and has an id: a client that comes back with the last one in
/// `Last-Event-ID` is told all changes since. `trouble` says that the state is out of reach; the next `view` ends it.
#[derive(Debug)]
pub struct EventStream(mpsc::Receiver<Bytes>);

impl Stream for EventStream {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_recv(cx)
    }
}

impl EventStream {
    /// The next event. `None` when the application ends all streams.
    ///
    /// # Cancel safety
    ///
    /// Safe: no event is lost.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }

    /// Begins to look at a state, on behalf of a client that has seen the event `last`.
    pub(crate) fn begin(
        operator: Operator,
        clock: Arc<dyn Clock>,
        last: Option<EventId>,
        mut end: watch::Receiver<bool>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(2);
        let teller = Teller {
            operator,
            clock,
            sender: sender.clone(),
            record: None,
            told: None,
            client_saw: last,
            spoke_at: Instant::now(),
        };
        tokio::spawn(async move {
            tokio::select! {
                () = teller.tell() => {}
                () = sleep(LASTS) => {}
                () = sender.closed() => {}
                _ = end.wait_for(|end| *end) => {}
            }
            drop(permit);
        });
        Self(receiver)
    }
}

/// The whole picture, for one event.
#[derive(Serialize)]
struct Picture<'a> {
    v: u32,
    status: Status<'a>,
    executions: Executions<'a>,
    nodes: Nodes<'a>,
}

struct Teller {
    operator: Operator,
    clock: Arc<dyn Clock>,
    sender: mpsc::Sender<Bytes>,
    /// The record that was looked at last.
    record: Option<Arc<Record>>,
    /// The picture that was told last, but for when each node was heard of, and when that was.
    told: Option<(String, Instant)>,
    /// The newest line of the history that the client knows of; `None` until there was a first look.
    client_saw: Option<EventId>,
    spoke_at: Instant,
}

impl Teller {
    async fn tell(mut self) {
        // Browsers come back by themselves, by default after some seconds.
        self.say("retry: 1000\n\n".to_owned()).await;
        let mut is_troubled = false;
        // A task of its own, which goes on between two looks: a watch that is dropped while it subscribes costs a state
        // such as Redis its connection.
        let mut watching = JoinSet::new();
        loop {
            match self.look().await {
                Ok(record) => {
                    is_troubled = false;
                    let is_draining = record.phase() == Phase::Activating;
                    if watching.is_empty() {
                        let operator = self.operator.clone();
                        watching.spawn(async move { operator.changed(&record).await });
                    }
                    let pause = if is_draining { WHILE_DRAINING } else { AT_REST };
                    tokio::select! {
                        // That there is something new is all that it says: the next look finds out what.
                        Some(Ok(Ok(_))) = watching.join_next() => {}
                        () = sleep(pause) => {}
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_troubled, true) {
                        let trouble =
                            serde_json::json!({ "v": json::VERSION, "problem": in_full(&error) });
                        self.say(format!("event: trouble\ndata: {trouble}\n\n"))
                            .await;
                        // When it is over, the picture is told again, even if it is the same.
                        self.told = None;
                    }
                    sleep(AT_REST).await;
                }
            }
            if self.spoke_at.elapsed() >= SAY_SOMETHING_EVERY {
                self.say(":\n\n".to_owned()).await;
            }
        }
    }

    /// Looks at the state, and tells what is new.
    async fn look(&mut self) -> Result<Arc<Record>, StateError> {
        let view = self.operator.inspect(NODES_SHOWN).await?;
        let record = Arc::clone(&view.record);
        let essence = self.picture(&timeless(&view));
        let told = self.told.as_ref();
        let is_new = told.is_none_or(|(told, _)| *told != essence);
        let is_first = self.record.is_none();
        // What the history says of nodes leaves the revision as it is, and shows among them.
        if is_new {
            let history = self.operator.history(LOOK_BACK).await?;
            self.tell_changes(&record, &history).await;
        }
        let ages_are_old = |told_at: &Instant| {
            // A long list of addresses is not sent for the sake of some ages.
            told_at.elapsed() >= AGES_EVERY && record.allow().len() <= SHORT_LIST
        };
        if is_new || self.told.as_ref().is_some_and(|(_, at)| ages_are_old(at)) {
            let id = self.client_saw.as_ref().filter(|_| is_first);
            // Whoever is cut off before the first change comes back with this.
            let id = id.map_or_else(String::new, |id| format!("id: {}\n", id.in_text()));
            let picture = self.picture(&view);
            self.say(format!("{id}event: view\ndata: {picture}\n\n"))
                .await;
            self.told = Some((essence, Instant::now()));
        }
        self.record = Some(Arc::clone(&record));
        Ok(record)
    }

    /// Tells what the client has not seen of a history, which has the newest first.
    async fn tell_changes(&mut self, record: &Record, history: &[HistoryEntry]) {
        let ids = EventId::all(history);
        let newest = ids.first().cloned().unwrap_or_else(EventId::before_all);
        // Whoever comes for the first time sees the history elsewhere.
        let Some(saw) = self.client_saw.replace(newest) else {
            return;
        };
        let now = self.clock.now();
        let known = self
            .record
            .as_ref()
            .map_or_else(|| saw.revision(), |known| known.revision());
        if record.revision() < known {
            self.say(change(&Line::lost(record, now), None)).await;
            return;
        }
        let count = saw.count_of_newer(&ids);
        for (entry, id) in history.iter().zip(&ids).take(count).rev() {
            self.say(change(&Line::from(entry), Some(id))).await;
        }
        // Its line may have been told before it was seen itself.
        let is_unexplained = count == 0 && saw.revision() < record.revision();
        if is_unexplained && self.record.is_some() && known < record.revision() {
            let line = Line::unexplained(record, now);
            self.say(change(&line, None)).await;
        }
    }

    fn picture(&self, view: &View) -> String {
        let picture = Picture {
            v: json::VERSION,
            status: Status::of(view, self.clock.now()),
            executions: Executions::of(view),
            nodes: Nodes::of(view),
        };
        // INVARIANT: what is serialized here has string keys and no failing parts, so it never fails.
        serde_json::to_string(&picture).unwrap_or_default()
    }

    async fn say(&mut self, text: String) {
        self.spoke_at = Instant::now();
        // Nobody listens any more; the task is about to end.
        let _ = self.sender.send(Bytes::from(text)).await;
    }
}

/// The same, but for when each node was heard of: that changes with every heartbeat.
fn timeless(view: &View) -> View {
    let mut view = view.clone();
    for node in &mut view.nodes {
        node.heard_at = Timestamp::default();
    }
    view
}

fn change(line: &Line<'_>, id: Option<&EventId>) -> String {
    let data = serde_json::to_string(&Event::of(line)).unwrap_or_default();
    match id {
        Some(id) => format!("id: {}\nevent: change\ndata: {data}\n\n", id.in_text()),
        None => format!("event: change\ndata: {data}\n\n"),
    }
}
