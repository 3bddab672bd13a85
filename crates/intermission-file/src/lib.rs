//! Intermission's state in a directory that the processes of one machine share.
//!
//! Use it when the service runs on one machine: as one process, as several workers, or as several services that close
//! together. It needs no server, outlives every process and a power cut, and shows an engineer what is going on with
//! `cat`. For several machines use Redis: neither of two machines that share a directory can see whether the other's
//! processes live. They are told so, if they have different names.
//!
//! Beside a Magento, keep the state [in its flag files](#magentos-flag-files): then either closes and opens both.
//!
//! # Example
//!
//! ```
//! use intermission_core::{
//!     Activate, Actor, Change, Clock, MaintenanceState, OperateReply, Operation, OperationId, Outcome, Phase, SystemClock,
//! };
//! use intermission_file::FileState;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let directory = folder.path().join("maintenance");
//! // The service, at its start.
//! let service = FileState::open_or_create(&directory)?;
//!
//! // An operator, in another process.
//! let operator = FileState::open(&directory)?;
//! let before = operator.inspect(0).await?.record;
//! let change = Change::Activate(Activate::by("ana").with_message("Upgrading the database"));
//! if let Outcome::Changed(next) = before.apply(&change, SystemClock.now())? {
//!     let operation = Operation::replace(OperationId::random()?, &before, next, Actor::new("ana", "code"));
//!     assert!(matches!(operator.operate(operation).await?, OperateReply::Stored(_)));
//! }
//!
//! // The service hears of it.
//! let seen = service.watch(before.revision()).await?.ok_or("no record")?;
//! assert_eq!(seen.phase(), Phase::Activated); // No node has reported, so there was nothing to wait for.
//! # Ok(())
//! # }
//! ```
//!
//! # What is in the directory
//!
//! | file | holds | written |
//! |---|---|---|
//! | `record.json` | the record and the last 256 lines of its history, for people, too | when they change; a power cut leaves the old or the new one |
//! | `members.json` | what the nodes said, and which processes they are | with every heartbeat; its loss harms nothing |
//! | `members.json.next` | the same, while a step is being taken | |
//! | `lock` | nothing | once |
//!
//! Readers take no lock and need no right to write. (Whoever looks at the state while a drain goes on completes it, too,
//! if the lock is free at that moment and the right to write is there: so a drain ends even when only an operator
//! watches.) Whoever takes a step locks `lock` for some milliseconds; the
//! kernel frees the lock of a process that dies.
//!
//! # When something is lost
//!
//! - A `record.json` that cannot be understood is [`Corrupt`](intermission_core::StateErrorKind::Corrupt), for
//!   everybody, until a person has restored it or moved it away. It never means "deactivated", and nothing
//!   overwrites it. (On an empty file InvenTree's server did not start; django-maintenance-mode failed on a stray line
//!   break.)
//! - Without its `members.json` the ledger does not know who is there. Nothing completes until the nodes had time to
//!   say so.
//! - When `record.json` is gone, or an older one was put in its place, the nodes bring the newest one back.
//! - A node whose process has ended is taken off the list with the next step or look, so a drain does not wait for it.
//!   That takes the process's id, its start time and `/proc`; across pid namespaces (containers) nothing is proved,
//!   and the node's lease decides.
//! - After a restart of the machine all nodes of before are known to be dead.
//!
//! # Magento's flag files
//!
//! [`FileOptions::magento`], or `magento:DIR` where a state is typed, is a state in Magento's `var` directory. Magento's
//! PHP and the services there close and open together, whoever is asked: `intermission activate`, the admin page,
//! `bin/magento maintenance:enable`, or somebody with `touch` and `rm`.
//!
//! | file | who writes it | what it says |
//! |---|---|---|
//! | `.maintenance.flag` | we and Magento | it is there, so maintenance is on. Empty |
//! | `.maintenance.ip` | we and Magento | who passes: one line, separated by commas, single addresses without a prefix length. Deleted when the list is empty; kept when maintenance ends |
//! | `.intermission.json` | we | the rest: message, level, end, passes, history. It is `record.json` by another name |
//! | `.intermission.members.json`, `.intermission.lock` | we | as above |
//! | `.intermission.json.next`, `.intermission.members.json.next`, `.intermission.ip.next` | we | what a step is about to put in place |
//!
//! | who does it | what follows | how soon |
//! |---|---|---|
//! | we activate, or a planned maintenance starts | the flag is there before anybody hears of it, while the phase is *activating* | with the step |
//! | we deactivate, a drain is aborted, or maintenance ends by itself | the flag is gone | with the step |
//! | we change the allow list | `.maintenance.ip` is replaced or deleted | with the step |
//! | Magento puts the flag there | an activation of level full, requested by `magento`, with a drain | the first process that watches sees it, within a tenth of a second; the next one who looks, if none does |
//! | Magento removes the flag | a deactivation by `magento` | the same |
//! | Magento writes or deletes `.maintenance.ip` | another allow list. Spaces, line breaks and empty entries do no harm; what is no address is left out and reported: in the history, and by [`FileState::ignored_addresses`], which the command prints | the same, and 40 ms more: PHP empties a file before it fills it |
//!
//! What Magento does is a change like any other: one new revision however many processes see it, and a line in the
//! history whose origin is `flag file` or `address file`.
//!
//! - **Magento knows no drain**, and a page that it serves may begin what a drain must not see begun. So its flag is
//!   there from the request on, not only when the drain is complete: Magento's visitors are refused while our services
//!   still serve pages and finish what runs.
//! - **Magento knows no levels.** At `read-only` it is closed to everybody who is not on the list, as its pages write.
//!   At `exclusive` its list is away, since nobody may pass, and comes back afterwards, with what somebody has written meanwhile
//!   added to it.
//! - **The flag wins.** Where it disagrees with `.intermission.json`, the record follows it.
//! - **A lost `.intermission.json` opens nothing.** Nodes that know the record bring it back, with all that a flag cannot
//!   hold, and stay closed meanwhile; those that come in that time are held. Where none brings it back, the flag closes.
//! - **A crash at any moment leaves the old step or the new one**, for Magento and for us. A step that changes the
//!   mode writes what is to be the record beside its place, then puts the flag there or takes it away, and then puts the
//!   record in its place. Whoever comes next sees by the flag whether the step was taken, and finishes it or throws
//!   it away. So a step that was cut off is not mistaken for something that Magento did, nor the reverse.
//! - The directory must be there: nobody makes it, since Magento would look elsewhere. It holds one site, so
//!   `?site=NAME` is refused. A link in the place of one of the two files is replaced by a file.
//! - Magento must be able to write `.maintenance.ip` after us. Run the services and the command as the user who owns
//!   Magento's files, or as root.
//!
//! # Deployment caveat
//!
//! Whoever may write the directory may close and open the site. The directory belongs to the user that the service
//! runs as. An operator may work as root: files that root creates are given to the directory's owner and its group,
//! with the directory's mode, so that the service is not locked out. Whoever may read the directory sees the allow list
//! and the hashes and subjects of the passes, but no secret.
//!
//! All who open a directory must agree on the [`Timing`](intermission_core::Timing).
//!
//! # Features
//!
//! | feature | default | does |
//! |---|---|---|
//! | `notify` | yes | hears of changes at once where the system can watch a directory, instead of within 100 ms |

