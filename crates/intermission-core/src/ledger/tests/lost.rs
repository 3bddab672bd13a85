//! Nothing goes back, and nothing that was lost opens.

use std::sync::Arc;

use super::*;
use crate::{AllowChange, AllowList, DrainPolicy};
use HistoryEvent::{Activated, Forced, Requested, Restored};

fn grace() -> Duration {
    Timing::default().grace
}

fn reconcile() -> Duration {
    Timing::default().reconcile
}

fn allow() -> Change {
    Change::Allow(AllowChange::Add(AllowList::parse(["192.0.2.1"]).unwrap()))
}

/// The store came back with this record and no idea of who is there.
pub(super) fn restored(site: &Site, record: Option<Arc<Record>>) -> Site {
    let mut ledger = Ledger::restored(Timing::default(), record, [], crate::Members::default());
    ledger.lost_members(site.now);
    Site {
        ledger,
        ..site.clone()
    }
}

#[test]
fn nothing_that_nodes_say_in_a_grace_counts() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate();
    site.lose_members();
    let reply = one.drains(on, &mut site);
    assert_eq!(reply.grace, grace());
    assert_eq!((reply.count.closed, reply.count.drained), (0, 0));
    site.pass_with(grace() - SECOND, &mut [&mut one]);
    assert_eq!(
        (site.phase(), site.view().grace),
        (Phase::Activating, SECOND)
    );
    // Not even when it ends: a report that came before it says nothing.
    site.pass(SECOND);
    assert_eq!(
        (site.phase(), site.view().grace),
        (Phase::Activating, Duration::ZERO)
    );
    one.sync(&mut site);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn what_was_said_before_the_loss_does_not_count_either() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let mut two = Node::joined("two", &mut site);
    let on = site.activate();
    one.drains(on, &mut site);
    site.lose_members();
    site.pass(grace());
    two.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activating);
}

#[test]
fn an_activation_with_no_node_in_sight_waits_for_the_grace() {
    let mut site = Site::new();
    site.lose_members();
    site.activate();
    site.pass(grace() - SECOND);
    assert_eq!(site.phase(), Phase::Activating);
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn the_next_completion_says_that_the_state_lost_its_data() {
    let mut site = Site::new();
    site.activate();
    let before = site.completion();
    site.lose_members();
    let lost_at = site.now.calendar;
    site.pass(grace());
    assert_eq!(site.completion(), before, "that one had ended before");
    site.deactivate();
    site.change(&allow());
    // Neither has told the operator anything, so neither may make the ledger forget it.
    site.activate();
    assert_eq!(site.completion().state_lost_at, Some(lost_at));
    site.deactivate();
    site.activate();
    assert_eq!(site.completion().state_lost_at, None, "it was said");
}

#[test]
fn an_edit_during_the_drain_does_not_hide_a_loss() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate();
    site.lose_members();
    site.pass_with(grace(), &mut [&mut one]);
    site.edit();
    one.drains(on, &mut site);
    assert!(site.completion().state_lost_at.is_some());
}

#[test]
fn a_node_brings_back_what_an_empty_ledger_has_lost() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate();
    let record = site.ledger.current();
    let mut site = Site {
        ledger: Ledger::new(Timing::default()),
        ..site
    };
    site.jump(Duration::ZERO);
    one.report.drained = Some(on);
    let reply = one.offers(&record, &mut site);
    assert_eq!(reply.record, Some(Arc::clone(&record)));
    assert_eq!(reply.grace, grace(), "others may have been there");
    assert_eq!(site.events(), [Restored]);
    // Nobody opens or edits before the others had time to say what they know.
    let off = Change::Deactivate(Deactivate::new());
    assert_eq!(
        site.try_change(&off),
        OperateReply::Reconciling(reconcile())
    );
    assert_eq!(
        site.try_change(&allow()),
        OperateReply::Reconciling(grace())
    );
    site.pass_with(reconcile() - SECOND, &mut [&mut one]);
    assert_eq!(site.try_change(&off), OperateReply::Reconciling(SECOND));
    assert_eq!(site.ledger.current(), record);
    let mut opened = site.clone();
    opened.pass(SECOND);
    assert!(matches!(opened.try_change(&off), OperateReply::Stored(_)));
    site.pass_with(grace() - reconcile(), &mut [&mut one]);
    assert_eq!(
        site.try_change(&allow()),
        OperateReply::Reconciling(SECOND),
        "who edits waits for all"
    );
    assert_eq!(site.phase(), Phase::Activating);
    site.pass_with(SECOND, &mut [&mut one]);
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.completion().state_lost_at.is_some());
    assert_eq!(site.events(), [Restored, Activated]);
}

