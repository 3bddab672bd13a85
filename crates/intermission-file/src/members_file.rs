//! `members.json`: what the ledger knows of the nodes, and which processes they are.
//!
//! It is replaced with every heartbeat, so it is not made safe against a power cut: after one, all those processes
//! are dead anyway.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use intermission_core::{Members, NodeId, StateError, StateErrorKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::beside::write_beside;
use crate::directory::Directory;
use crate::error::failed;
use crate::process::Process;
use crate::record_file::read_regular;

const VERSION: u64 = 1;

/// What the file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MembersFile {
    v: u64,
    /// The edition of `record.json` that it goes with.
    pub(crate) edition: u64,
    /// Which start of which machine it was written after.
    pub(crate) boot: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) written_at: Timestamp,
    pub(crate) members: Members,
    pub(crate) processes: BTreeMap<NodeId, Process>,
}

/// What was found in its place.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// Something that cannot be understood: torn by a power cut, or put there by somebody else.
    Rubbish,
    Members(Box<MembersFile>),
}

impl MembersFile {
    pub(crate) const fn new(
        edition: u64,
        boot: Option<String>,
        host: Option<String>,
        written_at: Timestamp,
        members: Members,
        processes: BTreeMap<NodeId, Process>,
    ) -> Self {
        Self {
            v: VERSION,
            edition,
            boot,
            host,
            written_at,
            members,
            processes,
        }
    }

    /// Reads it.
    pub(crate) fn read(path: &Path) -> Result<Found, StateError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        let text = match read_regular(path) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Found::Rubbish),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(failed("read", path, error)),
        };
        match serde_json::from_slice(&text) {
            Ok(Version { v: VERSION }) => {}
            Ok(Version { v }) => {
                return Err(StateError::new(
                    StateErrorKind::Unsupported,
                    format!(
                        "{} has version {v}, and this Intermission knows {VERSION}: upgrade it, or stop the newer ones",
                        path.display()
                    ),
                ));
            }
            Err(_) => return Ok(Found::Rubbish),
        }
        Ok(serde_json::from_slice(&text)
            .map_or(Found::Rubbish, |found| Found::Members(Box::new(found))))
    }

    /// Writes it beside its place. It counts only when [`put_in_place`] has been called, or when the edition that it
    /// names has become that of `record.json`.
    ///
    /// Only whoever holds the lock may.
    pub(crate) fn write_next(&self, directory: &Directory) -> Result<(), StateError> {
        let path = directory.next_members();
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec(self)?;
            write_beside(&path, &directory.members(), directory, &text).map(drop)
        };
        write().map_err(|error| failed("write", &path, error))
    }
}

/// Puts in its place what was written last.
pub(crate) fn put_in_place(directory: &Directory) -> Result<(), StateError> {
    let path = directory.members();
    fs::rename(directory.next_members(), &path).map_err(|error| failed("replace", &path, error))
}
