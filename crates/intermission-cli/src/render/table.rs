//! Tables without borders, so that they can be cut and sorted.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use intermission::{HistoryEntry, NodeView, Pass, Phase, Scopes, Timestamp, View};

use crate::render::fleet;
use crate::render::text::printable;
use crate::time::{ago, brief};

/// `nodes`; with whole ids if `verbose`.
pub(crate) fn nodes(view: &View, now: Timestamp, verbose: bool) -> String {
    let header = [
        "NODE",
        "ID",
        "FRAMEWORK",
        "HEARD",
        "REVISION",
        "EXECUTIONS",
        "REQUESTS",
        "IF LOST",
        "STATE",
    ];
    let rows = view.nodes.iter().map(|node| {
        let id = if verbose {
            node.node.to_string()
        } else {
            fleet::short(node.node)
        };
        let bypass = node.facts.bypass_running;
        let bypass = if bypass > 0 {
            format!(" (+{bypass} bypass)")
        } else {
            String::new()
        };
        [
            fleet::name(&node.facts.label, node.node),
            id,
            shown(node.facts.framework.as_deref()),
            ago(now.saturating_since(node.heard_at)),
            node.seen.to_string(),
            format!("{}{bypass}", node.facts.running),
            node.facts.requests.to_string(),
            fleet::policy_in_words(node.lost_contact),
            node_state(node, view, now),
        ]
    });
    table(header, rows)
}

/// The parts of the site that are closed or planned to be.
pub(crate) fn scopes(scopes: &Scopes) -> String {
    let header = ["SCOPE", "STATE", "LEVEL", "ENDS", "REQUESTED BY", "MESSAGE"];
    let rows = scopes.iter().filter_map(|(name, scope)| {
        let on = scope.activation.as_ref();
        let on = on.map(|on| (&on.settings, &on.requested_by));
        let plan = scope.plan.as_ref();
        let planned = plan.map(|plan| (&plan.settings, &plan.requested_by));
        let (settings, requested_by) = on.or(planned)?;
        let state = match (on, plan) {
            (None, Some(plan)) => format!("planned for {}", plan.starts_at),
            _ => scope.phase().to_string(),
        };
        Some([
            name.to_string(),
            state,
            settings.level.to_string(),
            settings
                .ends_at
                .map(|end| end.to_string())
                .unwrap_or_default(),
            shown(Some(requested_by)),
            shown(settings.message.as_deref()),
        ])
    });
    table(header, rows)
}

fn node_state(node: &NodeView, view: &View, now: Timestamp) -> String {
    let mut words = Vec::new();
    words.push(
        match view.record.phase() {
            Phase::Deactivated => "open",
            _ if node.drained => "drained",
            _ if node.closed => "draining",
            _ => "not closed yet",
        }
        .to_owned(),
    );
    if node.seen < view.record.revision() {
        words.push("behind".to_owned());
    }
    if node.seen > view.record.revision() {
        words.push("ahead of the state".to_owned());
    }
    if view.is_unconfirmed(node.node) {
        words.push("unconfirmed".to_owned());
    }
    if node.out_of_contact {
        words.push(fleet::silence_in_words(node, now));
    }
    if let Some(hold) = node.facts.hold.as_deref() {
        words.push(format!("held: {}", printable(hold)));
    }
    words.join(", ")
}

fn shown(text: Option<&str>) -> String {
    printable(text.unwrap_or_default()).into_owned()
}

/// `executions`.
pub(crate) fn executions(view: &View, now: Timestamp) -> String {
    let header = ["NODE", "ID", "KIND", "LABEL", "RUNNING FOR", "NOTE"];
    let rows = view.executions().into_iter().map(|(node, execution)| {
        [
            fleet::name(&node.facts.label, node.node),
            execution.id.to_string(),
            printable(&execution.kind).into_owned(),
            shown(execution.label.as_deref()),
            brief(now.saturating_since(execution.started_at)),
            if execution.bypass {
                "bypass, not waited for".to_owned()
            } else {
                String::new()
            },
        ]
    });
    table(header, rows)
}

