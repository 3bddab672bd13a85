//! Bodies of requests and responses, and how long a request counts.

use crate::adapter::Route;
use crate::adapter::expected::{open, refused};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, Wire, get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure, ensure_eq};

const MEBIBYTE: usize = 1 << 20;

pub(super) fn rows() -> Vec<Row> {
    [uploads(), streams(), handlers()].concat()
}

fn uploads() -> Vec<Row> {
    vec![
        plays!(
            Bodies,
            a_refused_upload_is_not_waited_for,
            "A refusal does not wait for the body of the request, which may never come.",
            Given::closed()
        ),
        plays!(
            Bodies,
            a_refused_upload_without_a_length_is_not_waited_for,
            "A refusal does not wait for a body in chunks, either.",
            Given::closed()
        ),
        plays!(
            Bodies,
            a_refused_upload_that_asks_first_is_not_told_to_go_on,
            "A client that asks with `Expect: 100-continue` is refused without being told to send its body.",
            Given::closed()
        ),
        plays!(
            Bodies,
            an_admitted_upload_that_asks_first_is_told_to_go_on,
            "A client that asks with `Expect: 100-continue` and is let in is told to send its body.",
            Given::open()
        ),
        plays!(
            Bodies,
            who_sends_all_of_a_refused_upload_gets_the_answer,
            "A client that sends a mebibyte all the same gets the refusal.",
            Given::closed()
        ),
        plays!(
            Bodies,
            an_admitted_upload_is_read_whole,
            "The adapter hands on a mebibyte of body as it is, to who is let in past the closed door as well.",
            Given::open()
        ),
        plays!(
            Bodies,
            an_upload_counts_while_it_is_read,
            "A request counts while its body is on its way, and no longer when its client goes away.",
            Given::open()
        ),
    ]
}

fn streams() -> Vec<Row> {
    vec![
        plays!(
            Bodies,
            a_stream_goes_out_piece_by_piece,
            "The adapter holds no piece of a response back until the next.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_stream_counts_until_it_ends,
            "A request counts until the last piece of its response.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_stream_counts_until_its_client_goes_away,
            "A request counts no longer when its client goes away in the middle of the response.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_stream_that_has_begun_goes_on_after_the_closure,
            "A response that has begun is not cut off when the site closes, and still counts.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_site_is_quiescent_when_the_last_response_has_ended,
            "A backup that waits for quiescence waits for the last piece of the last response.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_bypassed_stream_counts_too,
            "A request that is let in past the closed door counts until its response has ended.",
            Given::closed()
        ),
    ]
}

fn handlers() -> Vec<Row> {
    vec![
        plays!(
            Bodies,
            a_handler_counts_until_it_answers,
            "A request counts from before its handler until after its answer.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_handler_whose_client_goes_away_counts_no_longer,
            "A request counts no longer when its client goes away before the answer.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_handler_that_panics_counts_no_longer,
            "A handler that panics leaves no count behind, and the server goes on.",
            Given::open()
        ),
        plays!(
            Bodies,
            always_open_routes_count_nothing,
            "Nobody waits for a route that is always open.",
            Given::open()
        ),
        plays!(
            Bodies,
            a_refusal_counts_nothing,
            "A refused request is never in flight for longer than its answer takes.",
            Given::closed()
        ),
    ]
}

fn upload_of(length: usize) -> Request {
    post("/items").with("content-length", length.to_string())
}

async fn a_refused_upload_is_not_waited_for(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(&upload_of(MEBIBYTE).bytes("")).await?;
    let received = wire.answer(false).await?;
    refused().check(stage, &post("/items"), &received, 0)
}

async fn a_refused_upload_without_a_length_is_not_waited_for(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    let request = post("/items").with("transfer-encoding", "chunked");
    wire.send(&request.bytes("")).await?;
    let received = wire.answer(false).await?;
    refused().check(stage, &request, &received, 0)
}

async fn a_refused_upload_that_asks_first_is_not_told_to_go_on(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    let request = upload_of(4).with("expect", "100-continue");
    wire.send(&request.bytes("")).await?;
    let received = wire.answer(false).await?;
    ensure_eq(
        "what came before the answer",
        &received.interim.as_slice(),
        &[0_u16; 0],
    )?;
    refused().check(stage, &request, &received, 0)
}

