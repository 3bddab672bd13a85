//! Whether anybody but the state knows of a change.
//!
//! A server may confirm a change and lose it thereafter, with a failover. What a node has seen, the node brings back.

use std::time::Duration;

use intermission::Record;
use tokio::time::{sleep, timeout};

use crate::failure::{Failure, in_full};
use crate::session::Session;

/// How long nodes may take to say that they have seen a change. Nodes in contact need milliseconds.
const AT_MOST: Duration = Duration::from_millis(500);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One node is enough, so not all of a great fleet are asked for.
const LOOKED_AT: usize = 64;

/// Waits a moment until a node has seen this record, and warns if none has; at once if there is none. Where the state
/// cannot fail apart from the services, there is nothing to wait for.
///
/// For changes that close or open: nodes report these at once, and all else with their next heartbeat.
pub(crate) async fn witnessed(
    record: &Record,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    if !session.is_remote {
        return Ok(());
    }
    let looking = async {
        loop {
            let view = session.operator.inspect(LOOKED_AT).await?;
            let is_seen = view.nodes.iter().any(|node| node.seen >= record.revision());
            if is_seen || view.node_count == 0 {
                return Ok(is_seen);
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let warning = match timeout(AT_MOST, looking).await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => return unwitnessed(session),
        Ok(Err(error)) => {
            let error: intermission::StateError = error;
            format!(
                "it is done, but whether any service has seen it is not known: {}",
                in_full(&error)
            )
        }
        Err(_elapsed) => {
            "it is done, but no service has seen it yet: until one has, the state alone knows of it"
                .to_owned()
        }
    };
    session.output.warning(&warning)
}

/// Warns that no node is there to see a change.
pub(crate) fn unwitnessed(session: &mut Session<'_, '_>) -> Result<(), Failure> {
    if !session.is_remote {
        return Ok(());
    }
    session.output.warning(
        "it is done, but no service has seen it yet, for none is there: until one is, the state alone knows of it",
    )
}
