//! The verbs, in this process, on a state in memory.

mod ailing;
mod overtaken;
mod waiting;
mod watching;
mod witnessing;

use std::sync::Arc;

use clap::Parser;
use intermission::{
    Actor, ExecutionInfo, Gate, MaintenanceState, MemoryState, Operator, Phase, SharedState,
    SystemClock,
};
use serde_json::Value;

use crate::args::Arguments;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::place::Reached;
use crate::session::{Manner, Session};
use crate::{conclude, dispatch};

/// What came of one command.
#[derive(Debug, PartialEq)]
struct Ran {
    code: ExitCode,
    data: String,
    notes: String,
}

impl Ran {
    fn new(code: ExitCode, data: Vec<u8>, notes: Vec<u8>) -> Self {
        Self {
            code,
            data: String::from_utf8(data).unwrap(),
            notes: String::from_utf8(notes).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

async fn ran(state: &SharedState, line: &[&str]) -> Ran {
    let (mut data, mut notes) = (Vec::new(), Vec::new());
    let code = ran_into(state, line, &mut Output::new(&mut data, &mut notes)).await;
    Ran::new(code, data, notes)
}

async fn ran_into(state: &SharedState, line: &[&str], output: &mut Output<'_>) -> ExitCode {
    ran_on(state, false, line, output).await
}

/// The same, on a state that may fail apart from the services.
async fn ran_remotely(state: &SharedState, line: &[&str]) -> Ran {
    let (mut data, mut notes) = (Vec::new(), Vec::new());
    let code = ran_on(state, true, line, &mut Output::new(&mut data, &mut notes)).await;
    Ran::new(code, data, notes)
}

async fn ran_on(
    state: &SharedState,
    is_remote: bool,
    line: &[&str],
    output: &mut Output<'_>,
) -> ExitCode {
    let arguments = Arguments::try_parse_from([&["intermission"], line].concat()).unwrap();
    let manner = Manner {
        scope: arguments.global.scope.map(|scope| scope.parse().unwrap()),
        json: arguments.global.json,
        verbose: arguments.global.verbose,
        invocation: "intermission".to_owned(),
        is_remote,
    };
    let requested_by = arguments
        .global
        .requested_by
        .unwrap_or_else(|| "ana".to_owned());
    let reached = Reached {
        state: state.clone(),
        redis: None,
        warning: None,
    };
    let mut session = Session::new(reached, Arc::new(SystemClock), requested_by, manner, output);
    let ended = dispatch(&arguments.verb, &mut session).await;
    conclude(ended, output)
}

fn state() -> SharedState {
    SharedState::new(MemoryState::new())
}

/// Waits until a node has told the state what runs there.
async fn report_of_an_execution(state: &SharedState) {
    while state
        .inspect(1)
        .await
        .unwrap()
        .nodes
        .iter()
        .all(|node| node.facts.executions.is_empty())
    {
        tokio::task::yield_now().await;
    }
}

fn somebody_else(state: &SharedState) -> Operator {
    Operator::new(state.clone(), Actor::new("bob", "admin 192.0.2.7"))
}

#[tokio::test]
async fn a_scope_that_looks_like_a_host_in_upper_case_is_warned_of() {
    let state = state();
    let warning = "warning: upper and lower case differ in `Shop.Example`: where the service goes by hosts, they are in \
                   lower case\n";
    for (scope, is_warned_of) in [
        ("Shop.Example", true),
        ("shop.example", false),
        ("ACME", false),
    ] {
        let ran = ran(&state, &["activate", "--scope", scope]).await;
        assert_eq!(ran.code, ExitCode::Done, "{ran:?}");
        assert_eq!(ran.notes.contains(warning), is_warned_of, "{ran:?}");
    }
}

#[tokio::test]
async fn what_is_done_is_said_and_what_was_done_already_changes_nothing() {
    let state = state();
    for (line, said, is_repeated) in [
        (&["init"][..], "initialised as a new site\n", false),
        (&["init"], "already initialised\n", true),
        (&["activate", "--message", "one"], "activated\n", false),
        (
            &["activate", "--message", "one"],
            "already activated\n",
            true,
        ),
        (&["enable"], "already activated\n", true),
        (
            &["activate", "--wait"],
            "already activated\nactivated\n",
            true,
        ),
        (
            &["activate", "--level", "exclusive"],
            "updated; still activated\n",
            false,
        ),
        (
            &["allow-ips", "192.0.2.10", "2001:db8::/64"],
            "2 addresses and networks pass\n",
            false,
        ),
        (
            &["allow-ips", "--add", "192.0.2.10"],
            "already so: 2 addresses and networks pass\n",
            true,
        ),
        (
            &["allow-ips", "--remove", "192.0.2.10"],
            "1 address or network passes\n",
            false,
        ),
        (
            &["allow-ips", "--remove", "192.0.2.10"],
            "already so: 1 address or network passes\n",
            true,
        ),
        (
            &["allow-ips", "--none"],
            "nobody passes by address\n",
            false,
        ),
        (
            &["allow-ips", "none"],
            "already so: nobody passes by address\n",
            true,
        ),
        (
            &["pass", "revoke", "--all"],
            "already revoked: there is no pass\n",
            true,
        ),
        (
            &["nodes", "forget", "00000002000000000000000000000000"],
            "already off the list: no node has the id 00000002000000000000000000000000\n",
            true,
        ),
        (&["deactivate"], "deactivated\n", false),
        (&["disable"], "already deactivated\n", true),
        (
            &["deactivate", "--ip", "192.0.2.10"],
            "already deactivated; the allow list is changed\n",
            false,
        ),
        (
            &["activate", "--starts", "2999-01-01T00:00:00Z"],
            "planned to start at 2999-01-01T00:00:00.000Z\n",
            false,
        ),
        (
            &["activate", "--starts", "2999-01-01T00:00:00Z"],
            "already planned to start at 2999-01-01T00:00:00.000Z\n",
            true,
        ),
        (
            &[
                "activate",
                "--starts",
                "2999-01-01T00:00:00Z",
                "--ends",
                "2999-01-01T01:00:00Z",
                "--auto-end",
            ],
            "changed the plan; it still starts at 2999-01-01T00:00:00.000Z\n",
            false,
        ),
        (
            &["activate", "--starts", "2998-12-31T23:00:00Z"],
            "changed the plan: it starts at 2998-12-31T23:00:00.000Z instead of 2999-01-01T00:00:00.000Z\n",
            false,
        ),
        (
            &["deactivate"],
            "cancelled the planned maintenance\n",
            false,
        ),
        (
            &["activate", "--starts", "2020-01-01T00:00:00Z"],
            "warning: the start 2020-01-01T00:00:00.000Z has passed, so it starts at once\nactivated\n",
            false,
        ),
        (
            &[
                "activate",
                "--ends",
                "2999-01-01T00:00:00Z",
                "--auto-end",
                "--retry-after",
                "5m",
            ],
            "updated; still activated\n",
            false,
        ),
        (
            &["activate", "--retry-after", "none"],
            "updated; still activated\n",
            false,
        ),
        (
            &["activate", "--no-auto-end"],
            "updated; still activated, and no longer opens by itself\n",
            false,
        ),
        (
            &["activate", "--auto-end"],
            "updated; still activated\n",
            false,
        ),
        (
            &["activate", "--ends", "none"],
            "updated; still activated, and no longer opens by itself\n",
            false,
        ),
        (
            &[
                "activate",
                "--ends",
                "none",
                "--retry-after",
                "none",
                "--no-auto-end",
            ],
            "already activated\n",
            true,
        ),
        (&["deactivate"], "deactivated\n", false),
        (
            &["activate", "--starts", "2999-01-01T00:00:00Z"],
            "planned to start at 2999-01-01T00:00:00.000Z\n",
            false,
        ),
        (
            &["activate"],
            "activated, instead of the planned maintenance\n",
            false,
        ),
    ] {
        let before = state.inspect(0).await.unwrap().record;
        let lines_before = state.history(usize::MAX).await.unwrap().len();
        let ran = ran(&state, line).await;
        assert_eq!(
            ran,
            Ran {
                code: ExitCode::Done,
                data: String::new(),
                notes: said.to_owned()
            },
            "{line:?}"
        );
        let after = state.inspect(0).await.unwrap().record;
        assert_eq!(before == after, is_repeated, "{line:?}");
        assert_eq!(
            state.history(usize::MAX).await.unwrap().len() == lines_before,
            is_repeated,
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn json_says_whether_anything_was_changed() {
    let state = state();
    let first = ran(&state, &["activate", "--json"]).await.json();
    let again = ran(&state, &["activate", "--json", "--wait=quiescent"])
        .await
        .json();
    assert_eq!(
        (&first["v"], &first["changed"], &first["phase"]),
        (&1.into(), &true.into(), &"activated".into())
    );
    assert_eq!(again["changed"], false);
    assert_eq!(first["revision"], again["revision"]);
    assert_eq!(
        ran(&state, &["allow-ips", "--json"]).await.json()["allow"],
        Value::Array(Vec::new())
    );
    assert_eq!(
        ran(&state, &["nodes", "--json"]).await.json()["nodes"],
        Value::Array(Vec::new())
    );
    assert_eq!(
        ran(&state, &["executions", "--json"]).await.json()["running"],
        0
    );
    assert_eq!(
        ran(&state, &["history", "--json", "-n", "1"]).await.json()["history"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        ran(&state, &["deactivate", "--json"]).await.json()["phase"],
        "deactivated"
    );
}

#[tokio::test]
async fn status_tells_scripts_by_its_exit_code() {
    let state = state();
    let status = |expected| {
        let state = &state;
        async move {
            assert_eq!(ran(state, &["status"]).await.code, ExitCode::Done);
            assert_eq!(ran(state, &["status", "--exit-code"]).await.code, expected);
            assert_eq!(
                ran(state, &["status", "--exit-code", "--json"]).await.code,
                expected
            );
        }
    };
    status(ExitCode::Done).await;
    let gate = Gate::builder(state.clone())
        .with_node_name("web-1")
        .start()
        .await
        .unwrap();
    let execution = gate
        .execution(ExecutionInfo::new("import").with_label("prices.csv"))
        .unwrap();
    ran(&state, &["activate"]).await;
    status(ExitCode::Activating).await;
    report_of_an_execution(&state).await;
    let verbose = ran(&state, &["status", "--verbose"]).await.data;
    assert!(
        verbose.contains("\n\nNODE   ID") && verbose.contains("prices.csv"),
        "{verbose}"
    );
    drop(execution);
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    status(ExitCode::Activated).await;
    gate.shutdown().await;
}

#[tokio::test]
async fn what_runs_is_listed_and_a_dead_node_forgotten() {
    let state = state();
    let gate = Gate::builder(state.clone())
        .with_node_name("web-1")
        .start()
        .await
        .unwrap();
    let execution = gate
        .execution(ExecutionInfo::new("import").with_label("prices.csv"))
        .unwrap();
    ran(&state, &["activate"]).await;
    report_of_an_execution(&state).await;
    let executions = ran(&state, &["executions"]).await.data;
    let row: Vec<&str> = executions
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!((row[0], row[2], row[3]), ("web-1", "import", "prices.csv"));
    let nodes = ran(&state, &["nodes"]).await.data;
    assert!(
        nodes.lines().nth(1).unwrap().starts_with("web-1  "),
        "{nodes}"
    );
    let waited = ran(&state, &["activate", "--wait", "--timeout", "1ms"]).await;
    assert_eq!(waited.code, ExitCode::TimedOut);
    let said = waited
        .notes
        .strip_prefix("already activating\nerror: timed out after 1ms: draining: ")
        .unwrap();
    assert!(
        said.starts_with("1 execution on 1 of 1 node · import prices.csv on web-1 for "),
        "{said}"
    );
    let nodes = ran(&state, &["nodes", "--json"]).await.json();
    let id = nodes["nodes"][0]["id"].as_str().unwrap().to_owned();
    let beginning: String = id.chars().take(8).collect();
    let forgotten = ran(&state, &["nodes", "forget", &beginning]).await;
    assert_eq!(forgotten.notes, format!("forgot web-1 ({id})\n"));
    let history = somebody_else(&state).history(usize::MAX).await.unwrap();
    let entry = history
        .iter()
        .find(|entry| entry.event == intermission::HistoryEvent::NodeForgotten)
        .unwrap();
    assert_eq!(
        (entry.by.as_deref(), entry.origin.as_deref()),
        (Some("ana"), Some("command"))
    );
    drop(execution);
    gate.shutdown().await;
}

#[tokio::test]
async fn passes_are_shown_once_and_can_be_revoked() {
    let state = state();
    let closed = ran(&state, &["pass", "create", "auditor"]).await;
    assert_eq!(closed.code, ExitCode::Failed);
    assert_eq!(
        closed.notes,
        "error: maintenance is off, so there is nothing to pass: activate it first\n"
    );
    ran(&state, &["activate"]).await;
    for (line, beginning) in [
        (&["pass", "create", "auditor"][..], "?intermission-pass="),
        (
            &[
                "pass",
                "create",
                "auditor",
                "--base-url",
                "https://shop.example/",
            ],
            "https://shop.example/?intermission-pass=",
        ),
        (
            &[
                "pass",
                "create",
                "auditor",
                "--base-url",
                "https://shop.example/?a=1",
            ],
            "https://shop.example/?a=1&intermission-pass=",
        ),
    ] {
        let created = ran(&state, line).await;
        let secret = created
            .data
            .strip_prefix(beginning)
            .and_then(|rest| rest.strip_suffix('\n'))
            .unwrap();
        let passed = ran(&state, &["explain", "GET", "/", "--pass", secret]).await;
        assert!(passed.data.starts_with("admit (pass)\n"), "{}", passed.data);
        let listed = ran(&state, &["pass", "list"]).await.data;
        assert!(
            listed.contains("auditor") && !listed.contains(secret),
            "{listed}"
        );
        let id = ran(&state, &["pass", "list", "--json"]).await.json()["passes"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            ran(&state, &["pass", "revoke", &id]).await.notes,
            "revoked\n"
        );
        let refused = ran(&state, &["explain", "GET", "/", "--pass", secret]).await;
        assert!(
            refused.data.starts_with("refuse (maintenance)\n"),
            "{}",
            refused.data
        );
    }
    // What might be a secret is not repeated.
    for line in [
        &["explain", "GET", "/", "--pass", "hunter2"][..],
        &["pass", "revoke", "hunter2"],
    ] {
        let refused = ran(&state, line).await;
        assert_eq!(refused.code, ExitCode::Usage);
        assert!(!refused.notes.contains("hunter2"), "{refused:?}");
    }
}

#[tokio::test]
async fn explain_names_the_rule_and_what_it_cannot_know() {
    let state = state();
    ran(&state, &["activate", "--ip", "192.0.2.0/24"]).await;
    for (line, decision) in [
        (&["--ip", "192.0.2.10"][..], "admit (allowed-address)"),
        (&["--ip", "::ffff:192.0.2.10"], "admit (allowed-address)"),
        (&["--ip", "198.51.100.1"], "refuse (maintenance)"),
        (&["--permission"], "admit (permission)"),
        (&["--route", "always"], "admit (route-always)"),
        (&[], "refuse (maintenance)"),
    ] {
        let explained = ran(&state, &[&["explain", "GET", "/x?y=1"], line].concat()).await;
        assert_eq!(explained.data.lines().next(), Some(decision), "{line:?}");
        assert!(
            explained.data.contains("does not know"),
            "{}",
            explained.data
        );
    }
    let json = ran(
        &state,
        &["explain", "POST", "/x", "--ip", "192.0.2.10", "--json"],
    )
    .await
    .json();
    assert_eq!(
        (&json["decision"], &json["reason"]),
        (&"admit".into(), &"allowed-address".into())
    );
    assert_eq!(
        (&json["path"], &json["bypass"]),
        (&"/x".into(), &true.into())
    );
    for (address, complaint) in [
        ("192.0.2.0/24", "is a network"),
        ("localhost", "is not an address"),
    ] {
        let refused = ran(&state, &["explain", "GET", "/", "--ip", address]).await;
        assert_eq!(refused.code, ExitCode::Usage);
        assert!(
            refused.notes.contains(address) && refused.notes.contains(complaint),
            "{refused:?}"
        );
    }
}
