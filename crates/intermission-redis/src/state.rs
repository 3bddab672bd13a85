//! The state: each step of the ledger is one script.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    ActivationId, Departure, HistoryEntry, Intent, MaintenanceState, NodeId, NodeReport,
    OperateReply, Operation, Record, Revision, StateError, StateErrorKind, StateUrl, SyncReply,
    Timestamp, Timing, View,
};
use redis::{Script, Value};
use tokio::time::Instant;

use crate::answer::{Answer, Newest, countable, policy_text};
use crate::heard::Heard;
use crate::keys::Keys;
use crate::link::{Events, Link};
use crate::options::RedisOptions;
use crate::pieces::{json, pieces};
use crate::script::Scripts;

/// A state in Redis, shared by a fleet. See the [crate's documentation](crate).
///
/// Clones share one connection, which is made at the first use and replaced whenever it fails. A step that may have been
/// taken is never tried again by the state: nodes speak again by themselves, and operators decide. Only what a server has
/// refused is asked for once more: a script that it did not know, after it was loaded, and an `inspect` that it may not or
/// will not write for, as a mere look.
///
/// # Cancel safety
///
/// A future that is dropped has taken its step, takes it a moment later, or never takes it; it is never taken by half.
/// The connection on which its answer would have come is replaced.
#[derive(Clone)]
pub struct RedisState {
    inner: Arc<Inner>,
}

struct Inner {
    url: StateUrl,
    link: Link,
    keys: Keys,
    scripts: Scripts,
    timing: Timing,
    timeout: Duration,
    require_init: bool,
    heard: Arc<Heard>,
}

/// Whether the caller's connection is to hear what is published, from before the step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listening {
    Yes,
    No,
}

impl RedisState {
    /// The state that the URL names. Nothing is dialled before the first use.
    ///
    /// # Errors
    ///
    /// Those of [`RedisOptions::from_url`].
    pub fn new(url: &StateUrl) -> Result<Self, StateError> {
        RedisOptions::from_url(url).map(RedisOptions::build)
    }

    /// The periods by which the site goes at present: those that its nodes have brought along, or this state's own if there
    /// are none. For whoever joins a site for a short while and cannot be configured for each, as the command does: a
    /// node that brings a longer lease than all others makes it everybody's, until there is no node any more. So does one
    /// that is the first to come, with its own.
    ///
    /// Of a [`Timing`], the site knows lease, step, grace, reconcile and heartbeat. The margin and the time-out are the
    /// default ones as far as these leave room for them.
    ///
    /// # Errors
    ///
    /// The state cannot be reached or read.
    pub async fn timing_in_use(&self) -> Result<Timing, StateError> {
        let inner = &*self.inner;
        let script = &inner.scripts.periods;
        let mut answer = inner
            .run("periods", script, None, Vec::new(), Listening::No)
            .await?;
        answer.text()?;
        let mut timing = Timing::default();
        timing.lease = answer.millis()?;
        timing.step = answer.millis()?;
        timing.grace = answer.millis()?;
        timing.reconcile = answer.millis()?;
        timing.heartbeat = answer.millis()?;
        Ok(fitted(timing))
    }

    pub(crate) fn build(options: RedisOptions) -> Self {
        let (keys, scripts, timing) = (options.keys(), options.scripts(), options.timing());
        let heard = Arc::new(Heard::new());
        let (pushed, lost) = (Arc::clone(&heard), Arc::clone(&heard));
        let events = Events {
            on_message: Box::new(move |message| pushed.pushed(message)),
            on_lost: Box::new(move || lost.missed()),
        };
        let link = Link::new(
            options.address,
            keys.tag.clone(),
            keys.channel.clone(),
            options.timeout,
            events,
        );
        Self {
            inner: Arc::new(Inner {
                url: options.url,
                link,
                keys,
                scripts,
                timing,
                timeout: options.timeout,
                require_init: options.require_init,
                heard,
            }),
        }
    }
}

impl Inner {
    /// Runs one step. `has` is the record that need not be sent again.
    async fn run(
        &self,
        operation: &'static str,
        script: &Script,
        has: Option<&Arc<Record>>,
        step: Vec<Vec<u8>>,
        listening: Listening,
    ) -> Result<Answer, StateError> {
        let Timing {
            lease,
            step: believed,
            grace,
            reconcile,
            heartbeat,
            ..
        } = self.timing;
        let mut args: Vec<Vec<u8>> = [lease, believed, grace, reconcile, heartbeat]
            .into_iter()
            .map(|period| number(millis(period)))
            .collect();
        args.push(has.map(|record| name_of(record)).unwrap_or_default());
        args.extend(step);
        let listens = listening == Listening::Yes;
        let ran = self
            .link
            .run(operation, script, &self.keys.names, &args, listens)
            .await;
        self.noting(ran.map(|values| Answer::new(operation, values)))
    }

