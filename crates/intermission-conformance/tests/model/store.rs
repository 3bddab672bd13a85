//! A model of a store: bytes that outlive handles, behind a link that may break.
//!
//! Where a flaw changes what a sound store does, the difference is one line here or a function in `tampering`.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intermission_conformance::{Capabilities, Capability, Fixture, FixtureError, ManualClock};
use intermission_core::{
    Actor, Clock, Departure, HistoryEntry, Intent, Ledger, MaintenanceState, Members, Moment,
    NodeId, NodeReport, OperateReply, Operation, OperationId, Record, Revision, StateError,
    StateErrorKind, SyncReply, Timestamp, Timing, View,
};
use tokio::sync::watch;
use tokio::task::yield_now;

use crate::flaws::Flaw;
use crate::tampering;

/// What is stored, as a file or a server has it: bytes.
#[derive(Clone, Debug, Default)]
struct Stored {
    record: Option<Vec<u8>>,
    history: Vec<u8>,
    members: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    stored: Mutex<Stored>,
    is_broken: AtomicBool,
    changed: watch::Sender<Revision>,
    clock: ManualClock,
    flaw: Option<Flaw>,
    calls: AtomicU64,
    /// A lock that only a flawed handle takes.
    is_locked: AtomicBool,
    /// How many steps a flawed handle has begun.
    begun: AtomicU64,
    /// What only a flawed handle does when the link is there again.
    queued: Mutex<Vec<Operation>>,
}

