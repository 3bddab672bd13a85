//! A state that fails, hangs or panics: what requests and executions see of it.
#![expect(
    clippy::panic,
    clippy::unreachable,
    reason = "a test, helpers included"
)]

mod bystander;
#[cfg(feature = "tracing")]
mod log_lines;
mod plans;
mod readiness;
mod scopes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use intermission::{
    Activate, Actor, Admission, Change, Clock, Deactivate, Decision, Departure, ExecutionInfo,
    Gate, GateBuilder, HistoryEntry, Hold, LostContact, MaintenanceState, MemoryState, NodeId,
    NodeReport, OperateReply, Operation, Operator, OutagePolicy, Phase, Record, RefuseReason,
    Revision, RouteAccess, StartError, StartPolicy, StateError, StateErrorKind, SyncReply,
    Timestamp, Timing, View, Visitor,
};

const FINE: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;
const PANICS: u8 = 3;
const CANNOT_BE_WATCHED: u8 = 4;
/// Watches say that it has lost its record, as after a failover, and that of which they tell is watched for the next.
const HAS_GONE_BACK: u8 = 5;

/// A memory state that does to nodes what it is told to. Operators reach the memory state behind it.
#[derive(Clone)]
struct Ailing {
    inner: MemoryState,
    ailment: Arc<AtomicU8>,
    syncs: Arc<AtomicU64>,
    /// How often a state that has gone back was watched for what comes next.
    watches: Arc<AtomicU64>,
}

impl Ailing {
    fn new(ailment: u8) -> Self {
        Self {
            inner: MemoryState::new(),
            ailment: Arc::new(AtomicU8::new(ailment)),
            syncs: Arc::default(),
            watches: Arc::default(),
        }
    }

    fn becomes(&self, ailment: u8) {
        self.ailment.store(ailment, Ordering::SeqCst);
    }

    fn operator(&self) -> Operator {
        Operator::new(self.inner.clone(), Actor::new("ana", "test"))
    }

    async fn ail(&self) -> Result<(), StateError> {
        match self.ailment.load(Ordering::SeqCst) {
            FINE | CANNOT_BE_WATCHED | HAS_GONE_BACK => Ok(()),
            FAILS => Err(StateError::new(StateErrorKind::Unavailable, "it is away")),
            HANGS => std::future::pending().await,
            PANICS => {
                self.becomes(FINE);
                panic!("a backend with a bug")
            }
            other => unreachable!("no ailment {other}"),
        }
    }
}

impl MaintenanceState for Ailing {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.ail().await?;
        self.inner.sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.inner.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.inner.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        self.inner.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.inner.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        if self.ailment.load(Ordering::SeqCst) == CANNOT_BE_WATCHED {
            return Err(StateError::new(
                StateErrorKind::Unavailable,
                "it cannot be watched",
            ));
        }
        if self.ailment.load(Ordering::SeqCst) == HAS_GONE_BACK {
            if seen != Revision::ZERO {
                return Ok(Some(Arc::default()));
            }
            let newest = self.inner.inspect(0).await?.record;
            self.watches.fetch_add(1, Ordering::SeqCst);
            return self.inner.watch(newest.revision()).await;
        }
        self.ail().await?;
        self.inner.watch(seen).await
    }
}

/// A lease of a tenth of a second, so that tests need not wait long for its end.
fn quick() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_millis(400);
    timing.heartbeat = Duration::from_millis(40);
    timing.timeout = Duration::from_millis(20);
    timing.step = Duration::from_millis(20);
    timing.margin = Duration::from_millis(60);
    timing.grace = Duration::from_millis(400);
    timing
}

fn builder(state: &Ailing) -> GateBuilder {
    Gate::builder(state.clone()).with_timing(quick())
}

/// Asks until it is so; a test that waits in vain is ended by the runner.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn page() -> Visitor<'static> {
    Visitor::new("GET", "/")
}

#[tokio::test]
async fn by_default_nobody_starts_without_a_state() {
    let error = builder(&Ailing::new(FAILS)).start().await.unwrap_err();
    assert!(
        matches!(error, StartError::State(error) if error.kind() == StateErrorKind::Unavailable)
    );
}

