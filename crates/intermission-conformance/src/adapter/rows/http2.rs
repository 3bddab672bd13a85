//! The same over HTTP/2, for clients that begin with its preface.

use intermission::{AdmitReason, RefuseReason};

use crate::adapter::expected::{Expect, Form, admitted, open, refused, refused_as, refused_by};
use crate::adapter::given::Given;
use crate::adapter::http1::{Received, Request, get, post};
use crate::adapter::http2::Http2;
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, Failure, ensure_eq};

pub(super) fn rows() -> Vec<Row> {
    vec![
        plays!(
            Http2,
            an_open_site_changes_nothing_over_http2,
            "Over HTTP/2, the application's answer goes out as it is.",
            Given::open()
        ),
        plays!(
            Http2,
            a_refusal_over_http2_is_the_same,
            "Over HTTP/2, a refusal has the status, the headers and the body that it has over HTTP/1.",
            Given::closed().saying("Back soon.")
        ),
        plays!(
            Http2,
            head_over_http2_gets_the_headers_of_get,
            "Over HTTP/2, HEAD gets the headers of GET, its length too, and no body.",
            Given::closed().saying("Back soon.")
        ),
        plays!(
            Http2,
            a_refused_grpc_call_is_trailers_only,
            "The refusal of a gRPC call ends with its headers, and has no length.",
            Given::closed().saying("Back soon.")
        ),
        plays!(
            Http2,
            who_may_pass_does_over_http2,
            "Over HTTP/2, permission, address and flag let in as over HTTP/1.",
            Given::closed()
                .allowing(&["192.0.2.10"])
                .trusting(&["127.0.0.1"])
        ),
        plays!(
            Http2,
            leftmost_is_not_believed_over_http2,
            "Over HTTP/2, a forged hop is believed no more than over HTTP/1.",
            Given::closed()
                .allowing(&["192.0.2.10"])
                .trusting(&["127.0.0.1"])
        ),
        plays!(
            Http2,
            a_link_is_redeemed_over_http2,
            "Over HTTP/2, a link becomes a cookie, and cookies may come in many lines.",
            Given::closed()
        ),
        plays!(
            Http2,
            a_drain_refuses_over_http2,
            "Over HTTP/2, a drain refuses what starts an execution, and nothing else.",
            Given::draining()
        ),
        plays!(
            Http2,
            many_requests_of_one_connection_are_each_decided,
            "Many requests that are under way at once on one connection are each decided by their own right.",
            Given::closed()
        ),
        plays!(
            Http2,
            a_connection_goes_on_after_a_refusal_over_http2,
            "Over HTTP/2, a refusal costs nobody the connection.",
            Given::closed()
        ),
        plays!(
            Http2,
            a_cancelled_stream_counts_no_longer,
            "A response that its client resets in the middle counts no longer, and its connection goes on.",
            Given::open()
        ),
        plays!(
            Http2,
            a_cancelled_request_counts_no_longer,
            "A request that its client resets, or whose connection goes away, counts no longer.",
            Given::open()
        ),
    ]
}

async fn http2(stage: &Stage) -> Checked<Http2> {
    Http2::open(stage.address()).await
}

async fn expect<const N: usize>(stage: &Stage, asks: [(Request, Expect); N]) -> Checked {
    let connection = http2(stage).await?;
    for (request, expect) in asks {
        let calls = stage.site.calls();
        let received = connection.ask(&request).await?;
        expect.check(stage, &request, &received, calls)?;
    }
    Ok(())
}

async fn an_open_site_changes_nothing_over_http2(stage: &Stage) -> Checked {
    let asks = [
        (get("/"), open("hello")),
        (get("/health"), open("ok")),
        (Request::new("HEAD", "/"), open("hello")),
        (get("/nothing"), Expect::Status(404)),
    ];
    expect(stage, asks).await
}

async fn a_refusal_over_http2_is_the_same(stage: &Stage) -> Checked {
    let asks = [
        (get("/"), refused()),
        (get("/nothing"), refused()),
        (post("/items"), refused()),
        (get("/").with("accept", "text/html"), refused_as(Form::Page)),
        (
            get("/").with("accept", "application/json"),
            refused_as(Form::Problem),
        ),
    ];
    expect(stage, asks).await
}

async fn head_over_http2_gets_the_headers_of_get(stage: &Stage) -> Checked {
    let head = || Request::new("HEAD", "/");
    let asks = [
        (head(), refused()),
        (head().with("accept", "text/html"), refused_as(Form::Page)),
    ];
    expect(stage, asks).await
}

async fn a_refused_grpc_call_is_trailers_only(stage: &Stage) -> Checked {
    let call = post("/greeter.Greeter/Hello")
        .with("content-type", "application/grpc")
        .with("te", "trailers");
    let received = http2(stage).await?.ask(&call).await?;
    refused_as(Form::Grpc).check(stage, &call, &received, 0)?;
    ensure_eq("the end", &received.ended_with_headers, &Some(true))
}

