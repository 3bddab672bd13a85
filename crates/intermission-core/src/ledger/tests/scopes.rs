//! A scope is activated when nothing of it runs, as the site is.

use super::*;
use crate::ledger::Members;
use crate::record::UnconfirmedCause;
use crate::scope::{ScopeName, ScopeRecord};
use crate::{DrainPolicy, Level};
use HistoryEvent::{
    Aborted, Activated, Deactivated, Ended, Forced, NodeConfirmed, NodeForgotten, PlanStarted,
    Planned, Requested, Updated,
};

fn billing() -> ScopeName {
    ScopeName::new("billing").unwrap()
}

fn search() -> ScopeName {
    ScopeName::new("search").unwrap()
}

impl Site {
    fn change_in(&mut self, scope: &ScopeName, change: Change) {
        self.change(&change.in_scope(scope.clone()));
    }

    fn close(&mut self, scope: &ScopeName) -> ActivationId {
        self.close_with(scope, Activate::by("ana"))
    }

    fn close_with(&mut self, scope: &ScopeName, activate: Activate) -> ActivationId {
        self.change_in(scope, Change::Activate(activate));
        self.scope(scope).activation.unwrap().id
    }

    fn open(&mut self, scope: &ScopeName) {
        self.change_in(scope, Change::Deactivate(Deactivate::new()));
    }

    fn scope(&self, scope: &ScopeName) -> ScopeRecord {
        let record = self.ledger.current();
        record.scopes().get(scope.as_str()).unwrap().clone()
    }

    fn phase_in(&self, scope: &ScopeName) -> Phase {
        self.ledger.current().scopes().phase(scope)
    }

    fn completion_in(&self, scope: &ScopeName) -> Completion {
        self.scope(scope).activation.unwrap().completion.unwrap()
    }

    /// The notes, oldest first.
    fn notes(&self) -> Vec<String> {
        let history = self.ledger.kept_history();
        history.filter_map(|line| line.note.clone()).collect()
    }
}

impl Node {
    /// Says that it knows the newest record, and that these activations still run something.
    fn knows(&mut self, undrained: &[ActivationId], site: &mut Site) -> SyncReply {
        self.report.seen = site.revision();
        self.report.undrained = undrained.to_vec();
        self.sync(site)
    }
}

#[test]
fn without_nodes_a_scope_is_activated_at_once_and_the_site_stays_open() {
    let mut site = Site::new();
    let id = site.close(&billing());
    assert_eq!(site.phase(), Phase::Deactivated);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
    assert_eq!(site.phase_in(&search()), Phase::Deactivated);
    assert!(id.began() < site.revision());
    assert_eq!(site.events(), [Requested, Activated]);
    assert_eq!(site.notes(), ["scope billing", "scope billing"]);
    let phases: Vec<Phase> = site.ledger.kept_history().map(|line| line.phase).collect();
    assert_eq!(phases, [Phase::Activating, Phase::Activated]);
    site.open(&billing());
    assert!(site.ledger.current().scopes().is_empty());
    assert_eq!(site.events().last(), Some(&Deactivated));
}

#[test]
fn every_node_must_have_seen_it_and_run_nothing_of_it() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let mut two = Node::joined("two", &mut site);
    let id = site.close(&billing());
    one.sync(&mut site);
    two.knows(&[], &mut site);
    assert_eq!(
        site.phase_in(&billing()),
        Phase::Activating,
        "one is behind"
    );
    one.knows(&[id], &mut site);
    assert_eq!(
        site.phase_in(&billing()),
        Phase::Activating,
        "one runs something"
    );
    assert_eq!(site.view().nodes[0].undrained, [id]);
    one.knows(&[], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
    let done = site.completion_in(&billing());
    assert!(!done.forced && done.unconfirmed.is_empty() && done.state_lost_at.is_none());
}

#[test]
fn scopes_and_the_site_drain_one_by_one() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let first = site.close(&billing());
    let second = site.close(&search());
    let whole = site.activate();
    one.knows(&[first, second], &mut site);
    one.knows(&[second], &mut site);
    assert_eq!(
        (
            site.phase_in(&billing()),
            site.phase_in(&search()),
            site.phase()
        ),
        (Phase::Activated, Phase::Activating, Phase::Activating)
    );
    one.drains(whole, &mut site);
    assert_eq!(
        (site.phase_in(&search()), site.phase()),
        (Phase::Activating, Phase::Activated)
    );
    one.knows(&[], &mut site);
    assert_eq!(site.phase_in(&search()), Phase::Activated);
    // What is changed of the site changes no scope.
    let before = site.ledger.current();
    site.edit();
    site.deactivate();
    assert_eq!(site.ledger.current().scopes(), before.scopes());
}

