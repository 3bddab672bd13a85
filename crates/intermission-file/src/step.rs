//! One step of the ledger: lock, read, prove the dead, step, write, unlock.
//!
//! A step is taken wholly or not at all, though it changes two files. `members.json.next` is written first, with the
//! number that the new edition of `record.json` will have. Then `record.json` is replaced: that is the moment at which
//! the step is taken. Then `members.json.next` takes its place. Whoever finds that it has not, because somebody died
//! in between, sees by its number whether it counts. A step that changes no record is taken by that last renaming.
//!
//! In Magento's directory there is the pair of flag files besides, and the flag is the mode: for Magento, which reads
//! nothing else, and so for us. So a step that changes what the pair says is taken at the moment at which the flag
//! appears or vanishes (or the list of addresses is replaced, if the flag stays as it is):
//!
//! 1. `.intermission.members.json.next` and `.intermission.json.next` are written.
//! 2. The flag is put there or taken away, and then the list of addresses.
//! 3. `.intermission.json.next` takes its place, then `.intermission.members.json.next`.
//!
//! Whoever finds an `.intermission.json.next` sees by the pair whether it counts, and finishes the step or throws it
//! away. So a crash leaves the old record with the old pair or the new with the new, and nobody's change is taken for
//! the rest of an unfinished step: where the pair says something that neither the record nor an unfinished step asks
//! for, somebody else has changed it (see `foreign.rs`). Then the record follows, as a change of its own, in the next
//! step of whichever process takes one first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use intermission_core::{
    BadNetworks, Clock, HistoryEntry, Ledger, Members, Moment, NodeId, StateError, StateErrorKind,
    Timing, View,
};

use crate::directory::Directory;
use crate::document::Document;
use crate::flag_files::{FlagFiles, Pair, Writes};
use crate::foreign::{Followed, Foreign, writes};
use crate::kept::Kept;
use crate::lock::Lock;
use crate::members_file::{Found, MembersFile, put_in_place};
use crate::process::Surroundings;
use crate::record_file::RecordFile;
use crate::stored::{Stored, Unfinished};

/// How often a reader, who takes no lock, looks again when he has seen the two files at different steps.
const READS: u32 = 5;

/// Where a step looks for what it must know of its machine. Tests pretend here.
pub(crate) type Look = Arc<dyn Fn() -> Surroundings + Send + Sync>;

/// The ledger in a directory.
pub(crate) struct Store {
    record: RecordFile,
    /// In Magento's directory.
    flag_files: Option<FlagFiles>,
    timing: Timing,
    clock: Arc<dyn Clock>,
    look: Look,
    /// The newest edition that this handle has seen: if `record.json` is older, it was lost.
    seen_edition: AtomicU64,
}

impl Store {
    pub(crate) fn new(
        directory: Directory,
        timing: Timing,
        clock: Arc<dyn Clock>,
        look: Look,
    ) -> Self {
        Self {
            flag_files: directory
                .is_magentos()
                .then(|| FlagFiles::new(directory.clone())),
            record: RecordFile::new(directory),
            timing,
            clock,
            look,
            seen_edition: AtomicU64::new(0),
        }
    }

    pub(crate) const fn directory(&self) -> &Directory {
        self.record.directory()
    }

    /// Takes a step. `joins` is the node that lives in this process, if the step is its report.
    pub(crate) fn step<T>(
        &self,
        joins: Option<NodeId>,
        act: impl Fn(&mut Ledger, Moment) -> T,
    ) -> Result<T, StateError> {
        let lock = Lock::acquire(self.directory())?;
        self.step_locked(&lock, joins, act)
    }

