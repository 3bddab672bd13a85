//! What the verbs print with `--json`. The crate's documentation describes it; `"v"` is its version.
//!
//! A field is never renamed or taken away within a version, and always present: what is not known is `null`. The order
//! of the fields is fixed, too.

#[cfg(test)]
mod tests;

use intermission::{
    AllowList, Completion, Explanation, HistoryEntry, Level, LostContact, NodeView, Pass, Phase,
    Record, RefuseReason, Timestamp, UnconfirmedCause, Verdict, View,
};
use serde::Serialize;

use crate::render::fleet::{self, Fleet};

/// The version of everything in here.
pub(crate) const VERSION: u32 = 1;

/// `status`.
#[derive(Debug, Serialize)]
pub(crate) struct Status<'a> {
    v: u32,
    phase: Phase,
    level: Option<Level>,
    revision: u64,
    message: Option<&'a str>,
    requested_by: Option<&'a str>,
    activation_requested_at: Option<Timestamp>,
    activated_at: Option<Timestamp>,
    quiescent_at: Option<Timestamp>,
    window: Option<Window>,
    allow: &'a AllowList,
    retry_after_s: Option<u64>,
    nodes: NodeCounts<'a>,
    executions: ExecutionCounts,
    passes: usize,
    state_lost_at: Option<Timestamp>,
    state: Health,
}

/// How well the state knows what it says.
#[derive(Debug, Serialize)]
struct Health {
    reconciling_s: Option<u64>,
    behind: bool,
    lost_at: Option<Timestamp>,
}

/// The announced times of a maintenance that is on, or of one that is planned.
#[derive(Debug, Serialize)]
struct Window {
    /// `null` once it has started.
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    auto_end: bool,
}

#[derive(Debug, Serialize)]
struct NodeCounts<'a> {
    live: u64,
    behind: u64,
    out_of_contact: u64,
    unconfirmed: Vec<Unconfirmed<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Unconfirmed<'a> {
    node: String,
    label: &'a str,
    cause: UnconfirmedCause,
    running: u64,
    last_heard_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct ExecutionCounts {
    running: u64,
}

impl<'a> Status<'a> {
    pub(crate) fn of(view: &'a View, now: Timestamp) -> Self {
        let record = &view.record;
        let activation = record.activation();
        let settings = activation.map(|on| &on.settings);
        let fleet = Fleet::of(view);
        Self {
            v: VERSION,
            phase: record.phase(),
            level: settings.map(|settings| settings.level),
            revision: record.revision().number(),
            message: record.message(),
            requested_by: activation.map(|on| on.requested_by.as_str()),
            activation_requested_at: activation.map(|on| on.requested_at),
            activated_at: activation
                .and_then(|on| on.completion.as_ref())
                .map(|completion| completion.at),
            quiescent_at: view.quiescent_at,
            window: window(record),
            allow: record.allow(),
            retry_after_s: settings
                .and_then(|settings| settings.retry_after)
                .map(|after| after.as_secs()),
            nodes: NodeCounts {
                live: fleet.live,
                behind: fleet.behind,
                out_of_contact: fleet.out_of_contact,
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
                reconciling_s: fleet::is_reconciling(view).then(|| {
                    u64::try_from(view.grace.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
                }),
                behind: view.is_behind(),
                lost_at: view.lost_at,
            },
        }
    }
}

fn completion(record: &Record) -> Option<&Completion> {
    record.activation().and_then(|on| on.completion.as_ref())
}

/// When the state lost data before this activation was complete.
fn state_lost_at(record: &Record) -> Option<Timestamp> {
    completion(record).and_then(|done| done.state_lost_at)
}

fn window(record: &Record) -> Option<Window> {
    if let Some(plan) = record.plan() {
        let starts_at = Some(plan.starts_at);
        return Some(Window {
            starts_at,
            ends_at: plan.settings.ends_at,
            auto_end: plan.settings.auto_end,
        });
    }
    let settings = record
        .activation()
        .map(|on| &on.settings)
        .filter(|settings| settings.ends_at.is_some())?;
    Some(Window {
        starts_at: None,
        ends_at: settings.ends_at,
        auto_end: settings.auto_end,
    })
}

fn unconfirmed(record: &Record) -> Vec<Unconfirmed<'_>> {
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

/// What the verbs that change something print.
#[derive(Debug, Serialize)]
pub(crate) struct Changed<'a> {
    v: u32,
    changed: bool,
    phase: Phase,
    revision: u64,
    unconfirmed: Vec<Unconfirmed<'a>>,
    state_lost_at: Option<Timestamp>,
}