#[test]
fn whoever_closes_does_not_have_to_wait() {
    let mut site = Site::new();
    site.change(&allow());
    let record = site.ledger.current();
    let mut one = Node::new("one");
    let mut site = Site {
        ledger: Ledger::new(Timing::default()),
        ..site
    };
    one.offers(&record, &mut site);
    site.activate();
    assert_eq!(site.phase(), Phase::Activating);
    assert_eq!(site.ledger.current().allow(), record.allow());
    assert_eq!(site.events(), [Restored, Requested]);
}

/// A ledger that is not empty may have lost something, too: it was restored from a copy, and does not know.
#[test]
fn a_node_that_knows_more_than_a_ledger_that_noticed_nothing_begins_a_grace() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    site.change(&allow());
    let copy = site.ledger.clone();
    // After the copy was made, another node has come and runs something.
    let mut late = Node::joined("late", &mut site);
    let on = site.activate();
    let record = site.ledger.current();
    let mut site = Site {
        ledger: copy,
        ..site
    };
    one.report.drained = Some(on);
    let reply = one.offers(&record, &mut site);
    assert_eq!(
        site.phase(),
        Phase::Activating,
        "the ledger forgot the other node, which still runs something"
    );
    assert_eq!(reply.grace, grace());
    late.sync(&mut site);
    site.pass_with(grace() + SECOND, &mut [&mut one, &mut late]);
    assert_eq!(site.phase(), Phase::Activating);
    late.drains(on, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
    assert!(site.completion().state_lost_at.is_some());
}

#[test]
fn a_claim_alone_begins_a_grace() {
    let mut site = Site::new();
    site.activate();
    let mut one = Node::new("one");
    one.report.seen = site.revision().next();
    assert_eq!(one.sync(&mut site).grace, grace());
    let off = Change::Deactivate(Deactivate::new());
    assert_eq!(
        site.try_change(&off),
        OperateReply::Reconciling(reconcile())
    );
}

#[test]
fn only_a_newer_record_is_taken_back() {
    let mut site = Site::new();
    site.activate();
    let older = site.ledger.current();
    site.deactivate();
    let newest = site.ledger.current();
    let mut one = Node::new("one");
    let reply = one.offers(&older, &mut site);
    assert_eq!(
        (reply.record, reply.grace),
        (Some(Arc::clone(&newest)), Duration::ZERO)
    );
    assert_eq!(site.ledger.current(), newest);
    one.offers(&newest, &mut site);
    assert_eq!(site.ledger.current(), newest);
    assert_eq!(
        site.events()
            .iter()
            .filter(|event| **event == Restored)
            .count(),
        0
    );
    // A site that was never changed has nothing to bring back.
    let mut empty = Site::new();
    one.report.sequence = 0;
    one.offers(&Arc::default(), &mut empty);
    assert_eq!(
        (empty.ledger.record(), empty.view().grace),
        (None, Duration::ZERO)
    );
}