#[test]
fn what_was_said_of_one_activation_is_not_said_of_the_next() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    site.close(&billing());
    one.knows(&[], &mut site);
    site.open(&billing());
    let again = site.close(&billing());
    assert_eq!(site.phase_in(&billing()), Phase::Activating);
    one.sync(&mut site);
    assert_eq!(
        site.phase_in(&billing()),
        Phase::Activating,
        "it has not seen it"
    );
    one.knows(&[again], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activating);
    one.knows(&[], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
}

#[test]
fn an_edit_keeps_the_drain_and_names_what_it_touched() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let id = site.close(&billing());
    one.knows(&[id], &mut site);
    let edited = site.close_with(
        &billing(),
        Activate::by("bob")
            .with_level(Level::Exclusive)
            .with_message("later"),
    );
    assert_eq!(edited, id);
    let activation = site.scope(&billing()).activation.unwrap();
    assert_eq!(activation.requested_by, "ana");
    assert_eq!(activation.level_since, site.revision());
    assert_eq!(
        site.notes().last().unwrap(),
        "scope billing: level, message"
    );
    assert_eq!(site.events().last(), Some(&Updated));
    one.knows(&[], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
}

#[test]
fn a_limit_forces_or_aborts() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let limit = Duration::from_secs(5);
    let forced = Activate::by("ana").with_drain(DrainPolicy::Force(limit));
    let aborted = Activate::by("ana").with_drain(DrainPolicy::Abort(limit));
    let first = site.close_with(&billing(), forced);
    let second = site.close_with(&search(), aborted);
    one.knows(&[first, second], &mut site);
    site.pass_with(Duration::from_secs(4), &mut [&mut one]);
    assert_eq!(site.phase_in(&billing()), Phase::Activating);
    site.pass_with(Duration::from_secs(1), &mut [&mut one]);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
    let done = site.completion_in(&billing());
    assert!(done.forced);
    assert_eq!(done.unconfirmed[0].cause, UnconfirmedCause::StillRunning);
    assert_eq!(site.phase_in(&search()), Phase::Deactivated);
    assert_eq!(&site.events()[2..], [Forced, Aborted]);
    assert_eq!(
        &site.notes()[2..],
        ["scope billing: unconfirmed: one", "scope search"]
    );
    // Once it has ended, too, the record says so.
    one.knows(&[], &mut site);
    assert!(site.completion_in(&billing()).unconfirmed.is_empty());
    assert_eq!(site.events().last(), Some(&NodeConfirmed));
}

#[test]
fn a_silent_node_is_named_and_a_fenced_one_runs_nothing() {
    let mut site = Site::new();
    Node::joined_with("waits", wait(5), &mut site);
    Node::joined_with("fences", fence(5), &mut site);
    Node::joined_with("leaves", LostContact::Leave, &mut site);
    site.close(&billing());
    site.pass(lease() + Duration::from_secs(5));
    assert_eq!(site.phase_in(&billing()), Phase::Activating);
    site.pass(Duration::from_secs(1));
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
    let done = site.completion_in(&billing());
    let labels: Vec<&str> = done
        .unconfirmed
        .iter()
        .map(|one| one.label.as_str())
        .collect();
    assert_eq!(labels, ["waits"]);
    assert_eq!(done.unconfirmed[0].cause, UnconfirmedCause::OutOfContact);
    let waits = Node::new("waits");
    site.leave(&waits, &Departure::Forgotten(ana()));
    assert!(site.completion_in(&billing()).unconfirmed.is_empty());
    let events = site.events();
    assert_eq!(&events[events.len() - 2..], [NodeForgotten, NodeConfirmed]);
}

/// What was let in past the site's closed door runs in a scope all the same.
#[test]
fn a_node_that_is_lost_with_work_of_a_scope_is_named_there_though_the_site_knows_it_to_be_drained()
{
    let mut site = Site::new();
    let mut drained = Node::joined_with("drained", wait(5), &mut site);
    let mut works = Node::joined_with("works", wait(5), &mut site);
    let mut fences = Node::joined_with("fences", fence(5), &mut site);
    let mut unaware = Node::joined_with("unaware", wait(5), &mut site);
    let on = site.activate();
    for node in [&mut drained, &mut works, &mut fences, &mut unaware] {
        node.drains(on, &mut site);
    }
    let since = site.activation().level_since;
    for node in [&mut drained, &mut works, &mut fences, &mut unaware] {
        node.knows(&[], &mut site);
        node.is_quiet(since, &mut site);
    }
    assert_eq!(site.phase(), Phase::Activated);
    let id = site.close(&billing());
    drained.knows(&[], &mut site);
    works.knows(&[id], &mut site);
    fences.knows(&[id], &mut site);
    unaware.sync(&mut site);
    site.pass(lease() + Duration::from_secs(6));
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
    let done = site.completion_in(&billing());
    let named: Vec<(&str, UnconfirmedCause)> = done
        .unconfirmed
        .iter()
        .map(|one| (one.label.as_str(), one.cause))
        .collect();
    let lost = |label| (label, UnconfirmedCause::OutOfContact);
    assert_eq!(named, [lost("works"), lost("unaware")]);
    assert!(site.unconfirmed().is_empty(), "the site runs nothing");
    // They are back, and say so.
    works.knows(&[], &mut site);
    unaware.knows(&[], &mut site);
    assert!(site.completion_in(&billing()).unconfirmed.is_empty());
}

