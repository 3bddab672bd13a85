//! A site that is new, and one that has lost everything, look alike until the nodes have spoken.

use std::sync::Arc;

use super::lost::restored;
use super::*;
use crate::DrainPolicy;

fn grace() -> Duration {
    Timing::default().grace
}

/// A store that holds nothing.
fn empty() -> Site {
    restored(&Site::new(), None)
}

#[test]
fn whoever_says_that_the_site_is_new_says_that_nothing_was_lost() {
    let site = Site::new();
    let mut site = restored(&site, None);
    site.pass(grace());
    let init = Operation::init(site.fresh_id(), ana());
    assert!(matches!(site.operate(&init), OperateReply::Stored(_)));
    site.activate();
    assert_eq!(site.completion().state_lost_at, None);
}

#[test]
fn a_site_of_which_nobody_knows_anything_is_new() {
    let fresh = restored(&Site::new(), None);
    for known in [false, true] {
        let mut site = fresh.clone();
        let mut one = Node::new("one");
        one.report.heard_before = known;
        one.sync(&mut site);
        assert!(
            site.view().lost_at.is_some(),
            "not before the grace is over"
        );
        site.pass_with(grace(), &mut [&mut one]);
        assert_eq!(site.view().lost_at.is_some(), known);
        let on = site.activate();
        one.drains(on, &mut site);
        assert_eq!(site.completion().state_lost_at.is_some(), known);
    }
}

/// It would be a poor welcome if the first maintenance of a site said that data was lost.
#[test]
fn a_new_site_that_is_closed_in_its_first_grace_has_lost_nothing() {
    let mut site = empty();
    let mut early = Node::joined("early", &mut site);
    let on = site.activate();
    assert!(
        site.view().lost_at.is_some(),
        "not before the grace is over"
    );
    // One follows the record at once, and another comes and has got it by a push before its first word is heard.
    early.report.seen = site.revision();
    let mut late = Node::new("late");
    late.report.seen = site.revision();
    site.pass_with(grace(), &mut [&mut early, &mut late]);
    assert_eq!(site.view().lost_at, None);
    early.drains(on, &mut site);
    late.drains(on, &mut site);
    assert_eq!(site.completion().state_lost_at, None);
}

#[test]
fn a_new_site_may_be_closed_and_opened_and_closed_in_its_first_grace() {
    let mut site = empty();
    let mut one = Node::joined("one", &mut site);
    site.activate();
    let first = site.revision();
    site.pass_with(Timing::default().reconcile, &mut [&mut one]);
    site.deactivate();
    let on = site.activate();
    // It still goes by the first.
    one.report.seen = first;
    site.pass_with(grace(), &mut [&mut one]);
    one.drains(on, &mut site);
    assert_eq!(site.completion().state_lost_at, None);
}

#[test]
fn a_new_site_whose_first_drain_is_forced_has_lost_nothing() {
    let mut site = empty();
    let mut busy = Node::joined("busy", &mut site);
    site.activate_with(Activate::by("ana").with_drain(DrainPolicy::Force(SECOND)));
    site.pass_with(grace(), &mut [&mut busy]);
    assert!(site.completion().forced);
    assert_eq!(site.completion().state_lost_at, None);
}

/// Closes an emptied site in its grace, lets a node speak, and says whether the completion tells of the loss.
fn tells_of_a_loss(mut site: Site, speaks: impl FnOnce(&mut Node, &mut Site)) -> bool {
    site.activate();
    let mut one = Node::new("one");
    speaks(&mut one, &mut site);
    site.pass_with(grace(), &mut [&mut one]);
    if !site.phase().is_on() {
        site.activate();
    }
    let on = site.activation().id;
    one.drains(on, &mut site);
    site.completion().state_lost_at.is_some()
}

#[test]
fn whoever_knew_anything_makes_the_completion_tell_of_the_loss() {
    let mut before = Site::new();
    before.activate();
    let older = before.ledger.current();
    before.jump(SECOND);
    let site = restored(&before, None);
    let newer = Revision::new(site.now.calendar.as_millis() + 60_000);
    assert!(!tells_of_a_loss(site.clone(), |_, _| {}));
    assert!(
        tells_of_a_loss(site.clone(), |one, _| one.report.heard_before = true),
        "it was there before"
    );
    assert!(
        tells_of_a_loss(site.clone(), |one, site| {
            one.report.seen = older.revision();
            one.sync(site);
        }),
        "it knows an older record than the one that was made meanwhile"
    );
    assert!(
        tells_of_a_loss(site.clone(), |one, site| {
            one.offers(&older, site);
            one.report.seen = Revision::ZERO;
        }),
        "it offers one"
    );
    assert!(
        tells_of_a_loss(site, |one, site| {
            one.report.seen = newer;
            one.sync(site);
            site.leave(one, &Departure::Died);
            site.pass(Timing::default().reconcile);
            site.deactivate();
        }),
        "it knew a newer one"
    );
}

#[test]
fn a_record_that_is_left_is_proof_that_the_site_is_not_new() {
    let mut before = Site::new();
    before.activate();
    before.deactivate();
    let record = before.ledger.current();
    assert!(tells_of_a_loss(restored(&before, Some(record)), |_, _| {}));
}

/// The record that was made in the first grace is one that the next loss loses, or leaves.
#[test]
fn what_a_new_site_loses_in_its_first_grace_is_lost() {
    let mut site = empty();
    site.activate();
    let made = site.ledger.current();
    site.jump(SECOND);
    assert!(tells_of_a_loss(restored(&site, None), |one, _| one
        .report
        .seen =
        made.revision()));
    let mut left = restored(&site, Some(Arc::clone(&made)));
    left.pass(grace());
    assert!(left.completion().state_lost_at.is_some());
}

#[test]
fn members_that_were_kept_by_an_older_version_are_understood() {
    let mut site = empty();
    site.activate();
    let mut kept = serde_json::to_value(site.ledger.members()).unwrap();
    kept.as_object_mut().unwrap().remove("anew_since");
    let members = serde_json::from_value(kept).unwrap();
    let record = site.ledger.record().cloned();
    site.ledger = Ledger::restored(Timing::default(), record, [], members);
    site.pass(grace());
    assert!(
        site.completion().state_lost_at.is_some(),
        "nobody can tell whether there was a record"
    );
}
