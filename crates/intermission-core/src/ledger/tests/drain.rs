//! Activated means that nothing runs.

use super::*;
use crate::DrainPolicy;
use crate::record::UnconfirmedCause;
use HistoryEvent::{
    Aborted, Activated, Deactivated, Forced, NodeConfirmed, NodeUnconfirmed, Requested, Updated,
};

#[test]
fn without_nodes_a_drain_is_complete_at_once() {
    let mut site = Site::new();
    let change = Change::Activate(Activate::by("ana"));
    let reply = site.try_change(&change);
    let OperateReply::Stored(record) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(record.phase(), Phase::Activated);
    assert_eq!(record, site.ledger.current());
    assert_eq!(site.completion().at, site.now.calendar);
    assert!(site.unconfirmed().is_empty() && !site.completion().forced);
    assert_eq!(site.events(), [Requested, Activated]);
}

#[test]
fn one_node_is_waited_for() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate();
    assert_eq!(site.phase(), Phase::Activating);
    one.report.closed = Some(on);
    let count = one.sync(&mut site).count;
    assert_eq!((count.nodes, count.closed, count.drained), (1, 1, 0));
    assert_eq!(site.phase(), Phase::Activating);
    let reply = one.drains(on, &mut site);
    assert_eq!(reply.record.unwrap().phase(), Phase::Activated);
    assert_eq!((reply.count.closed, reply.count.drained), (1, 1));
}

#[test]
fn the_last_of_three_nodes_completes_the_drain() {
    let mut site = Site::new();
    let mut nodes = ["one", "two", "three"].map(|label| Node::joined(label, &mut site));
    let on = site.activate();
    for (number, node) in nodes.iter_mut().enumerate() {
        assert_eq!(site.phase(), Phase::Activating, "before {number} drained");
        node.drains(on, &mut site);
    }
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.unconfirmed().is_empty());
}

#[test]
fn a_node_that_joins_during_the_drain_is_waited_for() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate();
    let mut late = Node::joined("late", &mut site);
    one.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activating);
    late.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn what_was_said_about_one_activation_does_not_count_for_the_next() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let first = site.activate();
    one.drains(first, &mut site);
    site.deactivate();
    assert_eq!(site.view().count.drained, 0, "drained of nothing");
    let second = site.activate();
    assert_ne!(first, second);
    // It still says what was true of the first.
    one.sync(&mut site);
    assert_eq!(site.phase(), Phase::Activating);
    one.drains(second, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn what_was_said_survives_edits_of_the_activation() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let mut two = Node::joined("two", &mut site);
    let on = site.activate();
    one.drains(on, &mut site);
    site.edit();
    assert_eq!(site.activation().id, on);
    assert_eq!(site.view().count.drained, 1);
    two.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
    assert_eq!(site.events(), [Requested, Updated, Activated]);
}

#[test]
fn a_node_that_waits_is_named_when_its_time_is_over() {
    let mut site = Site::new();
    let mut here = Node::joined("here", &mut site);
    let mut away = Node::new("away");
    away.report.lost_contact = wait(20);
    away.report.facts.running = 3;
    away.sync(&mut site);
    let heard_at = site.now.calendar;
    let on = site.activate();
    here.drains(on, &mut site);
    site.pass_with(lease() + SECOND * 20, &mut [&mut here]);
    assert_eq!(site.phase(), Phase::Activating, "its time is not over");
    site.pass_with(SECOND, &mut [&mut here]);
    assert_eq!(site.phase(), Phase::Activated);
    assert_eq!(site.events(), [Requested, NodeUnconfirmed, Activated]);
    let completion = site.completion();
    let [unconfirmed] = completion.unconfirmed.as_slice() else {
        panic!("{completion:?}")
    };
    assert_eq!(
        (unconfirmed.node, unconfirmed.label.as_str()),
        (away.id(), "away")
    );
    assert_eq!(unconfirmed.cause, UnconfirmedCause::OutOfContact);
    assert_eq!(
        (unconfirmed.running, unconfirmed.last_heard_at),
        (3, heard_at)
    );
    assert!(!completion.forced);
    let count = site.view().count;
    assert_eq!(
        (count.nodes, count.running),
        (1, 0),
        "nobody waits for it any more"
    );
    assert_eq!(
        site.view().quiescent_at,
        None,
        "its requests are as unknown as its executions"
    );
}