#[test]
fn what_was_said_of_an_activation_ends_when_another_is_brought_back() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let mut two = Node::joined("two", &mut site);
    let first = site.activate();
    one.drains(first, &mut site);
    let copy = site.ledger.clone();
    site.deactivate();
    let second = site.activate();
    let record = site.ledger.current();
    let mut site = Site {
        ledger: copy,
        ..site
    };
    site.lose_members();
    site.pass_with(grace() - SECOND, &mut [&mut one]);
    two.offers(&record, &mut site);
    site.pass_with(SECOND * 2, &mut [&mut one]);
    two.drains(second, &mut site);
    assert_eq!(
        site.phase(),
        Phase::Activating,
        "one has said nothing about this one"
    );
    one.drains(second, &mut site);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn nothing_completes_while_somebody_knows_more() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate();
    one.drains(on, &mut site);
    site.deactivate();
    let mut two = Node::joined("two", &mut site);
    let on = site.activate();
    two.report.seen = site.revision().next();
    two.drains(on, &mut site);
    one.drains(on, &mut site);
    site.pass_with(grace() * 2, &mut [&mut one]);
    site.leave(&two, &Departure::Died);
    one.sync(&mut site);
    assert_eq!(site.phase(), Phase::Activating);
    assert_eq!(
        site.view().grace,
        Duration::from_millis(1),
        "fresh nodes must not begin anything"
    );
    assert_eq!(site.view().quiescent_at, None);
    assert!(
        matches!(site.try_change(&allow()), OperateReply::Reconciling(_)),
        "that would be an edit of what is lost"
    );
    // The one who knew is dead, so a person has to decide.
    site.deactivate();
    assert!(site.revision() > two.report.seen);
    assert_eq!(site.view().grace, Duration::ZERO);
}

#[test]
fn a_revision_is_never_given_twice_even_after_a_loss() {
    let mut site = Site::new();
    site.activate();
    let lost = site.revision();
    let mut one = Node::new("one");
    one.report.seen = lost;
    // The calendar was set back, so that it does not help.
    let mut site = Site {
        ledger: Ledger::new(Timing::default()),
        ..site
    };
    site.now.calendar = Timestamp::from_millis(5);
    one.sync(&mut site);
    site.activate();
    assert!(site.revision() > lost);
    let record = site.ledger.current();
    one.report.seen = record.revision();
    let reply = one.offers(&record, &mut site);
    assert_eq!(reply.record, Some(record));
}

/// What the ledger does by itself gets a revision above all that it has lost. So it has to wait until nodes had time to
/// say what that is.
#[test]
fn a_plan_of_an_old_copy_does_not_win_against_what_nodes_know() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let at = site.now.calendar.saturating_add(SECOND * 60);
    site.change(&Change::Activate(Activate::by("ana").with_starts_at(at)));
    let copy = site.ledger.current();
    site.deactivate();
    let cancelled = site.ledger.current();
    one.sync(&mut site);
    site.jump(SECOND * 3_600);
    let mut site = restored(&site, Some(copy));
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Deactivated);
    one.offers(&cancelled, &mut site);
    site.pass(SECOND * 60);
    assert_eq!(site.ledger.current(), cancelled);
}

#[test]
fn a_plan_that_nobody_knows_better_starts_when_that_is_certain() {
    let mut site = Site::new();
    let at = site.now.calendar.saturating_add(SECOND * 60);
    site.change(&Change::Activate(Activate::by("ana").with_starts_at(at)));
    site.now = Moment::new(at, site.now.steady);
    let record = site.ledger.current();
    let mut site = restored(&site, Some(record));
    site.pass(grace() - SECOND);
    assert_eq!(site.phase(), Phase::Deactivated);
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Activated);
}

#[test]
fn the_limit_of_a_drain_of_an_old_copy_does_not_win_against_what_nodes_know() {
    for drain in [DrainPolicy::Force(SECOND), DrainPolicy::Abort(SECOND)] {
        let mut site = Site::new();
        let mut one = Node::joined("one", &mut site);
        site.activate_with(Activate::by("ana").with_drain(drain));
        let copy = site.ledger.current();
        site.change(&allow());
        let newest = site.ledger.current();
        let mut site = restored(&site, Some(copy));
        site.pass_with(SECOND * 3, &mut [&mut one]);
        assert_eq!(site.phase(), Phase::Activating, "{drain:?}");
        one.offers(&newest, &mut site);
        assert_eq!(site.ledger.current(), newest, "{drain:?}");
        site.pass_with(grace() - SECOND * 4, &mut [&mut one]);
        assert_eq!(site.ledger.current(), newest, "{drain:?}");
        site.pass_with(SECOND, &mut [&mut one]);
        let expected = if matches!(drain, DrainPolicy::Force(_)) {
            Phase::Activated
        } else {
            Phase::Deactivated
        };
        assert_eq!(site.phase(), expected, "{drain:?}");
    }
}

