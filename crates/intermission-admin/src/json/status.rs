//! What `status` answers.

use intermission::{
    AllowList, Completion, Level, Phase, Plan, Record, ScopeName, ScopeRecord, Settings, Timestamp,
    UnconfirmedCause, View,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::VERSION;

/// How a site is: what `intermission status --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status<'a> {
    v: u32,
    #[schema(value_type = String, example = "activated")]
    phase: Phase,
    /// `null` while the site is open.
    #[schema(value_type = Option<String>, example = "full")]
    level: Option<Level>,
    revision: u64,
    message: Option<&'a str>,
    requested_by: Option<&'a str>,
    #[schema(value_type = Option<String>, format = DateTime)]
    activation_requested_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    activated_at: Option<Timestamp>,
    /// Since when no request that the level closes out has been running anywhere, if that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    quiescent_at: Option<Timestamp>,
    window: Option<Window>,
    #[schema(value_type = Vec<String>)]
    allow: &'a AllowList,
    retry_after_s: Option<u64>,
    nodes: NodeCounts<'a>,
    executions: ExecutionCounts,
    /// How many passes are good.
    passes: usize,
    #[schema(value_type = Option<String>, format = DateTime)]
    state_lost_at: Option<Timestamp>,
    state: Health,
    /// Who holds the maintenance on for a piece of work; `null` if nobody does.
    holding: Option<Holding<'a>>,
    /// The part of the site that this is about; `null` for the whole.
    scope: Option<&'a str>,
    /// The parts of the site that are closed or planned to be, by name. None is listed of a part.
    scopes: Vec<ScopeStatus<'a>>,
}

/// A part of a site that is closed, or planned to be.
#[derive(Debug, Serialize, ToSchema)]
struct ScopeStatus<'a> {
    scope: &'a str,
    #[schema(value_type = String, example = "activated")]
    phase: Phase,
    /// How much is closed, or is planned to be.
    #[schema(value_type = String, example = "full")]
    level: Level,
    message: Option<&'a str>,
    requested_by: &'a str,
    #[schema(value_type = Option<String>, format = DateTime)]
    activated_at: Option<Timestamp>,
    window: Option<Window>,
}

/// How well the state knows what it says.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    reconciling_s: Option<u64>,
    behind: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    lost_at: Option<Timestamp>,
}

/// The announced times of a maintenance that is on, or of one that is planned.
#[derive(Debug, Serialize, ToSchema)]
struct Window {
    /// `null` once it has started.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
    auto_end: bool,
}

/// That pieces of work hold the maintenance on.
#[derive(Debug, Serialize, ToSchema)]
struct Holding<'a> {
    /// Whether the site opens when the last of them is done. One that has failed is never done.
    opens_after: bool,
    holders: Vec<Holder<'a>>,
}

/// A piece of work that holds the maintenance on.
#[derive(Debug, Serialize, ToSchema)]
struct Holder<'a> {
    label: &'a str,
    requested_by: &'a str,
    node: String,
    node_label: &'a str,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Whether its node is heard of. If not, it is gone, or cannot reach the state. `null` if that is not known.
    in_contact: Option<bool>,
    failure: Option<Failure<'a>>,
}

/// How a piece of work has failed.
#[derive(Debug, Serialize, ToSchema)]
struct Failure<'a> {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    reason: &'a str,
}

/// How many nodes are how far.
#[derive(Debug, Serialize, ToSchema)]
struct NodeCounts<'a> {
    live: u64,
    behind: u64,
    out_of_contact: u64,
    unconfirmed: Vec<Unconfirmed<'a>>,
}

/// A node of which nobody knows that nothing runs there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unconfirmed<'a> {
    node: String,
    label: &'a str,
    #[schema(value_type = String)]
    cause: UnconfirmedCause,
    running: u64,
    #[schema(value_type = String, format = DateTime)]
    last_heard_at: Timestamp,
}

/// How many executions are waited for.
#[derive(Debug, Serialize, ToSchema)]
struct ExecutionCounts {
    running: u64,
}