#[tokio::test]
async fn a_start_without_a_state_may_be_closed_or_open_and_follows_the_state_later() {
    for (policy, open) in [
        (StartPolicy::StartClosed, false),
        (StartPolicy::StartOpen, true),
    ] {
        let state = Ailing::new(FAILS);
        let gate = builder(&state)
            .with_start_policy(policy)
            .start()
            .await
            .unwrap();
        assert_eq!(gate.decide(&page()).is_admit(), open, "{policy:?}");
        assert_eq!(gate.status().trouble, Some(StateErrorKind::Unavailable));
        state
            .operator()
            .change(Change::Activate(Activate::by("ana")))
            .await
            .unwrap();
        state.becomes(FINE);
        gate.reached(|record| record.phase() == Phase::Activated)
            .await;
        assert_eq!(
            gate.decide(&page()),
            Decision::Refuse(RefuseReason::Maintenance)
        );
        assert_eq!(gate.status().trouble, None);
        state
            .operator()
            .change(Change::Deactivate(Deactivate::new()))
            .await
            .unwrap();
        until(|| gate.is_open()).await;
    }
}

#[tokio::test]
async fn by_default_an_outage_keeps_what_was_known() {
    let state = Ailing::new(FINE);
    let gate = builder(&state).start().await.unwrap();
    state.becomes(FAILS);
    until(|| gate.status().trouble.is_some()).await;
    assert!(gate.is_open());
    let age = gate.status().contact_age;
    until(|| gate.status().contact_age > age).await;
    state.becomes(FINE);
    until(|| gate.status().trouble.is_none()).await;
}

#[tokio::test]
async fn an_outage_may_close_and_its_end_opens() {
    let state = Ailing::new(FINE);
    let policy = OutagePolicy::CloseAfter(Duration::from_millis(50));
    let gate = builder(&state)
        .with_outage_policy(policy)
        .start()
        .await
        .unwrap();
    state.becomes(FAILS);
    until(|| !gate.is_open()).await;
    assert_eq!(gate.decide(&page()), Decision::Refuse(RefuseReason::Held));
    assert_eq!(gate.status().hold, Some(Hold::StateUnreachable));
    state.becomes(FINE);
    until(|| gate.is_open()).await;
}

#[tokio::test]
async fn an_outage_never_opens_a_known_closed_site() {
    let state = Ailing::new(FINE);
    let policy = OutagePolicy::OpenAfter(Duration::from_millis(1));
    let gate = builder(&state)
        .with_outage_policy(policy)
        .start()
        .await
        .unwrap();
    state
        .operator()
        .change(Change::Activate(Activate::by("ana")))
        .await
        .unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    state.becomes(FAILS);
    until(|| gate.status().trouble.is_some()).await;
    let age = gate.status().contact_age.unwrap() + Duration::from_millis(50);
    until(|| gate.status().contact_age > Some(age)).await;
    assert!(!gate.decide(&page()).is_admit());
}

#[tokio::test]
async fn a_node_that_never_knew_anything_may_open_after_a_while() {
    let state = Ailing::new(FAILS);
    let policy = OutagePolicy::OpenAfter(Duration::from_millis(100));
    let starting = builder(&state)
        .with_outage_policy(policy)
        .with_start_policy(StartPolicy::StartClosed);
    let gate = starting.start().await.unwrap();
    until(|| gate.decide(&page()).is_admit()).await;
    let refused = gate.execution(ExecutionInfo::new("job")).unwrap_err();
    assert_eq!(
        refused.reason,
        RefuseReason::OutOfContact,
        "no drain would wait for it"
    );
}

#[tokio::test]
async fn a_fenced_node_starts_nothing_and_drops_its_work_while_others_go_on() {
    for hangs in [FAILS, HANGS] {
        let state = Ailing::new(FINE);
        let fence = LostContact::Fence(Duration::from_millis(50));
        let gate = builder(&state)
            .with_lost_contact(fence)
            .start()
            .await
            .unwrap();
        let told = gate.execution(ExecutionInfo::new("told")).unwrap();
        let runner = gate.clone();
        let dropped = tokio::spawn(async move {
            runner
                .run(ExecutionInfo::new("dropped"), std::future::pending::<()>())
                .await
        });
        state.becomes(hangs);
        told.cancelled().await;
        assert!(dropped.await.unwrap().is_err());
        let refused = gate.execution(ExecutionInfo::new("job")).unwrap_err();
        assert_eq!(refused.reason, RefuseReason::OutOfContact);
        assert!(
            gate.decide(&page()).is_admit(),
            "pages are served by what was known"
        );
    }
}

#[tokio::test]
async fn a_keeper_that_dies_is_started_again_and_says_so() {
    let state = Ailing::new(FINE);
    let gate = builder(&state).start().await.unwrap();
    state.becomes(PANICS);
    until(|| gate.status().keeper_restarts == 1).await;
    state
        .operator()
        .change(Change::Activate(Activate::by("ana")))
        .await
        .unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
}