#[test]
fn a_node_whose_time_was_over_before_the_activation_is_named_all_the_same() {
    let mut site = Site::new();
    let mut here = Node::joined("here", &mut site);
    Node::joined_with("away", wait(20), &mut site);
    site.pass_with(SECOND * 3_600, &mut [&mut here]);
    let on = site.activate();
    here.drains(on, &mut site);
    assert_eq!(
        site.phase(),
        Phase::Activated,
        "nobody waits for a node that died an hour ago"
    );
    assert_eq!(site.unconfirmed(), ["away"]);
    // And again for the next, until it is back or an operator knows better.
    site.deactivate();
    let on = site.activate();
    here.drains(on, &mut site);
    assert_eq!(site.unconfirmed(), ["away"]);
}

#[test]
fn a_node_that_had_drained_when_it_was_lost_is_not_named() {
    let mut site = Site::new();
    let mut here = Node::joined("here", &mut site);
    let mut away = Node::joined_with("away", wait(0), &mut site);
    let on = site.activate();
    away.drains(on, &mut site);
    site.pass_with(SECOND * 60, &mut [&mut here]);
    here.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.unconfirmed().is_empty());
}

#[test]
fn a_node_that_is_back_confirms_when_it_has_drained() {
    let mut site = Site::new();
    let mut away = Node::joined_with("away", wait(0), &mut site);
    let on = site.activate();
    site.pass(SECOND * 20);
    assert_eq!(site.unconfirmed(), ["away"]);
    let before = site.revision();
    away.sync(&mut site);
    assert_eq!(
        site.unconfirmed(),
        ["away"],
        "it is back, and still runs something"
    );
    assert_eq!(site.revision(), before);
    let at = site.completion().at;
    site.pass(SECOND);
    away.drains(on, &mut site);
    assert!(site.unconfirmed().is_empty());
    assert!(site.revision() > before, "nodes must learn of it");
    assert_eq!(site.completion().at, at, "the drain did not end anew");
    assert_eq!(
        site.events(),
        [Requested, NodeUnconfirmed, Activated, NodeConfirmed]
    );
}

#[test]
fn a_node_that_is_back_before_the_completion_is_waited_for_again() {
    let mut site = Site::new();
    let mut here = Node::joined("here", &mut site);
    let mut away = Node::joined_with("away", wait(0), &mut site);
    let on = site.activate();
    site.pass_with(SECOND * 20, &mut [&mut here]);
    assert_eq!(site.events(), [Requested, NodeUnconfirmed]);
    away.sync(&mut site);
    here.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activating);
    away.drains(on, &mut site);
    assert!(site.unconfirmed().is_empty());
}

#[test]
fn a_node_that_fences_itself_counts_as_drained_when_its_time_is_over() {
    let mut site = Site::new();
    Node::joined_with("away", fence(5), &mut site);
    site.activate();
    site.pass(lease() + SECOND * 5);
    assert_eq!(site.phase(), Phase::Activating);
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.unconfirmed().is_empty());
    assert_eq!(site.events(), [Requested, Activated]);
    assert_eq!(site.view().quiescent_at, None, "its requests went on");
}

#[test]
fn a_node_that_holds_is_waited_for_without_end() {
    let mut site = Site::new();
    let mut here = Node::joined("here", &mut site);
    let mut away = Node::joined_with("away", LostContact::Hold, &mut site);
    let on = site.activate();
    here.drains(on, &mut site);
    site.pass_with(SECOND * 7_200, &mut [&mut here]);
    assert_eq!(site.phase(), Phase::Activating);
    away.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn force_ends_a_drain_and_names_who_still_runs_something() {
    let mut site = Site::new();
    let mut done = Node::joined("done", &mut site);
    let mut busy = Node::joined("busy", &mut site);
    let force = DrainPolicy::Force(SECOND * 10);
    let on = site.activate_with(Activate::by("ana").with_drain(force));
    done.drains(on, &mut site);
    site.pass_with(SECOND * 9, &mut [&mut done, &mut busy]);
    assert_eq!(site.phase(), Phase::Activating);
    site.pass_with(SECOND, &mut [&mut done, &mut busy]);
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.completion().forced);
    assert_eq!(site.unconfirmed(), ["busy"]);
    assert_eq!(
        site.completion().unconfirmed[0].cause,
        UnconfirmedCause::StillRunning
    );
    busy.drains(on, &mut site);
    assert!(site.unconfirmed().is_empty());
    assert!(site.completion().forced, "it was forced all the same");
    assert_eq!(site.events(), [Requested, Forced, NodeConfirmed]);
}