impl<'a> Status<'a> {
    /// The status of what the view shows. `now` judges which passes are good.
    #[must_use]
    pub fn of(view: &'a View, now: Timestamp) -> Self {
        let record = &view.record;
        let activation = record.activation();
        let settings = activation.map(|on| &on.settings);
        let contacts = view.contacts();
        Self {
            v: VERSION,
            phase: record.phase(),
            level: settings.map(|settings| settings.level),
            revision: record.revision().number(),
            message: record.message(),
            requested_by: activation.map(|on| on.requested_by.as_str()),
            activation_requested_at: activation.map(|on| on.requested_at),
            activated_at: completion(record).map(|completion| completion.at),
            quiescent_at: view.quiescent_at,
            window: window(record.plan(), settings),
            allow: record.allow(),
            retry_after_s: settings
                .and_then(|settings| settings.retry_after)
                .map(|after| after.as_secs()),
            nodes: NodeCounts {
                live: contacts.live,
                behind: contacts.behind,
                out_of_contact: contacts.out_of_contact,
                unconfirmed: unconfirmed(record),
            },
            executions: ExecutionCounts {
                running: view.count.running,
            },
            passes: record
                .passes()
                .iter()
                .filter(|pass| pass.is_current(now))
                .count(),
            state_lost_at: state_lost_at(record),
            state: Health {
                reconciling_s: view.is_reconciling().then(|| {
                    u64::try_from(view.grace.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
                }),
                behind: view.is_behind(),
                lost_at: view.lost_at,
            },
            holding: holding(view),
            scope: None,
            scopes: record.scopes().iter().filter_map(scope).collect(),
        }
    }

    /// The same, said of this part of the site: the view is of it.
    #[must_use]
    pub const fn with_scope(mut self, scope: Option<&'a str>) -> Self {
        self.scope = scope;
        self
    }
}

fn scope<'a>((name, scope): (&'a ScopeName, &'a ScopeRecord)) -> Option<ScopeStatus<'a>> {
    let on = scope.activation.as_ref();
    let on = on.map(|on| (&on.settings, &on.requested_by));
    let planned = scope.plan.as_ref();
    let planned = planned.map(|plan| (&plan.settings, &plan.requested_by));
    let (settings, requested_by) = on.or(planned)?;
    let completion = scope
        .activation
        .as_ref()
        .and_then(|on| on.completion.as_ref());
    Some(ScopeStatus {
        scope: name.as_str(),
        phase: scope.phase(),
        level: settings.level,
        message: settings.message.as_deref(),
        requested_by,
        activated_at: completion.map(|done| done.at),
        window: window(scope.plan.as_ref(), scope.settings()),
    })
}

fn holding(view: &View) -> Option<Holding<'_>> {
    let holding = view.record.activation()?.holding.as_deref()?;
    let holders = holding.holders.iter().map(|holder| Holder {
        label: &holder.label,
        requested_by: &holder.requested_by,
        node: holder.node.to_string(),
        node_label: &holder.node_label,
        since: holder.since,
        in_contact: view.is_in_contact(holder.node),
        failure: holder.failure.as_ref().map(|failure| Failure {
            at: failure.at,
            reason: &failure.reason,
        }),
    });
    Some(Holding {
        opens_after: holding.opens_after,
        holders: holders.collect(),
    })
}

fn completion(record: &Record) -> Option<&Completion> {
    record.activation().and_then(|on| on.completion.as_ref())
}

/// When the state lost data before this activation was complete.
pub(super) fn state_lost_at(record: &Record) -> Option<Timestamp> {
    completion(record).and_then(|done| done.state_lost_at)
}

fn window(plan: Option<&Plan>, on: Option<&Settings>) -> Option<Window> {
    if let (Some(plan), None) = (plan, on) {
        return Some(Window {
            starts_at: Some(plan.starts_at),
            ends_at: plan.settings.ends_at,
            auto_end: plan.settings.auto_end,
        });
    }
    let settings = on.filter(|settings| settings.ends_at.is_some())?;
    Some(Window {
        starts_at: None,
        ends_at: settings.ends_at,
        auto_end: settings.auto_end,
    })
}

pub(super) fn unconfirmed(record: &Record) -> Vec<Unconfirmed<'_>> {
    let unconfirmed = completion(record)
        .into_iter()
        .flat_map(|completion| &completion.unconfirmed);
    unconfirmed
        .map(|node| Unconfirmed {
            node: node.node.to_string(),
            label: &node.label,
            cause: node.cause,
            running: node.running,
            last_heard_at: node.last_heard_at,
        })
        .collect()
}