    /// The state for people. It takes a step, too, if there is something to settle and this process may: when all
    /// nodes are dead, nobody else does.
    pub(crate) fn inspect(&self, limit: usize) -> Result<View, StateError> {
        let surroundings = (self.look)();
        let kept = self.read_without_lock(&surroundings)?;
        let now = self.now();
        let mut ledger = self.ledger(&kept);
        let quiescent_at = ledger.view(0, now).quiescent_at;
        kept.tell(&mut ledger, &surroundings, now);
        kept.follow(&mut ledger, now);
        ledger.tick(now);
        if (kept.is_on() && quiescent_at.is_none() || !kept.holds_what(&ledger))
            && let Ok(lock) = Lock::acquire_at_once(self.directory())
        {
            let settled = self.step_locked(&lock, None, |ledger, now| {
                ledger.tick(now);
                ledger.view(limit, now)
            });
            // Whoever may not write may nevertheless look.
            if let Ok(mut view) = settled {
                view.record = self.stored()?.shown(view.record, now);
                return Ok(view);
            }
        }
        let mut view = ledger.view(limit, now);
        // What the ledger would make of it has not happened, and nobody could change a record that is not there.
        view.quiescent_at = view.quiescent_at.and(quiescent_at);
        view.record = kept.shown_record(now);
        Ok(view)
    }

