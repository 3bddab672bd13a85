//! What runs on this node, counted where hardly another thread counts.
//!
//! There is one shard for each processor, at most 64, each in cache lines of its own, and threads take them in turns. So
//! workers seldom share one. Requests are counted there in words, without a lock; executions are listed in a table behind
//! the shard's mutex ([`table`] says why). A guard may end on another thread than it began on; it remembers its
//! shard. Closing closes every shard, and a drain is over when every shard, after it was closed, was seen empty once:
//! a closed shard never fills again.

mod table;
mod word;

/// What [`table`] and [`word`] count with; the loom model puts its own there.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};

    pub(super) use parking_lot::Mutex;
}

use std::cell::Cell;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use intermission_core::{ActivationId, ExecutionView, Level, Record, ScopeName, Timestamp};
use tokio::sync::{Notify, watch};

use crate::execution_info::ExecutionInfo;
use crate::metrics::Counted;
#[cfg(feature = "metrics")]
use crate::metrics::Tally;
use crate::shared::Installed;
pub(crate) use table::{Order, Place, Table};
pub(crate) use word::{Entered, Word};

/// The most shards. A power of two, and what the low bits of an execution's id can tell apart.
const SHARDS: usize = 64;

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
    /// One for each processor, at most [`SHARDS`].
    shards: Box<[Arc<CachePadded<Shard>>]>,
    /// The same, repeated until the number of a thread needs no more than a mask to find its own.
    by_thread: [Arc<CachePadded<Shard>>; SHARDS],
    emptied: Arc<Notify>,
    ordered: Arc<watch::Sender<()>>,
}

/// The counters of some threads.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) executions: Table<Running, Installed>,
    safe: Word,
    unsafe_: Word,
    bypass: Word,
    /// What was decided about requests of these threads.
    #[cfg(feature = "metrics")]
    tally: Tally,
    index: u64,
    /// Here, where hardly another thread counts, since each refusal draws some.
    entropy: AtomicU64,
    emptied: Arc<Notify>,
    ordered: Arc<watch::Sender<()>>,
}

/// An odd stride, which visits every value, and no two near each other in a row.
const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// What is known of a running execution.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) info: ExecutionInfo,
    pub(crate) started_at: Timestamp,
}

