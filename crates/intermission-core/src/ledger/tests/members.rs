//! Who is there, and who is not.

use super::*;
use crate::DrainPolicy;
use crate::report::FleetCount;
use HistoryEvent::{
    Activated, Forced, NodeConfirmed, NodeDied, NodeForgotten, NodeUnconfirmed, Requested,
};

#[test]
fn a_report_that_is_not_newer_than_the_last_is_ignored() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let mut two = Node::joined("two", &mut site);
    let on = site.activate();
    one.drains(on, &mut site);
    let before = site.ledger.clone();
    let mut stale = NodeReport::new(one.id(), 1);
    stale.seen = Revision::new(u64::MAX - 1);
    for sequence in [0, 1, 2] {
        stale.sequence = sequence;
        let reply = site.ledger.sync(&stale, site.now);
        assert_eq!(reply.sequence, 2, "the newest that was heard");
        assert_eq!(reply.record.as_ref(), site.ledger.record());
    }
    assert_eq!(site.ledger, before);
    two.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn a_goodbye_frees_the_drain_and_leaves_no_line() {
    let mut site = Site::new();
    let one = Node::joined("one", &mut site);
    site.activate();
    site.leave(&one, &Departure::Goodbye);
    assert_eq!(site.phase(), Phase::Activated);
    assert_eq!(site.events(), [Requested, Activated]);
    assert_eq!(site.view().node_count, 0);
}

#[test]
fn a_death_is_noted_when_the_drain_waited_for_it() {
    let mut site = Site::new();
    let one = Node::joined("one", &mut site);
    let two = Node::joined("two", &mut site);
    site.leave(&two, &Departure::Died);
    assert_eq!(site.events(), []);
    site.activate();
    site.leave(&one, &Departure::Died);
    assert_eq!(site.phase(), Phase::Activated);
    assert_eq!(site.events(), [Requested, NodeDied, Activated]);
}

#[test]
fn whoever_forgets_a_node_is_in_the_history() {
    let mut site = Site::new();
    let mut one = Node::new("one");
    one.report.lost_contact = LostContact::Hold;
    one.report.facts.running = 4;
    one.sync(&mut site);
    site.activate();
    site.leave(&one, &Departure::Forgotten(Actor::new("bob", "admin")));
    assert_eq!(site.phase(), Phase::Activated);
    assert_eq!(site.events(), [Requested, NodeForgotten, Activated]);
    let entry = site.ledger.kept_history().nth(1).unwrap();
    assert_eq!(entry.by.as_deref(), Some("bob"));
    assert!(
        entry.note.as_ref().unwrap().contains("one")
            && entry.note.as_ref().unwrap().contains("4 executions")
    );
    site.leave(&one, &Departure::Forgotten(ana()));
    assert_eq!(site.events().len(), 3, "there was nobody to forget");
    // It lives after all, and is known again.
    one.sync(&mut site);
    assert_eq!(site.view().node_count, 1);
}

#[test]
fn a_node_that_was_given_up_is_shown_until_it_leaves() {
    let mut site = Site::new();
    let away = Node::joined_with("away", wait(0), &mut site);
    site.activate();
    site.pass(SECOND * 20);
    assert_eq!(site.unconfirmed(), ["away"]);
    let view = site.view();
    assert_eq!(view.node_count, 1);
    assert!(view.nodes[0].out_of_contact && !view.nodes[0].drained);
    assert_eq!(
        site.ledger.nodes().collect::<Vec<_>>(),
        [away.id()],
        "a store may still find it dead"
    );
    site.leave(&away, &Departure::Forgotten(ana()));
    assert_eq!(site.view().node_count, 0);
    assert!(
        site.unconfirmed().is_empty(),
        "somebody took the responsibility"
    );
    assert_eq!(
        site.events(),
        [Requested, NodeUnconfirmed, Activated, NodeForgotten]
    );
}

#[test]
fn who_leaves_by_silence_is_waited_for_until_then_and_named_nowhere() {
    let mut site = Site::new();
    let mut one = Node::joined_with("one", LostContact::Leave, &mut site);
    site.activate();
    site.pass(lease());
    assert_eq!(site.phase(), Phase::Activating, "it may be there");
    site.pass(MILLI);
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.unconfirmed().is_empty());
    assert_eq!(site.view().node_count, 0);
    assert!(site.view().quiescent_at.is_some());
    assert_eq!(site.events(), [Requested, Activated]);
    // It was there all the time, and is known again.
    one.sync(&mut site);
    assert_eq!(site.view().node_count, 1);
}

