//! What runs on this node, counted without a lock and without a shared cache line.
//!
//! Each thread counts in a shard of its own. A guard may end on another thread than it began on; it remembers its
//! shard. Closing closes every shard, and a drain is over when every shard, after it was closed, was seen empty once:
//! a closed shard never fills again.

mod word;

/// What [`word`] counts with; the loom model puts its own there.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}

use std::cell::Cell;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;
use intermission_core::{ExecutionView, Level, Timestamp};
use slab::Slab;
use tokio::sync::Notify;

use crate::execution::{ExecutionInfo, Orders};
pub(crate) use word::{Entered, Word};

/// Which requests a level closes out decides which of them its quiescence waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestClass {
    /// A method that changes nothing.
    Safe,
    /// Any other method.
    Unsafe,
    /// Let in past a closed door.
    Bypass,
}

/// All counters of a node.
#[derive(Debug)]
pub(crate) struct InFlight {
    shards: Box<[Arc<CachePadded<Shard>>]>,
    emptied: Arc<Notify>,
    orders: Arc<Orders>,
}

/// The counters of some threads.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) executions: Word,
    pub(crate) bypass_executions: Word,
    safe: Word,
    unsafe_: Word,
    bypass: Word,
    live: Mutex<Live>,
    index: u64,
    emptied: Arc<Notify>,
    orders: Arc<Orders>,
}

#[derive(Debug, Default)]
struct Live {
    executions: Slab<LiveExecution>,
    begun: u64,
}

#[derive(Debug)]
struct LiveExecution {
    id: u64,
    info: ExecutionInfo,
    started_at: Timestamp,
    bypass: bool,
}

impl InFlight {
    pub(crate) fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let emptied = Arc::new(Notify::new());
        let orders = Arc::new(Orders::default());
        // A power of two, so that finding a thread's shard is a mask.
        let shards = (0..threads.next_power_of_two().min(64))
            .zip(0_u64..)
            .map(|(_, index)| Arc::new(CachePadded::new(Shard::new(index, Arc::clone(&emptied), Arc::clone(&orders)))))
            .collect();
        Self { shards, emptied, orders }
    }

    /// The shard of the calling thread.
    #[inline]
    pub(crate) fn shard(&self) -> &Arc<CachePadded<Shard>> {
        let index = thread_number() & (self.shards.len() - 1);
        #[expect(clippy::indexing_slicing, reason = "masked by the length, which is a power of two and so never zero")]
        &self.shards[index]
    }

    /// Closes the door to executions, and has every request ask.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            for word in [&shard.executions, &shard.safe, &shard.unsafe_] {
                word.close();
            }
        }
    }

    /// Opens the door, and has no request ask.
    pub(crate) fn open(&self) {
        for shard in &self.shards {
            for word in [&shard.executions, &shard.safe, &shard.unsafe_, &shard.bypass] {
                word.open();
                word.unwatch();
            }
        }
    }

    /// Executions that a drain waits for. If there are any, [`emptied`](Self::emptied) wakes when they may have ended.
    pub(crate) fn watch_executions(&self) -> u64 {
        self.shards.iter().map(|shard| shard.executions.watch()).sum()
    }

    /// Requests that the level closes out. If there are any, [`emptied`](Self::emptied) wakes when they may have
    /// ended.
    pub(crate) fn watch_requests(&self, level: Level) -> u64 {
        let count = |words: fn(&Shard) -> &Word| self.shards.iter().map(|shard| words(shard).watch()).sum::<u64>();
        // INVARIANT: bypass last. A request that turns out to be a bypass enters there before it leaves its class.
        let safe = if level == Level::ReadOnly { 0 } else { count(|shard| &shard.safe) };
        let unsafe_ = count(|shard| &shard.unsafe_);
        let bypass = if level == Level::Exclusive { count(|shard| &shard.bypass) } else { 0 };
        safe + unsafe_ + bypass
    }

    /// Nobody waits for requests any more.
    pub(crate) fn unwatch_requests(&self) {
        for shard in &self.shards {
            for word in [&shard.safe, &shard.unsafe_, &shard.bypass] {
                word.unwatch();
            }
        }
    }

    /// Waits until something that is watched may have come to zero.
    pub(crate) async fn emptied(&self) {
        self.emptied.notified().await;
    }

    /// What running executions are told.
    pub(crate) fn orders(&self) -> &Orders {
        &self.orders
    }

    pub(crate) fn running(&self) -> u64 {
        self.shards.iter().map(|shard| shard.executions.count()).sum()
    }

    pub(crate) fn bypass_running(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bypass_executions.count()).sum()
    }

    pub(crate) fn requests(&self) -> u64 {
        let all = |shard: &Shard| shard.safe.count() + shard.unsafe_.count() + shard.bypass.count();
        self.shards.iter().map(|shard| all(shard)).sum()
    }

    /// The running executions, the oldest first.
    pub(crate) fn executions(&self, limit: usize) -> Vec<ExecutionView> {
        let mut views = Vec::new();
        for shard in &self.shards {
            let live = shard.live();
            views.extend(live.executions.iter().map(|(_, execution)| {
                let LiveExecution { id, info, started_at, bypass } = execution;
                let label = info.label().map(str::to_owned);
                ExecutionView::new(*id, info.kind(), label, *started_at).with_bypass(*bypass)
            }));
        }
        views.sort_by_key(|view| (view.started_at, view.id));
        views.truncate(limit);
        views
    }
}

impl Shard {
    fn new(index: u64, emptied: Arc<Notify>, orders: Arc<Orders>) -> Self {
        Self {
            executions: Word::new(),
            bypass_executions: Word::new(),
            safe: Word::new(),
            unsafe_: Word::new(),
            bypass: Word::new(),
            live: Mutex::default(),
            index,
            emptied,
            orders,
        }
    }

    #[inline]
    pub(crate) fn requests(&self, class: RequestClass) -> &Word {
        match class {
            RequestClass::Safe => &self.safe,
            RequestClass::Unsafe => &self.unsafe_,
            RequestClass::Bypass => &self.bypass,
        }
    }

    /// Counts one out, and wakes the keeper if it waited for that.
    #[inline]
    pub(crate) fn leave(&self, word: &Word) {
        if word.leave() {
            self.emptied.notify_one();
        }
    }

    pub(crate) fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Lists an execution that was counted in. Returns where it is listed, and its id.
    pub(crate) fn list(&self, info: ExecutionInfo, started_at: Timestamp, bypass: bool) -> (usize, u64) {
        let mut live = self.live();
        live.begun += 1;
        let id = (live.begun << 6) | self.index;
        let key = live.executions.insert(LiveExecution { id, info, started_at, bypass });
        (key, id)
    }

    pub(crate) fn unlist(&self, key: usize) {
        let ended = self.live().executions.try_remove(key);
        // Its texts are freed outside of the lock.
        drop(ended);
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // A panic while the list was held leaves it whole: each change of it is one call.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Numbers threads in the order in which they first count something.
#[inline]
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let number = NUMBER.get();
    if number != usize::MAX {
        return number;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(number);
    number
}
