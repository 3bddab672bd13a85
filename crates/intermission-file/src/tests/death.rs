use std::time::Duration;

use intermission_core::{HistoryEvent, MaintenanceState, Phase, Revision};

use super::{Node, Site, Sleeper, activate, operate, stored};
use crate::directory::Directory;
use crate::lock::Lock;
use crate::process::Process;

#[tokio::test]
async fn a_killed_process_is_off_the_list_with_the_next_step() {
    let site = Site::new();
    let mut sleeper = Sleeper::new();
    let process = sleeper.process();
    let theirs = site.open_with(move |surroundings| surroundings.process = Some(process.clone()));
    let (node, other) = (Node::new(1), Node::new(2));
    theirs.sync(node.report(Revision::ZERO)).await.unwrap();
    let ours = site.open();
    assert_eq!(
        ours.sync(other.report(Revision::ZERO))
            .await
            .unwrap()
            .count
            .nodes,
        2
    );
    sleeper.kill();
    assert_eq!(
        ours.sync(other.report(Revision::ZERO))
            .await
            .unwrap()
            .count
            .nodes,
        1
    );
}

#[tokio::test]
async fn a_look_completes_the_drain_of_which_everybody_has_died() {
    let site = Site::new();
    let mut sleeper = Sleeper::new();
    let process = sleeper.process();
    let theirs = site.open_with(move |surroundings| surroundings.process = Some(process.clone()));
    theirs
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    let ours = site.open();
    let draining = stored(&ours, &activate()).await;
    assert_eq!(draining.phase(), Phase::Activating);
    assert_eq!(ours.inspect(9).await.unwrap().nodes.len(), 1);
    sleeper.kill();
    let view = ours.inspect(9).await.unwrap();
    assert_eq!(
        (view.record.phase(), view.nodes.len()),
        (Phase::Activated, 0)
    );
    let history = ours.history(9).await.unwrap();
    assert!(
        history
            .iter()
            .any(|line| line.event == HistoryEvent::NodeDied),
        "{history:?}"
    );
    let stored = site.open().inspect(0).await.unwrap().record;
    assert_eq!(stored, view.record, "what was shown was stored");
}

#[tokio::test]
async fn a_look_that_may_not_step_shows_the_dead_as_gone_and_nothing_that_has_not_happened() {
    let site = Site::new();
    let mut sleeper = Sleeper::new();
    let process = sleeper.process();
    let theirs = site.open_with(move |surroundings| surroundings.process = Some(process.clone()));
    theirs
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    let ours = site.open();
    let draining = stored(&ours, &activate()).await;
    sleeper.kill();
    let url = intermission_core::StateUrl::file(site.path());
    let lock = Lock::acquire(&Directory::new(site.path(), url).unwrap()).unwrap();
    let view = ours.inspect(9).await.unwrap();
    assert_eq!((view.nodes.len(), view.count.nodes), (0, 0));
    assert_eq!((view.record, view.quiescent_at), (draining, None));
    drop(lock);
    assert_eq!(
        ours.inspect(9).await.unwrap().record.phase(),
        Phase::Activated
    );
}

#[tokio::test]
async fn a_look_without_a_drain_writes_nothing() {
    let site = Site::new();
    let mut sleeper = Sleeper::new();
    let process = sleeper.process();
    let theirs = site.open_with(move |surroundings| surroundings.process = Some(process.clone()));
    theirs
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    let before = site.read("members.json");
    sleeper.kill();
    assert_eq!(site.open().inspect(9).await.unwrap().node_count, 0);
    assert_eq!(site.read("members.json"), before);
    assert!(!site.file("record.json").exists());
}

#[tokio::test]
async fn a_pid_that_another_process_has_got_proves_death() {
    let site = Site::new();
    let theirs = site.open_with(|surroundings| {
        let own = Process::own().unwrap();
        surroundings.process = Some(Process {
            started: own.started - 1,
            ..own
        });
    });
    theirs
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    assert_eq!(site.open().inspect(9).await.unwrap().node_count, 0);
}

#[tokio::test]
async fn the_dead_of_another_namespace_are_waited_for_until_their_lease_ends() {
    let site = Site::new();
    let mut sleeper = Sleeper::new();
    let elsewhere = Process {
        pid_namespace: "pid:[1]".to_owned(),
        ..sleeper.process()
    };
    let theirs = site.open_with(move |surroundings| surroundings.process = Some(elsewhere.clone()));
    let node = Node::new(1);
    let mut report = node.report(Revision::ZERO);
    report.lost_contact = intermission_core::LostContact::Wait(Duration::from_secs(5));
    theirs.sync(report).await.unwrap();
    sleeper.kill();
    let ours = site.open();
    assert_eq!(stored(&ours, &activate()).await.phase(), Phase::Activating);
    site.wait(&ours, Duration::from_secs(15)).await;
    assert_eq!(
        ours.inspect(9).await.unwrap().record.phase(),
        Phase::Activating
    );
    site.wait(&ours, Duration::from_secs(10)).await;
    let record = ours.inspect(9).await.unwrap().record;
    let completion = record.activation().unwrap().completion.as_ref().unwrap();
    assert_eq!(
        completion.unconfirmed.len(),
        1,
        "it was not heard of, and not proved dead"
    );
}

#[tokio::test]
async fn without_a_proof_of_its_own_nobody_is_a_witness() {
    let site = Site::new();
    let mut sleeper = Sleeper::new();
    let process = sleeper.process();
    let theirs = site.open_with(move |surroundings| surroundings.process = Some(process.clone()));
    theirs
        .sync(Node::new(1).report(Revision::ZERO))
        .await
        .unwrap();
    sleeper.kill();
    let blind = site.open_with(|surroundings| surroundings.process = None);
    assert_eq!(blind.inspect(9).await.unwrap().node_count, 1);
    operate(&blind, &activate()).await;
    assert_eq!(
        blind.inspect(9).await.unwrap().record.phase(),
        Phase::Activating
    );
    assert_eq!(
        site.open().inspect(9).await.unwrap().record.phase(),
        Phase::Activated
    );
}
