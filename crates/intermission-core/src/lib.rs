//! Maintenance mode as pure data and decisions. No I/O, no runtime, no framework.

pub mod allow_list;
pub mod change;
pub mod client_address;
pub mod clock;
pub mod decision;
mod error;
pub mod history;
mod id;
pub mod ledger;
pub mod node;
pub mod pass;
pub mod phase;
pub mod record;
pub mod reply;
pub mod report;
pub mod route;
mod state;
mod state_url;
mod timestamp;
pub mod timing;
pub mod visitor;
mod wire;

pub use allow_list::{AllowList, BadNetworks, Network};
pub use change::{Activate, AllowChange, Change, ChangeError, Deactivate, Outcome};
pub use client_address::{ClientAddress, ForwardedHeader, TrustedProxies};
pub use clock::{Clock, SystemClock};
pub use decision::{
    AdmitReason, Decision, Explanation, Hold, Policy, RefuseReason, Rule, RuleVerdict, Snapshot, Verdict, decide,
    explain,
};
pub use error::{StateError, StateErrorKind};
pub use history::{HistoryEntry, HistoryEvent};
pub use id::{ActivationId, BadId, NoRandomness, NodeId, OperationId, Revision};
pub use ledger::{Ledger, Members, Moment};
pub use node::{
    InstalledSnapshot, NodeAction, NodeEvent, NodeMachine, NodeSettings, OutagePolicy, StartPolicy,
};
pub use pass::{BadPass, Pass, PassId, PassSecret};
pub use phase::{Level, Phase, UnknownWord};
pub use record::{
    Activation, Completion, DrainPolicy, Plan, Record, Settings, Unconfirmed, UnconfirmedCause,
};
pub use report::{
    Actor, Departure, ExecutionView, FleetCount, Intent, LostContact, NodeFacts, NodeReport, NodeView, OperateReply,
    Operation, SyncReply, View,
};
pub use route::{BadPattern, RouteAccess, RouteTable};
pub use state::{MaintenanceState, SharedState};
pub use state_url::{BadStateUrl, StateLocation, StateUrl};
pub use timestamp::{BadTimestamp, Timestamp};
pub use timing::{BadTiming, Timing};
pub use visitor::{Visitor, is_safe};
pub use wire::BadRecord;