async fn an_admitted_upload_that_asks_first_is_told_to_go_on(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    let request = upload_of(4).with("expect", "100-continue");
    wire.send(&request.bytes("")).await?;
    wire.wait_for(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    wire.send(b"four").await?;
    let received = wire.answer(false).await?;
    ensure_eq("the status", &received.status, &201)?;
    ensure_eq("the length", &received.text(), &"4")
}

async fn who_sends_all_of_a_refused_upload_gets_the_answer(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    let request = post("/items").body("x".repeat(MEBIBYTE));
    wire.send_what_is_taken(&request.bytes("")).await?;
    let received = wire.answer(false).await?;
    refused().check(stage, &request, &received, 0)
}

async fn an_admitted_upload_is_read_whole(stage: &Stage) -> Checked {
    let request = post("/items").body("x".repeat(MEBIBYTE));
    for request in [request.clone(), request.operator()] {
        let received = stage.ask(&request).await?;
        ensure_eq("the length", &received.text(), &"1048576")?;
        stage.close().await?;
    }
    Ok(())
}

async fn an_upload_counts_while_it_is_read(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(&upload_of(4).bytes("")).await?;
    wire.send(b"tw").await?;
    stage.counted(1).await?;
    drop(wire);
    stage.nothing_in_flight().await
}

/// Asks for a stream, and waits until its first piece has come.
async fn begin(stage: &Stage, request: &Request) -> Checked<Wire> {
    let mut wire = stage.wire().await?;
    wire.send(&request.bytes("close")).await?;
    stage.feed("first").await?;
    wire.wait_for(b"first").await?;
    ensure_eq("the count", &stage.requests(), &1)?;
    Ok(wire)
}

async fn a_stream_goes_out_piece_by_piece(stage: &Stage) -> Checked {
    let mut wire = begin(stage, &get("/stream")).await?;
    for piece in ["second", "third"] {
        stage.feed(piece).await?;
        wire.wait_for(piece.as_bytes()).await?;
    }
    Ok(())
}

async fn a_stream_counts_until_it_ends(stage: &Stage) -> Checked {
    let mut wire = begin(stage, &get("/stream")).await?;
    stage.end_stream();
    wire.rest().await?;
    stage.nothing_in_flight().await
}

async fn a_stream_counts_until_its_client_goes_away(stage: &Stage) -> Checked {
    let wire = begin(stage, &get("/stream")).await?;
    drop(wire);
    stage.feed_until_dropped().await?;
    stage.nothing_in_flight().await
}

async fn a_stream_that_has_begun_goes_on_after_the_closure(stage: &Stage) -> Checked {
    let mut wire = begin(stage, &get("/stream")).await?;
    stage.close().await?;
    stage.feed("second").await?;
    wire.wait_for(b"second").await?;
    ensure_eq("the count", &stage.requests(), &1)?;
    let other = stage.ask(&get("/")).await?;
    refused().check(stage, &get("/"), &other, 1)?;
    stage.end_stream();
    wire.rest().await?;
    stage.nothing_in_flight().await
}

async fn a_site_is_quiescent_when_the_last_response_has_ended(stage: &Stage) -> Checked {
    let mut wire = begin(stage, &get("/stream")).await?;
    stage.close().await?;
    stage.feed("second").await?;
    wire.wait_for(b"second").await?;
    let view = stage.operator.inspect(0).await?;
    ensure_eq("when it was quiescent", &view.quiescent_at, &None)?;
    stage.end_stream();
    wire.rest().await?;
    stage.quiescent().await
}

async fn a_bypassed_stream_counts_too(stage: &Stage) -> Checked {
    let mut wire = begin(stage, &get("/stream").operator()).await?;
    stage.end_stream();
    wire.rest().await?;
    stage.nothing_in_flight().await
}

async fn a_handler_counts_until_it_answers(stage: &Stage) -> Checked {
    let request = get("/slow");
    let mut wire = stage.wire().await?;
    wire.send(&request.bytes("close")).await?;
    ensure_eq("the route", &stage.began().await?, &Route::Slow)?;
    ensure_eq("the count", &stage.requests(), &1)?;
    stage.close().await?;
    ensure_eq("the count after the closure", &stage.requests(), &1)?;
    stage.site.let_one_slow_answer_go();
    // Nobody is told of a mode that began after the request.
    let received = wire.answer(false).await?;
    open("at last").check(stage, &request, &received, 0)?;
    stage.nothing_in_flight().await
}

async fn a_handler_whose_client_goes_away_counts_no_longer(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(&get("/slow").bytes("")).await?;
    stage.began().await?;
    ensure_eq("the count", &stage.requests(), &1)?;
    drop(wire);
    stage.nothing_in_flight().await
}

async fn a_handler_that_panics_counts_no_longer(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(&get("/panics").bytes("close")).await?;
    stage.began().await?;
    let rest = wire.rest().await?;
    let text = String::from_utf8_lossy(&rest);
    ensure(!text.contains(" 200 "), || {
        format!("it is answered by {text:?}")
    })?;
    stage.nothing_in_flight().await?;
    let received = stage.ask(&get("/")).await?;
    open("hello").check(stage, &get("/"), &received, 1)
}

async fn always_open_routes_count_nothing(stage: &Stage) -> Checked {
    // All of a request's way is over before the answer has been read, except for the end of its body.
    for _ in 0..3 {
        stage.ask(&get("/health")).await?;
    }
    stage.nothing_in_flight().await
}

async fn a_refusal_counts_nothing(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    for _ in 0..3 {
        wire.send(&get("/").bytes("")).await?;
        wire.answer(false).await?;
        stage.nothing_in_flight().await?;
    }
    Ok(())
}