    /// The newest lines of the history, newest first.
    pub(crate) fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let document = self.glimpse()?.document;
        let history = document
            .iter()
            .flat_map(|document| document.history.iter().rev());
        Ok(history.take(limit).cloned().collect())
    }

    /// The document as it is now, without a ledger. Where somebody else has changed the flag files, it is made to
    /// follow, if the lock is free and this process may.
    pub(crate) fn glimpse(&self) -> Result<Glimpse, StateError> {
        let mut stored = self.stored_without_lock()?;
        let mut is_busy = false;
        // What was lost the nodes bring back, which know more than the files say.
        let is_lost = stored.edition() < self.seen_edition.load(Ordering::Relaxed);
        if stored.is_behind() && !is_lost {
            match Lock::acquire_at_once(self.directory()) {
                Ok(lock) => {
                    // Whoever had the lock before may have done it.
                    if self.stored()?.is_behind() {
                        // Whoever may not write may nevertheless look.
                        drop(self.step_locked(&lock, None, |_, _| ()));
                    }
                    stored = self.stored()?;
                }
                Err(error) => is_busy = error.kind() == StateErrorKind::Unavailable,
            }
        }
        Ok(Glimpse {
            document: stored.document,
            is_busy,
        })
    }

    /// What stands among Magento's addresses and is none.
    pub(crate) fn ignored_addresses(&self) -> Result<Option<BadNetworks>, StateError> {
        let found = self.flag_files.as_ref().map(FlagFiles::read).transpose()?;
        Ok(found.and_then(|found| found.ignored))
    }

    fn step_locked<T>(
        &self,
        _lock: &Lock,
        joins: Option<NodeId>,
        act: impl Fn(&mut Ledger, Moment) -> T,
    ) -> Result<T, StateError> {
        let surroundings = (self.look)();
        let mut kept = self.read(&surroundings)?;
        self.finish(&mut kept)?;
        let now = self.now();
        let mut ledger = self.ledger(&kept);
        kept.tell(&mut ledger, &surroundings, now);
        let (reply, left) = if kept.is_lost {
            // A node may know the record that was lost, and so more than the flag files say.
            let reply = act(&mut ledger, now);
            let (followed, left) = kept.follow(&mut ledger, now);
            if followed == Followed::Stored {
                (act(&mut ledger, now), left)
            } else {
                (reply, left)
            }
        } else {
            // Before a node joins, so that one that finds a flag there is closed from its first answer, and is not
            // asked to drain what it has not begun.
            let (_, left) = kept.follow(&mut ledger, now);
            (act(&mut ledger, now), left)
        };
        self.write(kept, &ledger, joins, surroundings, &left)?;
        Ok(reply)
    }

    /// Finishes the step of somebody who was killed, or throws it away if it does not count.
    fn finish(&self, kept: &mut Kept) -> Result<(), StateError> {
        match (&kept.unfinished, &self.flag_files) {
            (Unfinished::Taken(rest), Some(flag_files)) => {
                flag_files.write(rest)?;
                if let (Some(found), Some(allow)) = (&mut kept.flag_files, &rest.allow) {
                    found.pair.allow = allow.clone();
                }
                self.record.put_next_in_place()?;
            }
            (Unfinished::NotTaken, _) => self.record.discard_next()?,
            _ => {}
        }
        if kept.is_unfinished {
            put_in_place(self.directory())?;
        }
        Ok(())
    }

    fn now(&self) -> Moment {
        Moment::new(self.clock.now(), self.clock.steady())
    }

    /// What is stored, as whoever holds the lock sees it.
    fn stored(&self) -> Result<Stored, StateError> {
        Stored::read(&self.record, self.flag_files.as_ref())
    }

    fn stored_without_lock(&self) -> Result<Stored, StateError> {
        let mut stored = self.stored()?;
        for _ in 1..READS {
            if !stored.is_behind() {
                break;
            }
            stored = self.stored()?;
        }
        Ok(stored)
    }

    fn read(&self, surroundings: &Surroundings) -> Result<Kept, StateError> {
        let stored = self.stored()?;
        let members = MembersFile::read(&self.directory().members())?;
        let next = MembersFile::read(&self.directory().next_members())?;
        self.judge(stored, members, next, surroundings)
    }

    fn read_without_lock(&self, surroundings: &Surroundings) -> Result<Kept, StateError> {
        let mut kept = self.read(surroundings)?;
        for _ in 1..READS {
            if !kept.is_lost && kept.foreign(kept.record()).is_empty() {
                break;
            }
            kept = self.read(surroundings)?;
        }
        Ok(kept)
    }

    /// Says which of what was found counts.
    fn judge(
        &self,
        stored: Stored,
        members: Found,
        next: Found,
        surroundings: &Surroundings,
    ) -> Result<Kept, StateError> {
        let Stored {
            document,
            flag_files,
            unfinished,
        } = stored;
        let edition = document.as_ref().map_or(0, |document| document.edition);
        let seen_edition = self
            .seen_edition
            .fetch_max(edition, Ordering::Relaxed)
            .max(edition);
        let was_rubbish = matches!(members, Found::Rubbish);
        let (members, next) = (members.understood(), next.understood());
        let is_unfinished = members
            .as_ref()
            .is_none_or(|members| members.edition != edition)
            && next.as_ref().is_some_and(|next| next.edition == edition);
        let nobody = || (Members::default(), BTreeMap::new());
        let Some(found) = (if is_unfinished { next } else { members }) else {
            let (members, processes) = nobody();
            return Ok(Kept {
                // Processes may live that have reported, and of which nothing is known any more. Whether the machine
                // was started since the record was written does not matter: they may have been started since, too.
                is_lost: document.is_some() || was_rubbish || seen_edition > edition,
                document,
                flag_files,
                unfinished,
                members,
                processes,
                newest_edition: seen_edition,
                is_rebooted: false,
                is_unfinished,
            });
        };
        let newest_edition = seen_edition.max(found.edition);
        let is_rebooted = was_written_by_the_dead(&found, surroundings, self.directory())?;
        let is_stale = found.edition != edition && !is_rebooted;
        let (members, processes) = if is_rebooted {
            nobody()
        } else {
            (found.members, found.processes)
        };
        Ok(Kept {
            is_lost: newest_edition > edition || is_stale,
            document,
            flag_files,
            unfinished,
            members,
            processes,
            newest_edition,
            is_rebooted,
            is_unfinished,
        })
    }

    fn ledger(&self, kept: &Kept) -> Ledger {
        let history = kept.history().to_vec();
        Ledger::restored(
            self.timing,
            kept.record().cloned(),
            history,
            kept.members.clone(),
        )
    }

    fn write(
        &self,
        kept: Kept,
        ledger: &Ledger,
        joins: Option<NodeId>,
        surroundings: Surroundings,
        left: &Foreign,
    ) -> Result<(), StateError> {
        let record = ledger.record().cloned();
        let writes = match &kept.flag_files {
            Some(found) => writes(&found.pair, record.as_deref(), left),
            None => Writes::default(),
        };
        // Otherwise the pair cannot tell whether the step was taken, and need not.
        let is_told_by_pair = !writes.is_empty() && {
            let before = kept.record().map(|record| &**record);
            Pair::of(before) != Pair::of(record.as_deref())
        };
        let is_changed = kept.is_lost || !kept.holds_what(ledger);
        let edition = if is_changed {
            kept.newest_edition.saturating_add(1)
        } else {
            kept.newest_edition
        };
        let mut processes = kept.processes;
        if let Some(node) = joins {
            processes.remove(&node);
            processes.extend(surroundings.process.map(|process| (node, process)));
        }
        let nodes: BTreeSet<NodeId> = ledger.nodes().collect();
        processes.retain(|node, _| nodes.contains(node));
        let Surroundings {
            boot, host, now, ..
        } = surroundings;
        MembersFile::new(
            edition,
            boot,
            host,
            now,
            ledger.members().clone(),
            processes,
        )
        .write_next(self.directory())?;
        if is_changed {
            let before = kept.document.unwrap_or_default();
            let history = ledger.kept_history().cloned().collect();
            let document = before.succeeded_by(edition, record, history);
            match &self.flag_files {
                Some(flag_files) if is_told_by_pair => {
                    let staged = self.record.stage(document)?;
                    flag_files.write(&writes)?;
                    staged.put_in_place()?;
                }
                _ => {
                    self.record.replace(document)?;
                    self.write_flag_files(&writes)?;
                }
            }
        } else {
            self.write_flag_files(&writes)?;
        }
        put_in_place(self.directory())?;
        self.seen_edition.fetch_max(edition, Ordering::Relaxed);
        Ok(())
    }

    fn write_flag_files(&self, writes: &Writes) -> Result<(), StateError> {
        match &self.flag_files {
            Some(flag_files) if !writes.is_empty() => flag_files.write(writes),
            _ => Ok(()),
        }
    }
}