mod beside;
mod directory;
mod document;
mod error;
mod flag_files;
mod foreign;
mod kept;
mod lock;
mod members_file;
mod options;
mod ownership;
mod process;
mod record_file;
mod step;
mod stored;
#[cfg(test)]
mod tests;
mod watcher;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use intermission_core::{
    BadNetworks, Departure, HistoryEntry, Ledger, MaintenanceState, Moment, NodeId, NodeReport,
    OperateReply, Operation, Record, Revision, StateError, StateErrorKind, SyncReply, View,
};
use tokio::runtime::Handle;

pub use options::FileOptions;

use step::Store;
use watcher::Watcher;

/// A state in a directory, shared by all processes of the machine that open it. See the
/// [crate's documentation](crate).
///
/// Clones share one handle. All its methods need a Tokio runtime, on whose threads for blocking work they read and
/// write; outside of one they say [`Unsupported`](StateErrorKind::Unsupported).
///
/// # Cancel safety
///
/// A future that is dropped has taken its step, takes it a moment later, or never takes it; it is never taken by half.
#[derive(Clone)]
pub struct FileState(Arc<Shared>);

struct Shared {
    store: Arc<Store>,
    /// Whether a directory that has vanished is made again for every step, not only for a node's report.
    creates: bool,
    /// The steps of one handle queue up here, in order. So a disk that hangs holds up one thread, not one more with
    /// every heartbeat.
    turn: Arc<tokio::sync::Mutex<()>>,
    watcher: Mutex<Option<Arc<Watcher>>>,
}

