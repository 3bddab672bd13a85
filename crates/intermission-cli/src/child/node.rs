//! This process as a node of the site, for as long as its command runs.

use std::time::Duration;

use intermission::{Gate, LostContact, StartError};
use tokio::time::timeout;

use crate::session::Session;

/// How long this node tries to say goodbye. A state that is out of reach learns of its end by its silence.
const GOODBYE_AT_MOST: Duration = Duration::from_secs(5);

/// Joins the site under this name, by the periods that the others there have.
pub(crate) async fn join(
    name: &str,
    lost_contact: LostContact,
    session: &Session<'_, '_>,
) -> Result<Gate, StartError> {
    let (state, timing) = session.joinable().await.map_err(StartError::State)?;
    let builder = Gate::builder(state)
        .with_node_name(name)
        .with_timing(timing)
        .with_lost_contact(lost_contact);
    builder.start().await
}

/// Says goodbye, so that no drain waits for the lease of a node that is gone.
pub(crate) async fn leave(gate: Gate) {
    // Should the time be over, the silence says it.
    let _ = timeout(GOODBYE_AT_MOST, gate.shutdown()).await;
}