    /// Remembers whether what is stored can be read.
    fn noting<T>(&self, outcome: Result<T, StateError>) -> Result<T, StateError> {
        match &outcome {
            Ok(_) => self.heard.found_unreadable(false),
            Err(error) if error.kind() == StateErrorKind::Corrupt => {
                self.heard.found_unreadable(true);
            }
            // Who cannot reach the state has not looked at it.
            Err(_) => {}
        }
        outcome
    }

    /// The record of an answer; `None` if there is none.
    fn record(
        &self,
        answer: &mut Answer,
        has: Option<Arc<Record>>,
    ) -> Result<Option<Arc<Record>>, StateError> {
        Ok(match self.noting(answer.newest(has.as_deref()))? {
            Newest::None => None,
            Newest::Same => has,
            Newest::Record(record) => {
                let record = Arc::from(record);
                self.heard.answered(&record);
                Some(record)
            }
        })
    }

    async fn view(&self, limit: usize, writes: bool) -> Result<View, StateError> {
        let script = if writes {
            &self.scripts.inspect
        } else {
            &self.scripts.look
        };
        let has = self.heard.record();
        let args = vec![
            flag(writes),
            number(u64::try_from(limit).unwrap_or(u64::MAX)),
        ];
        let mut answer = self
            .run("inspect", script, has.as_ref(), args, Listening::No)
            .await?;
        answer.text()?;
        let record = self.record(&mut answer, has)?.unwrap_or_default();
        let mut view = View::new(record);
        let now = Timestamp::from_millis(answer.number()?);
        let lease = answer.millis()?;
        view.nodes = answer.nodes(limit, now, lease)?;
        view.node_count = answer.number()?;
        view.count = answer.count()?;
        view.quiescent_at = answer.optional_number()?.map(Timestamp::from_millis);
        view.grace = answer.millis()?;
        view.newest_seen = Revision::new(answer.number()?);
        view.lost_at = answer.optional_number()?.map(Timestamp::from_millis);
        Ok(view)
    }

    fn uninitialised(&self) -> StateError {
        StateError::new(
            StateErrorKind::Unavailable,
            format!(
                "nobody has ever initialised the site in {}, or it has lost its data: run `intermission init` once, if \
                 it is new",
                self.url
            ),
        )
    }
}

impl MaintenanceState for RedisState {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        let inner = &*self.inner;
        let claim =
            |id: Option<ActivationId>| id.map(|id| number(id.began().number())).unwrap_or_default();
        let mut args = vec![
            report.node.to_string().into_bytes(),
            number(report.sequence),
            number(report.seen.number()),
            claim(report.closed),
            claim(report.drained),
            report
                .quiet
                .map(|since| number(since.number()))
                .unwrap_or_default(),
            policy_text(report.lost_contact).into_bytes(),
            flag(report.heard_before),
            number(report.facts.running),
            json(&report.facts)?.into_bytes(),
            flag(inner.require_init),
            undrained(&report.undrained),
        ];
        if let Some(offer) = &report.offer {
            args.extend(named(offer)?);
        }
        let has = inner.heard.record();
        let script = &inner.scripts.sync;
        let mut answer = inner
            .run("sync", script, has.as_ref(), args, Listening::Yes)
            .await?;
        match answer.text()?.as_str() {
            "HEARD" => {
                let sequence = answer.number()?;
                let record = inner.record(&mut answer, has)?;
                let mut reply = SyncReply::new(sequence, record);
                reply.count = answer.count()?;
                reply.grace = answer.millis()?;
                inner
                    .link
                    .expect_crowd(reply.count.nodes, reply.grace.is_zero());
                Ok(reply)
            }
            "UNINITIALISED" => Err(inner.uninitialised()),
            _ => Err(answer.malformed()),
        }
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        let inner = &*self.inner;
        let (kind, proposed) = match &operation.intent {
            Intent::Put(record) => ("put", named(record)?),
            Intent::Init => ("init", Vec::new()),
        };
        let expected = operation.expected.map(|revision| number(revision.number()));
        let mut args = vec![
            kind.into(),
            operation.id.to_string().into_bytes(),
            expected.unwrap_or_default(),
            number(operation.known.number()),
            json(&operation.actor.name)?.into_bytes(),
            json(&operation.actor.origin)?.into_bytes(),
        ];
        args.extend(proposed);
        let has = inner.heard.record();
        let script = &inner.scripts.operate;
        let mut answer = inner
            .run("operate", script, has.as_ref(), args, Listening::No)
            .await?;
        let status = answer.text()?;
        let record = inner.record(&mut answer, has)?.unwrap_or_default();
        let wait = answer.millis()?;
        Ok(match status.as_str() {
            "STORED" => OperateReply::Stored(record),
            "UNCHANGED" => OperateReply::Unchanged(record),
            "DUPLICATE" => OperateReply::Duplicate(record),
            "CONFLICT" => OperateReply::Conflict(record),
            "BEHIND" => OperateReply::Behind(record),
            "RECONCILING" => OperateReply::Reconciling(wait),
            _ => return Err(answer.malformed()),
        })
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        let inner = &*self.inner;
        let mut args = vec![node.to_string().into_bytes()];
        match &departure {
            Departure::Goodbye => args.push("goodbye".into()),
            Departure::Died => args.push("died".into()),
            Departure::Forgotten(actor) => {
                args.push("forgotten".into());
                args.push(json(&actor.name)?.into_bytes());
                args.push(json(&actor.origin)?.into_bytes());
            }
        }
        let script = &inner.scripts.leave;
        inner
            .run("leave", script, None, args, Listening::No)
            .await?;
        Ok(())
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        let inner = &*self.inner;
        let began = Instant::now();
        match inner.view(limit, true).await {
            // Who may not write, or asks a server that lets nobody write, may look all the same. A server that does not
            // answer is not waited for twice.
            Err(refused)
                if refused.kind() != StateErrorKind::Corrupt && began.elapsed() < inner.timeout =>
            {
                inner.view(limit, false).await.map_err(|_| refused)
            }
            outcome => outcome,
        }
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let inner = &*self.inner;
        let args = vec![number(u64::try_from(limit).unwrap_or(u64::MAX))];
        let script = &inner.scripts.history;
        let mut answer = inner
            .run("history", script, None, args, Listening::No)
            .await?;
        answer.text()?;
        let lines = answer.list()?;
        let read = |line: Value| match line {
            Value::BulkString(json) => serde_json::from_slice(&json).map_err(|error| {
                let message = "a line of the history cannot be read: delete the history's key";
                StateError::new(StateErrorKind::Corrupt, message).with_source(error)
            }),
            _ => Err(answer.malformed()),
        };
        lines.into_iter().map(read).collect()
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        let inner = &*self.inner;
        let waiter = inner.heard.listen();
        if inner.link.subscribe().await? || inner.heard.is_unreadable() {
            // Nobody publishes anew what was published before that, nor that something became unreadable.
            let newest = Box::pin(self.inspect(0)).await?.record;
            if newest.revision() != seen {
                return Ok(Some(newest));
            }
        }
        Ok(waiter.newer(seen).await)
    }
}

