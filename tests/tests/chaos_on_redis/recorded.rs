//! A state that writes down what it is asked and what it answers, before the answer is acted upon.

use std::sync::Arc;

use intermission::{
    Departure, HistoryEntry, Intent, MaintenanceState, NodeId, NodeReport, OperateReply, Operation,
    Record, Revision, StateError, SyncReply, View,
};

use crate::log::{Event, Nanos, Writer, nanos, now};

#[derive(Clone, Debug)]
pub(crate) struct Recorded<S> {
    state: S,
    log: Arc<Writer>,
}

impl<S> Recorded<S> {
    pub(crate) fn new(state: S, log: &Arc<Writer>) -> Self {
        Self {
            state,
            log: Arc::clone(log),
        }
    }
}

/// Writes its event when it is dropped: a call that was given up is an event, too.
struct Pending<'a> {
    log: &'a Writer,
    event: Event,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.log.write(&self.event);
    }
}

fn outcome_of<T>(answer: &Result<T, StateError>) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.kind().as_str().to_owned(),
    }
}

fn number(record: Option<&Arc<Record>>) -> u64 {
    record.map_or(0, |record| record.revision().number())
}

impl<S: MaintenanceState> MaintenanceState for Recorded<S> {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        let mut pending = Pending {
            log: &self.log,
            event: synced(&report, now(), "dropped".to_owned(), None),
        };
        let Event::Synced { sent, .. } = pending.event else {
            unreachable!("it is one");
        };
        let facts = report.clone();
        let answer = self.state.sync(report).await;
        let reply = answer.as_ref().ok();
        if let Some(record) = reply.and_then(|reply| reply.record.as_ref()) {
            self.log.saw(record);
        }
        pending.event = synced(&facts, sent, outcome_of(&answer), reply);
        answer
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        let sent = now();
        let id = operation.id.to_string();
        let expected = operation.expected.map_or(0, Revision::number);
        let closes = matches!(&operation.intent, Intent::Put(record) if record.phase().is_on());
        let event = |outcome: &str, record: Option<&Arc<Record>>| Event::Operated {
            sent,
            operation: id.clone(),
            expected,
            closes,
            outcome: outcome.to_owned(),
            revision: number(record),
        };
        let mut pending = Pending {
            log: &self.log,
            event: event("dropped", None),
        };
        let answer = self.state.operate(operation).await;
        let (outcome, record) = match &answer {
            Ok(OperateReply::Stored(record)) => ("stored", Some(record)),
            Ok(OperateReply::Unchanged(record)) => ("unchanged", Some(record)),
            Ok(OperateReply::Duplicate(record)) => ("duplicate", Some(record)),
            Ok(OperateReply::Conflict(record)) => ("conflict", Some(record)),
            Ok(OperateReply::Behind(record)) => ("behind", Some(record)),
            Ok(OperateReply::Reconciling(_)) => ("reconciling", None),
            Ok(_) => ("other", None),
            Err(error) => (error.kind().as_str(), None),
        };
        if let Some(record) = record {
            self.log.saw(record);
        }
        pending.event = event(outcome, record);
        answer
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.state.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        let sent = now();
        let view = self.state.inspect(limit).await?;
        self.log.saw(&view.record);
        self.log.write(&Event::Looked {
            sent,
            revision: view.record.revision().number(),
            grace: nanos(view.grace),
            newest_seen: view.newest_seen.number(),
        });
        Ok(view)
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.state.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.state.watch(seen).await
    }
}

fn synced(report: &NodeReport, sent: Nanos, outcome: String, reply: Option<&SyncReply>) -> Event {
    Event::Synced {
        sent,
        sequence: report.sequence,
        seen: report.seen.number(),
        offered: number(report.offer.as_ref()),
        outcome,
        echoed: reply.map_or(0, |reply| reply.sequence),
        revision: number(reply.and_then(|reply| reply.record.as_ref())),
        grace: reply.map_or(0, |reply| nanos(reply.grace)),
    }
}
