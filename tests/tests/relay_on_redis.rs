//! The example of one fleet that follows another: a Redis for each, and a relay in between.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod new_site;

use std::process::Stdio;

use http::StatusCode;
use intermission::{ExecutionInfo, Gate};
use intermission_redis::RedisState;
use intermission_tests::app::App;
use intermission_tests::command::intermission;
use intermission_tests::programs;
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use new_site::new_site;

struct Relay {
    process: Child,
    said: Lines<BufReader<ChildStderr>>,
}

impl Relay {
    fn start(parent: &str, child: &str) -> Self {
        let mut process = Command::new(programs::relay())
            .args([parent, child])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the relay starts");
        let said = process.stderr.take().expect("it is piped");
        Self {
            process,
            said: BufReader::new(said).lines(),
        }
    }

    async fn says(&mut self) -> String {
        let line = timeout(PATIENCE, self.said.next_line()).await;
        let line = line.expect("it says something in time").expect("text");
        line.expect("it says something")
    }

    /// Asks it to end, and waits until it has.
    async fn terminate(mut self) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(id, Signal::TERM).expect("it can be signalled");
        let status = self.process.wait().await.expect("it ends");
        assert!(status.success(), "it ended with {status}");
    }
}

async fn status(state: &str) -> Value {
    intermission(state, &["status", "--json"])
        .await
        .done()
        .json()
}

async fn is(state: &str, phase: &str) {
    until(phase, || async {
        (status(state).await["phase"] == phase).then_some(())
    })
    .await;
}

/// Waits until so many executions run: the relay's, which it holds while the parent is open, is one.
async fn runs(state: &str, executions: u64) {
    until("as many run", || async {
        let running = &status(state).await["executions"]["running"];
        (*running == executions).then_some(())
    })
    .await;
}

async fn node_ids(state: &str) -> Vec<String> {
    let json = intermission(state, &["nodes", "--json"])
        .await
        .done()
        .json();
    let nodes = json["nodes"].as_array().expect("nodes");
    let id = |node: &Value| node["id"].as_str().expect("an id").to_owned();
    nodes.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_closes_opens_and_drains_its_own_fleet_with_the_parents() {
    let (above, below) = (RedisServer::start().await, RedisServer::start().await);
    let (parent, child) = (&*above.url(), &*below.url());
    tokio::join!(new_site(parent), new_site(child));
    let app = App::start(child, "web-1", &[]).await;
    let mut relay = Relay::start(parent, child);
    runs(parent, 1).await;

    // The parent's barrier spans the child: it has closed when nothing runs there any more.
    app.start_job(6_000).await.expect("it is open");
    runs(child, 1).await;
    let closing = ["activate", "--wait", "--message", "Upgrading"];
    let closed = intermission(parent, &closing).await.done();
    let below_it = status(child).await;
    assert_eq!(below_it["phase"], "activated", "{closed:?}");
    assert_eq!(below_it["executions"]["running"], 0, "{closed:?}");
    assert_eq!(below_it["message"], "Upgrading", "{closed:?}");
    intermission(parent, &["deactivate"]).await.done();
    is(child, "deactivated").await;
    runs(parent, 1).await;

    // What nobody knows of the child, the relay says. This node does not do what it is told.
    let below_it = RedisState::new(&child.parse().expect("a URL")).expect("a Redis");
    let stubborn = Gate::builder(below_it).with_node_name("batch-1");
    let stubborn = stubborn.start().await.expect("it starts");
    let work = stubborn.execution(ExecutionInfo::new("batch"));
    let work = work.expect("it is open");
    runs(child, 1).await;
    intermission(parent, &["activate"]).await.done();
    is(child, "activating").await;
    is(parent, "activating").await;
    let forced = ["activate", "--drain", "force:1ms"];
    intermission(child, &forced).await.done();
    is(parent, "activated").await;
    let said = relay.says().await;
    assert!(
        said.starts_with("the child is closed, but nobody knows what still runs on batch-1 ("),
        "{said}"
    );

    // A relay that starts meanwhile follows what it finds, although it may begin no execution.
    let first = node_ids(parent).await;
    relay.process.kill().await.expect("it is killed");
    intermission(child, &["deactivate"]).await.done();
    let relay = Relay::start(parent, child);
    is(child, "activating").await;
    assert_eq!(
        app.start_job(1).await,
        None,
        "the child's nodes follow, too"
    );

    // And lets go of a child that still drains when the parent opens.
    intermission(parent, &["deactivate"]).await.done();
    is(child, "deactivated").await;
    until("visitors come in", || async {
        (app.get("/").await.status == StatusCode::OK).then_some(())
    })
    .await;
    runs(parent, 1).await;
    drop(work);
    stubborn.shutdown().await;
    relay.terminate().await;
    assert_eq!(node_ids(parent).await, first, "the other has said goodbye");
}
