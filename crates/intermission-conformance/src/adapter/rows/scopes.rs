//! Parts of the site that are closed by themselves: tenants by a closure over the request, and a route with its scope
//! beside it.

use intermission::{
    Activate, AdmitReason, Change, Deactivate, Pass, Phase, RefuseReason, ScopeName,
};

use crate::adapter::Route;
use crate::adapter::expected::{Expect, admitted, open};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure, ensure_eq};

pub(super) fn rows() -> Vec<Row> {
    vec![
        plays!(
            Scopes,
            a_closed_tenant_is_refused_and_no_other,
            "Of the requests, those that the application says belong to a closed scope are refused, with its own words.",
            Given::open()
        ),
        plays!(
            Scopes,
            a_route_is_closed_with_the_scope_beside_it,
            "A route belongs to the scope that is written beside it, or in the table, whatever the closure says.",
            Given::open()
        ),
        plays!(
            Scopes,
            nobody_is_asked_for_scopes_while_all_are_open,
            "The application's closure is not asked about ordinary requests while no scope is closed.",
            Given::open()
        ),
        plays!(
            Scopes,
            an_always_open_route_is_open_in_every_scope,
            "A route that is always open is so for visitors of a closed scope, too.",
            Given::open()
        ),
        plays!(
            Scopes,
            who_may_passes_a_closed_scope,
            "Permission lets in past a closed scope, and the response says so to caches.",
            Given::open()
        ),
        plays!(
            Scopes,
            a_scope_drains_by_itself,
            "A scope's drain waits for the executions that requests of the scope have started, and for no others.",
            Given::open()
        ),
        plays!(
            Scopes,
            the_pass_of_a_scope_opens_that_scope,
            "The link of a scope's pass is redeemed in that scope, and its cookie lets in there and nowhere else.",
            Given::open()
        ),
    ]
}

fn name(name: &str) -> Checked<ScopeName> {
    Ok(ScopeName::new(name)?)
}

async fn close(stage: &Stage, scope: &str) -> Checked {
    let activate = Activate::by("ana").with_message("The invoices move");
    stage
        .change(Change::Activate(activate).in_scope(name(scope)?))
        .await
}

async fn close_whole(stage: &Stage, scope: &str) -> Checked {
    close(stage, scope).await?;
    activated(stage, scope).await
}

async fn activated(stage: &Stage, scope: &str) -> Checked {
    let scope = name(scope)?;
    stage
        .until("the scope's activation", || {
            stage.gate.record().scopes().phase(&scope) == Phase::Activated
        })
        .await
}

fn of(tenant: &str, request: Request) -> Request {
    request.with("x-tenant", tenant)
}

/// The refusal in the words of its scope.
async fn refused(stage: &Stage, request: Request) -> Checked {
    let calls = stage.site.calls();
    let received = stage.ask(&request).await?;
    ensure_eq("the status", &received.status, &503)?;
    ensure_eq("the mode", &received.one("maintenance-mode")?, &"activated")?;
    let body = String::from_utf8_lossy(&received.body);
    ensure(body.contains("The invoices move"), || {
        format!("the body does not say what was announced: {body:?}")
    })?;
    ensure_eq("the calls of the application", &stage.site.calls(), &calls)
}

async fn a_closed_tenant_is_refused_and_no_other(stage: &Stage) -> Checked {
    stage.expect(&of("acme", get("/")), &open("hello")).await?;
    close_whole(stage, "acme").await?;
    refused(stage, of("acme", get("/"))).await?;
    refused(stage, of("acme", get("/nested/page"))).await?;
    refused(stage, of("acme", post("/items").body("x"))).await?;
    refused(stage, of("acme", post("/jobs"))).await?;
    stage.expect(&get("/"), &open("hello")).await?;
    stage.expect(&of("other", get("/")), &open("hello")).await?;
    let change = Change::Deactivate(Deactivate::new()).in_scope(name("acme")?);
    stage.change(change).await?;
    stage.expect(&of("acme", get("/")), &open("hello")).await
}

