//! `status` as text.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use intermission::{
    Activation, DrainPolicy, NodeId, NodeView, Phase, Revision, ScopeName, ScopeRecord, Scopes,
    Settings, Timestamp, View,
};

use crate::output::painted;
use crate::render::fleet;
use crate::render::text::printable;
use crate::time::{ago, brief};

/// How many executions, or nodes that hold up a drain, are named without `--verbose`.
const NAMED: usize = 5;

/// The state in a few labelled lines. Lines that do not apply are left out. `invocation` is how a command line begins
/// that reaches the same state.
pub(crate) fn status(
    view: &View,
    scope: Option<&ScopeName>,
    now: Timestamp,
    coloured: bool,
    invocation: &str,
) -> String {
    let mut lines = Lines::default();
    let record = &view.record;
    let activation = record.activation();
    let plan = record.plan();
    if let Some(plan) = plan {
        lines.add(
            "Planned",
            format!("{} ({})", plan.starts_at, plan.settings.level),
        );
    }
    if let Some(settings) = activation
        .map(|on| &on.settings)
        .or_else(|| plan.map(|plan| &plan.settings))
    {
        let asked = activation
            .map(|on| (&on.requested_by, on.requested_at))
            .or_else(|| plan.map(|plan| (&plan.requested_by, plan.requested_at)));
        say_how(&mut lines, settings, asked, activation);
    }
    let allowed: Vec<String> = record
        .allow()
        .networks()
        .map(|network| network.to_string())
        .collect();
    lines.add_list("Allowed", &allowed.join(", "));
    let passes = record
        .passes()
        .iter()
        .filter(|pass| pass.is_current(now))
        .count();
    if passes > 0 {
        lines.add("Passes", passes.to_string());
    }
    say_what_was_lost(&mut lines, view, invocation);
    say_what_runs(&mut lines, view, now, invocation);
    let quiescent = view
        .quiescent_at
        .map(|at| format!(", quiescent since {at}"))
        .unwrap_or_default();
    lines.add(
        "Nodes",
        format!(
            "{}{quiescent}",
            fleet::contacts_in_words(view.contacts(), record.revision())
        ),
    );
    say_who_is_silent(&mut lines, view, now, invocation);
    say_who_is_in_doubt(&mut lines, view, invocation);
    say_which_scopes(&mut lines, record.scopes());
    let of = scope.map_or_else(String::new, |scope| format!(" of {scope}"));
    format!("Maintenance{of}: {}\n{}", headline(view, coloured), lines.0)
}

fn headline(view: &View, coloured: bool) -> String {
    let phase = view.record.phase();
    let colour = match phase {
        Phase::Deactivated => AnsiColor::Green,
        Phase::Activating => AnsiColor::Yellow,
        Phase::Activated => AnsiColor::Red,
    };
    let phase_word = painted(
        coloured,
        Style::new().fg_color(Some(colour.into())).bold(),
        phase.as_str(),
    );
    if phase.is_on() {
        format!("{phase_word} ({})", view.record.level())
    } else if view.is_reconciling() {
        format!("{phase_word} (not certain yet)")
    } else {
        phase_word
    }
}

/// The parts that are closed by themselves, or planned to be.
fn say_which_scopes(lines: &mut Lines, scopes: &Scopes) {
    let in_words =
        |(name, scope): (&ScopeName, &ScopeRecord)| match (&scope.activation, &scope.plan) {
            (None, Some(plan)) => format!("{name} (planned for {})", plan.starts_at),
            _ => format!("{name} ({})", scope.phase()),
        };
    lines.add_list("Scopes", &list(scopes.iter().map(in_words)));
}

fn say_how(
    lines: &mut Lines,
    settings: &Settings,
    asked: Option<(&String, Timestamp)>,
    activation: Option<&Activation>,
) {
    lines.add_list(
        "Message",
        &printable(settings.message.as_deref().unwrap_or_default()),
    );
    if let Some((requested_by, requested_at)) = asked {
        lines.add_list("Requested by", &printable(requested_by));
        lines.add("Requested at", requested_at.to_string());
    }
    if let Some(completion) = activation.and_then(|on| on.completion.as_ref()) {
        let forced = if completion.forced {
            " (forced, with work still running)"
        } else {
            ""
        };
        lines.add("Activated at", format!("{}{forced}", completion.at));
    }
    if let Some(end) = settings.ends_at {
        let by_itself = if settings.auto_end {
            " (opens by itself)"
        } else {
            ""
        };
        lines.add("Ends", format!("{end}{by_itself}"));
    }
    if let Some(retry_after) = settings.retry_after {
        lines.add("Retry after", brief(retry_after));
    }
    let is_over = activation.is_some_and(|on| on.completion.is_some());
    match settings.drain {
        DrainPolicy::Wait => {}
        _ if is_over => {}
        DrainPolicy::Force(limit) => lines.add("Drain", format!("forced after {}", brief(limit))),
        DrainPolicy::Abort(limit) => lines.add("Drain", format!("aborted after {}", brief(limit))),
    }
}

