//! How a directory is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use intermission_core::{
    BadStateUrl, BadTiming, Clock, StateError, StateErrorKind, StateLocation, StateUrl,
    SystemClock, Timing,
};

use crate::FileState;
use crate::directory::Directory;
use crate::process::Surroundings;
use crate::step::{Look, Store};

/// How a directory is opened, when [`FileState::open`] and [`FileState::open_or_create`] do not say enough.
///
/// # Examples
///
/// ```
/// use intermission_core::StateUrl;
/// use intermission_file::FileOptions;
///
/// let folder = tempfile::tempdir()?;
/// let url = StateUrl::file(folder.path()).with_site("shop")?;
///
/// let state = FileOptions::from_url(&url)?.open_or_create()?;
/// assert_eq!(state.directory(), folder.path().join("shop"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
#[must_use]
pub struct FileOptions {
    base: PathBuf,
    url: StateUrl,
    timing: Timing,
    clock: Arc<dyn Clock>,
    look: Look,
}

impl FileOptions {
    /// This directory, for the only site in it.
    ///
    /// A relative path is that of the working directory at the time of opening; the state does not move with it later.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let base = directory.into();
        Self {
            url: StateUrl::file(base.clone()),
            base,
            timing: Timing::default(),
            clock: Arc::new(SystemClock),
            look: Arc::new(Surroundings::look),
        }
    }

    /// Magento's `var` directory, whose flag files are to say the same as this state. See the
    /// [crate's documentation](crate#magentos-flag-files).
    ///
    /// It must be there: [`open_or_create`](Self::open_or_create) does not make it. It holds one site.
    ///
    /// # Examples
    ///
    /// ```
    /// use intermission_file::FileOptions;
    ///
    /// let shop = tempfile::tempdir()?;
    /// let state = FileOptions::magento(shop.path()).open()?;
    /// assert_eq!(state.directory(), shop.path());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn magento(directory: impl Into<PathBuf>) -> Self {
        let base = directory.into();
        Self {
            url: StateUrl::magento(base.clone()),
            ..Self::new(base)
        }
    }

    /// The directory, and the site in it, that the URL names: `file:` or `magento:`.
    ///
    /// # Errors
    ///
    /// It names no directory, but another kind of state: [`Unsupported`](StateErrorKind::Unsupported).
    pub fn from_url(url: &StateUrl) -> Result<Self, StateError> {
        let (StateLocation::File(directory) | StateLocation::Magento(directory)) = url.location()
        else {
            return Err(StateError::new(
                StateErrorKind::Unsupported,
                format!(
                    "the state `{url}` is no directory: write for example file:/var/lib/app/maintenance"
                ),
            ));
        };
        Ok(Self {
            url: url.clone(),
            ..Self::new(directory)
        })
    }

    /// One of several sites: it gets a subdirectory of this name.
    ///
    /// # Errors
    ///
    /// The name is not one that every store can keep, or the directory is Magento's, which has one site.
    pub fn with_site(mut self, site: &str) -> Result<Self, BadStateUrl> {
        self.url = self.url.with_site(site)?;
        Ok(self)
    }

    /// The periods of the ledger. They must be the same for all who open the directory, and the same for the state and
    /// for the gate (`GateBuilder::with_timing`): nobody can compare them.
    ///
    /// # Errors
    ///
    /// The periods do not fit together.
    pub fn with_timing(mut self, timing: Timing) -> Result<Self, BadTiming> {
        timing.validate()?;
        self.timing = timing;
        Ok(self)
    }

    /// Where the ledger takes the time from. All who open the directory must have the same clock, so anything but
    /// the system's is for tests.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another machine, or other processes, than those that there are.
    #[cfg(test)]
    pub(crate) fn with_look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    /// Opens a directory that is there, as [`FileState::open`] does.
    ///
    /// # Errors
    ///
    /// Those of [`FileState::open`].
    pub fn open(self) -> Result<FileState, StateError> {
        let store = self.store()?;
        store.directory().check()?;
        Ok(FileState::new(store, false))
    }

    /// Opens a directory, and makes it before that if it is not there, as [`FileState::open_or_create`] does.
    ///
    /// # Errors
    ///
    /// Those of [`FileState::open_or_create`].
    pub fn open_or_create(self) -> Result<FileState, StateError> {
        let store = self.store()?;
        store.directory().create()?;
        Ok(FileState::new(store, true))
    }

    fn store(self) -> Result<Store, StateError> {
        let directory = Directory::new(&self.base, self.url)?;
        Ok(Store::new(directory, self.timing, self.clock, self.look))
    }
}

impl fmt::Debug for FileOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileOptions")
            .field("url", &self.url)
            .field("timing", &self.timing)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn periods_that_do_not_fit_together_are_refused() {
        let options = FileOptions::new("maintenance");
        let mut timing = Timing::default();
        assert!(options.clone().with_timing(timing).is_ok());
        timing.grace = Duration::from_secs(1);
        let refused = options.with_timing(timing).unwrap_err();
        assert!(matches!(refused, BadTiming::Grace { .. }), "{refused}");
    }
}
