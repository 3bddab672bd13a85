//! An operator on a state that is far away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intermission::{
    Activate, Actor, Change, Departure, Goal, HistoryEntry, MaintenanceState, MemoryState, NodeId,
    NodeReport, OperateReply, Operation, Operator, Record, Revision, StateError, SyncReply, View,
    Waited,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// A memory state behind a link with a long round trip, and with one connection that serves one call after the other.
#[derive(Clone, Default)]
struct Distant {
    inner: MemoryState,
    connection: Arc<Mutex<()>>,
    looks: Arc<AtomicU64>,
    subscriptions: Arc<AtomicU64>,
    /// Subscriptions that somebody dropped midway, each of which would cost a connection.
    broken: Arc<AtomicU64>,
}

const ROUND_TRIP: Duration = Duration::from_millis(150);

/// Counts itself if it is dropped before it is over.
struct Midway {
    broken: Arc<AtomicU64>,
    is_over: bool,
}

impl Drop for Midway {
    fn drop(&mut self) {
        self.broken
            .fetch_add(u64::from(!self.is_over), Ordering::SeqCst);
    }
}

impl MaintenanceState for Distant {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.inner.sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.inner.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.inner.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        let _turn = self.connection.lock().await;
        sleep(ROUND_TRIP).await;
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.inner.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        let mut midway = Midway {
            broken: Arc::clone(&self.broken),
            is_over: false,
        };
        {
            let _turn = self.connection.lock().await;
            sleep(ROUND_TRIP).await;
        }
        midway.is_over = true;
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
        self.inner.watch(seen).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_on_a_slow_link_lets_its_subscription_come_about() {
    let state = Distant::default();
    let node = NodeId::random().unwrap();
    state.inner.sync(NodeReport::new(node, 1)).await.unwrap();
    let operator = Operator::new(state.clone(), Actor::new("ana", "test"));
    let change = Change::Activate(Activate::by("ana"));
    let record = operator.change(change).await.unwrap().record;
    let activation = record.activation().unwrap().id;
    let near = Operator::new(state.inner.clone(), Actor::new("bob", "test"));
    let mut forgotten_at = None;
    let drained = async {
        sleep(Duration::from_secs(5)).await;
        near.forget(node).await.unwrap();
        forgotten_at = Some(Instant::now());
    };
    let (waited, ()) = tokio::join!(operator.wait(activation, Goal::Activated, |_| ()), drained);
    assert!(matches!(waited, Ok(Waited::Reached(_))), "{waited:?}");
    let took = forgotten_at.unwrap().elapsed();
    assert!(took < ROUND_TRIP * 3, "{took:?}");
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    assert_eq!(count(&state.broken), 0, "each costs a connection");
    assert_eq!(count(&state.subscriptions), 1);
    assert!(count(&state.looks) > 10, "acknowledgements wake nobody");
    drop(operator);
    // What is left of the wait is gone, so nothing holds the connection.
    tokio::task::yield_now().await;
    assert!(state.connection.try_lock().is_ok());
}
