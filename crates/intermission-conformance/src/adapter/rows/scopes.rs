//! Parts of the site that are closed by themselves: tenants by a closure over the request, and a route with its scope
//! beside it.

use intermission::{
    Activate, AdmitReason, Change, Deactivate, Pass, Phase, RefuseReason, ScopeName,
};

use crate::adapter::Route;
use crate::adapter::expected::{Expect, admitted, open};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::http2::Http2;
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::adapter::websocket::{Conversation, upgrade};
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
            a_host_is_a_scope_over_http1_and_http2,
            "A request belongs to the scope of its host, by `Host` over HTTP/1 and by `:authority` over HTTP/2.",
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
        plays!(
            Scopes,
            a_conversation_ends_with_its_scope,
            "When its scope closes, a conversation that began while all was open is told, and one of another tenant is not.",
            Given::open()
        ),
        plays!(
            Scopes,
            who_talks_past_a_scope_did_not_pass_the_site,
            "Who began a conversation past a closed scope is told when the site closes, like every visitor.",
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

async fn a_host_is_a_scope_over_http1_and_http2(stage: &Stage) -> Checked {
    let asks_http2 = async |request: &Request| {
        let connection = Http2::open(stage.address()).await?;
        let received = connection.ask(request).await?;
        Checked::Ok(received.status)
    };
    close_whole(stage, "elsewhere.example").await?;
    stage.expect(&get("/"), &open("hello")).await?;
    let of_other_host = asks_http2(&get("/")).await?;
    ensure_eq("the status of another host", &of_other_host, &200)?;
    close_whole(stage, "site.example").await?;
    refused(stage, get("/")).await?;
    let over_http2 = asks_http2(&get("/")).await?;
    ensure_eq("the status over HTTP/2", &over_http2, &503)
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

async fn a_conversation_ends_with_its_scope(stage: &Stage) -> Checked {
    let mut closed = Conversation::begun(stage, &of("acme", upgrade())).await?;
    closed.echo("hi").await?;
    let mut other = Conversation::begun(stage, &of("other", upgrade())).await?;
    other.echo("hi").await?;
    close_whole(stage, "acme").await?;
    closed.expect_restart().await?;
    other.echo("still").await?;
    let again = Conversation::begin(stage, &of("acme", upgrade())).await?;
    ensure_eq("whether another began", &again.is_ok(), &false)?;
    // One that began while another scope was closed, too.
    let mut late = Conversation::begun(stage, &of("other", upgrade())).await?;
    late.echo("hi").await?;
    close_whole(stage, "other").await?;
    other.expect_restart().await?;
    late.expect_restart().await
}

async fn who_talks_past_a_scope_did_not_pass_the_site(stage: &Stage) -> Checked {
    close_whole(stage, "acme").await?;
    let request = of("acme", upgrade()).operator();
    let mut conversation = Conversation::begun(stage, &request).await?;
    conversation.echo("hi").await?;
    close_whole(stage, "other").await?;
    conversation.echo("still").await?;
    stage.close().await?;
    conversation.expect_restart().await?;
    drop(conversation);
    stage.nothing_in_flight().await
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
