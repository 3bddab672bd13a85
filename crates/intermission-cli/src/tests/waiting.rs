//! What `--wait` ends with.

use std::time::Duration;

use intermission::MaintenanceState as _;
use intermission::{Change, Deactivate, ExecutionInfo, Gate, NodeId, NodeReport, Phase, Timestamp};

use super::ailing::Ailing;
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

/// What happens in a part of the site meanwhile is not what ends it.
#[tokio::test]
async fn a_wait_for_the_site_is_not_ended_by_what_opens_a_part_of_it() {
    let state = state();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let _execution = gate.execution(ExecutionInfo::new("import")).unwrap();
    ran(&state, &["activate", "--scope", "billing"]).await;
    let bob = somebody_else(&state);
    let interrupt = async {
        gate.reached(|record| record.phase() == Phase::Activating)
            .await;
        let line = [
            "deactivate",
            "--scope",
            "billing",
            "--requested-by",
            "carol",
        ];
        assert_eq!(ran(&state, &line).await.code, ExitCode::Done);
        bob.change(Change::Deactivate(Deactivate::new()))
            .await
            .unwrap();
    };
    let (waited, ()) = tokio::join!(ran(&state, &["activate", "--wait"]), interrupt);
    assert_eq!(waited.code, ExitCode::ChangedMeanwhile, "{waited:?}");
    let said = "error: bob (admin 192.0.2.7) deactivated meanwhile, at 2";
    assert!(waited.notes.starts_with(said), "{waited:?}");
}

#[tokio::test]
async fn a_wait_for_a_part_of_the_site_says_what_became_of_that() {
    let state = state();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let info = ExecutionInfo::new("import").with_scope("billing".parse().unwrap());
    let _execution = gate.execution(info).unwrap();
    let line = [
        "activate",
        "--scope",
        "billing",
        "--wait",
        "--drain",
        "abort:1ms",
    ];
    let aborted = ran(&state, &line).await;
    assert_eq!(aborted.code, ExitCode::Failed, "{aborted:?}");
    let said = "error: the drain took longer than its limit, so billing was opened again at";
    assert!(aborted.notes.starts_with(said), "{aborted:?}");
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
            warning.starts_with("warning: activated, with work that still runs on web-1 ("),
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

/// Also those that found all done already.
#[tokio::test]
async fn every_good_end_of_a_wait_tells_of_a_loss() {
    let state = Ailing::having_lost_data_at(Timestamp::from_millis(1_800_000_000_000)).shared();
    let warning = "warning: the state lost data at 2027-01-15T08:00:00.000Z, since it was activated: a node that was \
                   cut off at that time may be missing in `intermission nodes`, and still run something\n";
    for already in ["", "already activated\n"] {
        let waited = ran(&state, &["activate", "--wait"]).await;
        assert_eq!(waited.code, ExitCode::Done, "{waited:?}");
        assert_eq!(waited.notes, format!("{already}{warning}activated\n"));
    }
    let waited = ran(&state, &["activate", "--wait=quiescent"]).await;
    assert_eq!(waited.code, ExitCode::Unconfirmed, "{waited:?}");
    let told = waited.notes.matches("lost data").count();
    assert_eq!(told, 1, "{waited:?}");
}

/// What was not accepted changes nothing, so nobody has to wait to know that.
#[tokio::test(start_paused = true)]
async fn only_what_was_accepted_is_waited_for() {
    let state = Ailing::default();
    let node = NodeId::random().unwrap();
    let busy = NodeReport::new(node, 1);
    state.healthy().sync(busy).await.unwrap();
    let line = &["activate", "--wait"];
    state.goes_away();
    let refused = ran(&state.shared(), line).await;
    assert_eq!(refused.code, ExitCode::Unreachable);
    assert_eq!(refused.notes, "error: the state is away: wait\n");
    let record = state.healthy().inspect(0).await.unwrap().record;
    assert_eq!(record.phase(), Phase::Deactivated);

    state.is_back();
    let outage = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        state.goes_away();
        tokio::time::sleep(Duration::from_secs(20)).await;
        state.is_back();
        tokio::time::sleep(Duration::from_secs(1)).await;
        somebody_else(&state.healthy()).forget(node).await.unwrap();
    };
    let shared = state.shared();
    let (waited, ()) = tokio::join!(ran(&shared, line), outage);
    assert_eq!(waited.code, ExitCode::Done, "{waited:?}");
    assert_eq!(
        waited.notes,
        "warning: trying again for half a minute: the state is away: wait\nthe state is in reach again\nactivated\n"
    );
}
