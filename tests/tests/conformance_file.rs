//! The backend suite on the file state, in a directory of its own and in Magento's, as third parties run it on theirs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use intermission::Timing;
use intermission_conformance::{Capabilities, Fixture, FixtureError, ManualClock, trials};
use intermission_file::{FileOptions, FileState};
use libtest_mimic::Arguments;
use tempfile::TempDir;

/// A directory of its own, or Magento's.
struct Files<const MAGENTO: bool> {
    folder: TempDir,
    clock: ManualClock,
    state: FileState,
}

impl<const MAGENTO: bool> Files<MAGENTO> {
    fn directory(&self) -> PathBuf {
        self.folder.path().join("maintenance")
    }

    fn away(&self) -> PathBuf {
        self.folder.path().join("away")
    }

    fn handle(&self) -> Result<FileState, FixtureError> {
        Ok(Self::options(self.directory(), &self.clock).open()?)
    }

    fn options(directory: PathBuf, clock: &ManualClock) -> FileOptions {
        let options = if MAGENTO {
            FileOptions::magento(directory)
        } else {
            FileOptions::new(directory)
        };
        options.with_clock(Arc::new(clock.clone()))
    }
}

impl<const MAGENTO: bool> Fixture for Files<MAGENTO> {
    type State = FileState;

    fn capabilities() -> Capabilities {
        Capabilities::none()
            .with_can_break()
            .with_can_corrupt()
            .with_durable()
            .with_moves_clock()
            .with_pushes_record()
            .with_shared_between_handles()
    }

    async fn fresh() -> Result<Self, FixtureError> {
        let folder = tempfile::tempdir()?;
        let clock = ManualClock::new();
        let directory = folder.path().join("maintenance");
        if MAGENTO {
            std::fs::create_dir(&directory)?;
        }
        let state = Self::options(directory, &clock).open_or_create()?;
        Ok(Self {
            folder,
            clock,
            state,
        })
    }

    fn state(&self) -> FileState {
        self.state.clone()
    }

    fn timing(&self) -> Timing {
        Timing::default()
    }

    async fn advance(&self, by: Duration) -> Result<(), FixtureError> {
        self.clock.advance(by);
        Ok(())
    }

    async fn second_handle(&self) -> Result<FileState, FixtureError> {
        self.handle()
    }

    async fn reopen(&mut self) -> Result<(), FixtureError> {
        self.state = self.handle()?;
        Ok(())
    }

    async fn break_link(&self) -> Result<(), FixtureError> {
        // Something else is mounted there, as it were.
        std::fs::rename(self.directory(), self.away())?;
        std::fs::write(self.directory(), "not a directory")?;
        Ok(())
    }

    async fn heal(&self) -> Result<(), FixtureError> {
        std::fs::remove_file(self.directory())?;
        std::fs::rename(self.away(), self.directory())?;
        Ok(())
    }

    async fn corrupt(&self) -> Result<(), FixtureError> {
        let name = if MAGENTO {
            ".intermission.json"
        } else {
            "record.json"
        };
        let record = self.directory().join(name);
        let whole = std::fs::read(&record)?;
        let torn = whole.get(..whole.len() / 2).unwrap_or_default();
        std::fs::write(&record, torn)?;
        Ok(())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = trials::<Files<false>>("file");
    trials.extend(intermission_conformance::trials::<Files<true>>("magento"));
    libtest_mimic::run(&arguments, trials).exit_code()
}