impl Place {
    fn new(stored: Stored, clock: ManualClock, flaw: Option<Flaw>) -> Self {
        let record = stored
            .record
            .as_deref()
            .and_then(|json| Record::from_json(json).ok())
            .unwrap_or_default();
        Self {
            stored: Mutex::new(stored),
            is_broken: AtomicBool::new(false),
            changed: watch::Sender::new(record.revision()),
            clock,
            flaw,
            calls: AtomicU64::new(0),
            is_locked: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            queued: Mutex::default(),
        }
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queued(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle on the place.
#[derive(Clone, Debug)]
pub(crate) struct ModelState {
    place: Arc<Place>,
}

impl ModelState {
    fn has(&self, flaw: Flaw) -> bool {
        self.place.flaw == Some(flaw)
    }

    fn is_broken(&self) -> bool {
        self.place.is_broken.load(Ordering::SeqCst)
    }

    fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        if self.has(Flaw::BelievesLeaps) {
            timing.step = Duration::MAX;
        }
        timing
    }

    fn now(&self) -> Moment {
        let clock = &self.place.clock;
        let calendar = if self.has(Flaw::ForgetsTheDate) {
            Timestamp::from_millis(1_000)
        } else {
            clock.now()
        };
        let steady = if self.has(Flaw::ForgetsTheTime) {
            Duration::ZERO
        } else {
            clock.steady()
        };
        Moment::new(calendar, steady)
    }

    /// The way to the store or back. Every call takes it twice, and may be dropped on it.
    async fn travel(&self) -> Result<(), StateError> {
        yield_now().await;
        if !self.is_broken() {
            return Ok(());
        }
        let confused = self.has(Flaw::OutageIsCorruption);
        let kind = if confused {
            StateErrorKind::Corrupt
        } else {
            StateErrorKind::Unavailable
        };
        Err(StateError::new(kind, "the model's link is broken"))
    }

    fn ledger(&self) -> Result<Ledger, StateError> {
        self.read(&self.place.stored())
    }

    fn read(&self, stored: &Stored) -> Result<Ledger, StateError> {
        let record = match stored.record.as_deref().map(Record::from_json).transpose() {
            Err(_) if self.has(Flaw::UnreadableMeansOff) => None,
            record => record.map_err(|error| corrupt(error.into()))?,
        };
        let history: Vec<HistoryEntry> = parsed(&stored.history).map_err(corrupt)?;
        let members: Members = parsed(&stored.members).map_err(corrupt)?;
        Ok(Ledger::restored(
            self.timing(),
            record.map(Arc::new),
            history,
            members,
        ))
    }

    fn write(&self, stored: &mut Stored, ledger: &Ledger) -> Result<(), StateError> {
        let cannot = |error: serde_json::Error| {
            StateError::new(StateErrorKind::Unsupported, "the model cannot be written")
                .with_source(error)
        };
        stored.record = ledger.record().map(|record| match self.place.flaw {
            Some(flaw) => tampering::written(flaw, record),
            None => record.to_json(),
        });
        let mut history: Vec<&HistoryEntry> = ledger.kept_history().collect();
        if self.has(Flaw::ForgetsOldLines) {
            history.drain(..history.len().saturating_sub(200));
        }
        stored.history = serde_json::to_vec(&history).map_err(cannot)?;
        stored.members = serde_json::to_vec(ledger.members()).map_err(cannot)?;
        let revision = ledger.current().revision();
        let is_deaf = self.has(Flaw::WatchersSleepOn);
        self.place
            .changed
            .send_if_modified(|told| std::mem::replace(told, revision) != revision && !is_deaf);
        Ok(())
    }

    async fn step<T: Send>(
        &self,
        step: impl FnOnce(&mut Ledger, Moment) -> T + Send,
    ) -> Result<T, StateError> {
        self.travel().await?;
        if self.has(Flaw::LocksForGood) {
            self.lock_and_be_dropped_perhaps().await;
        }
        let answer = if self.has(Flaw::Interleaves) {
            let mut ledger = self.ledger()?;
            self.let_somebody_in().await;
            let answer = step(&mut ledger, self.now());
            self.write(&mut self.place.stored(), &ledger)?;
            answer
        } else {
            let mut stored = self.place.stored();
            let mut ledger = self.read(&stored)?;
            let answer = step(&mut ledger, self.now());
            self.write(&mut stored, &ledger)?;
            answer
        };
        // The step is taken, and the answer may still be lost.
        self.travel().await?;
        Ok(answer)
    }

    /// Until somebody else has begun a step, too, or, where there is nobody, for long enough that it would have been seen.
    async fn let_somebody_in(&self) {
        let begun = self.place.begun.fetch_add(1, Ordering::SeqCst) + 1;
        for _ in 0..2_000 {
            if self.place.begun.load(Ordering::SeqCst) != begun {
                break;
            }
            yield_now().await;
        }
    }

    async fn lock_and_be_dropped_perhaps(&self) {
        while self.place.is_locked.swap(true, Ordering::SeqCst) {
            yield_now().await;
        }
        yield_now().await;
        self.place.is_locked.store(false, Ordering::SeqCst);
    }

    fn record_at_hand(&self) -> Result<Option<Arc<Record>>, StateError> {
        let record = self.ledger()?.record().cloned();
        Ok(record.filter(|_| !self.has(Flaw::WatchersGetNoRecord)))
    }
}

impl MaintenanceState for ModelState {
    async fn sync(&self, mut report: NodeReport) -> Result<SyncReply, StateError> {
        let said = report.clone();
        if let Some(flaw) = self.place.flaw {
            let call = self.place.calls.fetch_add(1, Ordering::SeqCst);
            tampering::report(flaw, call, &self.ledger()?.current(), &mut report);
        }
        let mut reply = self.step(|ledger, now| ledger.sync(&report, now)).await?;
        if let Some(flaw) = self.place.flaw {
            tampering::sync_reply(flaw, &said, &mut reply);
        }
        Ok(reply)
    }

    async fn operate(&self, mut operation: Operation) -> Result<OperateReply, StateError> {
        if self.has(Flaw::DoesItLater) && self.is_broken() {
            self.place.queued().push(operation.clone());
        }
        if let Some(flaw) = self.place.flaw {
            let call = self.place.calls.fetch_add(1, Ordering::SeqCst);
            tampering::operation(flaw, call, &self.ledger()?.current(), &mut operation);
        }
        let flaw = self.place.flaw;
        let reply = self.step(|ledger, now| match flaw {
            Some(flaw) => tampering::operate(flaw, ledger, &operation, now),
            None => ledger.operate(&operation, now),
        });
        Ok(match reply.await? {
            OperateReply::Conflict(_) if self.has(Flaw::HidesTheWinner) => {
                OperateReply::Conflict(Arc::default())
            }
            other => other,
        })
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        let departure = match departure {
            Departure::Forgotten(_) | Departure::Died if self.has(Flaw::LeavesNoLine) => {
                Departure::Goodbye
            }
            Departure::Goodbye if self.has(Flaw::EveryLeaveIsALine) => {
                Departure::Forgotten(Actor::new("nobody", "nowhere"))
            }
            other => other,
        };
        let node = if self.has(Flaw::NobodyLeaves) {
            NodeId::from_bits(0)
        } else {
            node
        };
        self.step(|ledger, now| ledger.leave(node, &departure, now))
            .await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        if !self.has(Flaw::AnswersFromMemory) {
            self.travel().await?;
        }
        if self.has(Flaw::AskingWrites) {
            let init = Operation::init(OperationId::from_bits(1), Actor::new("nobody", "nowhere"));
            self.step(|ledger, now| ledger.operate(&init, now)).await?;
        }
        let ledger = self.ledger()?;
        Ok(match self.place.flaw {
            Some(flaw) => tampering::view(flaw, &ledger, limit, self.now()),
            None => ledger.view(limit, self.now()),
        })
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.travel().await?;
        let ledger = self.ledger()?;
        Ok(match self.place.flaw {
            Some(flaw) => tampering::history(flaw, &ledger, limit),
            None => ledger.history(limit).cloned().collect(),
        })
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.travel().await?;
        let mut changed = self.place.changed.subscribe();
        let held = self.ledger()?.current().revision();
        if self.has(Flaw::WatchersMissTheFirst) || self.has(Flaw::WatchersSleepOn) {
            changed.mark_unchanged();
            changed.changed().await.ok();
        } else if self.has(Flaw::WatchesOnlyForward) {
            changed.wait_for(|revision| *revision > seen).await.ok();
        } else if held == seen {
            changed.wait_for(|revision| *revision != seen).await.ok();
        }
        self.travel().await?;
        self.record_at_hand()
    }
}

fn corrupt(error: Box<dyn Error + Send + Sync>) -> StateError {
    StateError::new(
        StateErrorKind::Corrupt,
        "what the model has stored cannot be read",
    )
    .with_source(error)
}

fn parsed<T: serde::de::DeserializeOwned + Default>(
    bytes: &[u8],
) -> Result<T, Box<dyn Error + Send + Sync>> {
    if bytes.is_empty() {
        Ok(T::default())
    } else {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// A place that can do everything, sound or with one flaw.
#[derive(Debug)]
pub(crate) struct Model<const PATIENCE_MS: u64 = 10_000> {
    place: Arc<Place>,
}

impl<const PATIENCE_MS: u64> Model<PATIENCE_MS> {
    pub(crate) fn with_flaw(flaw: Flaw) -> Self {
        Self {
            place: Arc::new(Place::new(
                Stored::default(),
                ManualClock::new(),
                Some(flaw),
            )),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.place.flaw == Some(flaw)
    }
}

impl<const PATIENCE_MS: u64> Fixture for Model<PATIENCE_MS> {
    type State = ModelState;

    fn patience() -> Duration {
        Duration::from_millis(PATIENCE_MS)
    }

    fn capabilities() -> Capabilities {
        Capability::ALL
            .into_iter()
            .fold(Capabilities::none(), Capabilities::with)
    }

    async fn fresh() -> Result<Self, FixtureError> {
        Ok(Self {
            place: Arc::new(Place::new(Stored::default(), ManualClock::new(), None)),
        })
    }

    fn state(&self) -> ModelState {
        ModelState {
            place: Arc::clone(&self.place),
        }
    }

    fn timing(&self) -> Timing {
        Timing::default()
    }

    async fn advance(&self, by: Duration) -> Result<(), FixtureError> {
        self.place.clock.advance(by);
        Ok(())
    }

    async fn second_handle(&self) -> Result<ModelState, FixtureError> {
        if self.has(Flaw::HandlesAreAlone) {
            let alone = Place::new(Stored::default(), self.place.clock.clone(), self.place.flaw);
            return Ok(ModelState {
                place: Arc::new(alone),
            });
        }
        Ok(self.state())
    }

    async fn reopen(&mut self) -> Result<(), FixtureError> {
        let mut stored = self.place.stored().clone();
        if self.has(Flaw::ForgetsEverything) {
            stored = Stored::default();
        }
        if self.has(Flaw::ForgetsNodes) {
            stored.members.clear();
        }
        if self.has(Flaw::ForgetsHistory) {
            stored.history.clear();
        }
        self.place = Arc::new(Place::new(
            stored,
            self.place.clock.clone(),
            self.place.flaw,
        ));
        if self.has(Flaw::BeginsWithARecord) {
            let init = Operation::init(OperationId::from_bits(1), Actor::new("nobody", "nowhere"));
            self.state().operate(init).await?;
        }
        Ok(())
    }

    async fn break_link(&self) -> Result<(), FixtureError> {
        self.place.is_broken.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn heal(&self) -> Result<(), FixtureError> {
        self.place.is_broken.store(false, Ordering::SeqCst);
        let queued = std::mem::take(&mut *self.place.queued());
        for operation in queued {
            self.state().operate(operation).await?;
        }
        Ok(())
    }

    async fn corrupt(&self) -> Result<(), FixtureError> {
        let mut stored = self.place.stored();
        let record = stored
            .record
            .as_mut()
            .ok_or("there is no record to make unreadable")?;
        record.truncate(record.len() / 2);
        Ok(())
    }
}

/// What `Intent::Put` proposes, if that is the intent.
pub(crate) fn proposal(operation: &Operation) -> Option<&Record> {
    match &operation.intent {
        Intent::Put(next) => Some(next),
        Intent::Init => None,
    }
}
