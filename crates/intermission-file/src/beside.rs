//! Writing a file beside its place, for a rename to put it there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::directory::{Directory, flags};
use crate::ownership::Ownership;

/// Writes what is to take the place of the file `place`. What was there from somebody who was killed is gone.
///
/// Only whoever holds the lock may.
pub(crate) fn write_beside(
    path: &Path,
    place: &Path,
    directory: &Directory,
    text: &[u8],
) -> io::Result<File> {
    remove_if_there(path)?;
    let mut file = create_new(path)?;
    Ownership::of_file(place, directory.path())?.apply(&file)?;
    file.write_all(text)?;
    Ok(file)
}

/// A file that nobody else may open before it has its owner.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(flags(OFlags::empty()));
    options.open(path)
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