fn say_what_was_lost(lines: &mut Lines, view: &View, invocation: &str) {
    if view.is_reconciling() {
        lines.add("Reconciling", fleet::pause_in_words(view));
    }
    if view.is_behind() {
        lines.add(
            "",
            format!("if it is gone, decide anew: `{invocation} deactivate`, and `activate` again if need be"),
        );
    }
    let is_empty = view.record.revision() == Revision::ZERO && !view.is_behind();
    if let Some(lost_at) = view.lost_at
        && !(is_empty && view.is_reconciling())
    {
        let more = if view.record.phase() == Phase::Activated {
            ", so quiescence cannot be known"
        } else {
            ""
        };
        lines.add("State lost", format!("{lost_at}: {MAY_BE_MISSING}{more}"));
    }
}

/// What a loss of data means for the list of nodes.
const MAY_BE_MISSING: &str = "a node that was cut off then may be missing here";

fn say_what_runs(lines: &mut Lines, view: &View, now: Timestamp, invocation: &str) {
    let bypass: u64 = view
        .nodes
        .iter()
        .map(|node| node.facts.bypass_running)
        .sum();
    if view.count.running > 0 || bypass > 0 {
        let more = if bypass > 0 {
            format!(", and {bypass} of bypassed visitors")
        } else {
            String::new()
        };
        lines.add(
            "Executions",
            format!("{}{more}", fleet::load_in_words(view, "running")),
        );
    }
    if view.record.phase() != Phase::Activating {
        return;
    }
    let running = view
        .executions()
        .into_iter()
        .filter(|(_, execution)| !execution.bypass);
    let running: Vec<String> = running
        .map(|(node, execution)| fleet::execution_in_words(node, execution, now))
        .collect();
    for execution in running.iter().take(NAMED) {
        lines.add("", execution.clone());
    }
    let named = u64::try_from(running.len().min(NAMED)).unwrap_or(u64::MAX);
    if view.count.running > named && named > 0 {
        lines.add("", format!("and {} more", view.count.running - named));
    }
    lines.add_list(
        "Waiting for",
        &list(fleet::holdups(view).map(|node| fleet::holdup_in_words(node, now))),
    );
    let silent = fleet::holdups(view).filter(|node| node.out_of_contact);
    for node in silent.take(NAMED) {
        lines.add("", fleet::way_out(node.node, invocation));
    }
}

/// The nodes that are out of contact and that no other line names: nobody waits for them.
fn say_who_is_silent(lines: &mut Lines, view: &View, now: Timestamp, invocation: &str) {
    let waited_for: Vec<NodeId> = match view.record.phase() {
        Phase::Activating => fleet::holdups(view).map(|node| node.node).collect(),
        Phase::Activated | Phase::Deactivated => Vec::new(),
    };
    let silent = || {
        view.nodes
            .iter()
            .filter(|node| node.out_of_contact && !waited_for.contains(&node.node))
            .filter(|node| !view.is_unconfirmed(node.node))
    };
    let heard = |node: &NodeView| {
        let name = fleet::name(&node.facts.label, node.node);
        format!(
            "{name} (last heard {})",
            ago(now.saturating_since(node.heard_at))
        )
    };
    lines.add_list("Lost contact", &list(silent().map(heard)));
    let dead: Vec<String> = silent()
        .take(NAMED)
        .map(|node| fleet::short(node.node))
        .collect();
    if !dead.is_empty() {
        let dead = dead.join(" ");
        lines.add(
            "",
            format!("if dead, take off the list: `{invocation} nodes forget {dead}`"),
        );
    }
}

/// Separated by commas, and not too many of them.
fn list(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    let unnamed = items.len().saturating_sub(NAMED);
    items.truncate(NAMED);
    if unnamed > 0 {
        items.push(format!("and {unnamed} more"));
    }
    items.join(", ")
}

