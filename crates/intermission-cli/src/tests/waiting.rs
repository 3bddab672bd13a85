//! What `--wait` ends with.

use intermission::{Change, Deactivate, ExecutionInfo, Gate, Phase};

use super::{ran, somebody_else, state};
use crate::exit_code::ExitCode;

#[tokio::test]
async fn a_wait_that_somebody_ends_says_who() {
    let state = state();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let _execution = gate.execution(ExecutionInfo::new("import")).unwrap();
    let bob = somebody_else(&state);
    let interrupt = async {
        gate.reached(|record| record.phase() == Phase::Activating)
            .await;
        bob.change(Change::Deactivate(Deactivate::new()))
            .await
            .unwrap();
    };
    let (waited, ()) = tokio::join!(ran(&state, &["activate", "--wait"]), interrupt);
    assert_eq!(waited.code, ExitCode::ChangedMeanwhile, "{waited:?}");
    assert!(
        waited
            .notes
            .starts_with("error: bob (admin 192.0.2.7) deactivated meanwhile, at 2"),
        "{waited:?}"
    );
    assert_eq!(waited.data, "");
}

#[tokio::test]
async fn a_wait_that_the_drain_policy_ends_is_no_conflict() {
    let state = state();
    let gate = Gate::builder(state.clone())
        .with_node_name("web-1")
        .start()
        .await
        .unwrap();
    let _execution = gate.execution(ExecutionInfo::new("import")).unwrap();
    let aborted = ran(&state, &["activate", "--wait", "--drain", "abort:1ms"]).await;
    assert_eq!(aborted.code, ExitCode::Failed, "{aborted:?}");
    assert!(aborted.notes.starts_with(
        "error: the drain took longer than its limit, so the site was opened again at"
    ));
    for goal in ["--wait", "--wait=quiescent"] {
        let forced = ran(
            &state,
            &["activate", "--json", "--drain", "force:1ms", goal],
        )
        .await;
        assert_eq!(forced.code, ExitCode::Unconfirmed, "{goal}: {forced:?}");
        let said: Vec<&str> = forced.notes.lines().collect();
        let [.., warning, hint] = said.as_slice() else {
            panic!("{forced:?}")
        };
        assert!(
            warning.starts_with("warning: activated, but nobody knows what still runs on web-1 ("),
            "{warning}"
        );
        assert_eq!(
            *hint,
            "hint: web-1 will be confirmed when the work there has ended: `intermission executions` shows it"
        );
        assert_eq!(forced.json()["unconfirmed"][0]["label"], "web-1");
        assert_eq!(forced.json()["unconfirmed"][0]["cause"], "still-running");
        ran(&state, &["deactivate"]).await;
        gate.reached(|record| !record.phase().is_on()).await;
    }
}