impl FileState {
    /// Opens a directory that is there: for operators, whose typing error must not become an empty state.
    ///
    /// Nothing is written, so the right to read is enough. Whoever may not write gets
    /// [`Denied`](StateErrorKind::Denied) from [`sync`](MaintenanceState::sync),
    /// [`operate`](MaintenanceState::operate) and [`leave`](MaintenanceState::leave), and everything from the other
    /// methods.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](StateErrorKind::Unavailable): there is no such directory.
    /// - [`Unsupported`](StateErrorKind::Unsupported): it is not a directory.
    /// - [`Denied`](StateErrorKind::Denied): this user may not look into it.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StateError> {
        FileOptions::new(directory).open()
    }

    /// Opens a directory, and makes it and those above it if they are not there: for services.
    ///
    /// New directories get the mode 0750 less the umask; that of a site gets the mode of the directory that it is in.
    /// What root creates inside of somebody else's directory is given to that owner.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), and the directory could not be made.
    pub fn open_or_create(directory: impl Into<PathBuf>) -> Result<Self, StateError> {
        FileOptions::new(directory).open_or_create()
    }

    /// The directory, with the site's subdirectory, as an absolute path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.0.store.directory().path()
    }

    /// What stands in Magento's `.maintenance.ip` and is no address or network. It is left out of the allow list; show
    /// it to somebody who can put it right. `None` if there is nothing of the kind, and where there is no such file.
    ///
    /// Reads the file, so it may block for as long as that takes.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn ignored_addresses(&self) -> Result<Option<BadNetworks>, StateError> {
        self.0.store.ignored_addresses()
    }

    fn new(store: Store, creates: bool) -> Self {
        Self(Arc::new(Shared {
            store: Arc::new(store),
            creates,
            turn: Arc::default(),
            watcher: Mutex::default(),
        }))
    }

    async fn step<T: Send + 'static>(
        &self,
        joins: Option<NodeId>,
        act: impl Fn(&mut Ledger, Moment) -> T + Send + 'static,
    ) -> Result<T, StateError> {
        let turn = Arc::clone(&self.0.turn).lock_owned().await;
        let creates = self.0.creates || joins.is_some();
        self.blocking(move |store| {
            let _turn = turn;
            if creates && !store.directory().path().exists() {
                store.directory().make_again()?;
            }
            store.step(joins, act)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let runtime = Handle::try_current().map_err(|error| {
            let message = "a file state needs a Tokio runtime: call it inside of one";
            StateError::new(StateErrorKind::Unsupported, message).with_source(error)
        })?;
        let store = Arc::clone(&self.0.store);
        runtime
            .spawn_blocking(move || work(&store))
            .await
            .map_err(|error| {
                let path = self.directory().display();
                let message = format!(
                    "the runtime has ended what it was to do in {path}: try again in a running one"
                );
                StateError::new(StateErrorKind::Unavailable, message).with_source(error)
            })?
    }

    /// The watching thread, started with the first who waits.
    fn watcher(&self) -> Result<Arc<Watcher>, StateError> {
        let mut watcher = self
            .0
            .watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(watcher) = watcher.as_ref().filter(|watcher| !watcher.has_ended()) {
            return Ok(Arc::clone(watcher));
        }
        let started = Arc::new(Watcher::start(Arc::clone(&self.0.store))?);
        *watcher = Some(Arc::clone(&started));
        Ok(started)
    }
}

impl fmt::Debug for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileState").field(&self.directory()).finish()
    }
}

impl MaintenanceState for FileState {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.step(Some(report.node), move |ledger, now| {
            ledger.sync(&report, now)
        })
        .await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.step(None, move |ledger, now| ledger.operate(&operation, now))
            .await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.step(None, move |ledger, now| ledger.leave(node, &departure, now))
            .await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        self.blocking(move |store| store.inspect(limit)).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.blocking(move |store| store.history(limit)).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        let watcher = self.watcher()?;
        watcher.other_than(seen).await
    }
}
