//! Executions while the record says that none runs.

use super::*;

const RULE: &str = "drained means drained";

/// A completion that tells of a loss.
fn reserved() -> Value {
    json!({"at": "2026-11-20T10:15:00.000Z", "forced": false, "state_lost_at": "2026-11-20T10:14:00.000Z",
        "unconfirmed": []})
}

/// The node `3.1` has not been heard since before the state lost who is there.
fn cut_off_at_a_loss(name: &'static str) -> Story {
    let state = [
        (0, 0),
        (CLOSED, CLOSED),
        (DRAINED, DRAINED),
        (OPENED, OPENED),
    ];
    let mut story = Story::of_state(&state, &[(name, 500, END)]);
    let (number, _) = name.split_once('.').unwrap();
    story.fault((500, END), number, "nothing");
    story.fault((1_200, 1_300), "servers", "members");
    story.execution(name, 1, (1_000, 4_000), (false, false));
    story
}

#[test]
fn an_execution_that_begins_after_the_drain() {
    for (name, _) in NODES {
        let mut story = Story::quiet();
        story.execution(name, 1, (3_100, 3_200), (false, false));
        story.breaks(RULE, &format!("on node {name}"));
    }
}

#[test]
fn an_execution_that_began_before_the_drain() {
    let mut story = Story::quiet();
    story.execution("1.1", 1, (1_000, 3_500), (false, false));
    story.breaks(RULE, "execution 1");
}

#[test]
fn an_execution_that_never_ends() {
    let mut story = Story::quiet();
    story.execution("1.1", 1, (1_000, END + 1), (false, false));
    story.log.entries.pop();
    story.breaks(RULE, "execution 1");
}

#[test]
fn an_execution_ends_with_its_process() {
    let mut story = Story::quiet();
    story.execution("1.1", 1, (1_000, END + 1), (false, false));
    story.log.entries.pop();
    let killed = Event::Killed {
        from: ms(2_500),
        whose: "1.1".to_owned(),
    };
    story.at(2_600, "nemesis", killed);
    story.log.entries.retain(|entry| {
        !matches!(&entry.event, Event::Synced { sent, .. } if *sent > ms(2_400))
            || entry.source != 1
    });
    story.passes();
}

#[test]
fn a_node_that_is_named_may_run_something_until_it_is_no_longer_named() {
    let named = |revision: u64, names: &[&str]| {
        let names: Vec<_> = names
            .iter()
            .map(|node| {
                json!({"node": node, "label": "1.1", "cause": "out-of-contact", "running": 1,
                "last_heard_at": "2026-11-20T10:14:00.000Z"})
            })
            .collect();
        let done = json!({"at": "2026-11-20T10:15:00.000Z", "forced": false, "state_lost_at": null,
            "unconfirmed": names});
        on(revision, ACTIVATE, Some(&done))
    };
    // Nodes are called by their names here, and records know nodes by their ids.
    let id = "00000000000000000000000000000011";
    let story = |from: u64, to: u64| {
        let mut story = Story::quiet();
        for entry in &mut story.log.entries {
            match &mut entry.event {
                Event::Started { node, .. } if node == "1.1" => *node = id.to_owned(),
                Event::Saw { revision, record } if *revision == DRAINED => {
                    *record = named(DRAINED, &[id]).to_string();
                }
                _ => {}
            }
        }
        story.saw("operator", 4_000, &named(4_000, &[]));
        // Nobody else is answered with it before the end of this story.
        story.log.entries.retain(|entry| {
            !matches!(&entry.event, Event::Synced { sent, .. } if *sent > ms(4_000) && *sent < ms(OPENED))
        });
        story.execution("1.1", 1, (from, to), (false, false));
        story
    };
    story(1_000, 3_900).passes();
    story(1_000, 4_200).breaks(RULE, "execution 1");
    // It names the one, and says something about the others.
    let mut other = story(1_000, 1_100);
    other.execution("2.1", 1, (3_100, 3_200), (false, false));
    other.breaks(RULE, "on node 2.1");
}

#[test]
fn nobody_waits_for_who_was_let_past_the_door_until_it_was_open_again() {
    let mut story = Story::quiet();
    story.execution("1.1", 1, (2_500, 3_500), (true, true));
    story.execution("1.1", 2, (2_500, 3_500), (true, false));
    story.passes();

    let mut story = Story::quiet();
    story.execution("1.1", 1, (500, 3_500), (true, false));
    let sample = sample(0, Phase::Deactivated);
    story.at(1_000, "1.1", Event::Changed { sample });
    story.breaks(RULE, "execution 1");
}

