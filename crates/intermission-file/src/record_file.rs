//! Reading and replacing `record.json`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use atomic_write_file::OpenOptions;
use atomic_write_file::unix::OpenOptionsExt as _;
use intermission_core::{StateError, StateErrorKind};
use rustix::fs::OFlags;

use crate::beside::{remove_if_there, write_beside};
use crate::directory::Directory;
use crate::document::Document;
use crate::error::failed;
use crate::ownership::Ownership;

/// The file, and what was in it when it was last read. Clones share that.
#[derive(Clone, Debug)]
pub(crate) struct RecordFile {
    directory: Directory,
    last: Arc<Mutex<Option<LastRead>>>,
}

/// Every heartbeat reads it, and a text is compared sooner than it is parsed. A list of networks that another text still
/// holds is shared with this one.
#[derive(Debug)]
struct LastRead {
    text: Vec<u8>,
    document: Arc<Document>,
}

impl RecordFile {
    pub(crate) fn new(directory: Directory) -> Self {
        Self {
            directory,
            last: Arc::default(),
        }
    }

    pub(crate) const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What it holds; `None` if there is no such file, though there is a directory.
    pub(crate) fn read(&self) -> Result<Option<Arc<Document>>, StateError> {
        let path = self.directory.record();
        let text = match read_regular(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return Err(self.corrupt("it is not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match fs::metadata(self.directory.path()) {
                    Ok(_) => Ok(None),
                    Err(error) => Err(self.directory.not_found(error)),
                };
            }
            Err(error) => return Err(failed("read", &path, error)),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.text == text) {
            return Ok(Some(Arc::clone(&last.document)));
        }
        let known = last.as_ref().and_then(|last| last.document.record.clone());
        let document = Document::from_json_after(&text, &known.unwrap_or_default())
            .map_err(|error| self.corrupt(error))?;
        let document = Arc::new(document);
        *last = Some(LastRead {
            text,
            document: Arc::clone(&document),
        });
        Ok(Some(document))
    }

    /// Puts another document in its place: wholly or not at all, and for good.
    ///
    /// Only whoever holds the lock may.
    pub(crate) fn replace(&self, document: Document) -> Result<(), StateError> {
        if self.directory.is_magentos() {
            // Beside Magento's files, no file has a name that is not known beforehand.
            return self.stage(document)?.put_in_place();
        }
        let path = self.directory.record();
        let text = document
            .to_json()
            .map_err(|error| failed("write", &path, error.into()))?;
        self.remove_leftovers();
        self.write(&path, &text)
            .map_err(|error| failed("write", &path, error))?;
        self.remember(text, document);
        Ok(())
    }

    /// Writes the next document beside its place, for good. Readers of Magento's directory see by the flag files
    /// whether it counts.
    ///
    /// Only whoever holds the lock may.
    pub(crate) fn stage(&self, document: Document) -> Result<Staged<'_>, StateError> {
        let path = self.directory.next_record();
        let stage = || -> io::Result<Vec<u8>> {
            let text = document.to_json()?;
            let place = self.directory.record();
            write_beside(&path, &place, &self.directory, &text)?.sync_all()?;
            Ok(text)
        };
        let text = stage().map_err(|error| failed("write", &path, error))?;
        self.directory.sync()?;
        Ok(Staged {
            file: self,
            text,
            document,
        })
    }

    /// What is beside its place.
    pub(crate) fn read_next(&self) -> Result<Next, StateError> {
        let path = self.directory.next_record();
        match read_regular(&path) {
            Ok(text) => Ok(text
                .and_then(|text| Document::from_json(&text).ok())
                .map_or(Next::Rubbish, |document| Next::Document(Arc::new(document)))),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(Next::Nothing),
                // It has not got its owner yet.
                io::ErrorKind::PermissionDenied => Ok(Next::Rubbish),
                _ => Err(failed("read", &path, error)),
            },
        }
    }

    /// Puts in its place what somebody else has staged.
    ///
    /// Only whoever holds the lock may.
    pub(crate) fn put_next_in_place(&self) -> Result<(), StateError> {
        let path = self.directory.record();
        fs::rename(self.directory.next_record(), &path)
            .map_err(|error| failed("replace", &path, error))?;
        self.directory.sync()
    }

    /// Takes away what somebody else has staged, and what does not count.
    ///
    /// Only whoever holds the lock may.
    pub(crate) fn discard_next(&self) -> Result<(), StateError> {
        let path = self.directory.next_record();
        remove_if_there(&path).map_err(|error| failed("remove", &path, error))
    }

    fn remember(&self, text: Vec<u8>, document: Document) {
        let last = LastRead {
            text,
            document: Arc::new(document),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let ownership = Ownership::of_file(path, self.directory.path())?;
        let mut options = OpenOptions::new();
        // Nobody else may open it before it has its owner.
        options
            .preserve_mode(false)
            .try_preserve_owner(false)
            .mode(0o600);
        let mut file = options.open(path)?;
        ownership.apply(file.as_file())?;
        file.write_all(text)?;
        file.commit()
    }

    /// Writers that were killed leave their unfinished files behind. Whoever holds the lock knows that nobody is
    /// writing them any more.
    fn remove_leftovers(&self) {
        let Ok(entries) = fs::read_dir(self.directory.path()) else {
            return;
        };
        for entry in entries.flatten() {
            if is_leftover(entry.file_name().as_encoded_bytes()) {
                // What cannot be removed takes up room and does no other harm.
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    fn corrupt(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StateError {
        StateError::new(
            StateErrorKind::Corrupt,
            format!(
                "{} cannot be understood: restore it from a backup, or move it away and then run \
                 `intermission activate` or `intermission deactivate`",
                self.directory.record().display()
            ),
        )
        .with_source(cause)
    }
}

/// A document beside its place.
#[must_use]
pub(crate) struct Staged<'a> {
    file: &'a RecordFile,
    text: Vec<u8>,
    document: Document,
}

impl Staged<'_> {
    /// Puts it there.
    pub(crate) fn put_in_place(self) -> Result<(), StateError> {
        self.file.put_next_in_place()?;
        self.file.remember(self.text, self.document);
        Ok(())
    }
}

/// What was found beside the place of the document.
#[derive(Debug)]
pub(crate) enum Next {
    Nothing,
    /// Something that was not written to its end.
    Rubbish,
    Document(Arc<Document>),
}

/// Named as `atomic-write-file` names them. What editors leave, such as `.record.json.swp`, is not ours.
fn is_leftover(name: &[u8]) -> bool {
    let suffix = name.strip_prefix(b".record.json.");
    suffix.is_some_and(|suffix| suffix.len() == 6 && suffix.iter().all(u8::is_ascii_alphanumeric))
}

/// The bytes of a file; `None` if it is a directory, a pipe or something else that is no file.
#[expect(
    clippy::verbose_file_reads,
    reason = "what is looked at and what is read must be the same file"
)]
pub(crate) fn read_regular(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // A pipe is not waited for. A link is followed: whoever puts the file elsewhere may do so.
    let mut file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