#[test]
fn what_who_leaves_by_silence_has_said_is_of_no_account() {
    let mut site = Site::new();
    let mut one = Node::joined_with("one", LostContact::Leave, &mut site);
    let on = site.activate();
    one.drains(on, &mut site);
    site.deactivate();
    site.pass(lease() + MILLI);
    site.activate();
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.unconfirmed().is_empty());
    assert!(site.view().quiescent_at.is_some());
}

#[test]
fn who_serves_nobody_is_not_named_by_a_forced_drain() {
    let mut site = Site::new();
    Node::joined_with("one", LostContact::Leave, &mut site);
    site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::ZERO)));
    assert!(site.unconfirmed().is_empty());
    assert_eq!(site.events(), [Requested, Forced]);
}

#[test]
fn a_goodbye_or_a_proved_death_confirms() {
    for departure in [Departure::Goodbye, Departure::Died] {
        let mut site = Site::new();
        let busy = Node::joined("busy", &mut site);
        site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::ZERO)));
        assert_eq!(site.unconfirmed(), ["busy"]);
        let before = site.revision();
        site.leave(&busy, &departure);
        assert!(site.unconfirmed().is_empty(), "after {departure:?}");
        assert!(site.revision() > before);
        assert_eq!(site.events(), [Requested, Forced, NodeConfirmed]);
    }
}

#[test]
fn too_many_lost_nodes_are_forgotten_and_the_next_completion_says_so() {
    let mut site = Site::new();
    let kept = crate::Members::GIVEN_UP_KEPT;
    for number in 0..=kept {
        site.pass(SECOND);
        Node::joined_with(&format!("lost {number:03}"), wait(0), &mut site);
    }
    site.pass(SECOND * 20);
    assert_eq!(site.view().node_count, u64::try_from(kept).unwrap());
    site.activate();
    assert_eq!(site.completion().unconfirmed.len(), kept);
    assert!(
        !site.unconfirmed().contains(&"lost 000".to_owned()),
        "the one that was silent longest"
    );
    assert!(site.completion().state_lost_at.is_some());
}

#[test]
fn the_view_counts_all_and_shows_those_that_hold_up_the_drain_first() {
    let mut site = Site::new();
    let mut nodes =
        ["a done", "b busy", "c done", "d busy"].map(|label| Node::joined(label, &mut site));
    let on = site.activate();
    for node in &mut nodes {
        node.report.facts.running = 2;
    }
    let [a, b, c, d] = &mut nodes;
    b.sync(&mut site);
    d.sync(&mut site);
    (a.report.facts.running, c.report.facts.running) = (0, 0);
    a.drains(on, &mut site);
    c.drains(on, &mut site);
    let labels = |view: &View| {
        view.nodes
            .iter()
            .map(|node| node.facts.label.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        labels(&site.view()),
        ["b busy", "d busy", "a done", "c done"]
    );
    let view = site.ledger.view(1, site.now);
    assert_eq!(
        (labels(&view), view.node_count),
        (vec!["b busy".to_owned()], 4)
    );
    assert_eq!(
        view.count,
        FleetCount {
            nodes: 4,
            closed: 2,
            drained: 2,
            running: 4
        }
    );
    assert!(site.ledger.view(0, site.now).nodes.is_empty());
}

#[test]
fn a_silent_node_is_shown_as_out_of_contact_after_its_lease() {
    let mut site = Site::new();
    Node::joined("one", &mut site);
    site.pass(lease());
    assert!(!site.view().nodes[0].out_of_contact);
    site.pass(SECOND);
    assert!(site.view().nodes[0].out_of_contact);
}

#[test]
fn senseless_numbers_are_borne() {
    let mut site = Site::new();
    for (label, lost_contact) in [
        ("wait", LostContact::Wait(Duration::MAX)),
        ("fence", LostContact::Fence(Duration::MAX)),
    ] {
        let mut node = Node::new(label);
        node.report.lost_contact = lost_contact;
        node.report.facts.running = u64::MAX;
        node.sync(&mut site);
    }
    assert_eq!(site.view().count.running, u64::MAX);
    site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::MAX)));
    site.pass(SECOND * 60);
    assert_eq!(site.phase(), Phase::Activating);

    let json = serde_json::to_value(site.ledger.members()).unwrap();
    let mut members = json.as_object().unwrap().clone();
    members.insert("clock_ms".to_owned(), (u64::MAX - 5).into());
    members.insert("drain_began_ms".to_owned(), u64::MAX.into());
    let members = serde_json::from_value(members.into()).unwrap();
    let mut ledger = Ledger::restored(
        Timing::default(),
        site.ledger.record().cloned(),
        [],
        members,
    );
    ledger.tick(site.now);
    ledger.lost_members(site.now);
    let later = Moment::new(site.now.calendar, Duration::MAX);
    ledger.tick(later);
    ledger.lost_members(later);
    assert_eq!(ledger.current().phase(), Phase::Activating);
}