impl<'a> Changed<'a> {
    pub(crate) fn of(record: &'a Record, changed: bool) -> Self {
        Self {
            v: VERSION,
            changed,
            phase: record.phase(),
            revision: record.revision().number(),
            unconfirmed: unconfirmed(record),
            state_lost_at: state_lost_at(record),
        }
    }
}

/// `allow-ips` without addresses.
#[derive(Debug, Serialize)]
pub(crate) struct Allowed<'a> {
    v: u32,
    allow: &'a AllowList,
}

impl<'a> Allowed<'a> {
    pub(crate) const fn of(allow: &'a AllowList) -> Self {
        Self { v: VERSION, allow }
    }
}

/// `nodes`.
#[derive(Debug, Serialize)]
pub(crate) struct Nodes<'a> {
    v: u32,
    revision: u64,
    nodes: Vec<Node<'a>>,
}

#[derive(Debug, Serialize)]
struct Node<'a> {
    id: String,
    label: &'a str,
    framework: Option<&'a str>,
    revision: u64,
    heard_at: Timestamp,
    out_of_contact: bool,
    closed: bool,
    drained: bool,
    running: u64,
    bypass_running: u64,
    requests: u64,
    hold: Option<&'a str>,
    lost_contact: Policy,
    unconfirmed: bool,
}

#[derive(Debug, Serialize)]
struct Policy {
    policy: &'static str,
    after_s: Option<u64>,
}

impl<'a> Nodes<'a> {
    pub(crate) fn of(view: &'a View) -> Self {
        let nodes = view.nodes.iter().map(|one| node(one, view)).collect();
        Self {
            v: VERSION,
            revision: view.record.revision().number(),
            nodes,
        }
    }
}

fn node<'a>(node: &'a NodeView, view: &View) -> Node<'a> {
    let (policy, after) = match node.lost_contact {
        LostContact::Wait(after) => ("wait", Some(after)),
        LostContact::Hold => ("hold", None),
        LostContact::Fence(after) => ("fence", Some(after)),
    };
    Node {
        id: node.node.to_string(),
        label: &node.facts.label,
        framework: node.facts.framework.as_deref(),
        revision: node.seen.number(),
        heard_at: node.heard_at,
        out_of_contact: node.out_of_contact,
        closed: node.closed,
        drained: node.drained,
        running: node.facts.running,
        bypass_running: node.facts.bypass_running,
        requests: node.facts.requests,
        hold: node.facts.hold.as_deref(),
        lost_contact: Policy {
            policy,
            after_s: after.map(|after| after.as_secs()),
        },
        unconfirmed: fleet::is_unconfirmed(node, view),
    }
}

/// `executions`.
#[derive(Debug, Serialize)]
pub(crate) struct Executions<'a> {
    v: u32,
    running: u64,
    bypass_running: u64,
    executions: Vec<Execution<'a>>,
}

#[derive(Debug, Serialize)]
struct Execution<'a> {
    node: String,
    node_label: &'a str,
    id: u64,
    kind: &'a str,
    label: Option<&'a str>,
    started_at: Timestamp,
    bypass: bool,
}

impl<'a> Executions<'a> {
    pub(crate) fn of(view: &'a View) -> Self {
        let executions = fleet::executions(view)
            .into_iter()
            .map(|(node, execution)| Execution {
                node: node.node.to_string(),
                node_label: &node.facts.label,
                id: execution.id,
                kind: &execution.kind,
                label: execution.label.as_deref(),
                started_at: execution.started_at,
                bypass: execution.bypass,
            });
        Self {
            v: VERSION,
            running: view.count.running,
            bypass_running: view
                .nodes
                .iter()
                .map(|node| node.facts.bypass_running)
                .sum(),
            executions: executions.collect(),
        }
    }
}

/// `history`.
#[derive(Debug, Serialize)]
pub(crate) struct History<'a> {
    v: u32,
    history: Vec<Entry<'a>>,
}