async fn who_may_pass_does_over_http2(stage: &Stage) -> Checked {
    let asks = [
        (
            get("/").operator(),
            admitted("hello", AdmitReason::Permission),
        ),
        (
            get("/").with("x-forwarded-for", "192.0.2.10"),
            admitted("hello", AdmitReason::AllowedAddress),
        ),
        (get("/health"), admitted("ok", AdmitReason::RouteAlways)),
        (
            get("/nested/health"),
            admitted("ok", AdmitReason::RouteAlways),
        ),
        (get("/healthz"), refused()),
        (get("/"), refused()),
    ];
    expect(stage, asks).await
}

async fn leftmost_is_not_believed_over_http2(stage: &Stage) -> Checked {
    let xff = |value| get("/").with("x-forwarded-for", value);
    let asks = [
        (xff("192.0.2.10, 198.51.100.7"), refused()),
        (
            xff("192.0.2.10").with("x-forwarded-for", "198.51.100.7"),
            refused(),
        ),
        (xff("nonsense"), refused()),
    ];
    expect(stage, asks).await
}

async fn a_link_is_redeemed_over_http2(stage: &Stage) -> Checked {
    let (_, secret) = stage.issue_pass(None).await?;
    let connection = http2(stage).await?;
    let link = get(format!("/?a=1&intermission-pass={secret}"));
    let received = connection.ask(&link).await?;
    ensure_eq("the status", &received.status, &303)?;
    ensure_eq("the address", &received.one("location")?, &"/?a=1")?;
    let cookie = format!("intermission-pass={secret}; Path=/; HttpOnly; SameSite=Lax");
    ensure_eq("the cookie", &received.one("set-cookie")?, &cookie)?;
    let carrying = get("/")
        .with("cookie", "a=b")
        .with("cookie", format!("intermission-pass={secret}"));
    let received = connection.ask(&carrying).await?;
    admitted("hello", AdmitReason::Pass).check(stage, &carrying, &received, 0)
}

async fn a_drain_refuses_over_http2(stage: &Stage) -> Checked {
    let asks = [
        (post("/jobs"), refused_by(RefuseReason::Activating)),
        (get("/"), admitted("hello", AdmitReason::Draining)),
    ];
    expect(stage, asks).await
}

async fn many_requests_of_one_connection_are_each_decided(stage: &Stage) -> Checked {
    let connection = http2(stage).await?;
    let (plain, operator, health) = (get("/"), get("/").operator(), get("/health"));
    for _ in 0..10 {
        let (refused, passed, open, also_refused) = tokio::try_join!(
            connection.ask(&plain),
            connection.ask(&operator),
            connection.ask(&health),
            connection.ask(&plain),
        )?;
        let statuses = [&refused, &passed, &open, &also_refused].map(|answer| answer.status);
        ensure_eq("the statuses", &statuses, &[503, 200, 200, 503])?;
    }
    ensure_eq("the calls", &stage.site.calls(), &20)
}

async fn a_connection_goes_on_after_a_refusal_over_http2(stage: &Stage) -> Checked {
    let connection = http2(stage).await?;
    for status in [503, 503] {
        let received = connection.ask(&get("/")).await?;
        ensure_eq("the status", &received.status, &status)?;
    }
    stage.open().await?;
    let received = connection.ask(&get("/")).await?;
    open("hello").check(stage, &get("/"), &received, 0)
}

async fn a_cancelled_stream_counts_no_longer(stage: &Stage) -> Checked {
    let connection = http2(stage).await?;
    let stream = get("/stream");
    let (begun, fed) = tokio::join!(connection.begin(&stream), stage.feed("first"));
    fed?;
    ensure_eq("the count", &stage.requests(), &1)?;
    drop(begun?);
    stage.feed_until_dropped().await?;
    stage.nothing_in_flight().await?;
    let received = connection.ask(&get("/")).await?;
    ensure_eq("the status afterwards", &received.status, &200)
}

async fn a_cancelled_request_counts_no_longer(stage: &Stage) -> Checked {
    let connection = http2(stage).await?;
    let slow = get("/slow");
    {
        let asked = connection.ask(&slow);
        tokio::select! {
            received = asked => return Err(too_soon(&received)),
            began = stage.began() => began?,
        };
        // Dropped here, and with it the request.
    }
    stage.nothing_in_flight().await?;
    tokio::select! {
        received = connection.ask(&slow) => return Err(too_soon(&received)),
        began = stage.began() => began?,
    };
    drop(connection);
    stage.nothing_in_flight().await
}

fn too_soon(received: &Checked<Received>) -> Failure {
    Failure::new(format!("{received:?} came too soon"))
}
