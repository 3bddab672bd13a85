//! Magento's pair: `.maintenance.flag`, which is the mode by being there, and `.maintenance.ip`, which lists who passes.
//!
//! Magento and its tools write them without a lock and know no more of the mode than they say. What they cannot hold
//! is in the record beside them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use intermission_core::{
    AllowList, BadNetworks, Level, Network, Record, StateError, StateErrorKind, Timestamp,
};

use crate::beside::{create_new, remove_if_there, write_beside};
use crate::directory::Directory;
use crate::error::failed;
use crate::ownership::Ownership;
use crate::record_file::read_regular;

/// PHP empties a file before it fills it. One that has not changed for so long has been filled.
const FILLED_AFTER: Duration = Duration::from_millis(40);

/// What the two files say, or are to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) is_on: bool,
    pub(crate) allow: AllowList,
}

impl Pair {
    /// What they are to say for this record.
    ///
    /// Magento knows no drain and no level. Its flag is there from the request on, since its pages may begin what a
    /// drain must not see begun, and at every level, since they write. Who may pass by address passes there whatever
    /// the level: so at [`Level::Exclusive`] the list is away.
    pub(crate) fn of(record: Option<&Record>) -> Self {
        record.map_or_else(Self::default, |record| Self {
            is_on: record.phase().is_on(),
            allow: if record.level() == Level::Exclusive {
                AllowList::default()
            } else {
                record.allow().clone()
            },
        })
    }
}

/// What was found in the two files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) pair: Pair,
    /// What stands among the addresses and is none.
    pub(crate) ignored: Option<BadNetworks>,
    /// When the addresses were written last.
    pub(crate) written_at: Option<Timestamp>,
}

impl Found {
    /// Whether somebody may still be writing the addresses.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.written_at.is_some_and(|written| {
            let age = now.as_millis().abs_diff(written.as_millis());
            u128::from(age) < FILLED_AFTER.as_millis()
        })
    }
}

/// What is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writes {
    pub(crate) is_on: Option<bool>,
    pub(crate) allow: Option<AllowList>,
}

impl Writes {
    pub(crate) const fn is_empty(&self) -> bool {
        self.is_on.is_none() && self.allow.is_none()
    }
}

/// The two files. Clones share what was read last.
#[derive(Clone, Debug)]
pub(crate) struct FlagFiles {
    directory: Directory,
    last: Arc<Mutex<LastRead>>,
}

/// Every heartbeat reads the list, which is long to parse and quick to compare.
#[derive(Debug, Default)]
struct LastRead {
    text: Vec<u8>,
    allow: AllowList,
    ignored: Option<BadNetworks>,
}

impl FlagFiles {
    pub(crate) fn new(directory: Directory) -> Self {
        Self {
            directory,
            last: Arc::default(),
        }
    }

    /// Reads both.
    pub(crate) fn read(&self) -> Result<Found, StateError> {
        let mut found = self.read_addresses()?;
        found.pair.is_on = self.is_on()?;
        Ok(found)
    }

    /// Makes them say so: the flag first, which decides whether a step counts that was cut off.
    ///
    /// Only whoever holds the lock may.
    pub(crate) fn write(&self, writes: &Writes) -> Result<(), StateError> {
        let addresses = self.directory.addresses();
        let next = self.directory.next_addresses();
        if let Some(allow) = writes.allow.as_ref().filter(|allow| !allow.is_empty()) {
            let text = text_of(allow);
            write_beside(&next, &addresses, &self.directory, text.as_bytes())
                .and_then(|file| file.sync_all())
                .map_err(|error| failed("write", &next, error))?;
        }
        match writes.is_on {
            Some(true) => self.put_flag()?,
            Some(false) => {
                let flag = self.directory.flag();
                remove_if_there(&flag).map_err(|error| failed("remove", &flag, error))?;
                self.directory.sync()?;
            }
            None => {}
        }
        if let Some(allow) = &writes.allow {
            // Never emptied: an empty list holds one empty address for Magento.
            if allow.is_empty() {
                remove_if_there(&addresses).map_err(|error| failed("remove", &addresses, error))?;
            } else {
                fs::rename(&next, &addresses)
                    .map_err(|error| failed("replace", &addresses, error))?;
            }
            self.directory.sync()?;
        }
        Ok(())
    }