#[test]
fn a_drain_that_is_forced_after_a_loss_says_that_nodes_may_be_missing() {
    let mut site = restored(&Site::new(), None);
    let mut busy = Node::new("busy");
    busy.report.heard_before = true;
    busy.sync(&mut site);
    site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(SECOND)));
    site.pass_with(grace(), &mut [&mut busy]);
    assert!(site.completion().forced);
    assert_eq!(site.unconfirmed(), ["busy"]);
    assert!(site.completion().state_lost_at.is_some());
    assert_eq!(site.events(), [Requested, Forced]);
}

/// The site was opened since the copy was made, and the only node that knows is away: it may run something, so nobody
/// may say anew that nothing runs.
#[test]
fn an_edit_of_an_old_copy_does_not_repeat_what_is_no_longer_true() {
    let mut site = Site::new();
    let mut opened = Node::joined("opened", &mut site);
    let on = site.activate();
    opened.drains(on, &mut site);
    let copy = site.ledger.clone();
    site.deactivate();
    let newest = site.ledger.current();
    let mut site = Site {
        ledger: copy,
        ..site
    };
    site.lose_members();
    site.pass(grace() - SECOND);
    assert_eq!(site.try_change(&allow()), OperateReply::Reconciling(SECOND));
    opened.offers(&newest, &mut site);
    assert_eq!(site.ledger.current(), newest);
}

#[test]
fn a_confirmation_in_an_old_copy_does_not_win_against_what_nodes_know() {
    let mut site = Site::new();
    let mut busy = Node::joined("busy", &mut site);
    let on = site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::ZERO)));
    let copy = site.ledger.clone();
    site.change(&allow());
    let newest = site.ledger.current();
    let mut site = Site {
        ledger: copy,
        ..site
    };
    busy.report.seen = newest.revision();
    busy.drains(on, &mut site);
    site.leave(&busy, &Departure::Goodbye);
    let reply = Node::new("other").offers(&newest, &mut site);
    assert_eq!(reply.record, Some(newest));
}

#[test]
fn an_announced_end_waits_until_nobody_may_know_better() {
    let mut site = Site::new();
    let end = site.now.calendar.saturating_add(SECOND * 60);
    site.activate_with(Activate::by("ana").with_ends_at(end).with_auto_end(true));
    let record = site.ledger.current();
    site.jump(SECOND * 60);
    let mut site = restored(&site, Some(record));
    site.pass(grace() - SECOND);
    assert_eq!(site.phase(), Phase::Activated);
    site.pass(SECOND);
    assert_eq!(site.phase(), Phase::Deactivated);
}

/// The renewal of a node may be among what was lost, as after a failover; the node counts on it.
#[test]
fn leases_start_anew_after_a_loss() {
    for lost_contact in [fence(60), wait(60)] {
        let mut site = Site::new();
        let mut away = Node::joined_with("away", lost_contact, &mut site);
        let on = site.activate();
        let mut here = Node::joined("here", &mut site);
        site.pass_with(SECOND * 30, &mut [&mut here]);
        let copy = site.ledger.clone();
        away.sync(&mut site);
        let renewed = site.now.steady;
        let mut site = Site {
            ledger: copy,
            ..site
        };
        site.lose_members();
        here.report.drained = Some(on);
        while site.now.steady < renewed + lease() + SECOND * 60 {
            site.pass_with(SECOND, &mut [&mut here]);
            assert_eq!(site.phase(), Phase::Activating, "{lost_contact:?}");
        }
        site.pass_with(SECOND, &mut [&mut here]);
        assert_eq!(site.phase(), Phase::Activated, "{lost_contact:?}");
    }
}

