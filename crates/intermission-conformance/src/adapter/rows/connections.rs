//! Connections that are kept, cut, or fed with nonsense.

use intermission::AdmitReason;

use crate::adapter::expected::{admitted, open, refused};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure, ensure_eq};

pub(super) fn rows() -> Vec<Row> {
    vec![
        plays!(
            Connections,
            a_connection_goes_on_after_a_refusal,
            "A refusal costs nobody the connection, and the next request on it is decided anew.",
            Given::closed()
        ),
        plays!(
            Connections,
            each_request_of_a_connection_is_decided_by_itself,
            "What one request of a connection may says nothing about the next.",
            Given::closed()
        ),
        plays!(
            Connections,
            requests_in_one_go_are_answered_in_their_order,
            "Requests that are sent without waiting are answered one by one, each by its own right.",
            Given::closed()
        ),
        plays!(
            Connections,
            head_in_one_go_is_answered_as_head,
            "The same holds for HEAD among them, whose answer has no body.",
            Given::closed()
        ),
        plays!(
            Connections,
            a_refused_body_is_never_taken_for_a_request,
            "What a refused client sends as a body is not answered, whatever it looks like.",
            Given::closed()
        ),
        plays!(
            Connections,
            a_refused_body_in_chunks_is_never_taken_for_a_request,
            "The same holds for a body in chunks.",
            Given::closed()
        ),
        plays!(
            Connections,
            http_1_0_is_refused,
            "A client of HTTP/1.0 gets the refusal, and the connection ends.",
            Given::closed()
        ),
        plays!(
            Connections,
            an_upgrade_is_refused_like_anything_else,
            "A request that asks for another protocol gets the refusal in this one.",
            Given::closed()
        ),
        plays!(
            Connections,
            many_at_once_are_each_answered,
            "Of many connections at once, each gets its answer, and no count is left.",
            Given::closed()
        ),
        plays!(
            Connections,
            a_request_that_breaks_off_leaves_nothing_behind,
            "A client that goes away in the middle of its request leaves no count behind.",
            Given::open()
        ),
        plays!(
            Connections,
            a_malformed_request_reaches_nobody,
            "What is no HTTP is not taken for a request that may in, and the server goes on.",
            Given::closed()
        ),
        plays!(
            Connections,
            odd_characters_open_nothing,
            "A path with characters that belong escaped, or with escapes of what is no text, is not that of an open route.",
            Given::closed()
        ),
        plays!(
            Connections,
            malformed_headers_let_nobody_in,
            "A request with headers that are broken, doubled or too many is not let in by them.",
            Given::closed()
                .allowing(&["192.0.2.10"])
                .trusting(&["127.0.0.1"])
        ),
        plays!(
            Connections,
            a_huge_request_reaches_nobody,
            "Headers without end are cut off by the server, and the server goes on.",
            Given::closed()
        ),
        plays!(
            Connections,
            a_visitor_in_the_middle_of_a_closure_is_counted_or_refused,
            "While the mode goes on and off, each request is answered as one of the two, and no count is left.",
            Given::open()
        ),
    ]
}

/// The server still serves, and counts nothing.
async fn goes_on(stage: &Stage, after: &str) -> Checked {
    let goes_on = async {
        stage.nothing_in_flight().await?;
        let received = stage.ask(&get("/health")).await?;
        ensure_eq("the status of `/health`", &received.status, &200)
    };
    goes_on
        .await
        .map_err(|failure| failure.during(&format!("after {after}")))
}

async fn a_connection_goes_on_after_a_refusal(stage: &Stage) -> Checked {
    let request = get("/");
    let mut wire = stage.wire().await?;
    for _ in 0..2 {
        wire.send(&request.bytes("")).await?;
        let received = wire.answer(false).await?;
        refused().check(stage, &request, &received, 0)?;
    }
    let head = Request::new("HEAD", "/");
    wire.send(&head.bytes("")).await?;
    let received = wire.answer(true).await?;
    refused().check(stage, &head, &received, 0)?;
    stage.open().await?;
    wire.send(&request.bytes("")).await?;
    let received = wire.answer(false).await?;
    open("hello").check(stage, &request, &received, 0)
}

async fn each_request_of_a_connection_is_decided_by_itself(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    let by_permission = admitted("hello", AdmitReason::Permission);
    let by_route = admitted("ok", AdmitReason::RouteAlways);
    for (request, expect) in [
        (get("/").operator(), by_permission),
        (get("/"), refused()),
        (get("/health"), by_route),
        (get("/"), refused()),
    ] {
        let calls = stage.site.calls();
        wire.send(&request.bytes("")).await?;
        let received = wire.answer(false).await?;
        expect.check(stage, &request, &received, calls)?;
    }
    Ok(())
}

