//! What happened, by whom, and when.
//!
//! Every process and task appends to a file of its own, one line for each event, written before anything follows from
//! it: a process that is killed leaves a true log. All times are nanoseconds of `CLOCK_BOOTTIME`, which is one clock for
//! all processes of a machine. Where something takes time the event holds both ends.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use intermission::{Clock, Phase, Record, SystemClock};

use crate::setting::Lost;

/// Nanoseconds since the machine's start.
pub(crate) type Nanos = u64;

pub(crate) const MILLI: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000 * MILLI;

pub(crate) fn now() -> Nanos {
    nanos(SystemClock.steady())
}

pub(crate) fn nanos(duration: std::time::Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).expect("no machine is up for five hundred years")
}

/// A value in a line.
trait Field: Sized {
    fn write(&self, line: &mut String);
    fn read(text: &str) -> Option<Self>;
}

macro_rules! plain_fields {
    ($($kind:ty),*) => {
        $(impl Field for $kind {
            fn write(&self, line: &mut String) {
                write!(line, "{self}").expect("memory can be written");
            }

            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })*
    };
}

plain_fields!(bool, u64, Lost, Sample);

impl Field for String {
    fn write(&self, line: &mut String) {
        line.push_str(&self.replace(['\t', '\n'], " "));
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

macro_rules! events {
    ($($(#[$docs:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $kind:ty),* $(,)? })*) => {
        /// What happened. Its time is when it was over.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Event {
            $($(#[$docs])* $name { $($(#[$about])* $field: $kind),* }),*
        }

        impl Event {
            pub(crate) const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name)),*
                }
            }

            fn write(&self, line: &mut String) {
                line.push_str(self.name());
                match self {
                    $(Self::$name { $($field),* } => {
                        $(
                            line.push_str(concat!("\t", stringify!($field), "="));
                            $field.write(line);
                        )*
                    })*
                }
            }

            fn read<'a>(name: &str, mut fields: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name {
                        $($field: {
                            let (name, text) = fields.next()?;
                            if name != stringify!($field) {
                                return None;
                            }
                            Field::read(text)?
                        }),*
                    }),)*
                    _ => None,
                }
            }
        }
    };
}

events! {
    // ---- nodes

    /// A node is about to start.
    Started { node: String, lost: Lost, threads: u64 }
    /// A record, when it was first met here.
    Saw { revision: u64, record: String }
    /// A report and what came of it.
    Synced {
        sent: Nanos,
        sequence: u64,
        /// The newest revision that the node said it had applied.
        seen: u64,
        /// The revision of the record that it offered, or 0.
        offered: u64,
        /// `ok`, the kind of the error, or `dropped`.
        outcome: String,
        /// The sequence, the record's revision and the grace left in the answer.
        echoed: u64,
        revision: u64,
        grace: Nanos,
    }
    /// The gate decides by something else.
    Changed { sample: Sample }
    /// A request was decided about.
    Asked { from: Nanos, request: String, decision: String, before: Sample, after: Sample }
    /// An execution runs. `bypass`: nobody waits for it.
    Began { from: Nanos, execution: u64, way: String, bypass: bool, before: Sample, after: Sample }
    /// An execution was not let begin.
    Denied { from: Nanos, way: String, reason: String, before: Sample, after: Sample }
    /// An execution is about to end.
    Ended { execution: u64, bypass: bool, how: String }
    /// What is wrong with the state, as the gate says; empty for nothing.
    Trouble { kind: String }
    /// Nothing ran in this process since then.
    Stalled { from: Nanos }
    /// The node has said goodbye and ends.
    Left {}

    // ---- operator

    /// Something that the operator did, and how it ended.
    Verb { from: Nanos, verb: String, outcome: String }
    /// One try at a change.
    Operated {
        sent: Nanos,
        operation: String,
        expected: u64,
        /// Whether the site is to be closed after it.
        closes: bool,
        /// `stored`, `unchanged` and so on, the kind of the error, or `dropped`.
        outcome: String,
        /// Of the record in the answer.
        revision: u64,
    }
    /// A look at the state.
    Looked { sent: Nanos, revision: u64, grace: Nanos, newest_seen: u64 }
    /// A node was taken off the list.
    Forgot { sent: Nanos, node: String, alive: bool, outcome: String }
    /// The history at the end, oldest first: `revision event` each, separated by `;`. At most 256 are kept.
    History { lines: String }

    // ---- nemesis

    /// A fault, over its whole time. `scope` is `servers`, or the numbers of nodes.
    Fault { from: Nanos, kind: String, scope: String, loses: String }
    /// A process was killed: it ran until `from`, and no longer than until this event.
    Killed { from: Nanos, whose: String }
    /// A process stands still from this event on.
    Paused { from: Nanos, whose: String }
    /// A process stood still until `from`, and goes on.
    Resumed { from: Nanos, whose: String }
    /// What must never happen, seen by who drives the test.
    Failed { what: String }
}