#[test]
fn who_is_forgotten_with_work_of_a_scope_is_a_loss() {
    let mut site = Site::new();
    let mut nodes: Vec<Node> = (0..=Members::GIVEN_UP_KEPT)
        .map(|number| Node::joined_with(&format!("web-{number}"), wait(0), &mut site))
        .collect();
    let on = site.activate();
    for node in &mut nodes {
        node.knows(&[], &mut site);
        node.drains(on, &mut site);
    }
    let since = site.activation().level_since;
    let id = site.close(&billing());
    for node in &mut nodes {
        node.knows(&[id], &mut site);
        node.is_quiet(since, &mut site);
    }
    site.pass(lease() + SECOND);
    let done = site.completion_in(&billing());
    assert_eq!(done.unconfirmed.len(), Members::GIVEN_UP_KEPT);
    assert!(done.state_lost_at.is_some(), "one was forgotten");
}

#[test]
fn a_silent_node_that_waits_for_ever_is_waited_for() {
    let mut site = Site::new();
    let mut holds = Node::joined_with("holds", LostContact::Hold, &mut site);
    site.close(&billing());
    site.pass(Duration::from_secs(3_600));
    assert_eq!(site.phase_in(&billing()), Phase::Activating);
    holds.knows(&[], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
}

#[test]
fn after_a_loss_nothing_that_was_said_counts() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let mut two = Node::joined("two", &mut site);
    site.close(&billing());
    one.knows(&[], &mut site);
    site.lose_members();
    two.knows(&[], &mut site);
    one.knows(&[], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activating, "in grace");
    site.pass_with(Timing::default().grace, &mut [&mut one]);
    one.knows(&[], &mut site);
    assert_eq!(
        site.phase_in(&billing()),
        Phase::Activating,
        "two has not spoken since"
    );
    two.knows(&[], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
    let lost_at = site.view().lost_at;
    assert!(
        lost_at.is_some(),
        "the site's next completion is to say it, too"
    );
    assert_eq!(site.completion_in(&billing()).state_lost_at, lost_at);
}

#[test]
fn a_node_that_knows_another_past_counts_once_it_knows_this_one() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let id = site.close(&billing());
    // Later than the activation, and not the ledger's.
    site.change_in(&search(), Change::Activate(Activate::by("bob")));
    one.report.seen = id.began();
    one.sync(&mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activating);
    one.knows(&[], &mut site);
    assert_eq!(site.phase_in(&billing()), Phase::Activated);
}

#[test]
fn plans_begin_and_ends_come_together() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let now = site.now.calendar;
    let planned = || {
        Activate::by("ana")
            .with_starts_at(now.saturating_add(SECOND * 10))
            .with_ends_at(now.saturating_add(SECOND * 20))
            .with_auto_end(true)
    };
    site.change_in(&billing(), Change::Activate(planned()));
    site.change_in(&search(), Change::Activate(planned()));
    assert_eq!(site.events(), [Planned, Planned]);
    site.pass_with(SECOND * 9, &mut [&mut one]);
    assert_eq!(site.phase_in(&billing()), Phase::Deactivated);
    site.jump(SECOND);
    assert_eq!(site.phase_in(&billing()), Phase::Activating);
    let revision = site.revision();
    let id = |scope| site.scope(&scope).activation.unwrap().id;
    assert_eq!(id(billing()), ActivationId::new(revision));
    assert_eq!(id(search()), id(billing()));
    one.knows(&[], &mut site);
    assert_eq!(site.phase_in(&search()), Phase::Activated);
    site.pass_with(SECOND * 10, &mut [&mut one]);
    assert!(site.ledger.current().scopes().is_empty());
    assert_eq!(
        &site.events()[2..],
        [PlanStarted, PlanStarted, Activated, Activated, Ended, Ended]
    );
}