#[test]
fn a_living_node_that_the_operator_forgot() {
    let forgotten = |alive: bool, began: u64| {
        let mut story = Story::of_state(
            &[
                (0, 0),
                (CLOSED, CLOSED),
                (DRAINED, DRAINED),
                (OPENED, OPENED),
            ],
            &[("2.1", 2_000, 4_000)],
        );
        let forgot = Event::Forgot {
            sent: ms(2_500),
            node: "2.1".to_owned(),
            alive,
            outcome: "ok".to_owned(),
        };
        story.at(2_510, "operator", forgot);
        story.execution("2.1", 1, (began, 4_900), (false, false));
        story
    };
    forgotten(true, 1_000).takes("forgotten by the operator");
    forgotten(false, 1_000).breaks(RULE, "on node 2.1");
    // It is back at 4,100.
    forgotten(true, 4_200).breaks(RULE, "on node 2.1");
}

#[test]
fn a_node_that_was_cut_off_when_the_state_lost_who_is_there() {
    for name in ["1.1", "2.1"] {
        let mut told = cut_off_at_a_loss(name);
        for entry in &mut told.log.entries {
            if let Event::Saw { revision, record } = &mut entry.event
                && *revision == DRAINED
            {
                *record = on(DRAINED, ACTIVATE, Some(&reserved())).to_string();
            }
        }
        told.takes("cut off at a loss");
        // The state knew of the loss, and said nothing.
        cut_off_at_a_loss(name).breaks(RULE, &format!("on node {name}"));
    }
}

#[test]
fn nobody_who_was_there_is_left_to_know_of_a_loss() {
    let mut story = Story::of_state(
        &[
            (0, 0),
            (CLOSED, CLOSED),
            (DRAINED, DRAINED),
            (OPENED, OPENED),
        ],
        &[("1.1", 0, 1_500), ("2.1", 500, END), ("3.1", 0, 1_500)],
    );
    story.fault((0, END), "1 2 3", "nothing");
    story.fault((1_200, 1_300), "servers", "members");
    story.execution("2.1", 1, (1_000, 4_000), (false, false));
    story.takes("cut off at a loss");
}

#[test]
fn one_that_was_heard_after_the_loss_is_not_excepted() {
    let mut story = Story::quiet();
    story.fault((1_200, 1_300), "servers", "members");
    for entry in &mut story.log.entries {
        if let Event::Saw { revision, record } = &mut entry.event
            && *revision == DRAINED
        {
            *record = on(DRAINED, ACTIVATE, Some(&reserved())).to_string();
        }
    }
    story.execution("2.1", 1, (1_000, 4_000), (false, false));
    story.breaks(RULE, "on node 2.1");
}

#[test]
fn one_that_a_failover_has_not_lost_is_not_excepted() {
    let mut story = cut_off_at_a_loss("2.1");
    for entry in &mut story.log.entries {
        match &mut entry.event {
            Event::Fault { loses, .. } if loses == "members" => "tail".clone_into(loses),
            Event::Saw { revision, record } if *revision == DRAINED => {
                *record = on(DRAINED, ACTIVATE, Some(&reserved())).to_string();
            }
            _ => {}
        }
    }
    story.sync("2.1", 1, 300, (0, 0), (0, 0));
    story.breaks(RULE, "on node 2.1");
}

#[test]
fn a_node_that_fences_itself_outlasts_a_loss_if_another_is_heard() {
    let fenced = |others: Lost| {
        let mut story = cut_off_at_a_loss("3.1");
        for entry in &mut story.log.entries {
            match &mut entry.event {
                Event::Started { node, lost, .. } if node == "1.1" => *lost = others,
                Event::Saw { revision, record } if *revision == DRAINED => {
                    *record = on(DRAINED, ACTIVATE, Some(&reserved())).to_string();
                }
                _ => {}
            }
        }
        story
    };
    fenced(Lost::Fence).breaks(RULE, "on node 3.1");
    fenced(Lost::Wait).takes("cut off at a loss");
}

#[test]
fn a_node_that_fences_itself_cannot_while_it_stands_still() {
    let still = |until: u64, lost: Lost| {
        let mut story = Story::quiet();
        for entry in &mut story.log.entries {
            match &mut entry.event {
                Event::Started {
                    node, lost: policy, ..
                } if node == "3.1" => *policy = lost,
                _ => {}
            }
        }
        let whose = "3.1".to_owned();
        let from = ms(2_000);
        story.at(
            2_001,
            "nemesis",
            Event::Paused {
                from,
                whose: whose.clone(),
            },
        );
        let from = ms(until);
        story.at(until, "nemesis", Event::Resumed { from, whose });
        story.execution("3.1", 1, (1_000, 4_000), (false, false));
        story
    };
    still(3_900, Lost::Fence).takes("stood still");
    still(3_500, Lost::Fence).breaks(RULE, "on node 3.1");
    still(3_900, Lost::Wait).breaks(RULE, "on node 3.1");
}
