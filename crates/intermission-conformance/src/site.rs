//! What the cases work with: a fresh place, operators, nodes, and time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intermission_core::{
    Activation, ActivationId, Actor, AllowChange, AllowList, Change, Completion, Departure,
    HistoryEntry, HistoryEvent, LostContact, MaintenanceState, NodeFacts, NodeId, NodeReport,
    OperateReply, Operation, OperationId, Outcome, Record, Revision, SharedState, StateErrorKind,
    SyncReply, Timestamp, Timing, View,
};

use crate::failure::{Checked, Failure, ensure, ensure_eq, expect_variant};
use crate::fixture::{ErasedFixture, FixtureError};

/// One fresh place of the backend under test.
pub(crate) struct Site {
    fixture: Box<dyn ErasedFixture>,
    pub(crate) state: SharedState,
    pub(crate) timing: Timing,
    pub(crate) patience: Duration,
}

impl Site {
    pub(crate) fn new(fixture: Box<dyn ErasedFixture>) -> Checked<Self> {
        let timing = fixture.timing();
        timing
            .validate()
            .map_err(|error| Failure::from(error).during("the fixture's timing is not valid"))?;
        ensure(
            timing.lease >= timing.step.saturating_mul(10) && !timing.step.is_zero(),
            || {
                format!(
                    "the fixture's lease ({:?}) is shorter than ten steps ({:?})",
                    timing.lease, timing.step
                )
            },
        )?;
        Ok(Self {
            state: fixture.state(),
            timing,
            patience: fixture.patience(),
            fixture,
        })
    }

    /// As after a restart of the process. Whoever calls it has dropped all other handles.
    pub(crate) async fn reopened(self) -> Checked<Self> {
        let Self {
            mut fixture, state, ..
        } = self;
        drop(state);
        fixture
            .reopen()
            .await
            .map_err(|error| fixture_failure("reopen", &error))?;
        Self::new(fixture)
    }

    pub(crate) async fn second_handle(&self) -> Checked<SharedState> {
        self.fixture
            .second_handle()
            .await
            .map_err(|error| fixture_failure("second_handle", &error))
    }

    pub(crate) fn wrapped_state(&self) -> SharedState {
        self.fixture.wrapped_state()
    }

    pub(crate) fn claims(&self, capability: crate::Capability) -> bool {
        self.fixture.capabilities().has(capability)
    }

    pub(crate) async fn break_link(&self) -> Checked {
        self.fixture
            .break_link()
            .await
            .map_err(|error| fixture_failure("break_link", &error))
    }

