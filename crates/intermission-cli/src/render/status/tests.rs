use std::time::Duration;

use intermission::{
    Acquire, Activate, AllowChange, Change, DrainPolicy, HolderId, Level, LostContact, NodeId,
    Revision,
};

use super::status;
use crate::render::fleet;
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
    assert!(
        shown.contains(
            "  Activated at:  2026-11-20T10:00:05.000Z (forced, with work still running)\n"
        )
    );
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

#[test]
fn who_holds_it_on_is_named_and_how_to_get_out() {
    let mut site = Site::new();
    site.hear(1, |report| {
        report.facts.label = "during backup pid 7".into();
    });
    let acquire = |bits: u128, label: &str| {
        let (id, node) = (HolderId::from_bits(bits), NodeId::from_bits(bits << 96));
        let name = format!("during {label} pid 7");
        Change::Acquire(Acquire::new(id, node, &name, label, Activate::by("ci")))
    };
    let held = |site: &Site| {
        let shown = shown(site);
        let lines = shown
            .lines()
            .skip_while(|line| !line.starts_with("  Held by:"));
        let more = |line: &&str| line.starts_with("  Held by:") || line.starts_with("     ");
        let lines = lines.take_while(more);
        lines
            .map(|line| line.chars().skip(17).collect())
            .collect::<Vec<String>>()
    };
    site.change(&acquire(1, "backup"));
    site.hear_of_activation(1, |report| {
        report.facts.label = "during backup pid 7".into();
    });
    let backup = "backup (during backup pid 7, requested by ci): for 0s";
    assert_eq!(held(&site), [backup, "it opens when they are done"]);
    site.change(&Change::Activate(Activate::by("ana")));
    assert_eq!(held(&site), [backup, "it stays on when they are done"]);

    site.change(&acquire(2, "migrate"));
    let gone = "migrate (during migrate pid 7, requested by ci): for 0s, but its process is gone or out of contact; what \
                it has started may still run";
    let some = "it will not open by itself: `intermission deactivate` opens it, also for those that still work";
    assert_eq!(held(&site), [backup, gone, some]);

    site.change(&Change::Release(HolderId::from_bits(1)));
    site.change(&Change::NoteFailure(
        HolderId::from_bits(2),
        "exit status 3".to_owned(),
    ));
    let failed = "migrate (during migrate pid 7, requested by ci): failed 0 s ago: exit status 3";
    assert_eq!(
        held(&site),
        [
            failed,
            "nobody will open it: `intermission deactivate` does"
        ]
    );
}
