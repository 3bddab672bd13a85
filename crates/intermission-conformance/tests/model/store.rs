//! A model of a store: bytes that outlive handles, behind a link that may break.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intermission_conformance::{Capabilities, Capability, Fixture, FixtureError, ManualClock};
use intermission_core::{
    Clock, Departure, HistoryEntry, Intent, Ledger, MaintenanceState, Members, Moment, NodeId, NodeReport,
    OperateReply, Operation, OperationId, Record, Revision, StateError, StateErrorKind, SyncReply, Timing, View,
};
use tokio::sync::watch;

use crate::flaws::Flaw;

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
    is_locked: AtomicBool,
    /// What a flawed handle does when the link is there again.
    queued: Mutex<Vec<Operation>>,
    changed: watch::Sender<Revision>,
    clock: ManualClock,
    flaw: Option<Flaw>,
    calls: AtomicU64,
}

impl Place {
    fn new(clock: ManualClock, flaw: Option<Flaw>) -> Self {
        Self {
            stored: Mutex::default(),
            is_broken: AtomicBool::new(false),
            is_locked: AtomicBool::new(false),
            queued: Mutex::default(),
            changed: watch::Sender::new(Revision::ZERO),
            clock,
            flaw,
            calls: AtomicU64::new(0),
        }
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn timing(&self) -> Timing {
        let mut timing = Timing::default();
        if self.has(Flaw::BelievesLeaps) {
            timing.step = Duration::MAX;
        }
        timing
    }

    fn now(&self) -> Moment {
        let clock = &self.place.clock;
        let steady = if self.has(Flaw::IgnoresTime) { Duration::ZERO } else { clock.steady() };
        Moment::new(clock.now(), steady)
    }

    /// The way to the store and back: every call takes it, and may be dropped on it.
    async fn travel(&self) -> Result<(), StateError> {
        tokio::task::yield_now().await;
        if self.place.is_broken.load(Ordering::SeqCst) {
            let kind = if self.has(Flaw::OutageIsCorruption) {
                StateErrorKind::Corrupt
            } else {
                StateErrorKind::Unavailable
            };
            return Err(StateError::new(kind, "the model's link is broken"));
        }
        Ok(())
    }

    fn read(&self, stored: &Stored) -> Result<Ledger, StateError> {
        let corrupt = |error: Box<dyn std::error::Error + Send + Sync>| {
            StateError::new(StateErrorKind::Corrupt, "the model's record cannot be read").with_source(error)
        };
        let record = match stored.record.as_deref().map(Record::from_json).transpose() {
            Err(_) if self.has(Flaw::UnreadableMeansOff) => None,
            record => record.map_err(|error| corrupt(error.into()))?,
        };
        let history: Vec<HistoryEntry> = parsed(&stored.history).map_err(corrupt)?;
        let members: Members = parsed(&stored.members).map_err(corrupt)?;
        Ok(Ledger::restored(self.timing(), record.map(Arc::new), history, members))
    }

    fn write(&self, stored: &mut Stored, ledger: &Ledger) -> Result<(), StateError> {
        let unwritable = |error: serde_json::Error| {
            StateError::new(StateErrorKind::Unsupported, "the model cannot be written").with_source(error)
        };
        stored.record = ledger.record().map(|record| {
            let json = record.to_json();
            if self.has(Flaw::DropsUnknownFields) { without_unknown_fields(&json) } else { json }
        });
        let mut history: Vec<&HistoryEntry> = ledger.kept_history().collect();
        if self.has(Flaw::ForgetsOldHistory) {
            history.drain(..history.len().saturating_sub(2));
        }
        stored.history = serde_json::to_vec(&history).map_err(unwritable)?;
        stored.members = serde_json::to_vec(ledger.members()).map_err(unwritable)?;
        self.tell(ledger.current().revision());
        Ok(())
    }

    fn tell(&self, revision: Revision) {
        let is_deaf = self.has(Flaw::WatchersSleepOn);
        self.place.changed.send_if_modified(|told| std::mem::replace(told, revision) != revision && !is_deaf);
    }

    async fn step<T: Send>(&self, step: impl FnOnce(&mut Ledger, Moment) -> T + Send) -> Result<T, StateError> {
        self.travel().await?;
        if self.has(Flaw::LocksForGood) {
            self.lock_for_good().await?;
        }
        if self.has(Flaw::Interleaves) {
            // Reads, lets others in, and writes what it has computed from what it had read.
            let mut ledger = self.read(&self.place.stored())?;
            tokio::task::yield_now().await;
            let answer = step(&mut ledger, self.now());
            self.write(&mut self.place.stored(), &ledger)?;
            return Ok(answer);
        }
        let answer = {
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

    /// A lock that whoever is dropped here leaves behind.
    async fn lock_for_good(&self) -> Result<(), StateError> {
        while self.place.is_locked.swap(true, Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        self.place.is_locked.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn flawed_report(&self, mut report: NodeReport) -> NodeReport {
        let call = self.place.calls.fetch_add(1, Ordering::SeqCst);
        if self.has(Flaw::CountsReportsTwice) {
            report.sequence = report.sequence.max(1_000 + call);
        }
        if self.has(Flaw::TakesNothingBack) {
            report.offer = None;
        }
        if self.has(Flaw::AnyDrainCounts) && report.drained.is_some() {
            let ledger = self.read(&self.place.stored()).ok();
            let current = ledger.map(|ledger| ledger.current());
            report.drained = current.and_then(|record| record.activation().map(|on| on.id));
        }
        if self.has(Flaw::ClosedMeansDrained) {
            report.drained = report.drained.or(report.closed);
        }
        if self.has(Flaw::QuietIsAssumed) {
            let ledger = self.read(&self.place.stored()).ok();
            let current = ledger.map(|ledger| ledger.current());
            report.quiet = current.and_then(|record| record.activation().map(|on| on.level_since));
        }
        if self.has(Flaw::ForgetsClaims) {
            report.seen = Revision::ZERO;
        }
        if self.has(Flaw::WaitsForNobody) {
            report.lost_contact = intermission_core::LostContact::Fence(Duration::ZERO);
        }
        if self.has(Flaw::ForgetsFacts) {
            report.facts = intermission_core::NodeFacts::labelled(report.facts.label);
        }
        report
    }

    fn flawed_operation(&self, mut operation: Operation) -> Operation {
        let call = self.place.calls.fetch_add(1, Ordering::SeqCst);
        if self.has(Flaw::ComparesNothing) {
            operation.expected = None;
        }
        if self.has(Flaw::DoesItTwice) {
            operation.id = OperationId::from_bits((0xbad << 64) | u128::from(call));
            operation.expected = None;
        }
        if self.has(Flaw::TrustsTheOperator) {
            operation.known = Revision::ZERO;
        }
        if self.has(Flaw::ForgetsWhereFrom) {
            operation.actor.origin.clear();
        }
        if self.has(Flaw::CutsTexts)
            && let Intent::Put(next) = &operation.intent
        {
            let json = String::from_utf8_lossy(&next.to_json()).replace("\\u0000", "").replace("\\\"", "'");
            if let Ok(next) = Record::from_json(json.as_bytes()) {
                operation.intent = Intent::Put(Box::new(next));
            }
        }
        operation
    }
}

impl MaintenanceState for ModelState {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        let sequence = report.sequence;
        let report = self.flawed_report(report);
        let mut reply = self.step(|ledger, now| ledger.sync(&report, now)).await?;
        if self.has(Flaw::CountsReportsTwice) {
            reply.sequence = sequence;
        }
        if self.has(Flaw::HidesGrace) {
            reply.grace = Duration::ZERO;
        }
        if self.has(Flaw::InventsARecord) {
            reply.record.get_or_insert_default();
        }
        Ok(reply)
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        if self.has(Flaw::DoesItLater) && self.place.is_broken.load(Ordering::SeqCst) {
            self.place.queued.lock().unwrap_or_else(PoisonError::into_inner).push(operation.clone());
        }
        if self.has(Flaw::AbsentMeansLost) {
            let absent = self.place.stored().record.is_none();
            if absent && !matches!(operation.intent, Intent::Init) {
                return Ok(OperateReply::Reconciling(Duration::from_secs(1)));
            }
        }
        let operation = self.flawed_operation(operation);
        let keeps_restarting = self.has(Flaw::BeginsDrainsAnew);
        let reply = self
            .step(|ledger, now| {
                if keeps_restarting && ledger.current().phase().is_on() {
                    let members = ledger.members().clone();
                    let mut anew = Ledger::restored(
                        Timing::default(),
                        ledger.record().cloned(),
                        ledger.kept_history().cloned().collect::<Vec<_>>(),
                        members,
                    );
                    anew.lost_members(now);
                    *ledger = anew;
                }
                ledger.operate(&operation, now)
            })
            .await?;
        Ok(match reply {
            OperateReply::Conflict(_) if self.has(Flaw::HidesTheWinner) => OperateReply::Conflict(Arc::default()),
            OperateReply::Unchanged(_) if self.has(Flaw::HidesTheWinner) => OperateReply::Unchanged(Arc::default()),
            other => other,
        })
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        if self.has(Flaw::NobodyLeaves) {
            return self.step(|ledger, now| ledger.tick(now)).await;
        }
        let departure = match departure {
            Departure::Forgotten(_) | Departure::Died if self.has(Flaw::LeavesNoLine) => Departure::Goodbye,
            Departure::Goodbye if self.has(Flaw::EveryLeaveIsAnEvent) => {
                Departure::Forgotten(intermission_core::Actor::new("nobody", "nowhere"))
            }
            other => other,
        };
        self.step(|ledger, now| ledger.leave(node, &departure, now)).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        if self.has(Flaw::AnswersFromMemory) && self.place.is_broken.load(Ordering::SeqCst) {
            let ledger = self.read(&self.place.stored())?;
            return Ok(ledger.view(limit, self.now()));
        }
        self.travel().await?;
        if self.has(Flaw::AskingWrites) {
            return self
                .step(|ledger, now| {
                    let init = Operation::init(OperationId::from_bits(1), intermission_core::Actor::new("", ""));
                    ledger.operate(&init, now);
                    ledger.view(limit, now)
                })
                .await;
        }
        let ledger = self.read(&self.place.stored())?;
        let limit = if self.has(Flaw::ListsTooMuch) { usize::MAX } else { limit };
        let mut view = ledger.view(limit, self.now());
        if self.has(Flaw::ListsInAnyOrder) {
            view = ledger.view(usize::MAX, self.now());
            view.nodes.sort_by_key(|node| node.node);
            view.nodes.truncate(limit);
        }
        if self.has(Flaw::HidesSilence) {
            for node in &mut view.nodes {
                node.out_of_contact = false;
            }
        }
        Ok(view)
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.travel().await?;
        let ledger = self.read(&self.place.stored())?;
        let limit = if self.has(Flaw::ListsTooMuch) { usize::MAX } else { limit };
        let mut lines: Vec<HistoryEntry> = ledger.history(limit).cloned().collect();
        if self.has(Flaw::OldestFirst) {
            lines = ledger.kept_history().take(limit).cloned().collect();
        }
        if self.has(Flaw::TellsTooMuch) {
            for line in &mut lines {
                line.note = ledger.current().message().map(str::to_owned);
            }
        }
        Ok(lines)
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.travel().await?;
        let mut changed = self.place.changed.subscribe();
        if self.has(Flaw::WatchersMissTheFirst) || self.has(Flaw::WatchersSleepOn) {
            changed.mark_unchanged();
            changed.changed().await.ok();
            return self.record_at_hand();
        }
        if self.has(Flaw::WatchesOnlyForward) {
            changed.wait_for(|revision| *revision > seen).await.ok();
            return self.record_at_hand();
        }
        // What is there may differ from what was last told, for example after a restart.
        let stored = self.read(&self.place.stored())?.current().revision();
        if stored == seen {
            changed.wait_for(|revision| *revision != seen).await.ok();
        }
        self.travel().await?;
        self.record_at_hand()
    }
}

impl ModelState {
    fn record_at_hand(&self) -> Result<Option<Arc<Record>>, StateError> {
        let record = self.read(&self.place.stored())?.record().cloned();
        Ok(record.filter(|_| !self.has(Flaw::WatchersGetNoRecord)))
    }
}

fn parsed<T: serde::de::DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    if bytes.is_empty() { Ok(T::default()) } else { Ok(serde_json::from_slice(bytes)?) }
}

fn without_unknown_fields(json: &[u8]) -> Vec<u8> {
    const KNOWN: [&str; 7] = ["v", "revision", "operation", "phase", "activation", "plan", "allow"];
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(json).expect("a record is an object");
    fields.retain(|name, _| KNOWN.contains(&name.as_str()));
    serde_json::to_vec(&fields).expect("an object can be written")
}

/// A place that can do everything, sound or with one flaw.
#[derive(Debug)]
pub(crate) struct Model<const PATIENCE_SECS: u64 = 10> {
    place: Arc<Place>,
}

impl<const PATIENCE_SECS: u64> Model<PATIENCE_SECS> {
    /// A fresh one with this flaw.
    pub(crate) fn with_flaw(flaw: Flaw) -> Self {
        Self { place: Arc::new(Place::new(ManualClock::new(), Some(flaw))) }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.place.flaw == Some(flaw)
    }
}

impl<const PATIENCE_SECS: u64> Fixture for Model<PATIENCE_SECS> {
    type State = ModelState;

    fn patience() -> Duration {
        Duration::from_secs(PATIENCE_SECS)
    }

    fn capabilities() -> Capabilities {
        Capability::ALL.into_iter().fold(Capabilities::none(), Capabilities::with)
    }

    async fn fresh() -> Result<Self, FixtureError> {
        Ok(Self { place: Arc::new(Place::new(ManualClock::new(), None)) })
    }

    fn state(&self) -> ModelState {
        ModelState { place: Arc::clone(&self.place) }
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
            return Ok(ModelState { place: Arc::new(Place::new(self.place.clock.clone(), self.place.flaw)) });
        }
        Ok(self.state())
    }

    fn reopen(&mut self) -> impl Future<Output = Result<(), FixtureError>> + Send {
        let place = Place::new(self.place.clock.clone(), self.place.flaw);
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
        let revision = stored.record.as_deref().and_then(|json| Record::from_json(json).ok()).map(|it| it.revision());
        place.changed.send_replace(revision.unwrap_or_default());
        *place.stored() = stored;
        self.place = Arc::new(place);
        std::future::ready(Ok(()))
    }

    async fn break_link(&self) -> Result<(), FixtureError> {
        self.place.is_broken.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn heal(&self) -> Result<(), FixtureError> {
        self.place.is_broken.store(false, Ordering::SeqCst);
        let queued: Vec<Operation> = std::mem::take(&mut self.place.queued.lock().unwrap_or_else(PoisonError::into_inner));
        for operation in queued {
            self.state().operate(operation).await?;
        }
        Ok(())
    }

    async fn corrupt(&self) -> Result<(), FixtureError> {
        let mut stored = self.place.stored();
        let record = stored.record.as_mut().ok_or("there is no record to make unreadable")?;
        record.truncate(record.len() / 2);
        Ok(())
    }
}