    /// Mends the link and waits until the backend has noticed, which takes some of them a few refusals.
    pub(crate) async fn heal(&self) -> Checked {
        self.fixture
            .heal()
            .await
            .map_err(|error| fixture_failure("heal", &error))?;
        self.in_time("after `heal`, an answer", async {
            loop {
                match self.state.inspect(0).await {
                    Ok(_) => return Ok(()),
                    Err(error) if error.kind() == StateErrorKind::Unavailable => {
                        tokio::task::yield_now().await;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        })
        .await
    }

    pub(crate) async fn corrupt(&self) -> Checked {
        self.fixture
            .corrupt()
            .await
            .map_err(|error| fixture_failure("corrupt", &error))
    }

    /// Moves the store's clocks by so much at once.
    pub(crate) async fn leap(&self, by: Duration) -> Checked {
        self.fixture
            .advance(by)
            .await
            .map_err(|error| fixture_failure("advance", &error))?;
        self.step().await
    }

    /// Lets this much time pass, rounded up to whole steps, while nobody speaks.
    ///
    /// A ledger believes at most [`Timing::step`] at once. So the fleet clock moves by exactly one step a round,
    /// however slow the machine is, and "not yet" can be said even of a clock that nobody holds.
    pub(crate) async fn pass(&self, time: Duration) -> Checked {
        self.pass_with(time, &mut []).await
    }

    /// The same while these nodes speak in every step.
    pub(crate) async fn pass_with(&self, time: Duration, nodes: &mut [&mut Node]) -> Checked {
        for _ in 0..self.steps_in(time) {
            self.leap(self.timing.step).await?;
            for node in nodes.iter_mut() {
                node.sync(&self.state).await?;
            }
        }
        Ok(())
    }

    /// Lets time pass, at most this much, until the state is as wanted.
    pub(crate) async fn pass_until(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&View) -> bool + Send,
    ) -> Checked<View> {
        for _ in 0..self.steps_in(limit) {
            let view = self.view().await?;
            if wanted(&view) {
                return Ok(view);
            }
            self.leap(self.timing.step).await?;
        }
        let view = self.view().await?;
        ensure(wanted(&view), || {
            format!("{what} did not happen within {limit:?} of the store's time: {view:?}")
        })?;
        Ok(view)
    }

    fn steps_in(&self, time: Duration) -> u128 {
        time.as_nanos().div_ceil(self.timing.step.as_nanos().max(1))
    }

    /// A step of the ledger that changes nothing by itself: a node that is not there leaves. `inspect` would not do,
    /// since it need not be able to write.
    async fn step(&self) -> Checked {
        self.state
            .leave(fresh_node_id(), Departure::Goodbye)
            .await
            .map_err(Failure::from)
    }

    /// Fails if it takes longer than the fixture has patience.
    pub(crate) async fn in_time<T>(
        &self,
        what: &str,
        future: impl Future<Output = Checked<T>> + Send,
    ) -> Checked<T> {
        let patience = self.patience;
        tokio::time::timeout(patience, future)
            .await
            .unwrap_or_else(|_| {
                Err(Failure::new(format!(
                    "{what} did not come within {patience:?}"
                )))
            })
    }

    pub(crate) async fn view(&self) -> Checked<View> {
        Ok(self.state.inspect(usize::MAX).await?)
    }

    pub(crate) async fn record(&self) -> Checked<Arc<Record>> {
        Ok(self.state.inspect(0).await?.record)
    }

    /// The whole history, newest first.
    pub(crate) async fn history(&self) -> Checked<Vec<HistoryEntry>> {
        Ok(self.state.history(usize::MAX).await?)
    }

    /// The events of the whole history, newest first.
    pub(crate) async fn events(&self) -> Checked<Vec<HistoryEvent>> {
        Ok(self
            .history()
            .await?
            .iter()
            .map(|entry| entry.event)
            .collect())
    }

    /// The store's calendar, as it was at the newest line of the history.
    pub(crate) async fn calendar(&self) -> Checked<Timestamp> {
        let newest = self.state.history(1).await?;
        newest
            .first()
            .map(|entry| entry.at)
            .ok_or_else(|| Failure::new("the history is empty after a change"))
    }

    /// Has the change accepted, by Ana.
    pub(crate) async fn change(&self, change: Change) -> Checked<Arc<Record>> {
        let before = self.record().await?;
        self.stored(operation(&before, &change, &ana())?).await
    }

    /// Has the operation accepted.
    pub(crate) async fn stored(&self, operation: Operation) -> Checked<Arc<Record>> {
        let reply = self.state.operate(operation).await?;
        Ok(
            expect_variant!("the answer to an operation", reply, OperateReply::Stored(record) => record),
        )
    }

    /// That nothing has been changed since.
    pub(crate) async fn ensure_unchanged(
        &self,
        record: &Record,
        history: &[HistoryEntry],
    ) -> Checked {
        ensure_eq(
            "the record after what must not change it",
            &*self.record().await?,
            record,
        )?;
        ensure_eq(
            "the history after what must not change it",
            &self.history().await?.as_slice(),
            &history,
        )
    }
}

fn fixture_failure(method: &str, error: &FixtureError) -> Failure {
    Failure::from(&**error).during(&format!("the fixture failed to {method}"))
}

/// A node as the suite plays it: it says what it is told to say.
pub(crate) struct Node {
    pub(crate) report: NodeReport,
}

impl Node {
    pub(crate) fn new(label: &str) -> Self {
        let mut report = NodeReport::new(fresh_node_id(), 0);
        report.facts = NodeFacts::labelled(label);
        Self { report }
    }

    pub(crate) const fn with_lost_contact(mut self, lost_contact: LostContact) -> Self {
        self.report.lost_contact = lost_contact;
        self
    }

    pub(crate) const fn with_running(mut self, running: u64) -> Self {
        self.report.facts.running = running;
        self
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.report.node
    }

    /// Speaks, and is heard.
    pub(crate) async fn sync(&mut self, state: &SharedState) -> Checked<SyncReply> {
        self.report.sequence += 1;
        let reply = state.sync(self.report.clone()).await?;
        ensure_eq(
            "the sequence in the answer to a new report",
            &reply.sequence,
            &self.report.sequence,
        )?;
        Ok(reply)
    }

    pub(crate) async fn say_closed(
        &mut self,
        state: &SharedState,
        on: ActivationId,
    ) -> Checked<SyncReply> {
        self.report.closed = Some(on);
        self.sync(state).await
    }

    pub(crate) async fn say_drained(
        &mut self,
        state: &SharedState,
        on: ActivationId,
    ) -> Checked<SyncReply> {
        self.report.drained = Some(on);
        self.report.facts.running = 0;
        self.say_closed(state, on).await
    }
}

pub(crate) fn ana() -> Actor {
    Actor::new("ana", "conformance suite")
}

pub(crate) fn bob() -> Actor {
    Actor::new("bob", "another terminal")
}

/// The change of this record, as an operator asks for it. Its provisional stamps are wrong on purpose: those that
/// count are the store's.
pub(crate) fn operation(before: &Record, change: &Change, actor: &Actor) -> Checked<Operation> {
    match before.apply(change, Timestamp::default())? {
        Outcome::Changed(next) => Ok(Operation::replace(
            fresh_operation_id(),
            before,
            next,
            actor.clone(),
        )),
        Outcome::Unchanged => Err(Failure::new(format!(
            "the record is already as {change:?} asks: {before:?}"
        ))),
    }
}

pub(crate) fn activation(record: &Record) -> Checked<&Activation> {
    record
        .activation()
        .ok_or_else(|| Failure::new(format!("maintenance is not on: {record:?}")))
}

pub(crate) fn completion(record: &Record) -> Checked<&Completion> {
    let completion = activation(record)?.completion.as_ref();
    completion.ok_or_else(|| Failure::new(format!("the drain is not complete: {record:?}")))
}

/// Lets the addresses of a network of its own for each pair pass: a change that any number of operators can make.
pub(crate) fn allow(operator: usize, number: usize) -> Checked<Change> {
    Ok(Change::Allow(AllowChange::Add(AllowList::parse([
        format!("10.{operator}.{number}.0/24"),
    ])?)))
}

pub(crate) fn fresh_node_id() -> NodeId {
    NodeId::from_bits((0xc0 << 64) | u128::from(fresh_number()))
}

pub(crate) fn fresh_operation_id() -> OperationId {
    OperationId::from_bits((0x0f << 64) | u128::from(fresh_number()))
}

fn fresh_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A revision that is far ahead of this one, as after a loss of the store's newest writes.
pub(crate) const fn far_ahead_of(revision: Revision) -> Revision {
    Revision::new(revision.number() + 86_400_000)
}
