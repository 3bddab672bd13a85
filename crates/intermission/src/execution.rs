//! Work that a drain waits for.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use intermission_core::{RefuseReason, Timestamp};
use tokio::sync::watch;

use crate::in_flight::Shard;

/// What a piece of work is, for the lists that operators read while they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExecutionInfo {
    kind: Cow<'static, str>,
    label: Option<String>,
}

impl ExecutionInfo {
    /// Work of this kind: `job`, `import`, `mail`.
    pub fn new(kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), label: None }
    }

    /// Which piece of work it is: an order's number, a file's name. Operators see it; put no secret into it.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What kind of work it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Which piece of work it is.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

/// What running executions are told.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// Grows with every order. An execution remembers what it was when it began; reading it shares a cache line that
    /// is never written in normal life.
    epoch: AtomicU64,
    standing: watch::Sender<Standing>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Executions that began before this epoch are to end.
    cancelled_before: u64,
    /// Executions that began before this epoch are dropped, if they may be.
    dropped_before: u64,
}

impl Orders {
    /// Tells all executions that run now that they are to end.
    pub(crate) fn cancel(&self) {
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.standing.send_modify(|standing| standing.cancelled_before = epoch);
    }

    /// Drops all executions that run now and may be dropped.
    pub(crate) fn drop_droppable(&self) {
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.standing.send_modify(|standing| standing.dropped_before = epoch);
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Waits for an order that `is_due` picks out.
    fn given<F>(&self, is_due: F) -> impl Future<Output = ()> + Send + 'static + use<F>
    where
        F: Fn(&Standing) -> bool + Send + Sync + 'static,
    {
        let mut standing = self.standing.subscribe();
        async move {
            if standing.wait_for(|standing| is_due(standing)).await.is_err() {
                // The node is gone, and nobody will ever order anything.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// A piece of work that a drain waits for. It ends when this is dropped.
///
/// Get one from [`Gate::execution`](crate::Gate::execution), and move it into whatever does the work: a task, a
/// thread, a response's body.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{ExecutionInfo, Gate, MemoryState};
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let execution = gate.execution(ExecutionInfo::new("import").with_label("prices.csv"))?;
/// tokio::spawn(async move {
///     // … the work …
///     drop(execution);
/// });
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "an execution ends when it is dropped: keep it for as long as the work goes on"]
pub struct Execution {
    shard: Arc<CachePadded<Shard>>,
    key: usize,
    id: u64,
    bypass: bool,
    began: u64,
}

impl Execution {
    /// Lists an execution that was counted in already.
    pub(crate) fn begin(
        shard: &Arc<CachePadded<Shard>>,
        info: ExecutionInfo,
        started_at: Timestamp,
        bypass: bool,
    ) -> Self {
        let began = shard.orders().epoch();
        let (key, id) = shard.list(info, started_at, bypass);
        Self { shard: Arc::clone(shard), key, id, bypass, began }
    }

    /// Its id, unique on its node.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Whether a bypassed visitor began it, so that no drain waits for it.
    #[must_use]
    pub const fn is_bypass(&self) -> bool {
        self.bypass
    }

    /// Whether it has been told to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shard.orders().standing.borrow().cancelled_before > self.began
    }

    /// Waits until it is told to end: when a drain's limit is reached, or when a node that fences itself is out of
    /// contact. Nothing forces it to obey.
    ///
    /// The future is independent of the execution: it can be moved elsewhere, and it does not hold up a drain.
    ///
    /// # Cancel safety
    ///
    /// Safe: the order stands, and is found by the next call.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        let began = self.began;
        self.shard.orders().given(move |standing: &Standing| standing.cancelled_before > began)
    }

    /// Waits until it is to be dropped.
    pub(crate) fn dropped(&self) -> impl Future<Output = ()> + Send + 'static {
        let began = self.began;
        self.shard.orders().given(move |standing: &Standing| standing.dropped_before > began)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.shard.unlist(self.key);
        let word = if self.bypass { &self.shard.bypass_executions } else { &self.shard.executions };
        self.shard.leave(word);
    }
}

/// No execution may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no execution may start now ({})", reason.as_str())]
#[non_exhaustive]
pub struct ExecutionRefused {
    /// By which rule.
    pub reason: RefuseReason,
}

/// Why [`Gate::run`](crate::Gate::run) has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It was not started.
    #[error(transparent)]
    Refused(#[from] ExecutionRefused),
    /// It was dropped because the drain's limit was reached, or because a node that fences itself was out of contact.
    #[error("the execution was dropped at its deadline")]
    Dropped,
}

impl fmt::Display for ExecutionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "{} {label}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}
