//! What clients send, read so that every bad field is told at once.

mod bodies;
mod fields;
mod query;

pub(crate) use bodies::{ActivateBody, AllowIpsBody, DeactivateBody, PassBody};
pub(crate) use fields::object;
pub(crate) use query::{
    AllowIpsQuery, AllowMode, ExplainQuery, HistoryQuery, ScopeQuery, no_parameters,
};
