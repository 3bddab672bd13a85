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
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing(&self) {
        let mut published = self.shared().published.subscribe();
        let turns_away = |installed: &Arc<Installed>| installed.turns_visitors_away();
        if published.wait_for(turns_away).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it does so now.
    pub(crate) fn turns_visitors_away(&self) -> bool {
        self.shared().installed.load().turns_visitors_away()
    }
}
