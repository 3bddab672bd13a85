//! What starts an execution, and what a drain waits for.

use intermission::{AdmitReason, Phase};

use crate::adapter::Route;
use crate::adapter::expected::Expect;
use crate::adapter::given::Given;
use crate::adapter::http1::{Wire, get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure, ensure_eq};

pub(super) fn rows() -> Vec<Row> {
    vec![
        plays!(
            Executions,
            an_execution_ends_with_its_response,
            "An execution that nobody takes over ends with the response, and the drain after it at once.",
            Given::open()
        ),
        plays!(
            Executions,
            an_execution_lasts_as_long_as_the_body,
            "A drain waits until the body of a response has ended whose route starts an execution.",
            Given::open()
        ),
        plays!(
            Executions,
            an_execution_ends_when_its_client_goes_away,
            "An execution that nobody takes over ends when its client goes away.",
            Given::open()
        ),
        plays!(
            Executions,
            a_taken_execution_outlives_its_response,
            "An execution that the handler takes over ends when the handler says so, and a drain waits for it.",
            Given::open()
        ),
        plays!(
            Executions,
            a_taken_execution_outlives_its_client,
            "An execution that the handler took over goes on when its client goes away.",
            Given::open()
        ),
        plays!(
            Executions,
            an_ordinary_request_holds_no_drain_up,
            "A drain waits for executions, and not for the requests of visitors.",
            Given::open()
        ),
        plays!(
            Executions,
            a_bypassed_execution_holds_no_drain_up,
            "A drain does not wait for what somebody starts past the closed door.",
            Given::draining()
        ),
        plays!(
            Executions,
            no_execution_slips_through_a_closure,
            "Of executions that are begun while the site closes, none runs after the drain has ended.",
            Given::open()
        ),
        plays!(
            Executions,
            other_routes_start_none,
            "A route without the flag starts no execution.",
            Given::open()
        ),
        plays!(
            Executions,
            a_closed_site_starts_executions_again_when_it_opens,
            "After the opening, executions start as before.",
            Given::closed()
        ),
    ]
}

fn started() -> Expect {
    Expect::Admitted {
        status: 202,
        body: "started",
        reason: Some(AdmitReason::Deactivated),
    }
}

fn phase(stage: &Stage) -> Phase {
    stage.gate.record().phase()
}

async fn an_execution_ends_with_its_response(stage: &Stage) -> Checked {
    let received = stage.ask(&post("/jobs")).await?;
    ensure_eq("the status", &received.status, &202)?;
    stage.nothing_in_flight().await?;
    stage.close().await
}

/// Asks for the stream of a route that starts an execution.
async fn begin(stage: &Stage) -> Checked<Wire> {
    let mut wire = stage.wire().await?;
    wire.send(&post("/exports").bytes("close")).await?;
    stage.feed("first").await?;
    wire.wait_for(b"first").await?;
    ensure_eq("the executions", &stage.running(), &1)?;
    ensure_eq("the requests", &stage.requests(), &1)?;
    Ok(wire)
}

async fn an_execution_lasts_as_long_as_the_body(stage: &Stage) -> Checked {
    let mut wire = begin(stage).await?;
    stage.begin_drain().await?;
    stage.feed("second").await?;
    wire.wait_for(b"second").await?;
    ensure_eq("the phase", &phase(stage), &Phase::Activating)?;
    stage.end_stream();
    wire.rest().await?;
    stage.end_drain().await
}

async fn an_execution_ends_when_its_client_goes_away(stage: &Stage) -> Checked {
    let wire = begin(stage).await?;
    stage.begin_drain().await?;
    drop(wire);
    stage.feed_until_dropped().await?;
    stage.end_drain().await
}

async fn a_taken_execution_outlives_its_response(stage: &Stage) -> Checked {
    stage.expect(&post("/jobs/taken"), &started()).await?;
    stage.no_request_in_flight().await?;
    ensure_eq("the executions", &stage.running(), &1)?;
    stage.begin_drain().await?;
    ensure_eq("the phase", &phase(stage), &Phase::Activating)?;
    stage.site.end_taken_executions();
    stage.end_drain().await
}

async fn a_taken_execution_outlives_its_client(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(&post("/jobs/taken").bytes("")).await?;
    ensure_eq("the route", &stage.began().await?, &Route::TakenJobs)?;
    drop(wire);
    stage.no_request_in_flight().await?;
    ensure_eq("the executions", &stage.running(), &1)
}

async fn an_ordinary_request_holds_no_drain_up(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(&get("/slow").bytes("close")).await?;
    stage.began().await?;
    stage.close().await?;
    ensure_eq("the requests", &stage.requests(), &1)?;
    stage.site.let_one_slow_answer_go();
    ensure_eq("the status", &wire.answer(false).await?.status, &200)
}

async fn a_bypassed_execution_holds_no_drain_up(stage: &Stage) -> Checked {
    let expect = Expect::Admitted {
        status: 202,
        body: "started",
        reason: Some(AdmitReason::Permission),
    };
    stage
        .expect(&post("/jobs/taken").operator(), &expect)
        .await?;
    // It is still taken; the row's own execution is the only one that is waited for.
    ensure_eq("the executions", &stage.running(), &1)?;
    stage.end_drain().await
}

async fn no_execution_slips_through_a_closure(stage: &Stage) -> Checked {
    let job = post("/jobs");
    for _ in 0..10 {
        let closure = async {
            stage.close().await?;
            // Activated, so what the adapter let in before has ended.
            ensure_eq("the executions", &stage.running(), &0)
        };
        let jobs = async {
            for _ in 0..6 {
                let received = stage.ask(&job).await?;
                let is_one = matches!(received.status, 202 | 503);
                ensure(is_one, || format!("a job is answered by {received:?}"))?;
            }
            Ok(())
        };
        let (closed, asked): (Checked, Checked) = tokio::join!(closure, jobs);
        closed.and(asked)?;
        stage.open().await?;
    }
    Ok(())
}

async fn other_routes_start_none(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(&get("/slow").bytes("close")).await?;
    stage.began().await?;
    ensure_eq("the executions", &stage.running(), &0)?;
    stage.site.let_one_slow_answer_go();
    wire.answer(false).await?;
    Ok(())
}

async fn a_closed_site_starts_executions_again_when_it_opens(stage: &Stage) -> Checked {
    let job = post("/jobs/taken");
    let received = stage.ask(&job).await?;
    ensure_eq("the status while closed", &received.status, &503)?;
    stage.open().await?;
    stage.expect(&job, &started()).await?;
    ensure_eq("the executions", &stage.running(), &1)
}