#[tokio::test]
async fn a_state_that_hangs_is_out_of_reach_like_one_that_fails() {
    let state = Ailing::new(HANGS);
    assert!(matches!(
        builder(&state).start().await,
        Err(StartError::State(_))
    ));
    let state = Ailing::new(FINE);
    let policy = OutagePolicy::CloseAfter(Duration::from_millis(50));
    let gate = builder(&state)
        .with_outage_policy(policy)
        .start()
        .await
        .unwrap();
    state.becomes(HANGS);
    until(|| !gate.is_open()).await;
    assert_eq!(gate.status().trouble, Some(StateErrorKind::Unavailable));
    gate.shutdown().await;
}

/// A heartbeat of an hour, so that only what is pushed can arrive.
#[tokio::test]
async fn a_state_that_has_gone_back_is_heard_on_before_the_next_heartbeat() {
    let state = Ailing::new(FINE);
    let mut timing = Timing::default();
    timing.heartbeat = Duration::from_secs(3_600);
    timing.lease = timing.heartbeat * 4;
    timing.grace = timing.lease;
    let gate = Gate::builder(state.clone())
        .with_timing(timing)
        .start()
        .await
        .unwrap();
    let operator = state.operator();
    let activate = || Change::Activate(Activate::by("ana"));
    operator.change(activate()).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    state.becomes(HAS_GONE_BACK);
    operator
        .change(Change::Deactivate(Deactivate::new()))
        .await
        .unwrap();
    until(|| gate.is_open() && state.watches.load(Ordering::SeqCst) > 0).await;
    operator.change(activate()).await.unwrap();
    gate.reached(|record| record.phase().is_on()).await;
}

/// A clock that stands still unless it is moved, and counts how often it is looked at.
#[derive(Debug, Default)]
struct Standing {
    millis: AtomicU64,
    looks: AtomicU64,
}

impl Standing {
    fn advance(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + self.millis.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Duration {
        self.looks.fetch_add(1, Ordering::SeqCst);
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }
}

/// While the clock stands still no heartbeat is due, so whatever is sent is sent for another reason.
#[tokio::test]
async fn a_state_that_cannot_be_watched_is_not_asked_again_and_again() {
    let state = Ailing::new(CANNOT_BE_WATCHED);
    let gate = builder(&state)
        .with_clock(Arc::new(Standing::default()))
        .start()
        .await
        .unwrap();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state.syncs.load(Ordering::SeqCst), 1);
    drop(gate);
}

/// Each decision in vain looks at the clock, so a request that was decided about again and again has looked often.
fn refused_at_once(gate: &Gate, clock: &Standing, permission: bool) {
    let visitor = Visitor::new("POST", "/jobs")
        .with_access(RouteAccess::StartsExecution)
        .with_permission(permission);
    let before = clock.looks.load(Ordering::SeqCst);
    let Admission::Refused(refusal) = gate.admit(&visitor) else {
        panic!("permission: {permission}")
    };
    assert_eq!(refusal.reason(), RefuseReason::OutOfContact);
    let looks = clock.looks.load(Ordering::SeqCst) - before;
    assert!(looks <= 2, "permission: {permission}: {looks}");
    assert_eq!(gate.status().requests, 0, "permission: {permission}");
}

/// A permission passes a closed door, and no fence.
#[tokio::test]
async fn a_fenced_node_refuses_who_may_pass_at_once_too() {
    let state = Ailing::new(FINE);
    let clock = Arc::new(Standing::default());
    let starting = builder(&state)
        .with_lost_contact(LostContact::Fence(Duration::from_secs(1)))
        .with_clock(Arc::<Standing>::clone(&clock));
    let gate = starting.start().await.unwrap();
    let change = Change::Activate(Activate::by("ana"));
    state.operator().change(change).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    state.becomes(FAILS);
    clock.advance(400);
    refused_at_once(&gate, &clock, true);
}

/// A process that was paused gets its timers too late: here the keeper has no chance to run after the lease is over.
#[tokio::test]
async fn a_fenced_node_that_was_paused_starts_nothing_even_before_its_keeper_wakes() {
    let state = Ailing::new(FINE);
    let clock = Arc::new(Standing::default());
    let fence = LostContact::Fence(Duration::from_secs(1));
    let starting = builder(&state)
        .with_lost_contact(fence)
        .with_clock(Arc::<Standing>::clone(&clock));
    let gate = starting.start().await.unwrap();
    let before = gate.execution(ExecutionInfo::new("job"));
    assert!(before.is_ok());
    clock.advance(400);
    let refused = gate.execution(ExecutionInfo::new("job")).unwrap_err();
    assert_eq!(refused.reason, RefuseReason::OutOfContact);
    for permission in [false, true] {
        refused_at_once(&gate, &clock, permission);
    }
    assert!(
        gate.decide(&page()).is_admit(),
        "pages are served by what was known"
    );
}
