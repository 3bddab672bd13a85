//! Being told of what becomes of the site, instead of asking.

use std::sync::Arc;

use intermission_core::Record;

use super::Gate;
use crate::shared::Installed;
use crate::subscription::Subscription;

impl Gate {
    /// The records that this node applies from now on, each with the one before it.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.shared().published.subscribe())
    }

    /// Waits until this node has applied a record that `is_reached` accepts; at once if it already has.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn reached(&self, mut is_reached: impl FnMut(&Record) -> bool) -> Arc<Record> {
        let mut published = self.shared().published.subscribe();
        loop {
            let record = Arc::clone(&published.borrow_and_update().snapshot.record);
            if is_reached(&record) {
                return record;
            }
            if published.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this node turns ordinary visitors away; at once if it already does. For handlers of connections
    /// that would otherwise never end, such as WebSockets and server-sent events.
    ///
    /// It goes by the whole site. Of the [scopes](crate::scope) of a connection, [`LongLived`](crate::LongLived) learns.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing(&self) {
        self.shown(Installed::turns_visitors_away).await;
    }

    /// Waits until what this node decides by is so; at once if it already is.
    pub(crate) async fn shown(&self, mut is_so: impl FnMut(&Installed) -> bool) {
        let mut published = self.shared().published.subscribe();
        let is_so = |installed: &Arc<Installed>| is_so(installed);
        if published.wait_for(is_so).await.is_err() {
            // The keeper publishes for as long as the gate lives, and `self` is the gate.
            std::future::pending::<()>().await;
        }
    }

    /// Whether it does so now.
    pub(crate) fn turns_visitors_away(&self) -> bool {
        self.shared().installed.load().turns_visitors_away()
    }
}
