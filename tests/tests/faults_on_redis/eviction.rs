//! Redis is short of memory, and throws keys away.

use intermission::Phase;
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::until;
use libtest_mimic::Trial;

use crate::fleet::{Site, quick, recovers};
use crate::trials;
use crate::visitors::Visitors;

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        an_evicted_key_is_brought_back,
        a_server_that_evicts_everything_all_the_time_opens_nothing,
    ]
}

async fn evicted(server: &RedisServer) -> u64 {
    let evicted = server.info("evicted_keys").await.expect("it is counted");
    evicted.parse().expect("a number")
}

async fn an_evicted_key_is_brought_back() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let activation = site.close_all(&[&a, &b]).await;
    let visitors = Visitors::at(&[&a, &b]);
    server
        .command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"])
        .await;
    // There are no keys but ours.
    until("a key is evicted", || async {
        let used: u64 = server.info("used_memory").await?.parse().ok()?;
        let limit = (used - 500).to_string();
        server
            .command(&["CONFIG", "SET", "maxmemory", &limit])
            .await;
        (evicted(&server).await > 0).then_some(())
    })
    .await;
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;

    for node in [&a, &b] {
        recovers(node).await;
    }
    site.heard(&server, &[&a, &b], 3).await;
    let view = site.view_after_grace().await;
    assert_eq!(view.record.phase(), Phase::Activated);
    assert_eq!(view.record.activation().unwrap().id, activation);
    assert_eq!(view.count.nodes, 2);
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}

/// Nothing outlives the script that writes it. The nodes know what there is to know.
async fn a_server_that_evicts_everything_all_the_time_opens_nothing() {
    let server = RedisServer::start().await;
    let site = Site::on(&server, quick()).await;
    let (a, b) = (site.node("a").await, site.node("b").await);
    let activation = site.close_all(&[&a, &b]).await;
    let visitors = Visitors::at(&[&a, &b]);
    server
        .command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"])
        .await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let before = evicted(&server).await;
    until("everything was evicted many times", || async {
        (evicted(&server).await > before + 100).then_some(())
    })
    .await;
    for node in [&a, &b] {
        assert_eq!(node.record().phase(), Phase::Activated);
    }

    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let view = site
        .view_when("both nodes are back", |view| {
            view.count.nodes == 2 && view.grace.is_zero()
        })
        .await;
    assert_eq!(view.record.activation().unwrap().id, activation);
    visitors.nobody_got_in();
    site.open_all(&[&a, &b]).await;
}
