//! One step at a time, whatever process takes it.
//!
//! The lock is waited for by asking again and again, never by the system call that waits: on network file systems that
//! one may wait for ever. Readers never take it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use intermission_core::{StateError, StateErrorKind};
use rustix::fs::OFlags;

use crate::directory::{Directory, flags};
use crate::error::failed;
use crate::ownership::Ownership;

/// How often somebody who waits tries again, and how many times. A step takes some milliseconds, so whoever waits
/// for longer than two seconds waits for a process that hangs.
const PAUSE: Duration = Duration::from_millis(5);
const ATTEMPTS: u32 = 400;

/// The right to take a step. It ends when it is dropped, and when its process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Waits for it, but not for ever.
    pub(crate) fn acquire(directory: &Directory) -> Result<Self, StateError> {
        Self::acquire_within(directory, ATTEMPTS)
    }

    /// Takes it if nobody has it.
    pub(crate) fn acquire_at_once(directory: &Directory) -> Result<Self, StateError> {
        Self::acquire_within(directory, 1)
    }

    fn acquire_within(directory: &Directory, attempts: u32) -> Result<Self, StateError> {
        let path = directory.lock();
        for attempt in 0..attempts {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            let Some(file) = open(directory)? else {
                continue;
            };
            match file.try_lock() {
                // Somebody may have removed the file meanwhile, and others lock its successor.
                Ok(()) if is_at(&file, &path) => return Ok(Self { file }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
            }
        }
        let waited = PAUSE * attempts;
        Err(StateError::new(
            StateErrorKind::Unavailable,
            format!(
                "another process has kept {} locked for {waited:?}: see which with `fuser -v {}`",
                path.display(),
                path.display()
            ),
        ))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that another thread has just forked still has it, too, until it
        // runs its program. If this fails, closing does it later.
        drop(self.file.unlock());
    }
}

/// Opens the file, making it if need be; `None` if another process has just made it.
fn open(directory: &Directory) -> Result<Option<File>, StateError> {
    let path = directory.lock();
    let mut options = File::options();
    options.read(true).custom_flags(flags(OFlags::empty()));
    // Locking needs no right to write, but for network file systems, which ask for it.
    let opened = match options.clone().write(true).open(&path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            options.open(&path)
        }
        opened => opened,
    };
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(directory, &path),
        Err(error) => Err(failed("open", &path, error)),
    }
}

fn create(directory: &Directory, path: &Path) -> Result<Option<File>, StateError> {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags(OFlags::empty()));
    match options.open(path) {
        Ok(file) => {
            let ownership = Ownership::of_lock(directory.path());
            ownership
                .and_then(|ownership| ownership.apply(&file))
                .map_err(|error| failed("hand over", path, error))?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(directory.not_found(error)),
        Err(error) => Err(failed("create", path, error)),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(theirs)) => identity(&ours) == identity(&theirs),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use intermission_core::StateUrl;

    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path(), StateUrl::file(folder.path())).unwrap();
        (folder, directory)
    }

    #[test]
    fn only_one_holds_it() {
        let (_folder, directory) = directory();
        let held = Lock::acquire(&directory).unwrap();
        let refused = Lock::acquire_within(&directory, 3).unwrap_err();
        assert_eq!(refused.kind(), StateErrorKind::Unavailable);
        assert!(refused.to_string().contains("lock"), "{refused}");
        drop(held);
        Lock::acquire_at_once(&directory).unwrap();
    }

    #[test]
    fn it_ends_also_when_a_child_has_inherited_the_file() {
        let (_folder, directory) = directory();
        let held = Lock::acquire(&directory).unwrap();
        let inherited = held.file.try_clone().unwrap();
        drop(held);
        Lock::acquire_at_once(&directory).unwrap();
        drop(inherited);
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_not_the_lock() {
        let (_folder, directory) = directory();
        let stale = open(&directory).unwrap().unwrap();
        fs::remove_file(directory.lock()).unwrap();
        assert!(!is_at(&stale, &directory.lock()));
        let held = Lock::acquire(&directory).unwrap();
        stale.try_lock().unwrap();
        assert!(!is_at(&stale, &directory.lock()));
        drop(held);
    }

    #[test]
    fn a_link_or_a_pipe_in_its_place_is_refused() {
        let (_folder, directory) = directory();
        let victim = directory.path().join("victim");
        std::os::unix::fs::symlink(&victim, directory.lock()).unwrap();
        Lock::acquire_at_once(&directory).unwrap_err();
        assert!(!victim.exists(), "the link was followed");
    }
}
