//! The consumers of `examples/worker`, as processes on one queue in a real Redis: they pause with the site, finish what they
//! hold, and go on, with nothing lost and nothing done twice, although one is killed.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test, helpers included"
)]

use std::collections::BTreeSet;
use std::process::Stdio;

use intermission_tests::command::{State, intermission};
use intermission_tests::programs;
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const MESSAGES: usize = 200;

struct Worker(Child);

impl Worker {
    async fn start(
        state: &(impl State + ?Sized),
        queue: &RedisServer,
        name: &str,
        work_ms: &str,
    ) -> Self {
        let mut process = Command::new(programs::worker())
            .args(["--state", &state.url(), "--queue", &queue.url()])
            .args(["--node", name, "--work-ms", work_ms])
            .args(["--abandoned-after-ms", "2000"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the worker starts");
        let said = process.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(said).lines();
        let first = timeout(PATIENCE, lines.next_line()).await;
        let first = first.expect("it says something in time");
        assert_eq!(first.expect("text").as_deref(), Some("ready"), "{name}");
        Self(process)
    }

    /// Asks it to end; whether it did so in order.
    async fn terminate(mut self) -> bool {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).expect("it runs");
        kill_process(id, Signal::TERM).expect("it can be signalled");
        let ended = timeout(PATIENCE, self.0.wait()).await;
        ended.expect("it ends in time").expect("it ran").success()
    }
}

async fn put(queue: &RedisServer, mail: usize) {
    let mail = mail.to_string();
    let _: String = queue.ask(&["XADD", "mails", "*", "mail", &mail]).await;
}

async fn done(queue: &RedisServer) -> usize {
    queue.ask(&["LLEN", "mails:done"]).await
}

/// How many messages that consumer holds.
async fn held(queue: &RedisServer, consumer: &str) -> usize {
    let words = ["XPENDING", "mails", "workers", "-", "+", "10", consumer];
    let held: Vec<redis::Value> = queue.ask(&words).await;
    held.len()
}

async fn pause_and_go_on(state: &(impl State + ?Sized), forget_the_dead: bool) {
    let queue = RedisServer::start().await;
    for mail in 0..MESSAGES {
        put(&queue, mail).await;
    }
    let mut dying = Worker::start(state, &queue, "dying", "600000").await;
    until("the one that will die holds a message", || async {
        (held(&queue, "dying").await > 0).then_some(())
    })
    .await;
    let first = Worker::start(state, &queue, "first", "5").await;
    let second = Worker::start(state, &queue, "second", "5").await;
    until("work is done", || async {
        (done(&queue).await >= 10).then_some(())
    })
    .await;

    intermission(state, &["activate"]).await.done();
    // What the living hold is finished, and the one that will die is waited for.
    until("only one execution is left", || async {
        let view = intermission(state, &["executions", "--json"]).await.done();
        let view = view.json();
        let running = view["executions"].as_array().expect("executions");
        let left: Vec<_> = running.iter().map(|one| &one["node_label"]).collect();
        (left == ["dying"]).then_some(())
    })
    .await;
    let status = intermission(state, &["status", "--exit-code"]).await;
    assert_eq!(status.code, 4, "it drains");
    dying.0.kill().await.expect("it can be killed");
    if forget_the_dead {
        let nodes = intermission(state, &["nodes", "--json"])
            .await
            .done()
            .json();
        let nodes = nodes["nodes"].as_array().expect("nodes");
        let dead = nodes.iter().find(|node| node["label"] == "dying");
        let id = dead.expect("it is listed")["id"].as_str().expect("an id");
        intermission(state, &["nodes", "forget", id]).await.done();
    }
    let wait = ["activate", "--wait", "--timeout", "30s"];
    intermission(state, &wait).await.done();

    let done_before = done(&queue).await;
    assert!(
        done_before < MESSAGES,
        "the queue was not empty: {done_before}"
    );
    for consumer in ["first", "second"] {
        assert_eq!(held(&queue, consumer).await, 0, "{consumer}");
    }
    put(&queue, MESSAGES).await;
    let late = Worker::start(state, &queue, "late", "5").await;
    assert!(late.terminate().await, "a pause ends with the process");
    assert_eq!(done(&queue).await, done_before, "nothing is done meanwhile");

    intermission(state, &["deactivate"]).await.done();
    until("all is done", || async {
        (done(&queue).await > MESSAGES).then_some(())
    })
    .await;
    assert!(first.terminate().await);
    assert!(second.terminate().await);
    let all: Vec<String> = queue.ask(&["LRANGE", "mails:done", "0", "-1"]).await;
    assert_eq!(all.len(), MESSAGES + 1, "nothing is lost");
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "nothing is done twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_files() {
    let folder = tempfile::tempdir().unwrap();
    pause_and_go_on(folder.path(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis() {
    let state = RedisServer::start().await;
    pause_and_go_on(state.url().as_str(), true).await;
}
