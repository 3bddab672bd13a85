//! An empty Redis: a new site, or one that has lost everything.

use intermission::{
    Gate, GateBuilder, HistoryEvent, MaintenanceState, NodeId, NodeReport, OperatorError, Phase,
    Revision, StartPolicy, StateErrorKind,
};
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{
    Site, check, is_open, millis, notices, options, quick, reaches, recovers, refuses_to_start,
    started,
};
use crate::trials;
use crate::visitors::{Visitors, page};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        with_required_init_a_new_site_is_closed_until_somebody_says_that_it_is_new,
        with_required_init_a_node_that_knows_better_is_enough,
        with_required_init_a_node_that_only_claims_to_know_better_is_heard,
        with_required_init_a_site_that_everybody_has_forgotten_stays_closed,
        without_it_everybody_waits_for_the_first_grace_and_then_the_site_is_new,
    ]
}

/// A node that never takes an empty Redis for an open site.
fn careful(site: &Site, name: &str) -> GateBuilder {
    let options = options(site.url(), site.pace()).with_required_init(true);
    site.builder_on(options.build(), name)
}

async fn held(site: &Site, name: &str) -> Gate {
    let builder = careful(site, name).with_start_policy(StartPolicy::StartClosed);
    builder.start().await.unwrap()
}

/// Says that the site is new, as soon as the state lets somebody say so.
async fn init(site: &Site) {
    let is_new = until("the operator may initialise it", || async {
        match site.operator().init().await {
            Ok(is_new) => Some(is_new),
            Err(OperatorError::Reconciling { .. }) => None,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
    assert!(is_new);
}

async fn with_required_init_a_new_site_is_closed_until_somebody_says_that_it_is_new() {
    let server = RedisServer::start().await;
    let mut pace = quick();
    pace.timing.grace = millis(5_000);
    let site = Site::untouched(&server.url(), pace);
    let (place, advice) = (server.address().to_string(), "run `intermission init` once");
    let error = refuses_to_start(careful(&site, "a"), advice).await;
    check(&error, StateErrorKind::Unavailable, &place, "", advice);

    let node = held(&site, "b").await;
    let visitors = Visitors::at(&[&node]);
    assert_eq!(node.status().trouble, Some(StateErrorKind::Unavailable));
    // Somebody may know better, and has the grace to say so.
    let error = site.operator().init().await.unwrap_err();
    assert!(
        matches!(error, OperatorError::Reconciling { .. }),
        "{error:?}"
    );
    visitors.nobody_got_in();
    init(&site).await;
    assert!(site.view().await.grace.is_zero(), "it was too early");
    is_open(&node).await;
    assert!(!site.operator().init().await.unwrap(), "it was initialised");
    let a = started(careful(&site, "a")).await;
    let history = site.operator().history(9).await.unwrap();
    assert_eq!(history[0].event, HistoryEvent::Initialised);
    site.close_all(&[&node, &a]).await;
    let record = a.record();
    let done = record.activation().unwrap().completion.as_ref().unwrap();
    assert_eq!(done.state_lost_at, None, "a new site has lost nothing");
}

async fn with_required_init_a_node_that_knows_better_is_enough() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    init(&site).await;
    let knower = started(careful(&site, "knower")).await;
    site.close_all(&[&knower]).await;
    let visitors = Visitors::at(&[&knower]);
    server.command(&["FLUSHALL"]).await;
    let fresh = held(&site, "fresh").await;
    let fresh_visitors = Visitors::at(&[&fresh]);
    reaches(&fresh, Phase::Activated).await;
    recovers(&fresh).await;
    recovers(&knower).await;
    fresh_visitors.nobody_got_in();
    let view = site.view_after_grace().await;
    assert_eq!(*view.record, *knower.record());
    visitors.nobody_got_in();
    site.open_all(&[&knower, &fresh]).await;
}

/// The first word after a loss offers nothing yet. What it claims must count, or an older record that somebody else
/// brings back opens the site as soon as the grace is over.
async fn with_required_init_a_node_that_only_claims_to_know_better_is_heard() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    init(&site).await;
    let older = site.view().await.record;
    let newer = Revision::new(older.revision().number() + 2);
    server.command(&["FLUSHALL"]).await;
    let state = options(site.url(), site.pace())
        .with_required_init(true)
        .build();
    let mut claims = NodeReport::new(NodeId::from_bits(1), 1);
    claims.seen = newer;
    let reply = state.sync(claims).await.unwrap();
    assert_eq!(reply.record, None);
    assert!(!reply.grace.is_zero());

    let mut offers = NodeReport::new(NodeId::from_bits(2), 1);
    (offers.seen, offers.offer) = (older.revision(), Some(older));
    state.sync(offers).await.unwrap();
    let view = until("the grace is over but for what is missing", || async {
        let view = site.view().await;
        (view.grace <= millis(1)).then_some(view)
    })
    .await;
    assert_eq!(view.newest_seen, newer);
    assert!(view.is_behind() && !view.grace.is_zero(), "{view:?}");
}

/// Nobody is left who knows that it was closed. With the safer setting, nobody opens it but a person.
async fn with_required_init_a_site_that_everybody_has_forgotten_stays_closed() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    init(&site).await;
    let knower = started(careful(&site, "knower")).await;
    site.close_all(&[&knower]).await;
    knower.shutdown().await;
    server.command(&["FLUSHALL"]).await;
    let fresh = held(&site, "fresh").await;
    notices(&fresh, StateErrorKind::Unavailable).await;
    let visitors = Visitors::at(&[&fresh]);
    // Well past the grace, after which it would be a new site otherwise.
    site.view_after_grace().await;
    assert!(!fresh.decide(&page()).is_admit());
    assert!(careful(&site, "refused").start().await.is_err());
    visitors.nobody_got_in();
    init(&site).await;
    is_open(&fresh).await;
}

async fn without_it_everybody_waits_for_the_first_grace_and_then_the_site_is_new() {
    let server = RedisServer::start().await;
    let mut pace = quick();
    pace.timing.grace = millis(5_000);
    let site = Site::untouched(&server.url(), pace);
    let node = started(site.builder("a")).await;
    let visitors = Visitors::at(&[&node]);
    assert!(node.status().executions_suspended);
    assert!(
        node.execution(intermission::ExecutionInfo::new("import"))
            .is_err()
    );
    assert!(site.view().await.lost_at.is_some());
    visitors.nobody_got_in();
    is_open(&node).await;
    let view = site.view().await;
    assert!(view.grace.is_zero());
    assert_eq!(view.lost_at, None, "a new site has lost nothing");
    assert!(
        site.operator().init().await.unwrap(),
        "nothing is to be waited for any more"
    );
    site.close_all(&[&node]).await;
    let record = node.record();
    let done = record.activation().unwrap().completion.as_ref().unwrap();
    assert_eq!(done.state_lost_at, None);
    site.open_all(&[&node]).await;
}
