//! One thread for each handle that sees when `record.json` has changed, or one of Magento's flag files.
//!
//! It looks ten times a second whether a file is another one, since no other way works on every file system, and
//! at once when the system says that the directory has changed, where it does. Where somebody else has changed the flag
//! files, it makes the record follow, so that nobody need wait for the next heartbeat.

use std::error::Error;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use intermission_core::{Record, Revision, StateError, StateErrorKind};
use tokio::sync::watch;

use crate::error::failed;
use crate::step::Store;

/// How often the file is looked at in any case.
const POLL: Duration = Duration::from_millis(100);

/// What was seen last.
#[derive(Clone, Debug)]
enum Sight {
    NotYet,
    Record(Option<Arc<Record>>),
    Failure(Arc<StateError>),
}

/// The thread's handle. The thread ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    sights: watch::Receiver<Sight>,
    is_over: Arc<AtomicBool>,
    thread: Thread,
}

impl Watcher {
    pub(crate) fn start(store: Arc<Store>) -> Result<Self, StateError> {
        let (sender, sights) = watch::channel(Sight::NotYet);
        let is_over = Arc::new(AtomicBool::new(false));
        let path = store.directory().path().to_owned();
        let thread = thread::Builder::new()
            .name("intermission-file".to_owned())
            .spawn({
                let is_over = Arc::clone(&is_over);
                move || keep_looking(&store, &sender, &is_over)
            })
            .map_err(|error| failed("start a thread to watch", &path, error))?;
        Ok(Self {
            sights,
            is_over,
            thread: thread.thread().clone(),
        })
    }

    /// Whether the thread has ended, which it does by itself only if it has panicked.
    pub(crate) fn has_ended(&self) -> bool {
        self.sights.has_changed().is_err()
    }

