//! Loops that pause with the site and go on with it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test, helpers included"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intermission::{
    Activate, Actor, Change, Deactivate, ExecutionInfo, Gate, Level, MemoryState, Operator, Phase,
    RefuseReason, Turn, WhenClosed,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn site() -> (Gate, Operator) {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    (gate, Operator::new(state, Actor::new("ana", "test")))
}

async fn close(gate: &Gate, operator: &Operator, level: Level) {
    let activate = Activate::by("ana").with_level(level);
    operator.change(Change::Activate(activate)).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
}

async fn open(gate: &Gate, operator: &Operator) {
    let change = Change::Deactivate(Deactivate::new());
    operator.change(change).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Deactivated)
        .await;
}

fn consumer() -> ExecutionInfo {
    ExecutionInfo::new("consumer").with_label("mails")
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

#[tokio::test]
async fn a_consumer_finishes_what_it_holds_and_takes_nothing_until_the_site_is_open() {
    let (gate, operator) = site().await;
    let (put, mut queue) = mpsc::unbounded_channel::<mpsc::UnboundedSender<()>>();
    let done = Arc::new(AtomicU64::new(0));
    let mut worker = gate.worker(consumer(), WhenClosed::Wait);
    let counted = Arc::clone(&done);
    let consuming = tokio::spawn(async move {
        while let Turn::Work(execution) = worker.turn().await {
            let Some(finish) = queue.recv().await else {
                break;
            };
            finish.closed().await;
            counted.fetch_add(1, Ordering::SeqCst);
            drop(execution);
        }
    });

    let (message, held) = mpsc::unbounded_channel();
    put.send(message).unwrap();
    let change = Change::Activate(Activate::by("ana"));
    operator.change(change).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activating)
        .await;
    assert_eq!(gate.status().running, 1, "the drain waits for it");

    drop(held);
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    assert_eq!(done.load(Ordering::SeqCst), 1);

    let (message, second) = mpsc::unbounded_channel();
    put.send(message).unwrap();
    drop(second);
    assert_eq!(gate.status().running, 0);
    open(&gate, &operator).await;
    in_time(async {
        while done.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(put);
    in_time(consuming).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_a_paused_worker_and_one_that_comes_later() {
    let (gate, operator) = site().await;
    close(&gate, &operator, Level::Full).await;
    let mut paused = gate.worker(consumer(), WhenClosed::Wait);
    let waiting = tokio::spawn(async move { matches!(paused.turn().await, Turn::End) });
    tokio::task::yield_now().await;
    in_time(gate.shutdown()).await;
    assert!(in_time(waiting).await.unwrap());
    let mut late = gate.worker(consumer(), WhenClosed::Run);
    assert!(matches!(in_time(late.turn()).await, Turn::End));
}

#[tokio::test]
async fn a_periodic_job_leaves_its_turn_out() {
    let (gate, operator) = site().await;
    let mut worker = gate.worker(consumer(), WhenClosed::Skip);
    assert!(matches!(worker.turn().await, Turn::Work(_)));
    close(&gate, &operator, Level::ReadOnly).await;
    let skipped = in_time(worker.turn()).await;
    assert!(
        matches!(skipped, Turn::Skip(RefuseReason::Maintenance)),
        "{skipped:?}"
    );
    open(&gate, &operator).await;
    assert!(matches!(in_time(worker.turn()).await, Turn::Work(_)));
}

#[tokio::test]
async fn a_job_that_the_maintenance_needs_runs_and_no_drain_waits_for_it() {
    let (gate, operator) = site().await;
    close(&gate, &operator, Level::Full).await;
    let mut worker = gate.worker(consumer(), WhenClosed::Run);
    let Turn::Work(execution) = in_time(worker.turn()).await else {
        panic!("it runs")
    };
    assert!(execution.is_bypass());
    drop(execution);

    // A backup is to see nobody's writes.
    close(&gate, &operator, Level::Exclusive).await;
    gate.reached(|record| record.level() == Level::Exclusive)
        .await;
    let waiting = tokio::spawn(async move { worker.turn().await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    open(&gate, &operator).await;
    let Turn::Work(execution) = in_time(waiting).await.unwrap() else {
        panic!("it goes on")
    };
    assert!(!execution.is_bypass());
}

#[tokio::test]
async fn what_is_planned_is_known_ahead_and_no_longer_once_it_is_on() {
    use intermission::{Clock as _, SystemClock};

    let (gate, operator) = site().await;
    assert_eq!(gate.upcoming(), None);
    let start = SystemClock.now().saturating_add(Duration::from_secs(3_600));
    let plan = Activate::by("ana")
        .with_message("A new database")
        .with_starts_at(start);
    operator.change(Change::Activate(plan)).await.unwrap();
    gate.reached(|record| record.plan().is_some()).await;
    let upcoming = gate.upcoming().unwrap();
    assert_eq!(upcoming.starts_at, start);
    assert_eq!(upcoming.settings.message.as_deref(), Some("A new database"));
    close(&gate, &operator, Level::Full).await;
    assert_eq!(gate.upcoming(), None);
    open(&gate, &operator).await;
    assert_eq!(gate.upcoming(), None);
}