impl InFlight {
    pub(crate) fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let emptied = Arc::new(Notify::new());
        let ordered = Arc::new(watch::Sender::new(()));
        let shards: Box<[_]> = (0..threads.min(SHARDS))
            .zip(0_u64..)
            .map(|(_, index)| {
                Arc::new(CachePadded::new(Shard::new(
                    index,
                    Arc::clone(&emptied),
                    Arc::clone(&ordered),
                )))
            })
            .collect();
        let by_thread = std::array::from_fn(|thread| {
            #[expect(
                clippy::indexing_slicing,
                reason = "a remainder is less than what it was divided by"
            )]
            Arc::clone(&shards[thread % shards.len()])
        });
        Self {
            shards,
            by_thread,
            emptied,
            ordered,
        }
    }

    /// The shard of the calling thread.
    #[inline]
    pub(crate) fn shard(&self) -> &Arc<CachePadded<Shard>> {
        #[expect(
            clippy::indexing_slicing,
            reason = "masked by the length, which is a power of two"
        )]
        &self.by_thread[thread_number() & (SHARDS - 1)]
    }

    /// Closes the door to executions, and has every request ask.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            shard.executions.close();
        }
        self.have_requests_ask();
    }

    /// Has every request ask.
    pub(crate) fn have_requests_ask(&self) {
        for shard in &self.shards {
            shard.safe.close();
            shard.unsafe_.close();
        }
    }

    /// Opens the door, and has no request ask.
    pub(crate) fn open(&self) {
        self.open_to_executions();
        for shard in &self.shards {
            for word in [&shard.safe, &shard.unsafe_, &shard.bypass] {
                word.open();
            }
        }
    }

    /// Opens the door to executions. Whether requests ask stays as it is.
    pub(crate) fn open_to_executions(&self) {
        for shard in &self.shards {
            shard.executions.open();
        }
        self.unwatch_requests();
    }

    /// The scopes that this says are closed are closed to executions from now on; all are open for `None`.
    pub(crate) fn close_scopes(&self, closed: Option<&Arc<Installed>>) {
        for shard in &self.shards {
            shard.executions.close_parts(closed.cloned());
        }
    }

    /// The activations of scopes that are on, and for which an execution runs here. If there are any,
    /// [`emptied`](Self::emptied) wakes when one may have ended.
    pub(crate) fn watch_scopes(&self, record: &Record) -> Vec<ActivationId> {
        let mut undrained = Vec::new();
        for shard in &self.shards {
            shard.executions.watch_parts(|Running { info, .. }| {
                for name in info.scopes() {
                    let scope = record.scopes().get(name.as_str());
                    let id = scope
                        .and_then(|scope| scope.activation.as_ref())
                        .map(|on| on.id);
                    undrained.extend(id.filter(|id| !info.past().contains(id)));
                }
            });
        }
        if undrained.is_empty() {
            // The doors are closed, so none will be there.
            for shard in &self.shards {
                shard.executions.unwatch_parts();
            }
        }
        undrained.sort_unstable();
        undrained.dedup();
        undrained
    }

    /// Tells the executions of these scopes to end, and drops those that may be dropped.
    pub(crate) fn end_scopes(&self, scopes: &[ScopeName]) {
        for shard in &self.shards {
            shard.executions.end_parts(|Running { info, .. }| {
                info.scopes().iter().any(|scope| scopes.contains(scope))
            });
        }
        self.ordered.send_replace(());
    }

    /// Executions that a drain waits for. If there are any, [`emptied`](Self::emptied) wakes when they may have ended.
    pub(crate) fn watch_executions(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.executions.watch())
            .sum()
    }

    /// Requests that the level closes out. If there are any, [`emptied`](Self::emptied) wakes when they may have
    /// ended.
    pub(crate) fn watch_requests(&self, level: Level) -> u64 {
        let count = |words: fn(&Shard) -> &Word| {
            self.shards
                .iter()
                .map(|shard| words(shard).watch())
                .sum::<u64>()
        };
        // INVARIANT: bypass last. A request that turns out to be a bypass enters there before it leaves its class.
        let safe = if level == Level::ReadOnly {
            0
        } else {
            count(|shard| &shard.safe)
        };
        let unsafe_ = count(|shard| &shard.unsafe_);
        let bypass = if level == Level::Exclusive {
            count(|shard| &shard.bypass)
        } else {
            0
        };
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

    /// Gives an order to all executions that run now.
    pub(crate) fn order(&self, order: Order) {
        for shard in &self.shards {
            shard.executions.order(order);
        }
        self.ordered.send_replace(());
    }

    /// How many executions a drain waits for, and how many others run.
    pub(crate) fn running(&self) -> (u64, u64) {
        let counts = self.shards.iter().map(|shard| shard.executions.count());
        counts.fold((0, 0), |(awaited, others), (a, b)| {
            (awaited + a, others + b)
        })
    }

    pub(crate) fn requests(&self) -> u64 {
        let all = |shard: &Shard| shard.safe.count() + shard.unsafe_.count() + shard.bypass.count();
        self.shards.iter().map(|shard| all(shard)).sum()
    }

    /// Counts what was decided about a request, if anybody wants to know.
    #[inline]
    pub(crate) fn count(&self, counted: Counted) {
        #[cfg(feature = "metrics")]
        self.shard().tally.count(counted);
        #[cfg(not(feature = "metrics"))]
        let (_, _) = (self, counted);
    }

    /// How often that was decided.
    #[cfg(feature = "metrics")]
    pub(crate) fn counted(&self, counted: Counted) -> u64 {
        let of = |shard: &Arc<CachePadded<Shard>>| shard.tally.of(counted);
        self.shards.iter().map(of).sum()
    }

    /// The running executions, the oldest first.
    pub(crate) fn executions(&self, limit: usize) -> Vec<ExecutionView> {
        let mut views = Vec::new();
        for shard in &self.shards {
            shard.executions.for_each(
                |number,
                 awaited,
                 Running {
                     info, started_at, ..
                 }| {
                    let label = info.label().map(cut);
                    let view =
                        ExecutionView::new(shard.id(number), cut(info.kind()), label, *started_at);
                    let scopes = info.scopes().to_vec();
                    views.push(view.with_bypass(!awaited).with_scopes(scopes));
                },
            );
        }
        views.sort_by_key(|view| (view.started_at, view.id));
        views.truncate(limit);
        views
    }
}

/// What is shown of a kind or a label, in characters: it goes out with every heartbeat, and may be a visitor's path.
const SHOWN: usize = 200;

fn cut(text: &str) -> String {
    if text.len() <= SHOWN || text.chars().count() <= SHOWN {
        text.to_owned()
    } else {
        text.chars().take(SHOWN).chain(['…']).collect()
    }
}

impl Shard {
    fn new(index: u64, emptied: Arc<Notify>, ordered: Arc<watch::Sender<()>>) -> Self {
        Self {
            executions: Table::new(),
            safe: Word::new(),
            unsafe_: Word::new(),
            bypass: Word::new(),
            #[cfg(feature = "metrics")]
            tally: Tally::new(),
            index,
            entropy: AtomicU64::new(index.wrapping_mul(STRIDE >> 1)),
            emptied,
            ordered,
        }
    }

    /// What spreads the jitter of a refusal. Another one each time.
    pub(crate) fn entropy(&self) -> u64 {
        self.entropy.fetch_add(STRIDE, Ordering::Relaxed)
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

    /// Ends an execution, and wakes the keeper if it waited for that.
    #[inline]
    pub(crate) fn end(&self, place: Place) {
        if self.executions.end(place) {
            self.emptied.notify_one();
        }
    }

    /// The id of the execution with that number in this shard, unique on the node.
    pub(crate) const fn id(&self, number: u64) -> u64 {
        (number << 6) | self.index
    }

    /// Wakes whenever an order was given.
    pub(crate) fn ordered(&self) -> watch::Receiver<()> {
        self.ordered.subscribe()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/bench` shows what follows from it, by the clock.
    #[test]
    fn no_two_shards_share_a_pair_of_cache_lines() {
        const PAIR: usize = 128;
        let in_flight = InFlight::new();
        let mut pairs = Vec::new();
        for shard in &in_flight.shards {
            let at = Arc::as_ptr(shard).addr();
            // The count of who holds it lies before it.
            pairs.extend(at / PAIR - 1..(at + size_of::<CachePadded<Shard>>()).div_ceil(PAIR));
        }
        let all = pairs.len();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), all);
    }
}