    /// As PHP asks: a link counts if there is something at its end.
    fn is_on(&self) -> Result<bool, StateError> {
        let path = self.directory.flag();
        match fs::metadata(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("look for", &path, error)),
        }
    }

    fn put_flag(&self) -> Result<(), StateError> {
        let path = self.directory.flag();
        let put = || -> io::Result<()> {
            let file = match create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if fs::metadata(&path).is_ok() {
                        // Magento was faster.
                        return Ok(());
                    }
                    // A link that leads nowhere is no flag for PHP, and following it might make a file anywhere.
                    fs::remove_file(&path)?;
                    create_new(&path)?
                }
                created => created?,
            };
            Ownership::of_new_file(self.directory.path())?.apply(&file)?;
            file.sync_all()
        };
        put().map_err(|error| failed("create", &path, error))?;
        self.directory.sync()
    }

    fn read_addresses(&self) -> Result<Found, StateError> {
        let path = self.directory.addresses();
        let text = match read_regular(&path) {
            Ok(Some(text)) => text,
            Ok(None) => {
                return Err(StateError::new(
                    StateErrorKind::Corrupt,
                    format!("{} is not a regular file: move it away", path.display()),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
            Err(error) => return Err(failed("read", &path, error)),
        };
        let written = fs::metadata(&path).and_then(|file| file.modified());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.text != text {
            let (allow, ignored) = parse(&text);
            *last = LastRead {
                text,
                allow,
                ignored,
            };
        }
        Ok(Found {
            pair: Pair {
                is_on: false,
                allow: last.allow.clone(),
            },
            ignored: last.ignored.clone(),
            written_at: written.ok().map(Timestamp::from),
        })
    }
}

/// Separated by commas, as Magento writes them, or by white space, as people do. What is no address is left out, as
/// nobody is there to be told.
fn parse(text: &[u8]) -> (AllowList, Option<BadNetworks>) {
    let text = String::from_utf8_lossy(text);
    let entries = text
        .split(|letter: char| letter == ',' || letter.is_whitespace() || letter == '\0')
        .filter(|entry| !entry.is_empty());
    let mut networks: Vec<Network> = Vec::new();
    let mut bad = Vec::new();
    for entry in entries {
        match entry.parse() {
            Ok(network) => networks.push(network),
            Err(_) => bad.push(entry),
        }
    }
    let ignored = AllowList::parse(&bad).err();
    (networks.into_iter().collect(), ignored)
}

/// One line, and single addresses without a prefix length: Magento before 2.4.8 compares them as text.
fn text_of(allow: &AllowList) -> String {
    let mut text = String::new();
    for network in allow.networks() {
        let comma = if text.is_empty() { "" } else { "," };
        // Nothing can go wrong when writing into a string.
        let _ = write!(text, "{comma}{}", network.bare());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(networks: &[&str]) -> AllowList {
        AllowList::parse(networks).unwrap()
    }

    #[test]
    fn a_list_is_read_however_it_was_written() {
        let both = list(&["192.0.2.10", "2001:db8::/64"]);
        for text in [
            "192.0.2.10,2001:db8::/64",
            "192.0.2.10/32,2001:db8::/64\n",
            " 192.0.2.10 , 2001:db8::/64 ",
            "192.0.2.10\r\n2001:db8::/64\r\n",
            ",,192.0.2.10,,2001:DB8::1/64,",
            "::ffff:192.0.2.10 2001:db8::/64",
        ] {
            assert_eq!(parse(text.as_bytes()), (both.clone(), None), "{text}");
        }
        for text in ["", ",", "\n", " , "] {
            assert_eq!(parse(text.as_bytes()), (AllowList::default(), None));
        }
    }

    #[test]
    fn what_is_no_address_is_named_and_left_out() {
        let (allow, ignored) = parse(b"192.0.2.10,shop.example,192.0.2.1-192.0.2.9,\xff");
        assert_eq!(allow, list(&["192.0.2.10"]));
        let ignored = ignored.unwrap();
        let names: Vec<&str> = ignored.entries().iter().map(|entry| entry.text()).collect();
        assert_eq!(names, ["shop.example", "192.0.2.1-192.0.2.9", "\u{fffd}"]);
    }

    #[test]
    fn what_was_written_a_moment_ago_may_be_unfinished() {
        let written = Timestamp::from_millis(1_800_000_000_000);
        let found = Found {
            written_at: Some(written),
            ..Found::default()
        };
        let after = |age| written.saturating_add(age);
        assert!(found.is_fresh(written));
        assert!(found.is_fresh(after(FILLED_AFTER / 2)));
        assert!(!found.is_fresh(after(FILLED_AFTER)));
        // A file with a date of tomorrow is not waited for until then.
        let tomorrow = Duration::from_secs(86_400);
        let early = Timestamp::from_millis(written.as_millis() - 86_400_000);
        assert!(!found.is_fresh(early) && !found.is_fresh(after(tomorrow)));
        assert!(!Found::default().is_fresh(written));
    }

    #[test]
    fn a_list_is_written_as_every_magento_reads_it() {
        let allow = list(&["192.0.2.10", "10.0.0.0/8", "2001:db8::1", "2001:db8::/64"]);
        assert_eq!(
            text_of(&allow),
            "10.0.0.0/8,192.0.2.10,2001:db8::/64,2001:db8::1"
        );
        assert_eq!(parse(text_of(&allow).as_bytes()), (allow, None));
    }
}