impl fmt::Debug for RedisState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisState")
            .field("url", &self.inner.url)
            .finish_non_exhaustive()
    }
}

/// The same with a margin, a time-out and a pace of draining that fit to it.
fn fitted(mut timing: Timing) -> Timing {
    if timing.validate().is_ok() {
        return timing;
    }
    let Timing {
        lease,
        heartbeat,
        step,
        ..
    } = timing;
    // What the lease has left for margin and time-out; a heartbeat is jittered by up to a fifth, and one may be missed.
    let left = lease.saturating_sub(heartbeat.saturating_mul(12) / 5 + step);
    timing.margin = step + timing.margin.min(left / 3);
    timing.timeout = timing.timeout.min(left / 3);
    timing.drain_poll = timing.drain_poll.min(heartbeat);
    timing
}

/// By what the scripts tell records apart.
fn name_of(record: &Record) -> Vec<u8> {
    let operation = record.operation().map(|id| id.to_string());
    format!(
        "{} {} {}",
        record.revision(),
        operation.unwrap_or_default(),
        record.phase().as_str()
    )
    .into_bytes()
}

fn named(record: &Record) -> Result<Vec<Vec<u8>>, StateError> {
    let named = pieces(record)?
        .into_iter()
        .flat_map(|(name, value)| [name.as_bytes().to_vec(), value.into_bytes()]);
    Ok(named.collect())
}

fn undrained(activations: &[ActivationId]) -> Vec<u8> {
    let ids = activations.iter().map(|id| format!("{},", id.began()));
    ids.collect::<String>().into_bytes()
}

fn number(number: u64) -> Vec<u8> {
    countable(number).to_string().into_bytes()
}

fn flag(flag: bool) -> Vec<u8> {
    if flag { b"1".to_vec() } else { b"0".to_vec() }
}

fn millis(period: Duration) -> u64 {
    u64::try_from(period.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_kept_and_the_rest_is_made_to_fit() {
        let default = Timing::default();
        assert_eq!(fitted(default), default);
        for lease_ms in [100_u64, 2_000, 20_000, 600_000] {
            let lease = Duration::from_millis(lease_ms);
            for (heartbeat, step) in [(lease / 5, lease / 15), (lease / 50, lease / 100)] {
                let mut timing = default;
                (timing.lease, timing.grace) = (lease, lease);
                (timing.heartbeat, timing.step) = (heartbeat, step);
                let fitted = fitted(timing);
                assert_eq!(fitted.validate(), Ok(()), "{fitted:?}");
                assert_eq!((fitted.lease, fitted.heartbeat), (lease, heartbeat));
            }
        }
    }
}