/// `history`.
pub(crate) fn history(entries: &[HistoryEntry]) -> String {
    let header = ["AT", "EVENT", "PHASE", "BY", "FROM", "NOTE"];
    let rows = entries.iter().map(|entry| {
        [
            entry.at.to_string(),
            entry.event.to_string(),
            entry.phase.to_string(),
            shown(entry.by.as_deref()),
            shown(entry.origin.as_deref()),
            shown(entry.note.as_deref()),
        ]
    });
    table(header, rows)
}

/// `pass list`.
pub(crate) fn passes(passes: &[Pass], now: Timestamp) -> String {
    let header = ["ID", "SUBJECT", "EXPIRES", "NOTE"];
    let rows = passes.iter().map(|pass| {
        [
            pass.id.to_string(),
            printable(&pass.subject).into_owned(),
            pass.expires_at
                .map_or_else(|| "with the maintenance".to_owned(), |at| at.to_string()),
            if pass.is_current(now) {
                String::new()
            } else {
                "expired".to_owned()
            },
        ]
    });
    table(header, rows)
}

/// Columns two spaces apart, aligned also where letters are wide, never wrapped: lines are cut by whoever reads them.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column
            .set_padding((0, 2))
            .set_cell_alignment(CellAlignment::Left);
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use intermission::{Activate, AllowChange, Change, ExecutionView, Revision};

    use super::*;
    use crate::render::sample::{Site, allow};

    #[test]
    fn columns_are_aligned_for_wide_letters_and_nothing_wraps() {
        let mut site = Site::new();
        let started = site.now();
        site.hear(1, |report| {
            report.facts.label = "東京".into();
            report.facts.requests = 3;
            report.facts.running = 1;
            report.facts.bypass_running = 1;
            report.facts.executions = vec![
                ExecutionView::new(1, "import", Some("x".repeat(90)), started),
                ExecutionView::new(2, "mail\u{1b}", None, started).with_bypass(true),
            ];
        });
        site.hear(2, |report| {
            report.facts.label = "web-2".into();
            report.seen = Revision::new(0);
            report.lost_contact = intermission::LostContact::Hold;
        });
        site.activate(Activate::by("ana"));
        site.pass_time(20_000);
        site.hear_of_activation(1, |report| {
            report.facts.label = "東京".into();
            report.facts.framework = Some("axum".into());
            report.facts.requests = 3;
            report.facts.running = 1;
            report.facts.bypass_running = 1;
            report.drained = None;
        });
        let view = site.view();
        let revision = view.record.revision();
        let silent = "not closed yet, behind, out of contact, last heard 20 s ago";
        assert_eq!(
            nodes(&view, site.now(), false),
            format!(
                "\
NODE   ID        FRAMEWORK  HEARD     REVISION       EXECUTIONS     REQUESTS  IF LOST  STATE
web-2  00000002             20 s ago  0              0              0         hold     {silent}
東京   00000001  axum       0 s ago   {revision}  1 (+1 bypass)  3         wait 2m  draining
"
            )
        );
        assert!(nodes(&view, site.now(), true).contains("00000002000000000000000000000000"));

        let mut site = Site::new();
        site.hear(1, |report| {
            report.facts.label = "web-1".into();
            report.facts.executions = vec![
                ExecutionView::new(2, "mail\u{1b}", None, started).with_bypass(true),
                ExecutionView::new(1, "import", Some("x".repeat(90)), started),
            ];
        });
        site.pass_time(72_000);
        let wide = "x".repeat(90);
        let gap = " ".repeat(85);
        assert_eq!(
            executions(&site.view(), site.now()),
            format!(
                "\
NODE   ID  KIND        LABEL{gap}  RUNNING FOR  NOTE
web-1  1   import      {wide}  1m 12s
web-1  2   mail\\u{{1b}}  {}  1m 12s       bypass, not waited for
",
                " ".repeat(90)
            )
        );
    }

    #[test]
    fn the_history_is_a_table() {
        let mut site = Site::new();
        for networks in [["192.0.2.1"], ["192.0.2.2"]] {
            site.change(&Change::Allow(AllowChange::Add(allow(&networks))));
        }
        assert_eq!(
            history(&site.history()),
            "\
AT                        EVENT    PHASE        BY   FROM     NOTE
2026-11-20T10:00:00.000Z  updated  deactivated  ana  command  allow list
2026-11-20T10:00:00.000Z  updated  deactivated  ana  command  allow list
"
        );
    }
}