#[test]
fn abort_opens_again_and_is_not_forced_by_a_clock_that_somebody_set() {
    let mut site = Site::new();
    let mut busy = Node::joined("busy", &mut site);
    let abort = DrainPolicy::Abort(SECOND * 10);
    site.activate_with(Activate::by("ana").with_drain(abort));
    site.jump(SECOND * 3_600);
    assert_eq!(
        site.phase(),
        Phase::Activating,
        "the fleet clock believed one second of that"
    );
    site.pass_with(SECOND * 8, &mut [&mut busy]);
    assert_eq!(site.phase(), Phase::Activating);
    site.pass_with(SECOND, &mut [&mut busy]);
    assert_eq!(site.phase(), Phase::Deactivated);
    assert_eq!(site.events(), [Requested, Aborted]);
}

#[test]
fn a_limit_that_is_set_during_the_drain_counts_from_its_beginning() {
    let mut site = Site::new();
    let mut busy = Node::joined("busy", &mut site);
    site.activate();
    site.pass_with(SECOND * 10, &mut [&mut busy]);
    site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(SECOND * 5)));
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn a_drain_that_is_called_off_is_over() {
    let mut site = Site::new();
    let mut busy = Node::joined("busy", &mut site);
    site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(SECOND * 5)));
    site.deactivate();
    site.pass_with(SECOND * 60, &mut [&mut busy]);
    assert_eq!(site.phase(), Phase::Deactivated);
    assert_eq!(site.events(), [Requested, Deactivated]);
}

#[test]
fn quiescence_comes_after_the_completion_when_everybody_is_quiet() {
    let mut site = Site::new();
    let mut nodes = ["one", "two"].map(|label| Node::joined(label, &mut site));
    let on = site.activate();
    let since = site.activation().level_since;
    nodes
        .iter_mut()
        .for_each(|node| drop(node.is_quiet(since, &mut site)));
    assert_eq!(site.view().quiescent_at, None, "the drain goes on");
    let [one, two] = &mut nodes;
    (one.report.quiet, two.report.quiet) = (None, None);
    one.drains(on, &mut site);
    two.drains(on, &mut site);
    assert_eq!(
        (site.phase(), site.view().quiescent_at),
        (Phase::Activated, None)
    );
    one.is_quiet(since, &mut site);
    assert_eq!(site.view().quiescent_at, None);
    site.pass(SECOND);
    two.is_quiet(Revision::new(since.number() - 1), &mut site);
    assert_eq!(
        site.view().quiescent_at,
        None,
        "that was said of something else"
    );
    two.is_quiet(since, &mut site);
    assert_eq!(site.view().quiescent_at, Some(site.now.calendar));
    let at = site.now.calendar;
    site.pass_with(SECOND * 5, &mut [one, two]);
    assert_eq!(site.view().quiescent_at, Some(at), "it is noted once");
}

#[test]
fn another_level_is_waited_for_anew_and_another_message_is_not() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate_with(Activate::by("ana").with_level(crate::Level::ReadOnly));
    one.drains(on, &mut site);
    let since = site.activation().level_since;
    one.is_quiet(since, &mut site);
    let at = site.view().quiescent_at;
    assert!(at.is_some());
    site.edit();
    assert_eq!(site.view().quiescent_at, at);
    assert_eq!(site.activation().level_since, since);
    site.activate_with(Activate::by("ana").with_level(crate::Level::Full));
    assert_eq!(site.view().quiescent_at, None);
    one.sync(&mut site);
    assert_eq!(
        site.view().quiescent_at,
        None,
        "it was quiet at the level before"
    );
    site.pass(SECOND);
    let since = site.activation().level_since;
    one.is_quiet(since, &mut site);
    assert_eq!(site.view().quiescent_at, Some(site.now.calendar));
}

#[test]
fn a_node_lost_before_it_was_quiet_leaves_quiescence_unknown() {
    let mut site = Site::new();
    let mut here = Node::joined("here", &mut site);
    let mut away = Node::joined_with("away", wait(0), &mut site);
    let on = site.activate();
    away.drains(on, &mut site);
    here.drains(on, &mut site);
    let since = site.activation().level_since;
    here.is_quiet(since, &mut site);
    // It knows of the drain, not of its completion: it goes on serving visitors.
    site.pass_with(SECOND * 60, &mut [&mut here]);
    assert!(site.unconfirmed().is_empty());
    assert_eq!(site.view().quiescent_at, None);
    site.leave(&away, &Departure::Forgotten(ana()));
    assert_eq!(site.view().quiescent_at, Some(site.now.calendar));
}
