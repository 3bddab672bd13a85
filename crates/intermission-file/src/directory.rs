//! The directory and the files in it.
//!
//! | file | in Magento's directory | holds |
//! |---|---|---|
//! | `record.json` | `.intermission.json` | the record and its history |
//! | | `.intermission.json.next` | the same, until the flag files say that the step is taken |
//! | `members.json` | `.intermission.members.json` | what the ledger knows of the nodes |
//! | `members.json.next` | `.intermission.members.json.next` | the same, until the step that it belongs to is taken |
//! | `lock` | `.intermission.lock` | nothing; locked by whoever takes a step |
//! | | `.maintenance.flag` | nothing; that it is there is the mode |
//! | | `.maintenance.ip` | who passes by address |

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use intermission_core::{StateError, StateErrorKind, StateLocation, StateUrl};
use rustix::fs::OFlags;

use crate::error::failed;
use crate::ownership::{Ownership, is_root};

/// What a new directory lets people do, less what the umask takes away: the world has no business in it.
const DIRECTORY_MODE: u32 = 0o750;

/// The directory of one site.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Whether it is the subdirectory of a site, which is as open as the directory that it is in.
    is_site: bool,
    url: StateUrl,
}

impl Directory {
    /// The directory `base`, or the one in it that holds the URL's site.
    pub(crate) fn new(base: &Path, url: StateUrl) -> Result<Self, StateError> {
        // The working directory may change later, and the state must not move with it.
        let base = std::path::absolute(base).map_err(|error| failed("find", base, error))?;
        let path = url
            .site()
            .map_or_else(|| base.clone(), |site| base.join(site));
        Ok(Self {
            path,
            is_site: url.site().is_some(),
            url,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is Magento's, who makes it and puts its flag there.
    pub(crate) const fn is_magentos(&self) -> bool {
        matches!(self.url.location(), StateLocation::Magento(_))
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.file("record.json", ".intermission.json")
    }

    pub(crate) fn next_record(&self) -> PathBuf {
        self.file("record.json.next", ".intermission.json.next")
    }

    pub(crate) fn members(&self) -> PathBuf {
        self.file("members.json", ".intermission.members.json")
    }

    pub(crate) fn next_members(&self) -> PathBuf {
        self.file("members.json.next", ".intermission.members.json.next")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.file("lock", ".intermission.lock")
    }

    /// Magento looks for this name.
    pub(crate) fn flag(&self) -> PathBuf {
        self.path.join(".maintenance.flag")
    }

    /// Magento reads this name.
    pub(crate) fn addresses(&self) -> PathBuf {
        self.path.join(".maintenance.ip")
    }

    pub(crate) fn next_addresses(&self) -> PathBuf {
        self.path.join(".intermission.ip.next")
    }

    /// The files whose change may be a change of the record.
    pub(crate) fn watched(&self) -> Vec<PathBuf> {
        if self.is_magentos() {
            vec![self.record(), self.flag(), self.addresses()]
        } else {
            vec![self.record()]
        }
    }

    /// Magento's directory holds files of others, so ours are named after us, and hidden as Magento's own are.
    fn file(&self, own: &str, among_others: &str) -> PathBuf {
        self.path.join(if self.is_magentos() {
            among_others
        } else {
            own
        })
    }

    /// Says whether it is there and may be read.
    pub(crate) fn check(&self) -> Result<(), StateError> {
        match fs::metadata(&self.path) {
            Ok(found) if !found.is_dir() => return Err(self.is_no_directory()),
            Ok(_) => {}
            Err(error) => return Err(self.not_found(error)),
        }
        match fs::metadata(self.record()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(failed("look into", &self.path, error))
            }
            // Everything else is found out, and named, when the record is read.
            _ => Ok(()),
        }
    }

    /// Makes it, and the directories above it, unless it is there. Magento's is never made: if it is missing, the path
    /// is wrong, and Magento would look for its flag elsewhere.
    pub(crate) fn create(&self) -> Result<(), StateError> {
        if self.is_magentos() {
            return self.check();
        }
        let missing: Vec<&Path> = self
            .path
            .ancestors()
            .take_while(|path| is_missing(path))
            .collect();
        for path in missing.into_iter().rev() {
            self.create_one(path)?;
        }
        self.check()
    }

    /// Makes it again after it has vanished under a running service. Whatever stands in its place now may go again, so
    /// that is no reason to give up, as it is at the start.
    pub(crate) fn make_again(&self) -> Result<(), StateError> {
        self.create().map_err(|error| match error.kind() {
            StateErrorKind::Unsupported => {
                let message = format!(
                    "{} is no longer a directory: put it back",
                    self.path.display()
                );
                StateError::new(StateErrorKind::Unavailable, message).with_source(error)
            }
            _ => error,
        })
    }

    /// The error for a file in it that could not be opened: it names the directory if that is what is missing.
    pub(crate) fn not_found(&self, error: io::Error) -> StateError {
        match error.kind() {
            io::ErrorKind::NotFound if self.is_magentos() => StateError::new(
                StateErrorKind::Unavailable,
                format!(
                    "there is no directory {}: name Magento's `var` directory, which must be there already",
                    self.path.display()
                ),
            )
            .with_source(error),
            io::ErrorKind::NotFound => StateError::new(
                StateErrorKind::Unavailable,
                format!(
                    "there is no directory {}: create it with `intermission init --state '{}'`, or check the path",
                    self.path.display(),
                    self.url
                ),
            )
            .with_source(error),
            io::ErrorKind::NotADirectory => self.is_no_directory().with_source(error),
            _ => failed("open", &self.path, error),
        }
    }

    fn is_no_directory(&self) -> StateError {
        StateError::new(
            StateErrorKind::Unsupported,
            format!(
                "{} is not a directory: name the directory that is to hold the state",
                self.path.display()
            ),
        )
    }

    fn create_one(&self, path: &Path) -> Result<(), StateError> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Ok(()) => {}
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(failed("create", path, error)),
        }
        self.hand_over(path, parent)
            .map_err(|error| failed("hand over", path, error))?;
        sync(parent)
    }

