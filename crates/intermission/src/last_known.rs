//! The newest record on this machine's disk, so that a restart during an outage does not forget the mode.

use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use atomic_write_file::AtomicWriteFile;
use intermission_core::{BadRecord, Record, Revision};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::log::{Line, line};
use crate::shared::Installed;

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct LastKnown {
    file: PathBuf,
}

/// A file with the last known record is there and cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LastKnownError {
    /// The system does not let us.
    #[error("the last known record in {} cannot be read: mend that, or move the file away", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} does not hold a record: move it away", file.display())]
    Record {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BadRecord,
    },
}

impl LastKnown {
    pub(crate) const fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Read once, at the start, before anything waits for this thread.
    pub(crate) fn read(&self) -> Result<Option<Arc<Record>>, LastKnownError> {
        let file = || self.file.clone();
        match std::fs::read(&self.file) {
            Ok(json) => match Record::from_json(&json) {
                Ok(record) => Ok(Some(Arc::new(record))),
                Err(source) => Err(LastKnownError::Record {
                    file: file(),
                    source,
                }),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LastKnownError::Read {
                file: file(),
                source,
            }),
        }
    }

    /// Writes each record that the gate goes by, until the gate is gone.
    pub(crate) async fn keep(self, mut published: watch::Receiver<Arc<Installed>>) {
        let mut written = Revision::ZERO;
        loop {
            let record = Arc::clone(&published.borrow_and_update().snapshot.record);
            if record.revision() != written {
                written = record.revision();
                let kept = self.clone();
                // An error of the task itself is the end of the runtime.
                if let Ok(Err(error)) = spawn_blocking(move || kept.write(&record)).await {
                    line(&Line::LastKnownUnwritten(&self.file, &error));
                }
            }
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let mut file = AtomicWriteFile::open(&self.file)?;
        file.write_all(&record.to_json())?;
        file.commit()
    }
}
