//! What a node does with requests while Redis is away: section 8 of the semantics.

use intermission::{
    AdmitReason, Decision, Gate, Hold, OutagePolicy, Phase, RefuseReason, StartPolicy,
    StateErrorKind,
};
use intermission_tests::redis::{Mode, Proxy, RedisServer, ServerOptions};
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{
    Site, check, is_open, millis, notices, quick, reaches, recovers, refuses_to_start, started,
    steady,
};
use crate::trials;
use crate::visitors::{Visitors, page};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        by_default_a_node_goes_on_with_what_it_knew,
        a_node_may_close_when_the_outage_lasts,
        a_node_may_open_when_it_never_knew_better_and_never_out_of_a_closed_state,
        by_default_a_node_does_not_start_without_redis,
        a_node_may_start_closed_or_open_and_follows_redis_when_it_is_there,
    ]
}

/// A site whose nodes can be cut off from it.
struct Scene {
    server: RedisServer,
    proxy: Proxy,
    site: Site,
}

impl Scene {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let proxy = Proxy::start(server.address()).await;
        let site = Site::on(&server, steady()).await;
        Self {
            server,
            proxy,
            site,
        }
    }

    fn builder(&self, policy: OutagePolicy) -> intermission::GateBuilder {
        let builder = self.site.builder_by(&self.proxy.url(), "a");
        builder.with_outage_policy(policy)
    }
}

async fn an_hour_seems_to_pass(node: &Gate) {
    let age = node.status().contact_age.expect("it has joined") + millis(500);
    until("the outage lasts", || async {
        (node.status().contact_age? > age).then_some(())
    })
    .await;
}

async fn by_default_a_node_goes_on_with_what_it_knew() {
    let scene = Scene::new().await;
    let node = started(scene.builder(OutagePolicy::default())).await;
    let visitors = Visitors::at(&[&node]);
    scene.proxy.set(Mode::Cut).await;
    notices(&node, StateErrorKind::Unavailable).await;
    an_hour_seems_to_pass(&node).await;
    // Nor does it hear of what is decided meanwhile.
    scene.site.close().await;
    assert_eq!(
        node.decide(&page()),
        Decision::Admit(AdmitReason::Deactivated)
    );
    visitors.everything_got_in();
    scene.proxy.set(Mode::Pass).await;
    reaches(&node, Phase::Activated).await;
    recovers(&node).await;

    let visitors = Visitors::at(&[&node]);
    scene.proxy.set(Mode::Stall).await;
    notices(&node, StateErrorKind::Unavailable).await;
    an_hour_seems_to_pass(&node).await;
    scene.site.open().await;
    assert_eq!(
        node.decide(&page()),
        Decision::Refuse(RefuseReason::Maintenance)
    );
    visitors.nobody_got_in();
    scene.proxy.set(Mode::Pass).await;
    is_open(&node).await;
}

async fn a_node_may_close_when_the_outage_lasts() {
    let scene = Scene::new().await;
    let node = started(scene.builder(OutagePolicy::CloseAfter(millis(700)))).await;
    scene.server.kill();
    until("it closes", || async { (!node.is_open()).then_some(()) }).await;
    assert_eq!(node.decide(&page()), Decision::Refuse(RefuseReason::Held));
    let status = node.status();
    assert_eq!(status.hold, Some(Hold::StateUnreachable));
    assert!(status.contact_age >= Some(millis(700)), "{status:?}");
    let visitors = Visitors::at(&[&node]);
    an_hour_seems_to_pass(&node).await;
    visitors.nobody_got_in();
    scene.server.start_again_empty().await;
    // Executions, too, as the lease is unbroken.
    is_open(&node).await;
    assert_eq!(node.status().hold, None);
}

async fn a_node_may_open_when_it_never_knew_better_and_never_out_of_a_closed_state() {
    let scene = Scene::new().await;
    let policy = OutagePolicy::OpenAfter(millis(700));
    let knows = started(scene.builder(policy)).await;
    scene.site.close_all(&[&knows]).await;
    let visitors = Visitors::at(&[&knows]);
    scene.proxy.set(Mode::Cut).await;
    let builder = scene
        .builder(policy)
        .with_start_policy(StartPolicy::StartClosed);
    let never_knew = builder.start().await.unwrap();
    assert_eq!(never_knew.status().contact_age, None);
    until("it opens", || async {
        never_knew.decide(&page()).is_admit().then_some(())
    })
    .await;
    // It serves visitors. Before the state knows it, no drain would wait for its executions.
    assert!(never_knew.status().executions_suspended);
    notices(&knows, StateErrorKind::Unavailable).await;
    an_hour_seems_to_pass(&knows).await;
    visitors.nobody_got_in();

    let visitors = Visitors::at(&[&knows]);
    scene.proxy.set(Mode::Pass).await;
    reaches(&never_knew, Phase::Activated).await;
    assert_eq!(
        never_knew.decide(&page()),
        Decision::Refuse(RefuseReason::Maintenance)
    );
    recovers(&knows).await;
    visitors.nobody_got_in();
    scene.site.open_all(&[&knows, &never_knew]).await;
}

async fn by_default_a_node_does_not_start_without_redis() {
    let password = crate::fleet::SECRET;
    let server = ServerOptions::new().with_password(password).start().await;
    let site = Site::on(&server, quick()).await;
    server.kill();
    let (place, advice) = (server.address().to_string(), "look whether it runs");
    let error = refuses_to_start(site.builder("a"), advice).await;
    check(&error, StateErrorKind::Unavailable, &place, "sync", advice);
    server.start_again().await;
    let node = started(site.builder("a")).await;
    is_open(&node).await;
}

async fn a_node_may_start_closed_or_open_and_follows_redis_when_it_is_there() {
    for (policy, is_admitted) in [
        (StartPolicy::StartClosed, false),
        (StartPolicy::StartOpen, true),
    ] {
        let server = ServerOptions::new().with_append_only().start().await;
        let site = Site::on(&server, quick()).await;
        server.kill();
        let builder = site.builder("a").with_start_policy(policy);
        let node = builder.start().await.unwrap();
        assert_eq!(node.decide(&page()).is_admit(), is_admitted, "{policy:?}");
        let status = node.status();
        assert_eq!(status.trouble, Some(StateErrorKind::Unavailable));
        assert_eq!(status.hold.is_some(), !is_admitted, "{policy:?}");
        // Nobody knows of this node, so no drain would wait for what it begins.
        assert!(status.executions_suspended);
        server.start_again().await;
        recovers(&node).await;
        site.close_all(&[&node]).await;
        let visitors = Visitors::at(&[&node]);
        assert_eq!(
            node.decide(&page()),
            Decision::Refuse(RefuseReason::Maintenance)
        );
        visitors.nobody_got_in();

        // And one that starts while the site is closed.
        server.kill();
        let builder = site.builder("b").with_start_policy(policy);
        let late = builder.start().await.unwrap();
        assert_eq!(late.decide(&page()).is_admit(), is_admitted, "{policy:?}");
        server.start_again().await;
        reaches(&late, Phase::Activated).await;
        assert_eq!(
            late.decide(&page()),
            Decision::Refuse(RefuseReason::Maintenance)
        );
        site.open_all(&[&node, &late]).await;
    }
}
