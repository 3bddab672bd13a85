//! Server-sent events: one for each change, and how far a drain is while it goes on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use intermission::{Clock, HistoryEntry, Operator, Phase, Record, StateError, View};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::json::{self, Event, Executions, Nodes, Status};
use crate::line::{Line, since};
use crate::problem::in_full;

/// More changes than this between two looks, and some go untold.
const LOOK_BACK: usize = 256;
/// At most so many nodes are shown.
const NODES_SHOWN: usize = 256;
/// How often to look while something is awaited.
const WHILE_DRAINING: Duration = Duration::from_millis(250);
/// How often to look otherwise. A change is heard of at once where the state can push.
const AT_REST: Duration = Duration::from_secs(1);
/// A client that hears nothing for longer cannot tell whether anybody is there.
const SAY_SOMETHING_EVERY: Duration = Duration::from_secs(10);

/// Server-sent events, already in their text form.
///
/// A task of its own looks at the state for it, and ends when this is dropped.
///
/// There are three events. `view` is how everything is: status, executions and nodes; it comes first, and whenever any of
/// it has changed. `change` is one line of the history, and has an id: a client that comes back with the last one in
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
        let (sender, receiver) = mpsc::channel(16);
        let teller = Teller {
            operator,
            clock,
            sender: sender.clone(),
            told: None,
            last,
            spoke_at: Instant::now(),
        };
        tokio::spawn(async move {
            tokio::select! {
                () = teller.tell() => {}
                () = sender.closed() => {}
                _ = end.wait_for(|end| *end) => {}
            }
            drop(permit);
        });
        Self(receiver)
    }
}

/// Which change a client has seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    revision: u64,
    at: u64,
    event: String,
}

impl EventId {
    fn of(entry: &HistoryEntry) -> Self {
        Self {
            revision: entry.revision.number(),
            at: entry.at.as_millis(),
            event: entry.event.as_str().to_owned(),
        }
    }

    /// `None` if this is no id of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        Some(Self {
            revision: parts.next()?.parse().ok()?,
            at: parts.next()?.parse().ok()?,
            event: parts.next()?.to_owned(),
        })
    }

    fn in_text(&self) -> String {
        format!("{}.{}.{}", self.revision, self.at, self.event)
    }

    /// What came after it, the oldest first. `history` has the newest first, and may have dropped it.
    fn what_followed<'a>(&self, history: &'a [HistoryEntry]) -> Vec<&'a HistoryEntry> {
        let is_seen = |entry: &&HistoryEntry| {
            Self::of(entry) == *self || entry.revision.number() < self.revision
        };
        let mut new: Vec<&HistoryEntry> =
            history.iter().take_while(|entry| !is_seen(entry)).collect();
        new.reverse();
        new
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
    /// The picture that was told last.
    told: Option<String>,
    last: Option<EventId>,
    spoke_at: Instant,
}

impl Teller {
    async fn tell(mut self) {
        // Browsers come back by themselves, by default after some seconds.
        self.say("retry: 1000\n\n".to_owned()).await;
        let mut newest: Option<(Arc<Record>, Option<HistoryEntry>)> = None;
        let mut is_troubled = false;
        // A task of its own, which goes on between two looks: a watch that is dropped while it subscribes costs a state
        // such as Redis its connection.
        let mut watching = JoinSet::new();
        loop {
            match self.look(newest.as_ref()).await {
                Ok((view, last)) => {
                    is_troubled = false;
                    if watching.is_empty() {
                        let (operator, record) = (self.operator.clone(), Arc::clone(&view.record));
                        watching.spawn(async move { operator.changed(&record).await });
                    }
                    let is_draining = view.record.phase() == Phase::Activating
                        || (view.record.phase().is_on() && view.quiescent_at.is_none());
                    newest = Some((Arc::clone(&view.record), last));
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
    async fn look(
        &mut self,
        before: Option<&(Arc<Record>, Option<HistoryEntry>)>,
    ) -> Result<(View, Option<HistoryEntry>), StateError> {
        let view = self.operator.inspect(NODES_SHOWN).await?;
        let is_first = before.is_none();
        let is_same = before.is_some_and(|(record, _)| record.revision() == view.record.revision());
        let mut last = before.and_then(|(_, last)| last.clone());
        if is_first || !is_same || view.record.phase().is_on() {
            let history = self.operator.history(LOOK_BACK).await?;
            let new = match (&before, &self.last) {
                // Whoever comes for the first time sees the history elsewhere.
                (None, None) => Vec::new(),
                (None, Some(last)) => last.what_followed(&history),
                (Some(_), _) => since(&history, last.as_ref()),
            };
            let mut events: VecDeque<String> = new
                .into_iter()
                .map(|entry| change(&Line::from(entry), Some(&EventId::of(entry))))
                .collect();
            if events.is_empty()
                && let Some((record, _)) = before
                && !is_same
            {
                let now = self.clock.now();
                let line = if view.record.revision() < record.revision() {
                    Line::lost(&view.record, now)
                } else {
                    Line::unexplained(&view.record, now)
                };
                events.push_back(change(&line, None));
            }
            for event in events {
                self.say(event).await;
            }
            last = history.into_iter().next().or(last);
        }
        let picture = Picture {
            v: json::VERSION,
            status: Status::of(&view, self.clock.now()),
            executions: Executions::of(&view),
            nodes: Nodes::of(&view),
        };
        // INVARIANT: what is serialized here has string keys and no failing parts, so it never fails.
        let picture = serde_json::to_string(&picture).unwrap_or_default();
        if self.told.as_ref() != Some(&picture) {
            self.say(format!("event: view\ndata: {picture}\n\n")).await;
            self.told = Some(picture);
        }
        Ok((view, last))
    }

    async fn say(&mut self, text: String) {
        self.spoke_at = Instant::now();
        // Nobody listens any more; the task is about to end.
        let _ = self.sender.send(Bytes::from(text)).await;
    }
}

fn change(line: &Line<'_>, id: Option<&EventId>) -> String {
    let data = serde_json::to_string(&Event::of(line)).unwrap_or_default();
    match id {
        Some(id) => format!("id: {}\nevent: change\ndata: {data}\n\n", id.in_text()),
        None => format!("event: change\ndata: {data}\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ours_reads_back_and_no_other_does() {
        let id = EventId {
            revision: 7,
            at: 12,
            event: "node-forgotten".into(),
        };
        assert_eq!(EventId::parse(&id.in_text()), Some(id));
        for text in ["", "7", "7.12", "x.12.requested", "7.-1.requested"] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }
}
