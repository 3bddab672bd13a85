//! Who owns the files and who may read them: whoever the directory is for.
//!
//! An operator often works as root in a directory that belongs to the service. A file that root then owns alone
//! would lock the service out, as happened with django-maintenance-mode, so every new file is given to the directory's
//! owner.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

/// In a directory with this bit, users may not replace each other's files.
const STICKY: u32 = 0o1000;

/// Who is to own a file, and who may do what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    user: u32,
    group: u32,
    mode: u32,
}

impl Ownership {
    /// That of the file that is to be replaced, or, if there is none, what its directory asks for.
    pub(crate) fn of_file(path: &Path, directory: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(file) if file.is_file() => Ok(Self {
                user: file.uid(),
                group: file.gid(),
                mode: file.mode() & 0o7777,
            }),
            Ok(_) => Ok(Self::wanted_by(&fs::metadata(directory)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::wanted_by(&fs::metadata(directory)?))
            }
            Err(error) => Err(error),
        }
    }

    /// That of a file that replaces none.
    pub(crate) fn of_new_file(directory: &Path) -> io::Result<Self> {
        Ok(Self::wanted_by(&fs::metadata(directory)?))
    }

    /// For the lock: only who may change the directory may open it, since whoever may open it may hold it.
    pub(crate) fn of_lock(directory: &Path) -> io::Result<Self> {
        let directory = fs::metadata(directory)?;
        let writers = directory.mode() & writable_by(&directory);
        Ok(Self {
            user: directory.uid(),
            group: directory.gid(),
            mode: writers | (writers << 1),
        })
    }

    /// For a directory in this one.
    pub(crate) fn of_directory(parent: &Metadata, mode: u32) -> Self {
        Self {
            user: parent.uid(),
            group: parent.gid(),
            mode: mode & 0o7777,
        }
    }

    fn wanted_by(directory: &Metadata) -> Self {
        let mode = directory.mode() & (0o444 | writable_by(directory));
        Self {
            user: directory.uid(),
            group: directory.gid(),
            mode,
        }
    }

    /// Makes it so.
    ///
    /// Root gives the file away or fails. Others cannot, and need not: what the mode lets the group and the world do
    /// is what the directory lets them do.
    pub(crate) fn apply(self, file: &File) -> io::Result<()> {
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (self.user, self.group) {
            let given = fchown(file, Some(self.user), Some(self.group));
            if is_root() {
                given?;
            } else if given.is_err() && now.gid() != self.group {
                match fchown(file, None, Some(self.group)) {
                    Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
        file.set_permissions(Permissions::from_mode(self.mode))
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn writable_by(directory: &Metadata) -> u32 {
    if directory.mode() & STICKY == 0 {
        0o222
    } else {
        0o200
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with(mode: u32) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        directory
    }

    #[test]
    fn files_are_as_open_as_their_directory_and_the_lock_is_for_writers() {
        for (directory_mode, file_mode, lock_mode) in [
            (0o700, 0o600, 0o600),
            (0o750, 0o640, 0o600),
            (0o755, 0o644, 0o600),
            (0o2770, 0o660, 0o660),
            (0o775, 0o664, 0o660),
            (0o1777, 0o644, 0o600),
        ] {
            let directory = directory_with(directory_mode);
            let path = directory.path().join("file");
            let wanted = Ownership::of_file(&path, directory.path()).unwrap();
            assert_eq!(wanted.mode, file_mode, "{directory_mode:o}");
            let file = File::create(&path).unwrap();
            wanted.apply(&file).unwrap();
            assert_eq!(file.metadata().unwrap().mode() & 0o7777, file_mode);
            assert_eq!(
                Ownership::of_lock(directory.path()).unwrap().mode,
                lock_mode,
                "{directory_mode:o}"
            );
        }
    }

    #[test]
    fn a_file_that_is_there_keeps_its_mode() {
        let directory = directory_with(0o777);
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        assert_eq!(
            Ownership::of_file(&path, directory.path()).unwrap().mode,
            0o604
        );
    }
}
