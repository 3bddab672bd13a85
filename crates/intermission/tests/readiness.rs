//! What a readiness probe is told, by a real gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use intermission::{
    Activate, Actor, Change, Deactivate, Departure, ExecutionInfo, Gate, HistoryEntry, Hold, Level,
    MaintenanceState, MemoryState, NodeId, NodeReport, OperateReply, Operation, Operator,
    OutagePolicy, Phase, Readiness, ReadinessPolicy, Record, Revision, StartPolicy, StateError,
    StateErrorKind, SyncReply, Timing, View,
};

const STAY: ReadinessPolicy = ReadinessPolicy::StayReady;
const FOLLOW: ReadinessPolicy = ReadinessPolicy::UnreadyWhenActivated;

/// A memory state that can be away for nodes. Operators reach the memory state behind it.
#[derive(Clone, Default)]
struct Away {
    inner: MemoryState,
    is_away: Arc<AtomicBool>,
}

impl Away {
    fn ask(&self) -> Result<(), StateError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StateError::new(StateErrorKind::Unavailable, "it is away"));
        }
        Ok(())
    }

    fn becomes(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }
}

impl MaintenanceState for Away {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.ask()?;
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
        self.ask()?;
        self.inner.watch(seen).await
    }
}

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

/// Asks until it is so; a test that waits in vain is ended by the runner.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What each policy says.
fn both(gate: &Gate) -> [bool; 2] {
    [STAY, FOLLOW].map(|policy| gate.readiness(policy).is_ready())
}

#[tokio::test]
async fn only_a_node_that_turns_visitors_away_is_unready_and_only_if_it_is_told_to() {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    for (level, follows) in [
        (Level::ReadOnly, true),
        (Level::Full, false),
        (Level::Exclusive, false),
    ] {
        assert_eq!(both(&gate), [true, true], "{level}");
        let job = gate.execution(ExecutionInfo::new("job")).unwrap();
        let activate = Activate::by("ana").with_level(level);
        operator.change(Change::Activate(activate)).await.unwrap();
        gate.reached(|record| record.phase() == Phase::Activating)
            .await;
        assert_eq!(both(&gate), [true, true], "{level}: pages are served");
        drop(job);
        gate.reached(|record| record.phase() == Phase::Activated)
            .await;
        assert_eq!(both(&gate), [true, follows], "{level}");
        let deactivate = Change::Deactivate(Deactivate::new());
        operator.change(deactivate).await.unwrap();
        gate.reached(|record| record.phase() == Phase::Deactivated)
            .await;
    }
    assert_eq!(both(&gate), [true, true]);
}

#[tokio::test]
async fn a_node_that_starts_closed_is_unready_until_its_state_answers() {
    let state = Away::default();
    state.becomes(true);
    let starting = Gate::builder(state.clone())
        .with_timing(quick())
        .with_start_policy(StartPolicy::StartClosed);
    let gate = starting.start().await.unwrap();
    assert_eq!(both(&gate), [true, false]);
    state.becomes(false);
    until(|| gate.readiness(FOLLOW).is_ready()).await;
    assert!(gate.is_open());
}

#[tokio::test]
async fn a_hold_counts_and_want_of_contact_alone_does_not() {
    let state = Away::default();
    let patient = Gate::builder(state.clone())
        .with_timing(quick())
        .start()
        .await
        .unwrap();
    let closing = Gate::builder(state.clone())
        .with_timing(quick())
        .with_outage_policy(OutagePolicy::CloseAfter(Duration::from_millis(50)))
        .start()
        .await
        .unwrap();
    state.becomes(true);
    until(|| patient.status().trouble.is_some()).await;
    until(|| closing.status().hold == Some(Hold::StateUnreachable)).await;
    assert_eq!(both(&patient), [true, true]);
    assert_eq!(both(&closing), [true, false]);
    state.becomes(false);
    until(|| both(&closing) == [true, true]).await;
}

#[test]
fn the_answers_are_those_that_probes_understand() {
    let answer = |readiness: Readiness| (readiness.status(), readiness.to_string());
    assert_eq!(answer(Readiness::Ready), (200, "ready".to_owned()));
    assert_eq!(answer(Readiness::Unready), (503, "unready".to_owned()));
    assert_eq!(ReadinessPolicy::default(), STAY);
}