/// Sends all at once, and compares the statuses of the answers.
async fn in_one_go<const N: usize>(stage: &Stage, asks: [(Request, u16); N]) -> Checked {
    let mut bytes = Vec::new();
    for (request, _) in &asks {
        bytes.extend(request.bytes(""));
    }
    let mut wire = stage.wire().await?;
    wire.send(&bytes).await?;
    for (request, status) in &asks {
        let received = wire.answer(request.is_head()).await?;
        let what = format!("the answer to {} {}", request.method, request.target);
        ensure_eq(&what, &received.status, status)?;
    }
    Ok(())
}

async fn requests_in_one_go_are_answered_in_their_order(stage: &Stage) -> Checked {
    let asks = [
        (get("/"), 503),
        (get("/health"), 200),
        (get("/nothing"), 503),
        (get("/").operator(), 200),
        (get("/"), 503),
    ];
    in_one_go(stage, asks).await?;
    ensure_eq("the calls", &stage.site.calls(), &2)
}

async fn head_in_one_go_is_answered_as_head(stage: &Stage) -> Checked {
    let asks = [
        (get("/health"), 200),
        (Request::new("HEAD", "/"), 503),
        (get("/").operator(), 200),
    ];
    in_one_go(stage, asks).await
}

/// Sends a refused body that looks like a request for an open route, and sees that nobody answers it.
async fn smuggle(stage: &Stage, upload: &[u8]) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send_what_is_taken(upload).await?;
    let received = wire.answer(false).await?;
    ensure_eq("the status", &received.status, &503)?;
    // Whether the server throws the body away or closes the connection is its own affair.
    let _ = wire.finish().await;
    let rest = String::from_utf8_lossy(&wire.rest().await?).into_owned();
    ensure(!rest.contains("200 OK"), || {
        format!("the body was answered: {rest:?}")
    })?;
    ensure_eq("the calls", &stage.site.calls(), &0)
}

async fn a_refused_body_is_never_taken_for_a_request(stage: &Stage) -> Checked {
    let inner = get("/health").bytes("");
    smuggle(stage, &post("/items").body(inner).bytes("")).await
}

async fn a_refused_body_in_chunks_is_never_taken_for_a_request(stage: &Stage) -> Checked {
    let inner = get("/health").bytes("");
    let request = post("/items").with("transfer-encoding", "chunked");
    let mut upload = request.bytes("");
    upload.extend(format!("{:x}\r\n", inner.len()).into_bytes());
    upload.extend(inner);
    upload.extend(b"\r\n0\r\n\r\n");
    smuggle(stage, &upload).await
}

async fn http_1_0_is_refused(stage: &Stage) -> Checked {
    let mut wire = stage.wire().await?;
    wire.send(b"GET / HTTP/1.0\r\n\r\n").await?;
    let received = wire.answer(false).await?;
    refused().check(stage, &get("/"), &received, 0)?;
    let rest = wire.rest().await?;
    ensure_eq("what comes after the answer", &rest.len(), &0)
}

async fn an_upgrade_is_refused_like_anything_else(stage: &Stage) -> Checked {
    for protocol in ["h2c", "websocket", "TLS/1.0"] {
        let request = get("/")
            .with("upgrade", protocol)
            .with("http2-settings", "AAMAAABkAAQAAP__");
        let mut wire = stage.wire().await?;
        wire.send(&request.bytes("upgrade, http2-settings")).await?;
        let received = wire.answer(false).await?;
        refused().check(stage, &request, &received, 0)?;
    }
    Ok(())
}

async fn many_at_once_are_each_answered(stage: &Stage) -> Checked {
    let mut wires = Vec::new();
    for _ in 0..50 {
        let mut wire = stage.wire().await?;
        wire.send(&get("/").bytes("close")).await?;
        wires.push(wire);
    }
    for mut wire in wires {
        let received = wire.answer(false).await?;
        refused().check(stage, &get("/"), &received, 0)?;
    }
    stage.nothing_in_flight().await
}

async fn a_request_that_breaks_off_leaves_nothing_behind(stage: &Stage) -> Checked {
    let whole = post("/items").body("four").bytes("");
    for length in [0, 1, 5, 16, whole.len() - 6, whole.len() - 1] {
        let mut wire = stage.wire().await?;
        wire.send(whole.get(..length).unwrap_or_default()).await?;
        drop(wire);
    }
    goes_on(stage, "requests that break off").await
}

async fn a_malformed_request_reaches_nobody(stage: &Stage) -> Checked {
    let requests: &[&[u8]] = &[
        b"\r\n\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /health HTTP/1.1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET  / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"G\xc3\x89T / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET ://health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http:///health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT site.example:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, and not a frame of settings",
    ];
    for request in requests {
        reaches_nobody(stage, request).await?;
    }
    Ok(())
}

