use std::time::Duration;

use intermission_core::{Departure, MaintenanceState, Phase, Revision, StateErrorKind, Timestamp};

use super::{Node, Site, activate, stored};
use crate::process::Surroundings;

/// After another start of the machine, a second after now.
fn rebooted(surroundings: &mut Surroundings) {
    surroundings.boot = Some("the second boot".to_owned());
    surroundings.booted_at = surroundings.now.saturating_add(Duration::from_secs(1));
    surroundings.now = surroundings.now.saturating_add(Duration::from_secs(2));
}

/// Another machine, which was started long ago.
fn elsewhere(surroundings: &mut Surroundings) {
    surroundings.boot = Some("another machine".to_owned());
    surroundings.host = Some("other-host".to_owned());
    surroundings.booted_at = Timestamp::from_millis(1);
}

#[tokio::test]
async fn whoever_was_there_before_the_machine_was_started_is_dead() {
    let site = Site::new();
    let before = site.open_with(|surroundings| surroundings.process = None);
    before
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    let draining = stored(&before, &activate()).await;
    assert_eq!(draining.phase(), Phase::Activating);
    let after = site.open_with(rebooted);
    let view = after.inspect(9).await.unwrap();
    assert_eq!((view.node_count, view.grace), (0, Duration::ZERO));
    assert_eq!(view.record.phase(), Phase::Activated);
    assert!(
        view.record
            .activation()
            .unwrap()
            .completion
            .as_ref()
            .unwrap()
            .unconfirmed
            .is_empty()
    );
}

#[tokio::test]
async fn whoever_was_unconfirmed_before_the_machine_was_started_is_so_no_longer() {
    let site = Site::new();
    let before = site.open_with(|surroundings| surroundings.process = None);
    let mut report = Node::new(1).report(Revision::ZERO);
    report.lost_contact = intermission_core::LostContact::Wait(Duration::from_secs(1));
    before.sync(report).await.unwrap();
    stored(&before, &activate()).await;
    site.wait(&before, Duration::from_secs(20)).await;
    let unconfirmed = |record: &intermission_core::Record| {
        record
            .activation()
            .unwrap()
            .completion
            .as_ref()
            .unwrap()
            .unconfirmed
            .len()
    };
    assert_eq!(unconfirmed(&before.inspect(0).await.unwrap().record), 1);
    let after = site.open_with(rebooted);
    after
        .leave(Node::new(9).id, Departure::Goodbye)
        .await
        .unwrap();
    assert_eq!(unconfirmed(&after.inspect(0).await.unwrap().record), 0);
}

#[tokio::test]
async fn another_machine_is_refused_by_name_and_changes_nothing() {
    let site = Site::new();
    let theirs = site.open_with(elsewhere);
    theirs
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    stored(&theirs, &activate()).await;
    let before = (site.read("record.json"), site.read("members.json"));
    let ours = site.open();
    for error in [
        ours.sync(Node::new(2).report(Revision::ZERO))
            .await
            .unwrap_err(),
        ours.leave(Node::new(1).id, Departure::Goodbye)
            .await
            .unwrap_err(),
        ours.inspect(0).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StateErrorKind::Unsupported);
        assert!(
            error.to_string().contains("other-host") && error.to_string().contains("Redis"),
            "{error}"
        );
    }
    assert_eq!(
        (site.read("record.json"), site.read("members.json")),
        before
    );
}

#[tokio::test]
async fn a_machine_that_believes_it_is_yesterday_knows_itself_by_its_name() {
    let site = Site::new();
    let before = site.open_with(|surroundings| surroundings.process = None);
    before
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    let after = site.open_with(|surroundings| {
        surroundings.boot = Some("the second boot".to_owned());
        surroundings.booted_at = Timestamp::from_millis(1);
        surroundings.now = Timestamp::from_millis(2);
    });
    assert_eq!(
        after
            .sync(Node::new(2).report(Revision::ZERO))
            .await
            .unwrap()
            .count
            .nodes,
        1
    );
}

#[tokio::test]
async fn a_record_that_was_lost_with_the_power_is_asked_for() {
    let site = Site::new();
    let before = site.open();
    before
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    stored(&before, &activate()).await;
    std::fs::remove_file(site.file("record.json")).unwrap();
    let after = site.open_with(rebooted);
    assert!(
        after
            .sync(Node::new(2).report(Revision::ZERO))
            .await
            .unwrap()
            .grace
            > Duration::ZERO
    );
}