/// What a gate decided by at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) revision: u64,
    pub(crate) phase: Phase,
    pub(crate) held: bool,
    pub(crate) suspended: bool,
    /// How old the newest answer was, in nanoseconds.
    pub(crate) age: Nanos,
}

impl Sample {
    /// Whether both decide alike.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let essence =
            |sample: &Self| (sample.revision, sample.phase, sample.held, sample.suspended);
        essence(self) == essence(other)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.phase.is_on() && !self.held && !self.suspended
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            revision,
            phase,
            held,
            suspended,
            age,
        } = self;
        write!(f, "{revision},{},{held},{suspended},{age}", phase.as_str())
    }
}

impl FromStr for Sample {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(',');
        let mut next = || parts.next().ok_or(());
        Ok(Self {
            revision: next()?.parse().map_err(drop)?,
            phase: match next()? {
                "deactivated" => Phase::Deactivated,
                "activating" => Phase::Activating,
                "activated" => Phase::Activated,
                _ => return Err(()),
            },
            held: next()?.parse().map_err(drop)?,
            suspended: next()?.parse().map_err(drop)?,
            age: next()?.parse().map_err(drop)?,
        })
    }
}

/// One event of one source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) at: Nanos,
    pub(crate) source: usize,
    pub(crate) event: Event,
}

/// The merged log, in the order of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) sources: Vec<String>,
    pub(crate) entries: Vec<Entry>,
}

impl Log {
    /// Merges the files of a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("the folder of the logs can be read")
            .map(|file| file.expect("a file has a name").file_name())
            .filter_map(|name| name.to_str()?.strip_suffix(".log").map(str::to_owned))
            .collect();
        names.sort_unstable();
        let mut log = Self::default();
        for (source, name) in names.into_iter().enumerate() {
            let text =
                fs::read_to_string(folder.join(format!("{name}.log"))).expect("a log is text");
            // What a killed process was about to write has no end.
            let whole = text
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'));
            for line in whole {
                let (at, event) = parse(line).unwrap_or_else(|| panic!("{name}: {line}"));
                log.entries.push(Entry { at, source, event });
            }
            log.sources.push(name);
        }
        log.entries.sort_by_key(|entry| entry.at);
        log
    }

    /// An entry, for people.
    pub(crate) fn line_of(&self, entry: &Entry, start: Nanos) -> String {
        let mut text = String::new();
        entry.event.write(&mut text);
        let since = entry.at.saturating_sub(start);
        let (seconds, micros) = (since / SECOND, since % SECOND / 1_000);
        let source = &self.sources[entry.source];
        format!(
            "{seconds:>4}.{micros:06} {source:<8} {}",
            text.replace('\t', " ")
        )
    }
}

fn parse(line: &str) -> Option<(Nanos, Event)> {
    let mut parts = line.split('\t');
    let at = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let event = Event::read(name, parts.filter_map(|part| part.split_once('=')))?;
    Some((at, event))
}

/// Appends to the file of one source.
#[derive(Debug)]
pub(crate) struct Writer {
    file: Mutex<File>,
    /// The records that are in the file already.
    records: Mutex<HashMap<u64, Arc<Record>>>,
}

impl Writer {
    pub(crate) fn create(folder: &Path, source: &str) -> Arc<Self> {
        let file = File::options()
            .create_new(true)
            .append(true)
            .open(folder.join(format!("{source}.log")))
            .expect("a log can be made");
        Arc::new(Self {
            file: Mutex::new(file),
            records: Mutex::default(),
        })
    }

    /// Something happened just now.
    pub(crate) fn write(&self, event: &Event) {
        self.write_at(now(), event);
    }

    pub(crate) fn write_at(&self, at: Nanos, event: &Event) {
        let mut line = format!("{at}\t");
        event.write(&mut line);
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())
            .expect("a log can be written");
    }

    /// Writes the record down if it is new here, or another one than the revision stood for before.
    pub(crate) fn saw(&self, record: &Arc<Record>) {
        let revision = record.revision().number();
        let known = {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.insert(revision, Arc::clone(record))
        };
        if known.is_none_or(|known| !Arc::ptr_eq(&known, record) && known != *record) {
            let record = String::from_utf8(record.to_json()).expect("JSON is text");
            self.write(&Event::Saw { revision, record });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let sample = Sample {
            revision: 7,
            phase: Phase::Activating,
            held: false,
            suspended: true,
            age: 12,
        };
        let events = [
            Event::Began {
                from: 3,
                execution: 9,
                way: "run".to_owned(),
                bypass: false,
                before: sample,
                after: sample,
            },
            Event::Started {
                node: "ab".to_owned(),
                lost: Lost::Hold,
                threads: 1,
            },
            Event::Left {},
            Event::Failed {
                what: "a=b".to_owned(),
            },
        ];
        for event in events {
            let mut line = String::from("5\t");
            event.write(&mut line);
            assert_eq!(parse(&line), Some((5, event)), "{line}");
        }
        assert_eq!(parse("5\tBegan\tfrom=3"), None);
        assert_eq!(parse("5\tStarted\tnode=a\tlost=never\tthreads=1"), None);
    }
}
