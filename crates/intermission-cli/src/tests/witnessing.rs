//! Whether anybody has seen a change, on a state that may fail apart from the services.

use intermission::Gate;

use super::{ran, ran_remotely, state};

const ALONE: &str = "warning: it is done, but no service has seen it yet, for none is there: until one is, the state \
                     alone knows of it\n";

#[tokio::test]
async fn a_change_that_nobody_is_there_to_see_is_said_to_be_so() {
    let state = state();
    for (line, said) in [
        (&["activate"][..], format!("activated\n{ALONE}")),
        (
            &["activate", "--wait"],
            format!("already activated\n{ALONE}activated\n"),
        ),
        (&["deactivate"], format!("deactivated\n{ALONE}")),
        (&["activate", "--wait"], format!("{ALONE}activated\n")),
    ] {
        let ran = ran_remotely(&state, line).await;
        assert_eq!(ran.notes, said, "{line:?}");
    }
    // What is on this machine, or in this process, fails with the services.
    let ran = ran(&state, &["deactivate"]).await;
    assert_eq!(ran.notes, "deactivated\n");
}

#[tokio::test]
async fn a_change_that_a_service_has_seen_needs_no_word() {
    let state = state();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    for (line, said) in [
        (&["activate", "--wait"][..], "activated\n"),
        (&["deactivate"], "deactivated\n"),
    ] {
        let ran = ran_remotely(&state, line).await;
        assert_eq!(ran.notes, said, "{line:?}");
    }
    gate.shutdown().await;
}
