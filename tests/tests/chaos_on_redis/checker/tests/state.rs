//! What the state answers, keeps and loses.

use super::*;

const ANSWERS: &str = "in contact means up to date";
const CHANGES: &str = "no activation is lost";
const REVISIONS: &str = "revisions never go back";

/// From 4,000 on the state is empty again, and says that it is in a grace. The first node tells what it has seen, the
/// second one brings it back, if they are to.
fn emptied(grace: u64, told: bool, brought_back: bool) -> Story {
    let state = [(0, 0), (CLOSED, CLOSED), (DRAINED, DRAINED)];
    let silent = [
        ("1.1", 3_500, END),
        ("2.1", 3_500, END),
        ("3.1", 3_500, END),
    ];
    let mut story = Story::of_state(&state, &silent);
    story.fault((3_200, 4_000), "servers", "all");
    story.fault((3_200, END), "1 2 3", "nothing");
    if told {
        story.sync("1.1", 10, 4_100, (DRAINED, 0), (0, 1));
    }
    if brought_back {
        story.sync("2.1", 10, 4_200, (DRAINED, DRAINED), (DRAINED, 1));
    }
    // Somebody who is new.
    let started = Event::Started {
        node: "4.1".to_owned(),
        lost: Lost::Wait,
        threads: 1,
    };
    story.at(4_250, "4.1", started);
    story.sync("4.1", 1, 4_300, (0, 0), (0, grace));
    story.fault((4_200, END), "4", "nothing");
    story
}

#[test]
fn an_answer_that_lacks_what_was_known() {
    let mut story = Story::quiet();
    story.sync("1.1", 99, 7_700, (OPENED, 0), (DRAINED, 500));
    story.breaks(ANSWERS, "nothing can have lost it");
}

#[test]
fn an_answer_that_was_asked_for_before_it_was_known() {
    let mut story = Story::quiet();
    story
        .log
        .entries
        .retain(|entry| !matches!(entry.event, Event::Synced { sent, .. } if sent == ms(1_600)));
    // It took its time.
    let late = Event::Synced {
        sent: ms(1_600),
        sequence: 3,
        seen: 0,
        offered: 0,
        outcome: "ok".to_owned(),
        echoed: 3,
        revision: 0,
        grace: 0,
    };
    story.at(2_050, "1.1", late);
    story.passes();
}

#[test]
fn a_state_that_lost_everything_says_so_until_it_is_told() {
    emptied(2_000, false, false).passes();
    emptied(2_000, true, false).passes();
    emptied(0, false, false).takes("forgotten");
    emptied(0, true, false).breaks(ANSWERS, "a node has said since the loss");
    emptied(2_000, false, true).breaks(ANSWERS, "it was brought back");
}

#[test]
fn whoever_says_so_themselves_is_not_answered_as_if_nothing_was_lost() {
    let mut story = emptied(2_000, false, false);
    story.sync("1.1", 10, 4_400, (DRAINED, 0), (0, 0));
    story.breaks(ANSWERS, "whoever asked has said");
}

#[test]
fn a_node_that_does_not_go_by_what_it_was_answered() {
    let mut story = Story::quiet();
    for entry in &mut story.log.entries {
        if let Event::Synced { sent, seen, .. } = &mut entry.event
            && *sent >= ms(2_600)
            && *sent < ms(DRAINED + 600)
        {
            *seen = 0;
        }
    }
    story.breaks(ANSWERS, "and then says that it goes by 0");
}

#[test]
fn a_node_that_could_be_answered_and_is_not() {
    let silent = |excused: &str, from: u64| {
        let state = [
            (0, 0),
            (CLOSED, CLOSED),
            (DRAINED, DRAINED),
            (OPENED, OPENED),
        ];
        let mut story = Story::of_state(&state, &[("2.1", 500, END)]);
        story.fault((from, END), excused, "nothing");
        story
    };
    silent("1 2", 600).passes();
    silent("servers", 600).passes();
    silent("1 3", 600).breaks(ANSWERS, "node 2.1 could reach Redis");
    silent("2", 14_000).breaks(ANSWERS, "node 2.1 could reach Redis");
}

/// After the activation, an open record that an edit made from an older one.
fn edited_from(expected: u64, lost: bool) -> Story {
    let state = [(0, 0), (CLOSED, CLOSED), (DRAINED, DRAINED)];
    let silent = [
        ("1.1", 3_500, END),
        ("2.1", 3_500, END),
        ("3.1", 3_500, END),
    ];
    let mut story = Story::of_state(&state, &silent);
    story.fault((3_200, END), "1 2 3", "nothing");
    if lost {
        story.fault((3_300, 3_400), "servers", "record");
    }
    story.verb("allow", EDIT, 4_000, (expected, 4_000));
    story.saw("operator", 4_006, &off(4_000, EDIT));
    // Without the opening, which would be a reason.
    story.log.entries.retain(|entry| match &entry.event {
        Event::Operated { operation, .. } => operation != DEACTIVATE,
        Event::Verb { verb, .. } => verb != "deactivate",
        Event::Saw { revision, .. } => *revision != OPENED,
        Event::History { .. } => false,
        _ => true,
    });
    story
}

