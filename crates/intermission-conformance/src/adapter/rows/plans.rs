//! A planned maintenance, before it starts: what is announced to those who are let in, where the application wants it.

use std::time::Duration;

use intermission::{
    Activate, AdmitReason, Change, Clock, OutagePolicy, RefuseReason, SystemClock, Timestamp,
};

use crate::adapter::expected::{Expect, admitted, open, refused_by};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure_eq};

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) fn rows() -> Vec<Row> {
    vec![
        plays!(
            Plans,
            a_plan_is_announced_in_every_response,
            "While a maintenance is planned, every response to who is let in names its times in `Maintenance-Scheduled`.",
            Given::open().announcing()
        ),
        plays!(
            Plans,
            nothing_is_announced_without_the_setting,
            "Where the application has not asked for it, a plan changes no response.",
            Given::open()
        ),
        plays!(
            Plans,
            a_changed_plan_is_announced_at_once,
            "A plan that is changed is announced as it is now, and one that is cancelled no longer.",
            Given::open().announcing()
        ),
        plays!(
            Plans,
            nothing_is_announced_from_the_start_on,
            "From the planned start on nothing is announced, to those who are let in and to those who are refused.",
            Given::open().announcing()
        ),
        plays!(
            Plans,
            a_plan_asks_nothing_of_a_visitor,
            "While a maintenance is planned, nobody is asked who he is.",
            Given::open().announcing()
        ),
        plays!(
            Plans,
            who_was_let_in_before_the_start_is_counted,
            "A request that was let in while a maintenance was planned is waited for when it has started.",
            Given::open().announcing()
        ),
        plays!(
            Plans,
            who_passes_a_held_node_is_told_of_the_plan,
            "Who passes a node that is closed by itself is told of a plan, too, and who is refused is not.",
            Given::open()
                .announcing()
                .on_outage(OutagePolicy::CloseAfter(Duration::ZERO))
        ),
    ]
}

async fn plan(stage: &Stage, starts_at: Timestamp, ends_at: Option<Timestamp>) -> Checked {
    let activate = Activate::by("ana").with_starts_at(starts_at);
    let activate = match ends_at {
        Some(end) => activate.with_ends_at(end),
        None => activate.without_ends_at(),
    };
    stage.change(Change::Activate(activate)).await
}

fn seconds(time: Timestamp) -> u64 {
    time.as_millis() / 1_000
}

/// What is announced to who asks for that.
async fn announced(stage: &Stage, request: &Request) -> Checked<Vec<String>> {
    let received = stage.ask(request).await?;
    let values = received.values("maintenance-scheduled").into_iter();
    Ok(values.map(|value| value.to_owned()).collect())
}

async fn a_plan_is_announced_in_every_response(stage: &Stage) -> Checked {
    let start = stage.now().saturating_add(HOUR);
    plan(stage, start, None).await?;
    let value = format!("@{}", seconds(start));
    ensure_eq(
        "the value",
        &announced(stage, &get("/")).await?,
        &vec![value],
    )?;
    let end = start.saturating_add(HOUR);
    plan(stage, start, Some(end)).await?;
    let value = format!("@{};until=@{}", seconds(start), seconds(end));
    ensure_eq(
        "the value",
        &announced(stage, &get("/")).await?,
        &vec![value],
    )?;
    let nothing_special = AdmitReason::Deactivated;
    for (request, status, body, reason) in [
        (get("/"), 200, "hello", nothing_special),
        (Request::new("HEAD", "/"), 200, "hello", nothing_special),
        (
            get("/nested/page"),
            200,
            "a page of the nest",
            nothing_special,
        ),
        (post("/items").body("four"), 201, "4", nothing_special),
        (post("/jobs"), 202, "done", nothing_special),
        (get("/health"), 200, "ok", AdmitReason::RouteAlways),
    ] {
        let expected = Expect::Admitted {
            status,
            body,
            reason: Some(reason),
        };
        stage.expect(&request, &expected).await?;
    }
    stage.nothing_in_flight().await
}

async fn nothing_is_announced_without_the_setting(stage: &Stage) -> Checked {
    plan(stage, stage.now().saturating_add(HOUR), None).await?;
    stage.expect(&get("/"), &open("hello")).await?;
    stage.expect(&get("/health"), &open("ok")).await
}

async fn a_changed_plan_is_announced_at_once(stage: &Stage) -> Checked {
    for hours in 1..4 {
        let start = stage.now().saturating_add(HOUR * hours);
        plan(stage, start, None).await?;
        let value = format!("@{}", seconds(start));
        ensure_eq(
            "the value",
            &announced(stage, &get("/")).await?,
            &vec![value],
        )?;
    }
    stage.open().await?;
    stage.expect(&get("/"), &open("hello")).await?;
    stage.expect(&get("/health"), &open("ok")).await
}

async fn nothing_is_announced_from_the_start_on(stage: &Stage) -> Checked {
    plan(stage, stage.now().saturating_add(HOUR), None).await?;
    stage.clock.advance(HOUR);
    let nothing: Vec<String> = Vec::new();
    // No node has heard of the start yet.
    ensure_eq("the value", &announced(stage, &get("/")).await?, &nothing)?;
    stage.close().await?;
    ensure_eq("the value", &announced(stage, &get("/")).await?, &nothing)?;
    ensure_eq(
        "the value",
        &announced(stage, &get("/health")).await?,
        &nothing,
    )?;
    stage.open().await?;
    stage.expect(&get("/"), &open("hello")).await
}

async fn a_plan_asks_nothing_of_a_visitor(stage: &Stage) -> Checked {
    plan(stage, stage.now().saturating_add(HOUR), None).await?;
    let expected = admitted("hello", AdmitReason::Deactivated);
    stage.expect(&get("/").operator(), &expected).await?;
    let asked = stage.site.asked_for_permission();
    ensure_eq("how often the permission was asked for", &asked, &0)
}

async fn who_was_let_in_before_the_start_is_counted(stage: &Stage) -> Checked {
    plan(stage, stage.now().saturating_add(HOUR), None).await?;
    let mut wire = stage.wire().await?;
    let request = get("/slow");
    wire.send(&request.bytes("close")).await?;
    stage.began().await?;
    ensure_eq("the count", &stage.requests(), &1)?;
    stage.clock.advance(HOUR);
    stage.close().await?;
    ensure_eq("the count", &stage.requests(), &1)?;
    stage.site.let_one_slow_answer_go();
    let received = wire.answer(request.is_head()).await?;
    ensure_eq("the status", &received.status, &200)?;
    stage.quiescent().await
}

async fn who_passes_a_held_node_is_told_of_the_plan(stage: &Stage) -> Checked {
    // This row goes by the system's clock.
    plan(stage, SystemClock.now().saturating_add(HOUR), None).await?;
    let expected = admitted("hello", AdmitReason::Deactivated);
    stage.expect(&get("/"), &expected).await?;
    stage.state.break_link();
    stage.until_status(&get("/"), 503).await?;
    let by_permission = admitted("hello", AdmitReason::Permission);
    stage.expect(&get("/").operator(), &by_permission).await?;
    let held = refused_by(RefuseReason::Held);
    stage.expect(&get("/"), &held).await?;
    stage.state.heal();
    stage.until_status(&get("/"), 200).await?;
    stage.expect(&get("/"), &expected).await
}