#[test]
fn members_survive_being_kept() {
    let mut site = Site::new();
    Node::joined_with("hold", LostContact::Hold, &mut site);
    let mut fenced = Node::joined_with("fence", fence(5), &mut site);
    Node::joined_with("away", wait(0), &mut site);
    let on = site.activate();
    fenced.drains(on, &mut site);
    site.pass(SECOND * 20);
    let kept = serde_json::to_vec(site.ledger.members()).unwrap();
    let restored = Ledger::restored(
        Timing::default(),
        site.ledger.record().cloned(),
        site.ledger.kept_history().cloned(),
        serde_json::from_slice(&kept).unwrap(),
    );
    assert_eq!(restored, site.ledger);
}

#[test]
fn a_report_that_comes_after_the_goodbye_does_not_bring_the_node_back() {
    let mut site = Site::new();
    let mut one = Node::joined_with("one", LostContact::Hold, &mut site);
    site.leave(&one, &Departure::Goodbye);
    one.report.sequence += 1;
    let reply = site.ledger.sync(&one.report, site.now);
    assert!(
        reply.sequence > one.report.sequence,
        "no node takes this answer"
    );
    assert_eq!(site.view().node_count, 0);
    // Whom an operator has forgotten may be back.
    let mut two = Node::joined("two", &mut site);
    site.leave(&two, &Departure::Forgotten(ana()));
    two.sync(&mut site);
    assert_eq!(site.view().node_count, 1);
}

/// On files each node goes by its own periods, also one that joins a fleet of others for a short while.
#[test]
fn a_step_by_whoever_has_other_periods_changes_nobodys_lease() {
    let mut quick = Timing::default();
    for period in [
        &mut quick.lease,
        &mut quick.heartbeat,
        &mut quick.timeout,
        &mut quick.step,
        &mut quick.margin,
        &mut quick.grace,
        &mut quick.reconcile,
    ] {
        *period /= 5;
    }
    let wait = SECOND;
    let patient = Timing::default();
    let by = |timing: Timing, site: &mut Site| {
        let Site { ledger, .. } = site;
        let history: Vec<_> = ledger.kept_history().cloned().collect();
        let members = ledger.members().clone();
        *ledger = Ledger::restored(timing, ledger.record().cloned(), history, members);
    };
    let joins = |name: &str, timing: Timing, site: &mut Site| {
        by(timing, site);
        let mut node = Node::new(name);
        node.report.lost_contact = LostContact::Wait(wait);
        node.sync(site);
    };
    for last in [quick, patient] {
        let mut site = Site::new();
        joins("service", quick, &mut site);
        joins("job", patient, &mut site);
        // Whoever looks last, a step that both believe in at a time.
        by(last, &mut site);
        site.activate();
        let mut passed = Duration::ZERO;
        let mut live = Vec::new();
        while site.phase() == Phase::Activating {
            site.jump(quick.step);
            passed += quick.step;
            live.push((passed, site.ledger.members().count().nodes));
        }
        let first = live.iter().find(|(_, nodes)| *nodes == 1).unwrap().0;
        assert_eq!(first, quick.lease + wait + quick.step);
        assert_eq!(passed, patient.lease + wait + quick.step);
    }
}
