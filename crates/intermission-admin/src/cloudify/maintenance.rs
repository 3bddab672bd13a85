//! The state, in Cloudify's words.

use intermission::{ExecutionView, NodeView, Phase, Record, Timestamp, View};
use serde::{Serialize, Serializer};

use crate::reply::AdminReply;

/// How the site is. The order of the fields is that of Cloudify's own documentation.
#[derive(Debug, Serialize)]
pub(super) struct Maintenance<'a> {
    status: &'static str,
    #[serde(serialize_with = "or_empty")]
    activated_at: Option<Timestamp>,
    #[serde(serialize_with = "or_empty")]
    activation_requested_at: Option<Timestamp>,
    remaining_executions: Option<Vec<Execution<'a>>>,
    requested_by: &'a str,
}

/// One execution that is waited for.
#[derive(Debug, Serialize)]
struct Execution<'a> {
    id: String,
    status: &'static str,
    deployment_id: &'a str,
    workflow_id: &'a str,
}

impl<'a> Maintenance<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        Self {
            remaining_executions: (view.record.phase() == Phase::Activating)
                .then(|| remaining(view).map(Execution::of).collect()),
            ..Self::with_status(&view.record, view.record.phase())
        }
    }

    /// What has ended with this record.
    pub(super) fn ended(record: &'a Record) -> Self {
        Self::with_status(record, Phase::Deactivated)
    }

    fn with_status(record: &'a Record, status: Phase) -> Self {
        let activation = record.activation();
        let completion = activation.and_then(|on| on.completion.as_ref());
        Self {
            status: status.as_str(),
            activated_at: completion.map(|completion| completion.at),
            activation_requested_at: activation.map(|on| on.requested_at),
            remaining_executions: None,
            requested_by: activation.map_or("", |on| &on.requested_by),
        }
    }

    pub(super) fn reply(&self) -> AdminReply {
        AdminReply::json(200, self)
    }
}

/// The executions that are waited for.
pub(super) fn remaining(view: &View) -> impl Iterator<Item = (&NodeView, &ExecutionView)> {
    let all = view.executions().into_iter();
    all.filter(|(_, execution)| !execution.bypass)
}

impl<'a> Execution<'a> {
    fn of((node, execution): (&'a NodeView, &'a ExecutionView)) -> Self {
        Self {
            id: format!("{}-{}", node.node, execution.id),
            status: "started",
            deployment_id: execution.label.as_deref().unwrap_or(&node.facts.label),
            workflow_id: &execution.kind,
        }
    }
}

#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the field"
)]
fn or_empty<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => time.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}
