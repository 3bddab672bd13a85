//! A state that is out of reach, at the start and later.

use std::time::Duration;

use intermission::{AdmitReason, OutagePolicy, RefuseReason, StartPolicy};

use crate::adapter::expected::{admitted, lines, open, refused, refused_by};
use crate::adapter::given::Given;
use crate::adapter::http1::{get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure_eq};

const AT_ONCE: Duration = Duration::ZERO;

pub(super) fn rows() -> Vec<Row> {
    vec![
        plays!(
            Outage,
            an_open_site_stays_open_without_its_state,
            "A node that loses its state goes on as it last knew, and no visitor sees an error.",
            Given::open().on_outage(OutagePolicy::KeepLast)
        ),
        plays!(
            Outage,
            a_closed_site_stays_closed_without_its_state,
            "A node that loses its state while the mode is on stays closed.",
            Given::closed().on_outage(OutagePolicy::KeepLast)
        ),
        plays!(
            Outage,
            a_node_that_is_to_close_without_its_state_does,
            "With the policy for it, a node that loses its state refuses as in maintenance, until it has it back.",
            Given::open().on_outage(OutagePolicy::CloseAfter(AT_ONCE))
        ),
        plays!(
            Outage,
            a_node_that_is_to_open_without_its_state_stays_closed_if_it_was,
            "No policy opens a site that is known to be closed.",
            Given::closed().on_outage(OutagePolicy::OpenAfter(AT_ONCE))
        ),
        plays!(
            Outage,
            a_node_may_start_closed_without_its_state,
            "A node that starts closed without its state refuses, and opens when it reaches an open one.",
            Given::open().started_without_state(StartPolicy::StartClosed)
        ),
        plays!(
            Outage,
            a_node_may_start_open_without_its_state,
            "A node that starts open without its state serves, and closes when it reaches a closed one.",
            Given::closed().started_without_state(StartPolicy::StartOpen)
        ),
        plays!(
            Outage,
            no_execution_starts_without_a_state,
            "A node that has not reached its state yet serves pages, if it is to, and starts no execution.",
            Given::open().started_without_state(StartPolicy::StartOpen)
        ),
        plays!(
            Outage,
            who_may_pass_does_without_a_state,
            "A node that is closed for want of its state lets in whom the mode would.",
            Given::open()
                .allowing(&["192.0.2.10"])
                .trusting(&["127.0.0.1"])
                .started_without_state(StartPolicy::StartClosed)
        ),
    ]
}

async fn lose(stage: &Stage) -> Checked {
    stage.state.break_link();
    stage
        .until("the node's noticing the outage", || {
            stage.gate.status().trouble.is_some()
        })
        .await
}

async fn an_open_site_stays_open_without_its_state(stage: &Stage) -> Checked {
    lose(stage).await?;
    stage.expect(&get("/"), &open("hello")).await?;
    stage.state.heal();
    stage.close().await?;
    stage.expect(&get("/"), &refused()).await
}

async fn a_closed_site_stays_closed_without_its_state(stage: &Stage) -> Checked {
    lose(stage).await?;
    stage.expect(&get("/"), &refused()).await?;
    stage.state.heal();
    stage.open().await?;
    stage.expect(&get("/"), &open("hello")).await
}

async fn a_node_that_is_to_close_without_its_state_does(stage: &Stage) -> Checked {
    stage.expect(&get("/"), &open("hello")).await?;
    stage.state.break_link();
    stage.until_status(&get("/"), 503).await?;
    let held = refused_by(RefuseReason::Held);
    stage.expect(&get("/"), &held).await?;
    let health = admitted("ok", AdmitReason::RouteAlways);
    stage.expect(&get("/health"), &health).await?;
    stage.state.heal();
    stage.until_status(&get("/"), 200).await?;
    stage.expect(&get("/"), &open("hello")).await
}

async fn a_node_that_is_to_open_without_its_state_stays_closed_if_it_was(stage: &Stage) -> Checked {
    lose(stage).await?;
    stage.expect(&get("/"), &refused()).await
}

async fn a_node_may_start_closed_without_its_state(stage: &Stage) -> Checked {
    let held = refused_by(RefuseReason::Held);
    stage.expect(&get("/"), &held).await?;
    let health = admitted("ok", AdmitReason::RouteAlways);
    stage.expect(&get("/health"), &health).await?;
    stage.state.heal();
    stage.until_status(&get("/"), 200).await?;
    stage.expect(&get("/"), &open("hello")).await
}

async fn a_node_may_start_open_without_its_state(stage: &Stage) -> Checked {
    let received = stage.ask(&get("/")).await?;
    ensure_eq("the status", &received.status, &200)?;
    stage.state.heal();
    stage.until_status(&get("/"), 503).await?;
    stage.expect(&get("/"), &refused()).await
}

async fn no_execution_starts_without_a_state(stage: &Stage) -> Checked {
    stage
        .expect(&get("/"), &admitted("hello", AdmitReason::Deactivated))
        .await?;
    let out_of_contact = lines(&[
        ("maintenance-mode", "activating"),
        ("retry-after", "300"),
        ("x-decision", "refuse (out-of-contact)"),
    ]);
    stage.expect(&post("/jobs"), &out_of_contact).await?;
    stage.state.heal();
    stage.until_status(&post("/jobs"), 202).await?;
    Ok(())
}

async fn who_may_pass_does_without_a_state(stage: &Stage) -> Checked {
    let by_permission = admitted("hello", AdmitReason::Permission);
    stage.expect(&get("/").operator(), &by_permission).await?;
    // Nobody knows the allow list yet.
    let listed = get("/").with("x-forwarded-for", "192.0.2.10");
    stage.expect(&listed, &refused_by(RefuseReason::Held)).await
}
