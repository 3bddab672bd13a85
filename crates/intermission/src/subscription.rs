//! Changes, as they reach a node.

use std::sync::Arc;

use intermission_core::Record;
use tokio::sync::watch;

use crate::shared::Installed;

/// One change, as it reached a node: after it, not before (Magento fires its event before, and always).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The record that the node had.
    pub before: Arc<Record>,
    /// The record that it has now.
    pub after: Arc<Record>,
}

/// The changes that reach a node.
///
/// A slow subscriber misses changes in between, never the last: `before` is always the `after` of the transition that
/// it got before.
#[derive(Debug)]
pub struct Subscription {
    published: watch::Receiver<Arc<Installed>>,
    last: Arc<Record>,
}

impl Subscription {
    pub(crate) fn new(mut published: watch::Receiver<Arc<Installed>>) -> Self {
        let last = Arc::clone(&published.borrow_and_update().snapshot.record);
        Self { published, last }
    }

    /// Waits for the next change; `None` when the gate is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: a change that was not returned is returned by the next call.
    pub async fn next(&mut self) -> Option<Transition> {
        loop {
            self.published.changed().await.ok()?;
            let record = Arc::clone(&self.published.borrow_and_update().snapshot.record);
            // A snapshot may change without the record: a hold of this node, for example.
            if record.revision() != self.last.revision() || *record != *self.last {
                let before = std::mem::replace(&mut self.last, Arc::clone(&record));
                return Some(Transition {
                    before,
                    after: record,
                });
            }
        }
    }
}