/// One line of the history.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    at: Timestamp,
    revision: u64,
    event: &'a str,
    phase: Phase,
    by: Option<&'a str>,
    origin: Option<&'a str>,
    note: Option<&'a str>,
}

impl<'a> History<'a> {
    pub(crate) fn of(entries: &'a [HistoryEntry]) -> Self {
        let history = entries.iter().map(|entry| Entry {
            at: entry.at,
            revision: entry.revision.number(),
            event: entry.event.as_str(),
            phase: entry.phase,
            by: entry.by.as_deref(),
            origin: entry.origin.as_deref(),
            note: entry.note.as_deref(),
        });
        Self {
            v: VERSION,
            history: history.collect(),
        }
    }
}

/// One line of `watch`: a line of the history, on its own.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    v: u32,
    at: Timestamp,
    revision: u64,
    event: &'a str,
    phase: Phase,
    by: Option<&'a str>,
    origin: Option<&'a str>,
    note: Option<&'a str>,
}

impl<'a> Event<'a> {
    pub(crate) const fn of(line: &crate::render::history::Line<'a>) -> Self {
        Self {
            v: VERSION,
            at: line.at,
            revision: line.revision.number(),
            event: line.event,
            phase: line.phase,
            by: line.by,
            origin: line.origin,
            note: line.note,
        }
    }
}

/// `explain`.
#[derive(Debug, Serialize)]
pub(crate) struct Explained<'a> {
    v: u32,
    method: &'a str,
    path: &'a str,
    decision: &'static str,
    reason: &'static str,
    bypass: bool,
    phase: Phase,
    revision: u64,
    rules: Vec<RuleSaid<'a>>,
    not_known: &'a [&'a str],
}

#[derive(Debug, Serialize)]
struct RuleSaid<'a> {
    rule: &'static str,
    verdict: &'static str,
    because: &'a str,
}

impl<'a> Explained<'a> {
    pub(crate) fn of(
        (method, path): (&'a str, &'a str),
        record: &Record,
        explanation: &'a Explanation,
        not_known: &'a [&'a str],
    ) -> Self {
        let (decision, reason, bypass) = match explanation.decision {
            intermission::Decision::Admit(reason) => ("admit", reason.as_str(), reason.is_bypass()),
            intermission::Decision::Refuse(reason) => {
                ("refuse", RefuseReason::as_str(reason), false)
            }
        };
        let rules = explanation.verdicts.iter().map(|said| RuleSaid {
            rule: said.rule.as_str(),
            verdict: match said.verdict {
                Verdict::Decides(_) => "decides",
                Verdict::Passes => "passes",
                Verdict::NotAsked => "not-asked",
            },
            because: &said.because,
        });
        Self {
            v: VERSION,
            method,
            path,
            decision,
            reason,
            bypass,
            phase: record.phase(),
            revision: record.revision().number(),
            rules: rules.collect(),
            not_known,
        }
    }
}

/// `pass create`: the only time that the secret is shown.
#[derive(Debug, Serialize)]
pub(crate) struct PassCreated<'a> {
    v: u32,
    id: String,
    subject: &'a str,
    expires_at: Option<Timestamp>,
    link: &'a str,
}

impl<'a> PassCreated<'a> {
    pub(crate) fn of(pass: &'a Pass, link: &'a str) -> Self {
        Self {
            v: VERSION,
            id: pass.id.to_string(),
            subject: &pass.subject,
            expires_at: pass.expires_at,
            link,
        }
    }
}

/// `pass list`.
#[derive(Debug, Serialize)]
pub(crate) struct Passes<'a> {
    v: u32,
    passes: Vec<PassListed<'a>>,
}

#[derive(Debug, Serialize)]
struct PassListed<'a> {
    id: String,
    subject: &'a str,
    expires_at: Option<Timestamp>,
    expired: bool,
}

impl<'a> Passes<'a> {
    pub(crate) fn of(passes: &'a [Pass], now: Timestamp) -> Self {
        let passes = passes.iter().map(|pass| PassListed {
            id: pass.id.to_string(),
            subject: &pass.subject,
            expires_at: pass.expires_at,
            expired: !pass.is_current(now),
        });
        Self {
            v: VERSION,
            passes: passes.collect(),
        }
    }
}
