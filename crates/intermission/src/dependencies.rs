//! What the node needs and how it is: the tasks that run the probes, and what they have found.
//!
//! The tasks only note; the keeper hears of it and has the machine decide. No request ever looks here.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::log::{Line, line};
use crate::probe::{Change, Probe, Streak};
use crate::shared::{Installed, Shared};

/// How something is that the node needs, by its [`Probe`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DependencyStatus {
    /// What it is called.
    pub name: String,
    /// Whether it holds the node: it has failed often enough in a row, and not been well often enough since.
    pub failing: bool,
    /// Why the last check failed, if it did.
    pub last_error: Option<String>,
}

/// All that the node needs, in the order in which it was told.
#[derive(Debug)]
pub(crate) struct Dependencies {
    found: Mutex<Vec<(Streak, DependencyStatus)>>,
    /// Which of them fail, as people are to read it.
    failing: watch::Sender<Option<String>>,
}

impl Dependencies {
    pub(crate) fn new(probes: &[Probe]) -> Self {
        let unknown = |probe: &Probe| {
            let status = DependencyStatus {
                name: probe.name().to_owned(),
                failing: false,
                last_error: None,
            };
            (probe.streak(), status)
        };
        Self {
            found: Mutex::new(probes.iter().map(unknown).collect()),
            failing: watch::Sender::new(None),
        }
    }

    /// For the keeper: which of them fail.
    pub(crate) fn failing(&self) -> watch::Receiver<Option<String>> {
        self.failing.subscribe()
    }

    pub(crate) fn status(&self) -> Vec<DependencyStatus> {
        let found = self.found.lock();
        found.iter().map(|(_, status)| status.clone()).collect()
    }

    /// Takes in how a check went.
    fn note(&self, name: &str, outcome: Result<(), String>) {
        let mut found = self.found.lock();
        let Some((streak, status)) = found.iter_mut().find(|(_, status)| status.name == name)
        else {
            return;
        };
        let change = streak.note(outcome.is_ok());
        status.failing = streak.is_failing();
        status.last_error = outcome.err();
        let error = status.last_error.clone().unwrap_or_default();
        let Some(change) = change else { return };
        let names = found.iter().filter(|(_, status)| status.failing);
        let names: Vec<_> = names.map(|(_, status)| status.name.as_str()).collect();
        // Told under the lock, so that the keeper hears last what was found last.
        self.failing
            .send_replace((!names.is_empty()).then(|| names.join(", ")));
        drop(found);
        match change {
            Change::Fails => line(&Line::DependencyFails(name, &error)),
            Change::IsBack => line(&Line::DependencyBack(name)),
        }
    }
}

/// Runs each probe on a task of its own, until the gate is gone.
pub(crate) fn watch_always(shared: &Arc<Shared>, probes: Vec<Probe>) {
    for (index, probe) in probes.into_iter().enumerate() {
        let mut published = shared.published.subscribe();
        let low = u64::try_from(shared.node.bits() & u128::from(u64::MAX)).unwrap_or(1);
        let seed = low.rotate_left(u32::try_from(index).unwrap_or(0)) | 1;
        let watcher = watch(Arc::downgrade(shared), probe, seed);
        tokio::spawn(async move {
            tokio::select! {
                () = gone(&mut published) => {}
                () = watcher => {}
            }
        });
    }
}

/// Waits for the end of the gate and its keeper.
async fn gone(published: &mut watch::Receiver<Arc<Installed>>) {
    while published.changed().await.is_ok() {}
}

async fn watch(shared: Weak<Shared>, probe: Probe, mut random: u64) {
    loop {
        // On a task of its own, so that a panic ends nothing but the check, and one that blocks its thread is still late.
        let mut checking = tokio::spawn(probe.check());
        let guard = AbortOnDrop(checking.abort_handle());
        let outcome = match timeout(probe.timeout(), &mut checking).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the check panicked".to_owned()),
            Err(_) => Err(format!("no answer within {:?}", probe.timeout())),
        };
        drop(guard);
        let mut outcome = Some(outcome);
        loop {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let unended = || Err("the check before has not ended yet".to_owned());
            let outcome = outcome.take().unwrap_or_else(unended);
            shared.dependencies.note(probe.name(), outcome);
            drop(shared);
            sleep(probe.pause(draw(&mut random))).await;
            // Never two at once.
            if checking.is_finished() {
                break;
            }
        }
    }
}

/// At least 0 and less than 1.
fn draw(random: &mut u64) -> f64 {
    // xorshift64: spreads the checks of a fleet; nothing depends on it being unpredictable.
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    f64::from(u32::try_from(*random >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

/// Ends a check that nobody waits for any more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