async fn odd_characters_open_nothing(stage: &Stage) -> Checked {
    let targets: &[&[u8]] = &[
        b"/health\\",
        b"\\health",
        b"/\\health",
        b"/health\\..\\",
        b"/health\t",
        b"/health\x0b",
        b"/health\x7f",
        b"/health\xa0",
        b"/health\xc0\xaf",
        b"/health\xe2\x80\xae",
        b"/\xef\xbb\xbfhealth",
        b"/health%C0%AF",
        b"/health%E0%80%AF",
        b"/%c0%ae/health",
        b"/%u0068ealth",
        b"/health%",
        b"/health%2",
        b"/health%gg",
        b"/health%00",
        b"/health|",
        b"/health^",
        b"/health`",
        b"/<health>",
        b"/{health}",
        b"/[health]",
        b"/\"health\"",
        b"/health:80",
        b"/health@x",
        b"/health,",
        b"/health&x",
        b"/;/health",
        b"/~/health",
        b"#/health",
        b"?/health",
        b"//site.example/health",
        b"https:/health",
        b"https:///health",
        b"*/health",
    ];
    for target in targets {
        let request = [
            b"GET ",
            *target,
            b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        ];
        reaches_nobody(stage, &request.concat()).await?;
    }
    Ok(())
}

async fn malformed_headers_let_nobody_in(stage: &Stage) -> Checked {
    let line = "GET / HTTP/1.1\r\n";
    for headers in [
        "",
        "host: x\r\nhost: y\r\n",
        "host: x\r\nx-operator : yes\r\n",
        "host: x\r\nx-operator\r\n",
        "host: x\r\n x-operator: yes\r\n",
        "host: x\r\nx-operator: no\r\n yes\r\n",
        "host: x\r\nx-operator: yes\0\r\n",
        "host: x\r\nx-operator: \u{7f}\r\n",
        "host: x\r\n: yes\r\n",
        "host: x\r\nx forwarded for: 192.0.2.10\r\n",
        "host: x\r\nx_forwarded_for: 192.0.2.10\r\n",
        "host: x\r\nx-forwarded-for: 192.0.2.10\0\r\n",
        "host: x\r\nx-forwarded-for: 198.51.100.7\r\n 192.0.2.10\r\n",
        "host: x\r\ncontent-length: -1\r\n",
        "host: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n",
        "host: x\r\ncontent-length: 99999999999999999999\r\n",
        "host: x\r\ntransfer-encoding: identity, chunked, chunked\r\n",
        "host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "host: x\r\nexpect: nonsense\r\n",
        "host: x\r\nconnection: x-operator, close\r\n",
        "host: x\nx-operator: no\n",
    ] {
        let request = format!("{line}{headers}\r\n");
        reaches_nobody(stage, request.as_bytes()).await?;
    }
    Ok(())
}

async fn a_huge_request_reaches_nobody(stage: &Stage) -> Checked {
    let line = "GET / HTTP/1.1\r\nhost: x\r\n";
    for request in [
        format!("{line}x-long: {}\r\n\r\n", "a".repeat(2 << 20)),
        format!("{line}{}: x\r\n\r\n", "a".repeat(2 << 20)),
        format!("{line}{}\r\n", "x-many: a\r\n".repeat(20_000)),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(2 << 20)),
        format!("{} / HTTP/1.1\r\nhost: x\r\n\r\n", "A".repeat(2 << 20)),
    ] {
        reaches_nobody(stage, request.as_bytes()).await?;
    }
    Ok(())
}

/// The server answers it by an error of its own, by the refusal, or by closing; the application never sees it.
async fn reaches_nobody(stage: &Stage, request: &[u8]) -> Checked {
    let begin: String = String::from_utf8_lossy(request).chars().take(80).collect();
    let sent = async {
        let mut wire = stage.wire().await?;
        wire.send_what_is_taken(request).await?;
        let _ = wire.finish().await;
        wire.rest().await
    };
    let answer = sent
        .await
        .map_err(|failure| failure.during(&format!("{begin:?}")))?;
    let text = String::from_utf8_lossy(&answer);
    ensure(!text.contains("200 OK"), || {
        format!("{begin:?} is answered by {text:?}")
    })?;
    ensure_eq(
        &format!("the calls after {begin:?}"),
        &stage.site.calls(),
        &0,
    )?;
    // Counted in here, so that it is not counted there.
    let health = goes_on(stage, &format!("{begin:?}")).await;
    stage.site.forget_calls();
    health
}

async fn a_visitor_in_the_middle_of_a_closure_is_counted_or_refused(stage: &Stage) -> Checked {
    let flips = async {
        for _ in 0..10 {
            stage.close().await?;
            stage.open().await?;
        }
        Ok(())
    };
    let visits = async {
        for _ in 0..60 {
            let received = stage.ask(&get("/")).await?;
            let marker = received.values("maintenance-mode");
            let is_one = match received.status {
                200 => marker.is_empty() && received.text() == "hello",
                503 => marker == ["activated"],
                _ => false,
            };
            ensure(is_one, || format!("{received:?} is neither"))?;
        }
        Ok(())
    };
    let (flipped, visited): (Checked, Checked) = tokio::join!(flips, visits);
    flipped.and(visited)?;
    stage.nothing_in_flight().await
}