    /// Waits until the record is not the one with the revision `seen`.
    pub(crate) async fn other_than(
        &self,
        seen: Revision,
    ) -> Result<Option<Arc<Record>>, StateError> {
        let mut sights = self.sights.clone();
        let sight = sights
            .wait_for(|sight| sight.is_other_than(seen))
            .await
            .map(|sight| sight.clone());
        match sight {
            Ok(Sight::Record(record)) => Ok(record),
            Ok(Sight::Failure(error)) => Err(copy(&error)),
            Ok(Sight::NotYet) | Err(_) => Err(StateError::new(
                StateErrorKind::Unavailable,
                "the thread that watches the record has ended: watch it again",
            )),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Sight {
    fn is_other_than(&self, seen: Revision) -> bool {
        match self {
            Self::NotYet => false,
            Self::Record(record) => {
                record
                    .as_ref()
                    .map_or(Revision::ZERO, |record| record.revision())
                    != seen
            }
            Self::Failure(_) => true,
        }
    }

    fn differs_from(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Record(Some(one)), Self::Record(Some(other))) => !Arc::ptr_eq(one, other),
            (Self::Record(None), Self::Record(None)) => false,
            (Self::Failure(one), Self::Failure(other)) => one.in_full() != other.in_full(),
            _ => true,
        }
    }
}

fn keep_looking(store: &Store, sights: &watch::Sender<Sight>, is_over: &AtomicBool) {
    let watched = store.directory().watched();
    let nudge = Arc::new(Nudge {
        #[cfg(feature = "notify")]
        thread: thread::current(),
        #[cfg(feature = "notify")]
        names: watched
            .iter()
            .filter_map(|path| path.file_name())
            .map(ToOwned::to_owned)
            .collect(),
        is_pending: AtomicBool::new(true),
    });
    let mut system = SystemWatch::default();
    let mut last = Vec::new();
    let mut look_again = true;
    while !is_over.load(Ordering::Acquire) {
        // Before the look, so that no change falls between them.
        system.follow(store.directory().path(), &nudge);
        let stamps: Vec<Stamp> = watched.iter().map(|path| stamp_of(path)).collect();
        let is_new = last != stamps;
        if nudge.is_pending.swap(false, Ordering::AcqRel) || look_again || is_new {
            let (sight, is_busy) = match store.glimpse() {
                Ok(seen) => (
                    Sight::Record(seen.document.and_then(|document| document.record.clone())),
                    seen.is_busy,
                ),
                Err(error) => (Sight::Failure(Arc::new(error)), false),
            };
            // A file's time is coarse, so two changes in a row may leave the same stamp: whatever is new is looked at
            // once more. What failed may work again without a new stamp.
            look_again = is_new || is_busy || matches!(sight, Sight::Failure(_));
            last = stamps;
            sights.send_if_modified(|seen| {
                let is_other = sight.differs_from(seen);
                if is_other {
                    *seen = sight;
                }
                is_other
            });
        }
        thread::park_timeout(POLL);
    }
}

/// What changes when a file is replaced: its place, its length, its times. `None` if there is none.
type Stamp = Option<[i64; 7]>;

fn stamp_of(path: &Path) -> Stamp {
    let file = fs::metadata(path).ok()?;
    Some([
        file.dev().cast_signed(),
        file.ino().cast_signed(),
        file.size().cast_signed(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ])
}

/// Wakes the thread at once.
#[derive(Debug)]
struct Nudge {
    #[cfg(feature = "notify")]
    thread: Thread,
    /// The names of the files that matter.
    #[cfg(feature = "notify")]
    names: Vec<std::ffi::OsString>,
    is_pending: AtomicBool,
}

#[cfg(feature = "notify")]
impl Nudge {
    fn now(&self) {
        self.is_pending.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// The system's own watch on the directory, if it has one to give: where it has not, looking must do.
#[derive(Debug, Default)]
struct SystemWatch {
    #[cfg(feature = "notify")]
    watched: Option<(u64, u64)>,
    #[cfg(feature = "notify")]
    watcher: Option<notify::RecommendedWatcher>,
}

impl SystemWatch {
    /// Watches the directory that is at this path now: another one may have taken its place.
    #[cfg(feature = "notify")]
    fn follow(&mut self, directory: &Path, nudge: &Arc<Nudge>) {
        use notify::{RecursiveMode, Watcher as _};

        let present = fs::metadata(directory)
            .ok()
            .map(|directory| (directory.dev(), directory.ino()));
        if present == self.watched {
            return;
        }
        self.watched = present;
        self.watcher = None;
        if present.is_none() {
            return;
        }
        let nudge = Arc::clone(nudge);
        let on_event = move |event: notify::Result<notify::Event>| {
            // Every heartbeat replaces another file in the directory, and every look opens one of these.
            let is_watched = |path: &std::path::PathBuf| {
                path.file_name()
                    .is_some_and(|name| nudge.names.iter().any(|watched| watched == name))
            };
            let concerns_us = |event: &notify::Event| {
                !event.kind.is_access()
                    && (event.need_rescan() || event.paths.iter().any(is_watched))
            };
            if event.as_ref().map_or(true, concerns_us) {
                nudge.now();
            }
        };
        self.watcher = notify::recommended_watcher(on_event)
            .and_then(|mut watcher| {
                watcher
                    .watch(directory, RecursiveMode::NonRecursive)
                    .map(|()| watcher)
            })
            .ok();
    }

    #[cfg(not(feature = "notify"))]
    #[expect(
        clippy::unused_self,
        reason = "the same face with and without the feature"
    )]
    fn follow(&mut self, _directory: &Path, _nudge: &Arc<Nudge>) {}
}

/// The same error again, for each who waits.
fn copy(error: &Arc<StateError>) -> StateError {
    let copy = StateError::new(error.kind(), error.to_string());
    if error.source().is_some() {
        copy.with_source(SharedCause(Arc::clone(error)))
    } else {
        copy
    }
}

/// The cause of an error that several hear of.
#[derive(Debug)]
struct SharedCause(Arc<StateError>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .source()
            .map_or(Ok(()), |cause| fmt::Display::fmt(cause, f))
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source().and_then(Error::source)
    }
}

#[cfg(test)]
mod tests {
    use intermission_core::{MaintenanceState, NodeId, NodeReport};

    use super::*;
    use crate::FileState;

    #[tokio::test]
    async fn the_thread_ends_with_the_last_clone() {
        let folder = tempfile::tempdir().unwrap();
        let state = FileState::open(folder.path()).unwrap();
        let clone = state.clone();
        let mut sights = state.watcher().unwrap().sights.clone();
        sights
            .wait_for(|sight| matches!(sight, Sight::Record(None)))
            .await
            .unwrap();
        drop(state);
        clone
            .sync(NodeReport::new(NodeId::from_bits(1), 1))
            .await
            .unwrap();
        assert!(
            !clone.watcher().unwrap().has_ended(),
            "a clone still needs it"
        );
        drop(clone);
        while sights.changed().await.is_ok() {}
    }

    #[tokio::test]
    async fn the_cause_of_an_error_is_told_to_everybody() {
        let cause = std::io::Error::other("the cause");
        let error =
            Arc::new(StateError::new(StateErrorKind::Denied, "the error").with_source(cause));
        let copies = [copy(&error), copy(&error)];
        for told in copies {
            assert_eq!(
                (told.kind(), told.in_full().as_str()),
                (StateErrorKind::Denied, "the error: the cause")
            );
        }
        assert!(
            copy(&Arc::new(StateError::new(StateErrorKind::Denied, "alone")))
                .source()
                .is_none()
        );
    }
}