/// What a look without a ledger sees.
#[derive(Debug)]
pub(crate) struct Glimpse {
    pub(crate) document: Option<Arc<Document>>,
    /// Whether the document has not followed the flag files yet, because somebody else had the lock.
    pub(crate) is_busy: bool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

impl Found {
    fn understood(self) -> Option<MembersFile> {
        match self {
            Self::Members(file) => Some(*file),
            Self::Nothing | Self::Rubbish => None,
        }
    }
}

/// Whether all processes of which it tells have ended because the machine was started anew since.
///
/// Two machines must not share a directory: neither can see whether the other's processes live. A file that another
/// boot has written *after* this machine was started came from another machine.
fn was_written_by_the_dead(
    found: &MembersFile,
    surroundings: &Surroundings,
    directory: &Directory,
) -> Result<bool, StateError> {
    let (Some(theirs), Some(ours)) = (&found.boot, &surroundings.boot) else {
        return Ok(false);
    };
    if theirs == ours {
        return Ok(false);
    }
    // A machine without a clock of its own may believe after a start that it is yesterday. Its name is the same.
    if found.written_at <= surroundings.booted_at || found.host == surroundings.host {
        return Ok(true);
    }
    let host = found.host.as_deref().unwrap_or("unknown");
    Err(StateError::new(
        StateErrorKind::Unsupported,
        format!(
            "{} was last used by another machine ({host}), and file states are for the processes of one machine: use \
             Redis for several, or remove {} if that machine is no more",
            directory.path().display(),
            directory.members().display()
        ),
    ))
}