fn say_who_is_in_doubt(lines: &mut Lines, view: &View, invocation: &str) {
    if let Some(completion) = view
        .record
        .activation()
        .and_then(|on| on.completion.as_ref())
    {
        let unconfirmed: Vec<String> = completion
            .unconfirmed
            .iter()
            .map(fleet::unconfirmed_in_words)
            .collect();
        lines.add_list("Unconfirmed", &unconfirmed.join(", "));
        for way_out in fleet::ways_out(&completion.unconfirmed, invocation) {
            lines.add("", way_out);
        }
        if let Some(lost_at) = completion.state_lost_at {
            lines.add(
                "State lost",
                format!("{lost_at}, before it was activated: {MAY_BE_MISSING}"),
            );
        }
    }
    let held: Vec<String> = view
        .nodes
        .iter()
        .filter_map(|node| {
            let hold = node.facts.hold.as_deref()?;
            Some(format!(
                "{} ({})",
                fleet::name(&node.facts.label, node.node),
                printable(hold)
            ))
        })
        .collect();
    lines.add_list("Held", &held.join(", "));
}

/// Labelled lines, with all values in one column.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, label: &str, value: impl AsRef<str>) {
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("{label}:")
        };
        // Writing into a `String` cannot fail.
        let _ = writeln!(self.0, "  {label:<15}{}", value.as_ref());
    }

    /// The same, unless there is nothing to say.
    fn add_list(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.add(label, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use intermission::{Activate, AllowChange, Level, LostContact};

    use super::*;
    use crate::render::sample::{Site, allow, at};

    fn shown(site: &Site) -> String {
        status(&site.view(), None, site.now(), false, "intermission")
    }

    #[test]
    fn as_the_interface_promises() {
        let view = Site::documented().view();
        let shown = status(&view, None, at("10:16:00"), false, "intermission");
        assert_eq!(
            shown,
            "\
Maintenance: activated (full)
  Message:       Upgrading the database
  Requested by:  ana
  Requested at:  2026-11-20T10:15:00.000Z
  Activated at:  2026-11-20T10:15:02.113Z
  Ends:          2026-11-20T10:45:00.000Z
  Allowed:       192.0.2.10/32, 2001:db8::/64
  Nodes:         12 (all at revision 7), quiescent since 2026-11-20T10:15:02.409Z
"
        );
    }

    #[test]
    fn lines_that_do_not_apply_are_left_out() {
        let site = Site::new();
        assert_eq!(
            shown(&site),
            "Maintenance: deactivated\n  Nodes:         0 (no service reports to this state)\n"
        );
        let mut site = Site::new();
        site.hear(1, |report| report.facts.label = "web-1".into());
        assert_eq!(
            shown(&site),
            "Maintenance: deactivated\n  Nodes:         1 (all at revision 0)\n"
        );
    }

    #[test]
    fn a_drain_shows_what_still_runs() {
        let mut site = Site::new();
        site.hear(1, |report| report.facts.label = "web-1".into());
        site.hear(2, |report| report.facts.label = "web-2".into());
        let drain = DrainPolicy::Force(Duration::from_secs(300));
        site.activate(
            Activate::by("ana")
                .with_level(Level::Exclusive)
                .with_drain(drain),
        );
        let started = site.now();
        site.pass_time(72_000);
        site.hear_of_activation(1, |report| report.facts.label = "web-1".into());
        site.hear_of_activation(2, |report| {
            report.facts.label = "web-2".into();
            report.drained = None;
            report.facts.running = 2;
            report.facts.bypass_running = 1;
            report.facts.executions = [("import", Some("prices.csv")), ("mail", None)]
                .iter()
                .zip(1..)
                .map(|((kind, label), id)| {
                    intermission::ExecutionView::new(id, *kind, label.map(str::to_owned), started)
                })
                .collect();
        });
        let revision = site.view().record.revision();
        assert_eq!(
            shown(&site),
            format!(
                "\
Maintenance: activating (exclusive)
  Requested by:  ana
  Requested at:  2026-11-20T10:00:00.000Z
  Drain:         forced after 5m
  Executions:    2 running on 1 of 2 nodes, and 1 of bypassed visitors
                 import prices.csv on web-2 for 1m 12s
                 mail on web-2 for 1m 12s
  Waiting for:   web-2 (2 executions)
  Nodes:         2 (all at revision {revision})
"
            )
        );
        assert_eq!(
            fleet::progress_in_words(&site.view(), site.now()),
            "draining: 2 executions on 1 of 2 nodes · import prices.csv on web-2 for 1m 12s"
        );
    }

    #[test]
    fn nodes_that_are_not_where_they_should_be_are_counted() {
        let mut site = Site::new();
        for node in 1..=3 {
            site.hear(node, |report| {
                report.facts.label = format!("web-{node}");
                report.lost_contact = LostContact::Hold;
            });
        }
        site.activate(Activate::by("ana"));
        site.hear_of_activation(1, |report| report.facts.label = "web-1".into());
        site.pass_time(20_000);
        site.hear_of_activation(1, |report| report.facts.label = "web-1".into());
        site.hear(2, |report| report.facts.label = "web-2".into());
        let revision = site.view().record.revision();
        assert_eq!(
            shown(&site),
            format!(
                "\
Maintenance: activating (full)
  Requested by:  ana
  Requested at:  2026-11-20T10:00:00.000Z
  Waiting for:   web-2 (has not answered yet), web-3 (out of contact, last heard 20 s ago, waited for until it is back)
                 if it is dead, take it off the list: `intermission nodes forget 00000003`
  Nodes:         3 (1 at revision {revision}, 1 behind, 1 out of contact)
"
            )
        );
        assert_eq!(
            fleet::progress_in_words(&site.view(), site.now()),
            "draining: no executions, waiting for 2 of 3 nodes · web-2 (has not answered yet)"
        );
    }

    #[test]
    fn nodes_in_doubt_are_named() {
        let mut site = Site::new();
        site.hear(1, |report| {
            report.facts.label = "web-1".into();
            report.facts.running = 2;
        });
        site.activate(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::from_secs(5))));
        site.pass_time(6_000);
        let shown = shown(&site);
        assert!(shown.contains(
            "  Activated at:  2026-11-20T10:00:05.000Z (forced, with work still running)\n"
        ));
        assert!(
            shown.contains(
                "  Unconfirmed:   web-1 (not done at 2026-11-20T10:00:00.000Z, when it ran 2 executions)\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn a_node_that_was_given_up_is_waited_for_no_more_and_says_how_to_be_rid_of_it() {
        let mut site = Site::new();
        for node in 1..=2 {
            site.hear(node, |report| {
                report.facts.label = format!("web-{node}");
                report.facts.running = 1;
                report.lost_contact = LostContact::Wait(Duration::from_secs(5));
            });
        }
        site.pass_time(21_000);
        let shown_open = shown(&site);
        assert!(
            shown_open.contains(
                "  Lost contact:  web-1 (last heard 21 s ago), web-2 (last heard 21 s ago)\n                 if dead, \
                 take off the list: `intermission nodes forget 00000001 00000002`\n"
            ),
            "{shown_open}"
        );
        site.hear(1, |report| {
            report.facts.label = "web-1".into();
            report.facts.running = 1;
        });
        site.activate(Activate::by("ana"));
        let shown_draining = shown(&site);
        assert!(
            shown_draining
                .contains("  Executions:    1 running on 1 of 2 nodes\n  Waiting for:   web-1 (1 execution)\n  Nodes: "),
            "{shown_draining}"
        );
        assert_eq!(
            fleet::progress_in_words(&site.view(), site.now()),
            "draining: 1 execution on 1 of 2 nodes"
        );
        site.hear_of_activation(1, |report| report.facts.label = "web-1".into());
        let shown_closed = shown(&site);
        assert!(
            shown_closed.contains(
                "  Unconfirmed:   web-2 (out of contact since 2026-11-20T10:00:00.000Z, when it ran 1 execution)\n                 \
                 make sure that nothing runs there any more, then: `intermission nodes forget 00000002`; until then \
                 each activation names it\n"
            ),
            "{shown_closed}"
        );
    }

    #[test]
    fn a_state_that_may_have_lost_something_is_not_certain() {
        let mut site = Site::new();
        site.lose_all();
        assert_eq!(
            shown(&site),
            "\
Maintenance: deactivated (not certain yet)
  Reconciling:   15 s left: the state may have lost data, or is new, and hears its nodes first
  Nodes:         0 (no service reports to this state)
"
        );
        let lost = Revision::new(at("10:00:01").as_millis());
        site.hear(1, |report| {
            report.facts.label = "web-1".into();
            report.seen = lost;
        });
        site.pass_time(8_000);
        site.hear(1, |report| {
            report.facts.label = "web-1".into();
            report.seen = lost;
        });
        site.pass_time(8_000);
        assert_eq!(
            shown(&site),
            format!(
                "\
Maintenance: deactivated (not certain yet)
  Reconciling:   the state has lost revision {lost}, and waits for a node that has seen it
                 if it is gone, decide anew: `intermission deactivate`, and `activate` again if need be
  State lost:    2026-11-20T10:00:00.000Z: a node that was cut off then may be missing here
  Nodes:         1 (0 at revision 0, 1 ahead of the state)
"
            )
        );
        site.activate(Activate::by("ana"));
        site.hear_of_activation(1, |report| report.facts.label = "web-1".into());
        let shown_closed = shown(&site);
        assert!(
            shown_closed.contains(
                "  State lost:    2026-11-20T10:00:00.000Z, before it was activated: a node that was cut off then may be \
                 missing here\n"
            ),
            "{shown_closed}"
        );
        site.forget_members();
        site.pass_time(16_000);
        let shown_later = shown(&site);
        assert!(
            shown_later.contains(
                "a node that was cut off then may be missing here, so quiescence cannot be known\n"
            ),
            "{shown_later}"
        );
    }

    #[test]
    fn a_great_fleet_is_not_listed_and_yet_counted() {
        let mut site = Site::new();
        for node in 1..=70 {
            site.hear(node, |report| {
                report.facts.label = format!("web-{node:02}");
                report.facts.running = 1;
            });
        }
        site.activate(Activate::by("ana"));
        for node in 1..=60 {
            site.hear_of_activation(node, |report| report.facts.label = format!("web-{node:02}"));
        }
        let progress = |site: &Site| fleet::progress_in_words(&site.view_of(8), site.now());
        assert_eq!(progress(&site), "draining: 10 executions");
        for node in 61..=70 {
            site.hear(node, |report| report.facts.label = format!("web-{node:02}"));
        }
        assert_eq!(
            progress(&site),
            "draining: no executions, waiting for 10 of 70 nodes · web-61 (has not answered yet)"
        );
        for node in 61..=70 {
            site.hear_of_activation(node, |report| report.facts.label = format!("web-{node:02}"));
        }
        assert_eq!(
            progress(&site),
            "quiescing: waiting until no visitor's request runs on any of 70 nodes"
        );
    }

    #[test]
    fn a_plan_is_shown_with_its_settings() {
        let mut site = Site::new();
        site.activate(
            Activate::by("ana")
                .with_message("New disks")
                .with_starts_at(at("22:00:00"))
                .with_ends_at(at("23:00:00"))
                .with_auto_end(true)
                .with_retry_after(Duration::from_secs(120))
                .with_level(Level::ReadOnly)
                .with_allow(AllowChange::Replace(allow(&["192.0.2.10"]))),
        );
        assert_eq!(
            shown(&site),
            "\
Maintenance: deactivated
  Planned:       2026-11-20T22:00:00.000Z (read-only)
  Message:       New disks
  Requested by:  ana
  Requested at:  2026-11-20T10:00:00.000Z
  Ends:          2026-11-20T23:00:00.000Z (opens by itself)
  Retry after:   2m
  Allowed:       192.0.2.10/32
  Nodes:         0 (no service reports to this state)
"
        );
    }

    #[test]
    fn nothing_in_the_record_can_forge_a_line_or_a_colour() {
        let mut site = Site::new();
        site.hear(1, |report| {
            report.facts.label = "web\u{202e}1".into();
            report.facts.hold = Some("dependency \u{9b}31m".into());
        });
        site.activate(Activate::by("ana\u{1b}[2J").with_message("one\n  Nodes:         0"));
        let shown = shown(&site);
        assert!(
            shown.contains("  Message:       one\\n  Nodes:         0\n"),
            "{shown}"
        );
        assert!(
            shown.contains("  Requested by:  ana\\u{1b}[2J\n"),
            "{shown}"
        );
        assert!(
            shown.contains("  Held:          web\\u{202e}1 (dependency \\u{9b}31m)\n"),
            "{shown}"
        );
        assert!(
            shown
                .chars()
                .all(|letter| letter == '\n' || !letter.is_control()),
            "{shown:?}"
        );
        let coloured = status(&site.view(), None, site.now(), true, "intermission");
        assert_eq!(
            coloured
                .replace("\u{1b}[1m\u{1b}[33m", "")
                .replace("\u{1b}[0m", ""),
            shown
        );
    }
}
