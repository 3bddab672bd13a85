//! Which kind of state is opened for which name: the same in each example.

use anyhow::{Result, bail};
use intermission::{MemoryState, SharedState, StateLocation, StateUrl};
use intermission_file::FileOptions;
use intermission_redis::RedisOptions;

/// Opens the state that a URL names.
pub(crate) fn open(url: &StateUrl) -> Result<SharedState> {
    Ok(match url.location() {
        StateLocation::Memory => SharedState::new(MemoryState::new()),
        // The service owns its state, so it creates the directory; the command never does so by accident. Magento's
        // directory is never created.
        StateLocation::File(_) | StateLocation::Magento(_) => {
            SharedState::new(FileOptions::from_url(url)?.open_or_create()?)
        }
        // Nothing is dialled yet: the gate's start does, and fails if the server does not answer.
        StateLocation::Redis(_) => SharedState::new(RedisOptions::from_url(url)?.build()),
        _ => {
            bail!(
                "this example keeps its state in memory:, file:DIR, magento:DIR or redis://HOST, not in {url}"
            )
        }
    })
}