#[test]
fn an_activation_that_an_edit_of_an_older_record_ends() {
    edited_from(0, false).breaks(CHANGES, "made from an older record");
    edited_from(0, true).takes("activation lost");
    let mut told = edited_from(0, true);
    told.sync("1.1", 10, 3_600, (DRAINED, 0), (0, 1_000));
    told.breaks(CHANGES, "made from an older record");
}

#[test]
fn an_open_record_that_nobody_asked_for() {
    let mut story = Story::quiet();
    story.saw("1.1", 7_000, &off(6_900, EDIT));
    // It was in the state, so the answers after it were wrong, too; here it came last.
    story
        .log
        .entries
        .retain(|entry| !matches!(entry.event, Event::Synced { sent, .. } if sent > ms(7_000)));
    story.breaks(CHANGES, "nobody knows the operation");
}

#[test]
fn a_drain_that_is_given_up() {
    let given_up = |policy: &str| {
        let state = [(0, 0), (CLOSED, CLOSED), (2_900, 2_900)];
        let mut story = Story::of_state(&state, &[]);
        story.log.entries.retain(|entry| match &entry.event {
            Event::Operated { operation, .. } => operation != DEACTIVATE,
            Event::Verb { verb, .. } => verb != "deactivate",
            Event::Saw { .. } | Event::History { .. } => false,
            _ => true,
        });
        let begun = activation((CLOSED, CLOSED), ACTIVATE, policy, None);
        story.saw("operator", CLOSED, &begun);
        story.saw("operator", 2_950, &off(2_900, ACTIVATE));
        story
    };
    given_up("abort").passes();
    given_up("wait").breaks(CHANGES, "its policy is another");
}

#[test]
fn what_was_accepted_is_in_the_history() {
    let without = |event: &str| {
        let mut story = Story::quiet();
        for entry in &mut story.log.entries {
            if let Event::History { lines } = &mut entry.event {
                let kept = lines.split(';').filter(|line| !line.ends_with(event));
                *lines = kept.collect::<Vec<_>>().join(";");
            }
        }
        story
    };
    without("requested").breaks(CHANGES, "no line `2000 requested`");
    without("deactivated").breaks(CHANGES, "no line `5000 deactivated`");
    let mut story = without("requested");
    story.fault((6_000, 6_100), "servers", "history");
    story.passes();
}

#[test]
fn a_gate_that_goes_back() {
    let mut story = Story::quiet();
    let (new, old) = (
        sample(OPENED, Phase::Deactivated),
        sample(CLOSED, Phase::Activating),
    );
    story.ask("1.1", 6_000, "page", "admit (deactivated)", (new, new));
    story.ask("1.1", 6_002, "page", "admit (draining)", (old, old));
    story.breaks(REVISIONS, "the gate of node 1.1");
    // Looks that touch say nothing about their order.
    let mut story = Story::quiet();
    story.ask("2.1", 6_000, "page", "admit (deactivated)", (new, new));
    story.ask("2.1", 6_000, "page", "admit (draining)", (old, old));
    story.passes();
}

#[test]
fn a_node_that_reports_less_than_before() {
    let mut story = Story::quiet();
    for entry in &mut story.log.entries {
        if let Event::Synced {
            sent,
            seen,
            revision,
            ..
        } = &mut entry.event
            && *sent == ms(7_600)
        {
            // It was not answered in between, so only what it says itself shows it.
            (*seen, *revision) = (CLOSED, OPENED);
        }
        if let Event::Synced { sent, outcome, .. } = &mut entry.event
            && *sent > ms(OPENED)
            && *sent < ms(7_600)
        {
            "unavailable".clone_into(outcome);
        }
    }
    story.fault((5_000, END), "1 2 3", "nothing");
    let report = story.check();
    let found = report.violations.iter();
    assert!(
        found
            .clone()
            .any(|violation| violation.what.contains("reported revision")),
        "{:?}",
        report.violations
    );
}

#[test]
fn a_revision_that_stands_for_two_records() {
    let two = |lost: bool, told: bool| {
        let mut story = Story::quiet();
        if lost {
            story.fault((OPENED - 100, OPENED + 50), "servers", "all");
        }
        story.log.entries.retain(
            |entry| !matches!(entry.event, Event::Synced { sent, .. } if sent > ms(OPENED)),
        );
        story.fault((OPENED, END), "1 2 3", "nothing");
        if told {
            story.sync("1.1", 99, OPENED + 60, (OPENED, 0), (OPENED, 1));
        }
        story.verb("allow", EDIT, OPENED + 500, (OPENED, OPENED));
        let mut other = off(OPENED, EDIT);
        other["allow"] = json!(["192.0.2.10/32"]);
        story.saw("operator", OPENED + 505, &other);
        story
            .log
            .entries
            .retain(|entry| !matches!(entry.event, Event::History { .. }));
        story
    };
    two(false, false).breaks(REVISIONS, "stands for");
    two(true, true).breaks(REVISIONS, "stands for");
    two(true, false).takes("revision given again");
}
