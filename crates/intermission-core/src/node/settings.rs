//! How a node behaves when it loses its state.

use std::time::Duration;

use crate::report::LostContact;
use crate::timing::Timing;

/// What a node does with requests while it cannot reach its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new policy must not compile until the machine has an answer for it"
)]
pub enum OutagePolicy {
    /// It goes on with what it last knew.
    #[default]
    KeepLast,
    /// It closes after this long.
    CloseAfter(Duration),
    /// If it never knew anything, it opens after this long. It never opens out of a known closed state.
    OpenAfter(Duration),
}

/// What a node does when it cannot reach its state at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new policy must not compile until the machine has an answer for it"
)]
pub enum StartPolicy {
    /// It does not start. On a state that is reached and empty it starts closed until all who may know more have had time
    /// to say so: it may be new, or have lost everything.
    #[default]
    RefuseToStart,
    /// It starts closed, and follows the state as soon as that is reached and knows of a record, or that there is none.
    StartClosed,
    /// It starts open, and follows the state as soon as that is reached and knows of a record.
    StartOpen,
}

/// How a node behaves.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NodeSettings {
    /// The periods: [`Timing`] says who must have the same.
    pub timing: Timing,
    /// What being out of contact means for executions. With [`LostContact::Leave`] the node serves nobody at all.
    pub lost_contact: LostContact,
    /// What it means for requests.
    pub outage: OutagePolicy,
    /// What it means at the start.
    pub start: StartPolicy,
}