/// A history that is full of scopes would say nothing of the site any more.
#[test]
fn what_happens_to_many_scopes_at_once_is_one_line() {
    let mut site = Site::new();
    let mut one = Node::joined_with("one", wait(0), &mut site);
    let mut two = Node::joined_with("two", wait(0), &mut site);
    let starts_at = site.now.calendar.saturating_add(SECOND * 10);
    let ends_at = starts_at.saturating_add(SECOND * 60);
    let activate = Activate::by("ana")
        .with_starts_at(starts_at)
        .with_ends_at(ends_at)
        .with_auto_end(true)
        .with_drain(DrainPolicy::Force(SECOND * 5));
    let before = site.ledger.current();
    let mut next = (*before).clone();
    for number in 0..300 {
        let scope = ScopeName::new(&format!("tenant-{number}")).unwrap();
        let change = Change::Activate(activate.clone()).in_scope(scope);
        let Outcome::Changed(changed) = next.apply(&change, site.now.calendar).unwrap() else {
            panic!("{change:?}")
        };
        next = changed;
    }
    let operation = Operation::replace(site.fresh_id(), &before, next, ana());
    site.operate(&operation);
    site.pass_with(SECOND * 10, &mut [&mut one, &mut two]);
    assert_eq!(site.ledger.current().scopes().draining(), 300);
    one.knows(&[], &mut site);
    site.pass_with(SECOND * 5, &mut [&mut one, &mut two]);
    two.knows(&[], &mut site);
    site.pass_with(SECOND * 60, &mut [&mut one, &mut two]);
    assert!(site.ledger.current().scopes().is_empty());
    assert_eq!(
        site.events(),
        [Updated, PlanStarted, Forced, NodeConfirmed, Ended]
    );
    let confirmed = format!("300 scopes: two ({})", two.id());
    assert_eq!(
        site.notes(),
        [
            "scopes",
            "300 scopes",
            "300 scopes: unconfirmed: two",
            &confirmed,
            "300 scopes"
        ]
    );
    let lines: Vec<_> = site.ledger.kept_history().collect();
    let phases: Vec<Phase> = lines.iter().map(|line| line.phase).collect();
    let (open, closed) = (Phase::Deactivated, Phase::Activated);
    assert_eq!(phases, [open, Phase::Activating, closed, closed, open]);
    let counts: Vec<_> = lines.iter().map(|line| line.scope_count()).collect();
    let many = Some(300);
    assert_eq!(counts, [None, many, many, many, many]);
    let scopes: Vec<_> = lines.iter().map(|line| line.scope()).collect();
    let many = Some(HistoryEntry::SCOPES);
    assert_eq!(scopes, [None, many, many, many, many]);
}

/// A few are named, each with what is to be said of it.
#[test]
fn what_happens_to_a_few_scopes_is_a_line_for_each_and_many_say_how_many_name_nodes() {
    for (closed, lines) in [(4_usize, 8), (5, 1)] {
        let mut site = Site::new();
        let mut one = Node::joined_with("one", wait(0), &mut site);
        let mut two = Node::joined_with("two", LostContact::Hold, &mut site);
        let close = |site: &mut Site, batch: &str| {
            let before = site.ledger.current();
            let mut next = (*before).clone();
            for number in 0..closed {
                let scope = ScopeName::new(&format!("{batch}-{number}")).unwrap();
                let change = Change::Activate(Activate::by("ana")).in_scope(scope);
                if let Outcome::Changed(changed) = next.apply(&change, site.now.calendar).unwrap() {
                    next = changed;
                }
            }
            let operation = Operation::replace(site.fresh_id(), &before, next, ana());
            site.operate(&operation);
            site.revision()
        };
        let first = ActivationId::new(close(&mut site, "a"));
        let second = ActivationId::new(close(&mut site, "b"));
        one.knows(&[second], &mut site);
        two.knows(&[first, second], &mut site);
        site.pass(lease() + SECOND);
        let before = site.events().len();
        two.knows(&[], &mut site);
        let notes = site.notes().split_off(before);
        assert_eq!(notes.len(), lines, "{notes:?}");
        let last = if lines == 1 {
            "10 scopes, unconfirmed nodes in 5"
        } else {
            "scope b-3: unconfirmed: one"
        };
        assert_eq!(notes.last().unwrap(), last);
    }
}

#[test]
fn a_scope_is_changed_only_when_the_ledger_knows_what_it_changes() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    site.activate();
    site.lose_members();
    site.jump(SECOND);
    let close = Change::Activate(Activate::by("ana")).in_scope(billing());
    let reply = site.try_change(&close);
    assert!(matches!(reply, OperateReply::Reconciling(_)), "{reply:?}");
    site.pass_with(Timing::default().grace, &mut [&mut one]);
    site.change(&close);
}

#[test]
fn what_is_carried_over_a_loss_is_told() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    site.close(&billing());
    one.knows(&[], &mut site);
    assert_eq!(site.completion_in(&billing()).state_lost_at, None);
    // A store that went back to this record may have missed that the scope was opened.
    site.lose_members();
    site.activate();
    let lost_at = site.view().lost_at;
    assert!(lost_at.is_some());
    assert_eq!(site.completion_in(&billing()).state_lost_at, lost_at);
    assert_eq!(
        site.phase_in(&billing()),
        Phase::Activated,
        "and it stays closed"
    );
}