async fn a_route_is_closed_with_the_scope_beside_it(stage: &Stage) -> Checked {
    stage.expect(&get("/billing"), &open("bills")).await?;
    close_whole(stage, "billing").await?;
    refused(stage, get("/billing")).await?;
    refused(stage, of("other", get("/billing"))).await?;
    stage.expect(&get("/"), &open("hello")).await?;
    refused(stage, of("billing", get("/"))).await
}

async fn nobody_is_asked_for_scopes_while_all_are_open(stage: &Stage) -> Checked {
    stage.expect(&of("acme", get("/")), &open("hello")).await?;
    let asked = stage.site.asked_for_scopes();
    ensure_eq("the questions while all are open", &asked, &0)?;
    close_whole(stage, "acme").await?;
    refused(stage, of("acme", get("/"))).await?;
    let asked = stage.site.asked_for_scopes();
    ensure_eq("the questions about one request", &asked, &1)
}

async fn an_always_open_route_is_open_in_every_scope(stage: &Stage) -> Checked {
    close_whole(stage, "acme").await?;
    let received = stage.ask(&of("acme", get("/health"))).await?;
    ensure_eq("the status", &received.status, &200)
}

async fn who_may_passes_a_closed_scope(stage: &Stage) -> Checked {
    close_whole(stage, "acme").await?;
    let by_permission = admitted("hello", AdmitReason::Permission);
    let request = of("acme", get("/")).operator();
    stage.expect(&request, &by_permission).await?;
    stage.expect(&get("/").operator(), &open("hello")).await
}

async fn a_scope_drains_by_itself(stage: &Stage) -> Checked {
    let taken = Expect::Admitted {
        status: 202,
        body: "started",
        reason: Some(AdmitReason::Deactivated),
    };
    stage
        .expect(&of("acme", post("/jobs/taken")), &taken)
        .await?;
    ensure_eq("the route", &stage.began().await?, &Route::TakenJobs)?;
    close_whole(stage, "other").await?;
    close(stage, "acme").await?;
    let phase = || Checked::Ok(stage.gate.record().scopes().phase(&name("acme")?));
    ensure_eq("the phase while it runs", &phase()?, &Phase::Activating)?;
    let draining = admitted("hello", AdmitReason::Draining);
    stage.expect(&of("acme", get("/")), &draining).await?;
    let received = stage.ask(&of("acme", post("/jobs"))).await?;
    ensure_eq("the status of another job", &received.status, &503)?;
    let decision = format!("refuse ({})", RefuseReason::Activating.as_str());
    if stage.shows_decisions {
        ensure_eq("the decision", &received.one("x-decision")?, &&*decision)?;
    }
    let done = Expect::Admitted {
        status: 202,
        body: "done",
        reason: Some(AdmitReason::Deactivated),
    };
    stage.expect(&post("/jobs"), &done).await?;
    stage.site.end_taken_executions();
    activated(stage, "acme").await?;
    refused(stage, of("acme", get("/"))).await
}

async fn the_pass_of_a_scope_opens_that_scope(stage: &Stage) -> Checked {
    close_whole(stage, "acme").await?;
    close_whole(stage, "other").await?;
    let (pass, secret) = Pass::issue("ben", None)?;
    stage
        .change(Change::IssuePass(pass).in_scope(name("acme")?))
        .await?;
    let link = format!("/?intermission-pass={secret}");
    let received = stage.ask(&of("acme", get(link.clone()))).await?;
    ensure_eq("the status of the link", &received.status, &303)?;
    refused(stage, of("other", get(link))).await?;
    let cookie = format!("intermission-pass={secret}");
    let carrying = |tenant| of(tenant, get("/")).with("cookie", cookie.clone());
    let by_pass = admitted("hello", AdmitReason::Pass);
    stage.expect(&carrying("acme"), &by_pass).await?;
    refused(stage, carrying("other")).await
}
