//! A fleet whose nodes have periods of their own, which a command joins that has none.

use std::collections::BTreeSet;
use std::time::Duration;

use intermission::{Gate, MaintenanceState, Timing};
use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::PATIENCE;
use tokio::time::{sleep, timeout};

use crate::new_site::new_site;
use crate::work::{finish, start, well};

/// These periods, a tenth or the threefold of the default ones.
fn periods(factor: fn(Duration) -> Duration) -> Timing {
    let mut timing = Timing::default();
    for period in [
        &mut timing.lease,
        &mut timing.heartbeat,
        &mut timing.timeout,
        &mut timing.step,
        &mut timing.margin,
        &mut timing.grace,
        &mut timing.reconcile,
    ] {
        *period = factor(*period);
    }
    timing
}

fn state(server: &RedisServer, timing: Timing) -> RedisState {
    let url = server.url().parse().expect("a state's URL");
    let options = RedisOptions::from_url(&url).expect("a Redis");
    let options = options.with_timing(timing).expect("they fit together");
    options.build()
}

async fn joined_by_exec(timing: Timing) {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    let state = state(&server, timing);
    let gate = Gate::builder(state.clone())
        .with_node_name("service")
        .with_timing(timing);
    let gate = gate.start().await.expect("it joins");
    let agreed = async || {
        let agreed = state.timing_in_use().await.expect("an answer");
        (agreed.lease, agreed.heartbeat, agreed.grace, agreed.step)
    };
    let before = agreed().await;
    assert_eq!(
        before,
        (timing.lease, timing.heartbeat, timing.grace, timing.step)
    );

    let running = start(&server.url(), &[]).await;
    assert_eq!(agreed().await, before, "while it runs");
    // It speaks as often as the others do. The default heartbeat is 3 s, give or take a fifth.
    let is_patient = timing.heartbeat > Timing::default().heartbeat;
    let in_pace = async {
        let mut heard = BTreeSet::new();
        loop {
            let view = state.inspect(usize::MAX).await.expect("a view");
            let exec = view.nodes.iter();
            let exec = exec.filter(|node| node.facts.label.starts_with("exec "));
            heard.extend(exec.map(|node| node.heard_at.as_millis()));
            let times: Vec<u64> = heard.iter().copied().collect();
            // Others soon follow the first report, so the pace shows later.
            let mut pauses = times.windows(2).skip(2).map(|pair| pair[1] - pair[0]);
            if pauses.any(|pause| {
                if is_patient {
                    pause > 4_000
                } else {
                    pause < 2_000
                }
            }) {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE * 3, in_pace)
        .await
        .expect("it speaks in the pace of the others");
    assert_eq!(finish(running).await, well());
    assert_eq!(agreed().await, before, "after it has gone");
    gate.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_notices_soon_still_does() {
    joined_by_exec(periods(|period| period / 5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_speaks_seldom_still_does() {
    joined_by_exec(periods(|period| period * 2)).await;
}