/// Otherwise every loss would make a drain wait for what has been dead for long.
#[test]
fn who_was_given_up_before_a_loss_is_named_and_not_waited_for_anew() {
    let mut site = Site::new();
    Node::joined_with("dead", wait(60), &mut site);
    site.pass(lease() + SECOND * 61);
    site.lose_members();
    let mut here = Node::joined("here", &mut site);
    let on = site.activate();
    here.report.drained = Some(on);
    site.pass_with(grace() + SECOND, &mut [&mut here]);
    assert_eq!(site.unconfirmed(), ["dead"]);
}

/// A node that was forgotten may know of the drain only, and serve visitors.
#[test]
fn quiescence_is_not_known_after_a_loss_until_a_completion_has_told_of_it() {
    let mut site = Site::new();
    let mut one = Node::joined("one", &mut site);
    let on = site.activate();
    one.drains(on, &mut site);
    let since = site.activation().level_since;
    one.is_quiet(since, &mut site);
    assert!(site.view().quiescent_at.is_some());
    site.lose_members();
    assert_eq!(site.view().quiescent_at, None);
    site.pass_with(grace() * 2, &mut [&mut one]);
    assert_eq!(site.view().quiescent_at, None);
    site.deactivate();
    let on = site.activate();
    one.drains(on, &mut site);
    assert!(site.completion().state_lost_at.is_some());
    let since = site.activation().level_since;
    one.is_quiet(since, &mut site);
    assert!(site.view().quiescent_at.is_some());
}

#[test]
fn an_operator_may_decide_to_stay_open_although_something_newer_was_lost() {
    let mut site = Site::new();
    let mut claimant = Node::new("one");
    claimant.report.seen = Revision::new(site.now.calendar.as_millis() + 60_000);
    claimant.sync(&mut site);
    assert!(site.view().is_behind());
    assert!(site.view().lost_at.is_some());
    let same = Record::default();
    let decide = |site: &mut Site| {
        let operation = Operation::replace(site.fresh_id(), &same, same.clone(), ana());
        site.operate(&operation)
    };
    assert!(matches!(decide(&mut site), OperateReply::Reconciling(_)));
    site.pass(reconcile());
    assert!(matches!(decide(&mut site), OperateReply::Stored(_)));
    assert!(!site.view().is_behind());
    assert_eq!(site.phase(), Phase::Deactivated);
}

#[test]
fn a_record_of_a_newer_version_is_left_alone() {
    let at = Site::new().now.calendar.as_millis();
    let json =
        format!(r#"{{"v":2,"revision":{at},"phase":"half-open","activation":{{"deep":1}}}}"#);
    let newer = Record::from_json(json.as_bytes()).unwrap();
    let mut site = Site::new();
    site.ledger = Ledger::restored(
        Timing::default(),
        Some(Arc::new(newer)),
        [],
        crate::Members::default(),
    );
    let blind = Operation {
        expected: None,
        ..Operation::replace(
            site.fresh_id(),
            &Record::default(),
            Record::default(),
            ana(),
        )
    };
    assert!(matches!(site.operate(&blind), OperateReply::Conflict(_)));
    Node::joined("one", &mut site);
    site.pass(grace() * 2);
    assert_eq!(site.ledger.current().to_json(), json.as_bytes());
}

#[test]
fn where_nodes_fence_themselves_the_grace_outlasts_those_that_were_forgotten() {
    let after = Duration::from_secs(60);
    let fenced = Timing::default().lease + after;
    let mut site = Site::new();
    let mut one = Node::joined_with("one", LostContact::Fence(after), &mut site);
    site.lose_members();
    assert_eq!(site.view().grace, fenced);
    // An emptied ledger hears it from the first that fences itself.
    let mut emptied = restored(&site, None);
    assert_eq!(emptied.view().grace, grace());
    assert_eq!(one.sync(&mut emptied).grace, fenced);
    Node::joined("two", &mut emptied);
    assert_eq!(emptied.view().grace, fenced);
}