    /// Makes sure that the files that were put into it, or taken out of it, stay so after a power cut.
    pub(crate) fn sync(&self) -> Result<(), StateError> {
        sync(&self.path)
    }

    /// Gives a directory that root has created to the owner of the one that it is in.
    ///
    /// Whoever owns that one may have put something else in its place by now. So a link is not followed, and only an
    /// empty directory is given away.
    fn hand_over(&self, path: &Path, parent: &Path) -> io::Result<()> {
        let parent = fs::metadata(parent)?;
        let shares = self.is_site && path == self.path;
        let gives_away = is_root() && (parent.uid(), parent.gid()) != (0, 0);
        if !shares && !gives_away {
            return Ok(());
        }
        let created = File::options()
            .read(true)
            .custom_flags(flags(OFlags::DIRECTORY))
            .open(path)?;
        if gives_away && !is_empty(&created)? {
            return Err(io::Error::other(
                "somebody has put something into it meanwhile",
            ));
        }
        let mode = if shares {
            parent.mode()
        } else {
            created.metadata()?.mode()
        };
        Ownership::of_directory(&parent, mode).apply(&created)
    }
}

/// How files are opened whose place somebody else may have taken: no link is followed, and no pipe is waited for.
pub(crate) fn flags(more: OFlags) -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | more)
        .bits()
        .cast_signed()
}

fn sync(path: &Path) -> Result<(), StateError> {
    match File::open(path).and_then(|directory| directory.sync_all()) {
        // Who may write a directory but not read it cannot make sure that what was created survives a power cut.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            Err(failed("sync", path, error))
        }
        _ => Ok(()),
    }
}

fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn is_empty(directory: &File) -> io::Result<bool> {
    for entry in rustix::fs::Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}
