//! Maintenance mode as pure data and decisions. No files, no network, no runtime, no framework: everything here takes
//! its time and its facts as arguments, so that a test, a simulation and a server run the same code. Two things ask the
//! system, for those who have no other source to pass on: [`SystemClock`], and the constructors that draw random ids and
//! passes.
//!
//! Services use the `intermission` crate, which re-exports this one. Use this crate alone to write a backend (then read
//! [`MaintenanceState`] and [`ledger`]) or an adapter for a framework (then read [`visitor`] and [`reply`]).
//!
//! # Map
//!
//! | module | holds |
//! |---|---|
//! | [`record`], [`phase`], [`pass`] | the one shared document |
//! | [`scope`] | parts of a site that are closed by themselves |
//! | [`change`] | what an operator may ask for, and what it makes of a record |
//! | [`allow_list`], [`client_address`], [`route`], [`visitor`] | what is known of one request |
//! | [`decision`] | the rules, in order, and which of them decided |
//! | [`reply`] | what a refused visitor gets, in the form that it accepts |
//! | [`ledger`] | the store's side of the protocol, as one state machine |
//! | [`node`] | the node's side of it |
//! | [`report`], [`history`], [`timing`] | what the two say to each other, and how long they wait |
//! | [`view`] | what a state shows to people |
//! | [`clock`] | where time comes from |
//! | [`MaintenanceState`], [`StateUrl`], [`StateError`] | the contract of a backend, how a place is named, what can be wrong there (`state.rs`, `state_url.rs`, `error.rs`) |
//! | [`NodeId`], [`Revision`], [`Timestamp`] | names and times (`id.rs`, `timestamp.rs`), and how they are written (`wire.rs`) |
//!
//! The words (closed, drained, quiet, held, suspended, fenced, on probation) are explained in [`node`], with what each
//! means for who comes.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use intermission_core::{
//!     decide, AllowChange, AllowList, Activate, Change, ClientAddress, Level, Outcome, Policy, Record, Snapshot,
//!     Timestamp, Visitor,
//! };
//!
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let office = AllowList::parse(["192.0.2.0/24", "2001:db8::/32"])?;
//! let change = Change::Activate(
//!     Activate::by("ana").with_level(Level::ReadOnly).with_allow(AllowChange::Replace(office)),
//! );
//! let Outcome::Changed(record) = Record::default().apply(&change, now)? else { panic!("it was off") };
//! // In life a ledger completes the drain; until then everybody may still read and write.
//! let snapshot = Snapshot::new(Arc::new(record));
//! let visitor = Visitor::new("POST", "/orders").with_address(ClientAddress::from(Some([192, 0, 2, 7].into())));
//! println!("{}", decide(&snapshot, &Policy::default(), &visitor, now));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Wire forms and versions
//!
//! A record is JSON with a version; unknown fields survive, and a record of a newer version is obeyed but never
//! overwritten. The structs are `#[non_exhaustive]` so that they can grow; enums whose new case must not be overlooked
//! ([`Phase`], [`Level`], [`Decision`], [`LostContact`], …) are exhaustive on purpose.

pub mod allow_list;
pub mod change;
pub mod client_address;
pub mod clock;
pub mod decision;
mod error;
pub mod history;
pub mod holding;
mod id;
pub mod ledger;
pub mod node;
pub mod pass;
pub mod phase;
pub mod record;
pub mod reply;
pub mod report;
pub mod route;
pub mod scope;
mod state;
mod state_url;
mod timestamp;
pub mod timing;
pub mod view;
pub mod visitor;
mod wire;

pub use allow_list::{AllowList, BadNetworks, Network};
pub use change::{Activate, AllowChange, Change, ChangeError, Deactivate, Outcome};
pub use client_address::{ClientAddress, ForwardedHeader, TrustedProxies};
pub use clock::{Clock, SystemClock};
pub use decision::{
    AdmitReason, Decision, Explanation, Hold, Policy, RefuseReason, Rule, RuleVerdict,
    ScopeClosure, ScopeDecision, Snapshot, Verdict, decide, decide_for_site, decide_in_scopes,
    explain,
};
pub use error::{StateError, StateErrorKind};
pub use history::{HistoryEntry, HistoryEvent};
pub use holding::{Acquire, Holder, HolderFailure, Holding, Wishes};
pub use id::{
    ActivationId, BadId, BadRevision, HolderId, NoRandomness, NodeId, OperationId, Revision,
};
pub use ledger::{Ledger, Members, Moment};
pub use node::{NodeAction, NodeEvent, NodeMachine, NodeSettings, OutagePolicy, StartPolicy};
pub use pass::{BadPass, Pass, PassId, PassSecret};
pub use phase::{Level, Phase, UnknownWord};
pub use record::{
    Activation, Completion, DrainPolicy, Plan, Record, Settings, Unconfirmed, UnconfirmedCause,
};
pub use report::{
    Actor, Departure, ExecutionView, FleetCount, Intent, LostContact, NodeFacts, NodeReport,
    OperateReply, Operation, SyncReply,
};
pub use route::{BadPattern, RouteAccess, RouteTable};
pub use scope::{BadScopeName, ScopeName, ScopeRecord, Scopes};
pub use state::{MaintenanceState, SharedState};
pub use state_url::{BadStateUrl, StateLocation, StateUrl};
pub use timestamp::{BadTimestamp, Timestamp};
pub use timing::{BadTiming, Timing};
pub use view::{Contacts, NodeView, View};
pub use visitor::{Visitor, is_safe};
pub use wire::BadRecord;
