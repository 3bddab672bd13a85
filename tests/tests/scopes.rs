//! Parts of a site that are closed by themselves: through the command and the library, on files and on Redis, with what
//! runs in other processes.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, helpers included"
)]

mod new_site;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use intermission::{
    Activate, ActivationId, Actor, Change, Decision, DrainPolicy, Gate, MaintenanceState, NodeId,
    NodeReport, Operation, OperationId, Operator, OperatorError, Phase, Record, RefuseReason,
    ScopeName, Scopes, SharedState, Visitor,
};
use intermission_file::FileOptions;
use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::command::{Outcome, State, command, intermission};
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::until;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin};

use new_site::new_site;

/// A command under `exec` in that scope, in a process of its own, which runs until it hears a word.
struct Job {
    exec: Child,
    stdin: ChildStdin,
}

impl Job {
    async fn start(state: &str, scope: &str) -> Self {
        let script = "echo started; read word";
        let line = ["exec", "--scope", scope, "--", "/bin/sh", "-c", script];
        let mut exec = command(state, &line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stdin = exec.stdin.take().expect("it is piped");
        let stdout = exec.stdout.take().expect("it is piped");
        let line = BufReader::new(stdout).lines().next_line().await;
        assert_eq!(line.expect("text").as_deref(), Some("started"));
        Self { exec, stdin }
    }

    async fn finish(self) {
        let Self { mut exec, stdin } = self;
        drop(stdin);
        exec.wait().await.expect("it ends");
    }
}

async fn asked(state: &str, line: &[&str]) -> Outcome {
    intermission(state, line).await
}

/// The same, asked again while the state does not answer in time: repeating it is harmless.
async fn answered(state: &str, line: &[&str]) -> Outcome {
    const OUT_OF_REACH: i32 = 6;
    until("the state answers in time", || async {
        let outcome = asked(state, line).await;
        (outcome.code != OUT_OF_REACH).then_some(outcome)
    })
    .await
}

async fn status(state: &str, more: &[&str]) -> Value {
    let line = [&["status", "--json"], more].concat();
    asked(state, &line).await.done().json()
}

async fn a_scope_from_its_closing_to_its_opening(state: &str) {
    let billing = Job::start(state, "billing").await;
    let search = Job::start(state, "search").await;
    let line = [
        "activate",
        "--scope",
        "billing",
        "--message",
        "The invoices move",
    ];
    let said = asked(state, &line).await.done().stderr;
    assert_eq!(
        said,
        "activating: nothing new starts, and what runs may finish\n"
    );
    // The other way to write it means the same.
    let again = asked(state, &["activate", "--site", "/billing"])
        .await
        .done();
    assert_eq!(again.stderr, "already activating\n");

    let of_scope = status(state, &["--scope", "billing"]).await;
    assert_eq!(of_scope["phase"], "activating");
    assert_eq!(of_scope["scope"], "billing");
    assert_eq!(of_scope["message"], "The invoices move");
    let of_site = status(state, &[]).await;
    assert_eq!(of_site["phase"], "deactivated");
    assert_eq!(of_site["scope"], Value::Null);
    assert_eq!(of_site["scopes"][0]["scope"], "billing");
    assert_eq!(of_site["scopes"][0]["phase"], "activating");
    let timed_out = asked(
        state,
        &[
            "activate",
            "--scope",
            "billing",
            "--wait",
            "--timeout",
            "1s",
        ],
    )
    .await;
    assert_eq!(timed_out.code, 5, "{timed_out:?}");

    let skipped = asked(state, &["exec", "--scope", "billing", "--", "/bin/true"]).await;
    assert_eq!(skipped.code, 8, "{skipped:?}");
    let why =
        "not run: maintenance of billing is activating, requested by ana (\"The invoices move\")";
    assert!(skipped.stderr.starts_with(why), "{skipped:?}");
    asked(state, &["exec", "--scope", "search", "--", "/bin/true"])
        .await
        .done();
    asked(state, &["exec", "--", "/bin/true"]).await.done();

    billing.finish().await;
    let waits = [
        "activate",
        "--scope",
        "billing",
        "--wait",
        "--timeout",
        "30s",
    ];
    asked(state, &waits).await.done();
    assert_eq!(
        status(state, &["--scope", "billing"]).await["phase"],
        "activated"
    );
    assert_eq!(status(state, &[]).await["phase"], "deactivated");
    let shown = asked(state, &["status"]).await.done().stdout;
    assert!(shown.starts_with("Maintenance: deactivated\n"), "{shown}");
    assert!(
        shown.contains("  Scopes:        billing (activated)\n"),
        "{shown}"
    );
    let shown = asked(state, &["status", "--scope", "billing"])
        .await
        .done()
        .stdout;
    assert!(
        shown.starts_with("Maintenance of billing: activated (full)\n"),
        "{shown}"
    );

    let pass = asked(state, &["pass", "create", "auditor", "--scope", "billing"]).await;
    let secret = pass.done().stdout;
    let (_, secret) = secret.trim().split_once('=').expect("a link");
    for (scope, more, decision) in [
        ("billing", &[][..], "refuse"),
        ("billing", &["--pass", secret], "admit"),
        ("search", &[], "admit"),
    ] {
        let line = [&["explain", "GET", "/", "--json", "--scope", scope], more].concat();
        let explained = asked(state, &line).await.done().json();
        assert_eq!(
            explained["decision"], decision,
            "{scope} {more:?}: {explained}"
        );
    }
    let refused = asked(state, &["allow-ips", "192.0.2.1", "--scope", "billing"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");

    asked(state, &["deactivate", "--scope", "billing"])
        .await
        .done();
    assert_eq!(status(state, &[]).await["scopes"], Value::Array(Vec::new()));
    search.finish().await;
    let history = asked(state, &["history", "--json", "--scope", "billing"]).await;
    let history = history.done().json();
    let lines = history["history"].as_array().expect("lines");
    let events: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    assert_eq!(events, ["deactivated", "updated", "activated", "requested"]);
    let notes: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["note"].as_str())
        .collect();
    assert_eq!(
        notes,
        [
            "scope billing",
            "scope billing: passes",
            "scope billing",
            "scope billing: message"
        ]
    );
}

fn name(name: &str) -> ScopeName {
    ScopeName::new(name).expect("a name")
}

/// As many as there may be, written at once as somebody's record of them.
async fn as_many_scopes_as_there_may_be(state: SharedState, url: &str) {
    let gate = Gate::builder(state.clone())
        .start()
        .await
        .expect("it starts");
    let operator = Operator::new(state.clone(), Actor::new("ana", "test"));
    let close = || Change::Activate(Activate::by("ana"));
    let one = operator
        .change(close().in_scope(name("t0")))
        .await
        .expect("it closes");
    let mut record = serde_json::to_value(&*one.record).expect("JSON");
    let scope = record["scopes"]["t0"].clone();
    let others = (1..Scopes::LIMIT).map(|tenant| (format!("t{tenant}"), scope.clone()));
    record["scopes"]
        .as_object_mut()
        .expect("scopes")
        .extend(others);
    let all = Record::from_json(record.to_string().as_bytes()).expect("a record");
    until("all are closed", || async {
        let before = operator.inspect(0).await.expect("a view").record;
        let actor = Actor::new("ana", "test");
        let id = OperationId::random().expect("randomness");
        let operation = Operation::replace(id, &before, all.clone(), actor);
        state.operate(operation).await.expect("it is reached");
        let now = operator.inspect(0).await.expect("a view").record;
        (now.scopes().len() == Scopes::LIMIT).then_some(())
    })
    .await;
    gate.reached(|record| {
        record.scopes().len() == Scopes::LIMIT && record.scopes().draining() == 0
    })
    .await;
    let decide = |scope| {
        let scopes = [name(scope)];
        gate.decide(&Visitor::new("GET", "/").with_scopes(&scopes))
    };
    assert_eq!(decide("t9999"), Decision::Refuse(RefuseReason::Maintenance));
    assert!(decide("t10000").is_admit());
    let error = operator
        .change(close().in_scope(name("t10000")))
        .await
        .unwrap_err();
    assert!(matches!(error, OperatorError::Change(_)), "{error}");
    assert!(
        error.to_string().starts_with("10000 scopes are closed"),
        "{error}"
    );
    let refused = answered(url, &["activate", "--scope", "t10000"]).await;
    assert!(
        refused.stderr.contains("10000 scopes are closed"),
        "{refused:?}"
    );
    answered(url, &["deactivate", "--scope", "t5000"])
        .await
        .done();
    gate.reached(|record| record.scopes().phase(&name("t5000")) == Phase::Deactivated)
        .await;
    assert!(decide("t5000").is_admit());
    answered(url, &["activate", "--scope", "t10000", "--wait"])
        .await
        .done();
    gate.reached(|record| record.scopes().phase(&name("t10000")) == Phase::Activated)
        .await;
    assert_eq!(
        decide("t10000"),
        Decision::Refuse(RefuseReason::Maintenance)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_files_from_closing_to_opening() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = Path::url(folder.path());
    asked(&state, &["init"]).await.done();
    a_scope_from_its_closing_to_its_opening(&state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_from_closing_to_opening() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    a_scope_from_its_closing_to_its_opening(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_magentos_flag_files_from_closing_to_opening() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = format!("magento:{}", folder.path().display());
    asked(&state, &["init"]).await.done();
    a_scope_from_its_closing_to_its_opening(&state).await;
    let flag = folder.path().join(".maintenance.flag");
    assert!(!flag.exists(), "the flag is the whole site's");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_files_as_many_as_there_may_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = Path::url(folder.path());
    let options = FileOptions::from_url(&url.parse().expect("a URL")).expect("a directory");
    let state = options.open_or_create().expect("it is there");
    as_many_scopes_as_there_may_be(SharedState::new(state), &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_as_many_as_there_may_be() {
    let server = RedisServer::start().await;
    let url = server.url();
    new_site(&url).await;
    let options = RedisOptions::from_url(&url.parse().expect("a URL")).expect("a Redis");
    // On a machine that is busy with other tests, a step with all of them may take its time.
    let options = options.with_timeout(Duration::from_secs(30));
    as_many_scopes_as_there_may_be(SharedState::new(options.build()), &url).await;
}

/// How often the server read fields of hashes since it was last asked.
async fn reads(server: &RedisServer) -> u64 {
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    server.command(&["CONFIG", "RESETSTAT"]).await;
    let of = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_hmget:calls="));
    let calls = of.and_then(|line| line.split(',').next()).unwrap_or("0");
    calls.parse().expect("a number")
}

/// A node's report, again and again.
struct Reporter {
    state: RedisState,
    report: NodeReport,
}

impl Reporter {
    fn new(state: &RedisState, number: u128) -> Self {
        Self {
            state: state.clone(),
            report: NodeReport::new(NodeId::from_bits(number), 0),
        }
    }

    async fn says(&mut self, undrained: &[ActivationId]) {
        let record = self.state.inspect(0).await.expect("it answers").record;
        self.report.seen = record.revision();
        self.report.undrained = undrained.to_vec();
        self.says_so_again().await;
    }

    async fn says_so_again(&mut self) {
        self.report.sequence += 1;
        let reply = self.state.sync(self.report.clone()).await;
        assert_eq!(reply.expect("it answers").sequence, self.report.sequence);
    }
}

/// A site may have thousands of closed scopes and thousands of nodes: one job that does not end must not make each report
/// look at each scope.
#[tokio::test]
async fn a_report_that_changes_no_scope_reads_none() {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    let url = server.url().parse().expect("a URL");
    let state = RedisOptions::from_url(&url).expect("options").build();
    let (mut stuck, mut idle) = (Reporter::new(&state, 1), Reporter::new(&state, 2));
    stuck.says(&[]).await;
    idle.says(&[]).await;
    let operator = Operator::new(state.clone(), Actor::new("ana", "test"));
    let scope = |number: usize| ScopeName::new(&format!("tenant-{number}")).expect("a name");
    let close = |number, drain| {
        let activate = Activate::by("ana").with_drain(drain);
        Change::Activate(activate).in_scope(scope(number))
    };
    for number in 0..20 {
        let drain = DrainPolicy::Wait;
        operator.change(close(number, drain)).await.expect("closed");
    }
    stuck.says(&[]).await;
    idle.says(&[]).await;
    for (number, drain) in [
        (20, DrainPolicy::Wait),
        (21, DrainPolicy::Force(Duration::from_secs(3_600))),
    ] {
        let record = operator.change(close(number, drain)).await.expect("closed");
        let record = record.record;
        let closed = record.scopes().get(scope(number).as_str());
        let id = closed.and_then(|closed| closed.activation.as_ref());
        let id = id.expect("it is on").id;
        idle.says(&[]).await;
        stuck.says(&[id]).await;
        reads(&server).await;
        for _ in 0..5 {
            idle.says_so_again().await;
            stuck.says_so_again().await;
        }
        let read = reads(&server).await;
        assert_eq!(
            read, 10,
            "each of ten reports reads the record's head, and no more"
        );
        stuck.says(&[]).await;
    }
    // One is named that still runs something: nobody else need look where.
    let force = DrainPolicy::Force(Duration::ZERO);
    let forced = operator.change(close(22, force)).await.expect("closed");
    assert_eq!(forced.record.scopes().phase(&scope(22)), Phase::Activated);
    idle.says(&[]).await;
    reads(&server).await;
    for _ in 0..5 {
        idle.says_so_again().await;
    }
    assert_eq!(reads(&server).await, 5);
    stuck.says(&[]).await;
    let record = operator.inspect(0).await.expect("it answers").record;
    let done = record.scopes().get(scope(22).as_str());
    let done = done.and_then(|closed| closed.activation.as_ref()?.completion.as_ref());
    assert!(done.expect("it is complete").unconfirmed.is_empty());
}
