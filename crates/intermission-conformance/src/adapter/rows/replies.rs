//! What a refused visitor gets.

use std::collections::BTreeSet;
use std::time::Duration;

use intermission::reply::{RefusalStatus, ReplyPolicy};
use intermission::{Activate, Change, Level, Timestamp};

use crate::adapter::expected::{Expect, Form, lines, refused, refused_as};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, RowGroup, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure, ensure_eq};

pub(super) const BROWSER: &str =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

pub(super) fn rows() -> Vec<Row> {
    [
        to_the_letter(),
        negotiation(),
        times(),
        statuses(),
        changes(),
    ]
    .concat()
}

pub(super) fn row<const N: usize>(
    name: &'static str,
    promise: &'static str,
    given: Given,
    asks: [(Request, Expect); N],
) -> Row {
    Row::asks(RowGroup::Replies, name, promise, given, asks)
}

fn accepting(accept: &str) -> Request {
    get("/").with("accept", accept)
}

pub(super) fn moving() -> Given {
    Given::closed()
        .saying("We are moving to a new shelf.")
        .retry_after(Duration::from_secs(120))
}

pub(super) fn exactly(status: u16, headers: &[(&'static str, &str)], body: &str) -> Expect {
    let headers = headers.iter();
    Expect::Exactly {
        status,
        headers: headers
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

fn to_the_letter() -> Vec<Row> {
    let decision = ("x-decision", "refuse (maintenance)");
    vec![
        row(
            "text_to_the_letter",
            "The refusal as text has these headers and this body, and no others of ours.",
            moving(),
            [(
                get("/"),
                exactly(
                    503,
                    &[
                        ("content-type", "text/plain; charset=utf-8"),
                        ("content-length", "30"),
                        ("retry-after", "120"),
                        ("cache-control", "no-store"),
                        ("vary", "Accept"),
                        ("maintenance-mode", "activated"),
                        ("x-content-type-options", "nosniff"),
                        decision,
                    ],
                    "We are moving to a new shelf.\n",
                ),
            )],
        ),
        row(
            "problem_to_the_letter",
            "The refusal as JSON has these headers and this body, and no others of ours.",
            moving(),
            [(
                accepting("application/json"),
                exactly(
                    503,
                    &[
                        ("content-type", "application/problem+json"),
                        ("content-length", "132"),
                        ("retry-after", "120"),
                        ("cache-control", "no-store"),
                        ("vary", "Accept"),
                        ("maintenance-mode", "activated"),
                        ("x-content-type-options", "nosniff"),
                        decision,
                    ],
                    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
                     \"detail\":\"We are moving to a new shelf.\",\"maintenance\":\"activated\"}",
                ),
            )],
        ),
        row(
            "grpc_to_the_letter",
            "The refusal of a gRPC call is its status in the headers, with 200 and without a body.",
            moving(),
            [(
                post("/greeter.Greeter/Hello").with("content-type", "application/grpc"),
                exactly(
                    200,
                    &[
                        ("content-type", "application/grpc"),
                        // HTTP/1 cannot say otherwise that nothing follows.
                        ("content-length", "0"),
                        ("retry-after", "120"),
                        ("cache-control", "no-store"),
                        ("vary", "Accept"),
                        ("maintenance-mode", "activated"),
                        ("x-content-type-options", "nosniff"),
                        ("grpc-status", "14"),
                        ("grpc-message", "We are moving to a new shelf."),
                        ("grpc-retry-pushback-ms", "120000"),
                        decision,
                    ],
                    "",
                ),
            )],
        ),
        row(
            "the_page_comes_back_by_itself",
            "The page has its security headers, and reloads when the visitor is to come back.",
            moving(),
            [
                (accepting(BROWSER), refused_as(Form::Page)),
                (
                    accepting(BROWSER),
                    lines(&[
                        ("content-type", "text/html; charset=utf-8"),
                        ("refresh", "120"),
                        ("referrer-policy", "no-referrer"),
                        ("x-content-type-options", "nosniff"),
                    ]),
                ),
            ],
        ),
        row(
            "the_page_of_a_post_stays",
            "The page for a method that must not be repeated does not reload.",
            moving(),
            [
                (
                    post("/items").with("accept", BROWSER).body("a=b"),
                    refused_as(Form::Page),
                ),
                (
                    post("/items").with("accept", BROWSER),
                    lines(&[("refresh", ""), ("retry-after", "120")]),
                ),
            ],
        ),
        row(
            "head_gets_the_headers_of_get",
            "HEAD gets the headers of GET in every form, its length too, and no body.",
            moving(),
            [
                (Request::new("HEAD", "/"), refused()),
                (
                    Request::new("HEAD", "/").with("accept", "text/html"),
                    refused_as(Form::Page),
                ),
                (
                    Request::new("HEAD", "/").with("accept", "application/json"),
                    refused_as(Form::Problem),
                ),
                (
                    Request::new("HEAD", "/"),
                    lines(&[("content-length", "30")]),
                ),
            ],
        ),
        row(
            "the_message_is_escaped",
            "What the operator says is text in every form, whatever is in it.",
            Given::closed()
                .saying("<script>alert(1)</script> \"Zurück\" & bald\r\nset-cookie: a=b"),
            [
                (get("/"), refused()),
                (accepting("text/html"), refused_as(Form::Page)),
                (accepting("application/json"), refused_as(Form::Problem)),
                (
                    post("/x").with("content-type", "application/grpc"),
                    refused_as(Form::Grpc),
                ),
            ],
        ),
    ]
}

fn negotiated<const N: usize>(
    name: &'static str,
    promise: &'static str,
    form: Form,
    accepts: [&'static str; N],
) -> Row {
    let asks = accepts.map(|accept| (accepting(accept), refused_as(form)));
    row(name, promise, moving(), asks)
}

fn negotiation() -> Vec<Row> {
    vec![
        negotiated(
            "a_page_for_who_asks_for_html",
            "Who asks for HTML by name, and for nothing that weighs more, gets the page.",
            Form::Page,
            [
                "text/html",
                "TEXT/HTML",
                BROWSER,
                "text/html;charset=utf-8",
                "text/html; q=1.0, application/json; q=0.9",
                "application/json;q=0.8, text/html;q=0.9",
                "text/html;q=0.1, */*;q=0.01",
                "text/plain;q=0.5,text/html;q=0.501",
            ],
        ),
        negotiated(
            "a_problem_for_who_asks_for_json",
            "Who asks for any type of JSON by name, and for nothing that weighs more, gets `application/problem+json`.",
            Form::Problem,
            [
                "application/json",
                "application/problem+json",
                "application/vnd.api+json",
                "application/hal+json;q=0.9, text/html;q=0.8",
                "text/json",
                "application/json, text/plain, */*",
                "application/json, */*;q=0.1",
                "text/html;q=0, application/json",
                "APPLICATION/JSON;Q=0.5",
            ],
        ),
        negotiated(
            "text_for_everybody_else",
            "Who accepts just anything, or nothing of ours, gets text, and never a 406.",
            Form::Text,
            [
                "*/*",
                "text/plain",
                "text/*",
                "image/avif,image/webp,*/*;q=0.8",
                "application/xml",
                "image/png",
                "",
                "nonsense",
                ",,,",
                "text/html;q=0",
                "text/html;q=0, */*",
                "*/*;q=0",
                "text/html;q=0.4, text/plain;q=0.5",
                "text/htmlx, xtext/html",
                "text/html;q=2",
            ],
        ),
        row(
            "no_accept_means_text",
            "Without `Accept`, the refusal is text.",
            moving(),
            [(get("/"), refused())],
        ),
        row(
            "several_lines_of_accept_are_one",
            "The weights count over all lines of `Accept`.",
            moving(),
            [
                (
                    accepting("application/json;q=0.5").with("accept", "text/html"),
                    refused_as(Form::Page),
                ),
                (
                    accepting("text/html;q=0.5").with("accept", "application/json"),
                    refused_as(Form::Problem),
                ),
            ],
        ),
        row(
            "who_sends_json_gets_json",
            "Who sends JSON and accepts just anything gets `application/problem+json`.",
            moving(),
            [
                (
                    post("/items")
                        .with("content-type", "application/json")
                        .body("{}"),
                    refused_as(Form::Problem),
                ),
                (
                    post("/items")
                        .with("content-type", "application/json; charset=utf-8")
                        .with("accept", "*/*")
                        .body("{}"),
                    refused_as(Form::Problem),
                ),
                (
                    post("/items")
                        .with("content-type", "application/json")
                        .with("accept", "text/html")
                        .body("{}"),
                    refused_as(Form::Page),
                ),
                (
                    post("/items")
                        .with("content-type", "application/x-www-form-urlencoded")
                        .with("accept", "*/*")
                        .body("a=b"),
                    refused(),
                ),
            ],
        ),
        row(
            "grpc_is_known_by_its_content_type",
            "gRPC is known by its content type, whatever is accepted, and gRPC-Web is another protocol.",
            moving(),
            [
                (
                    post("/x").with("content-type", "application/grpc+proto"),
                    refused_as(Form::Grpc),
                ),
                (
                    post("/x")
                        .with("content-type", "application/grpc")
                        .with("accept", "text/html"),
                    refused_as(Form::Grpc),
                ),
                (
                    post("/x").with("content-type", "application/grpc-web"),
                    refused(),
                ),
                (
                    post("/x").with("content-type", "application/grpc-web+proto"),
                    refused(),
                ),
                (get("/x").with("accept", "application/grpc"), refused()),
            ],
        ),
        row(
            "bytes_beyond_ascii_choose_nothing",
            "An `Accept` with bytes beyond ASCII is read as far as it makes sense.",
            moving(),
            [
                (accepting("téxt/html"), refused()),
                (
                    accepting("text/html;x=\"é\", application/json;q=0.1"),
                    refused_as(Form::Page),
                ),
            ],
        ),
    ]
}

fn after(name: &'static str, promise: &'static str, given: Given, expect: Expect) -> Row {
    let page = || accepting("text/html");
    let json = || accepting("application/json");
    let forms = [
        (get("/"), refused()),
        (page(), refused_as(Form::Page)),
        (json(), refused_as(Form::Problem)),
        (get("/"), expect.clone()),
        (page(), expect.clone()),
        (json(), expect),
    ];
    row(name, promise, given, forms)
}

fn times() -> Vec<Row> {
    const YEAR: Duration = Duration::from_secs(31_557_600);

    vec![
        after(
            "without_a_time_it_is_the_default",
            "Where nobody says when to come back, it is five minutes.",
            Given::closed(),
            lines(&[("retry-after", "300")]),
        ),
        after(
            "the_policy_has_a_time",
            "Where the operator says nothing, the application's own time counts.",
            Given::closed()
                .replying(ReplyPolicy::default().with_retry_after(Duration::from_secs(45))),
            lines(&[("retry-after", "45")]),
        ),
        after(
            "the_operators_time_goes_before",
            "The operator's time counts before the application's.",
            Given::closed()
                .replying(ReplyPolicy::default().with_retry_after(Duration::from_secs(45)))
                .retry_after(Duration::from_secs(20)),
            lines(&[("retry-after", "20")]),
        ),
        after(
            "the_announced_end_goes_before_all",
            "Where an end is announced, the time is until then, rounded up to a second.",
            Given::closed()
                .retry_after(Duration::from_secs(20))
                .ending_in(Duration::from_millis(89_001)),
            lines(&[("retry-after", "90")]),
        ),
        after(
            "an_end_that_has_passed_is_one_second_away",
            "Where the announced end has passed, visitors are told to come back in a second.",
            Given::closed().overdue(),
            lines(&[("retry-after", "1")]),
        ),
        after(
            "an_end_far_away_is_a_number_that_clients_can_read",
            "However far the announced end is, the time fits 32 bits.",
            Given::closed().ending_in(YEAR * 200),
            lines(&[("retry-after", "2147483647")]),
        ),
        plays!(
            Replies,
            the_time_counts_down,
            "Each refusal has the time that is left at its own moment, however many there were before.",
            Given::closed().ending_in(Duration::from_secs(90))
        ),
        plays!(
            Replies,
            the_calendar_may_be_set_back,
            "After somebody has set the clock back, the time is until the announced end by the new calendar.",
            Given::closed().ending_in(Duration::from_secs(90))
        ),
        plays!(
            Replies,
            jitter_spreads_the_visitors,
            "With jitter, visitors are told different times, of the range that is set.",
            Given::closed()
                .retry_after(Duration::from_secs(100))
                .replying(
                    ReplyPolicy::default()
                        .with_jitter(Duration::from_secs(5)..=Duration::from_secs(30))
                )
        ),
    ]
}

async fn the_time_counts_down(stage: &Stage) -> Checked {
    for left in ["90", "80", "70"] {
        for accept in ["text/plain", "text/html", "application/json"] {
            let received = stage.ask(&accepting(accept)).await?;
            ensure_eq("the time", &received.one("retry-after")?, &left)?;
        }
        stage.clock.advance(Duration::from_secs(10));
    }
    Ok(())
}

async fn the_calendar_may_be_set_back(stage: &Stage) -> Checked {
    let before = stage.now().as_millis();
    stage.ask(&get("/")).await?;
    let earlier = Timestamp::from_millis(before.saturating_sub(3_600_000));
    stage.clock.set_calendar(earlier);
    let received = stage.ask(&get("/")).await?;
    ensure_eq("the time", &received.one("retry-after")?, &"3690")
}

async fn jitter_spreads_the_visitors(stage: &Stage) -> Checked {
    let mut times = BTreeSet::new();
    for _ in 0..20 {
        let received = stage.ask(&get("/")).await?;
        let time: u64 = received.one("retry-after")?.parse()?;
        ensure((105..=130).contains(&time), || {
            format!("{time} s are not of the range")
        })?;
        times.insert(time);
    }
    ensure(times.len() > 1, || format!("all are told {times:?}"))
}

fn with_status(status: u16) -> Given {
    let status = RefusalStatus::new(status).unwrap_or_default();
    moving().replying(ReplyPolicy::default().with_status(status))
}

fn statuses() -> Vec<Row> {
    vec![
        row(
            "the_status_may_be_another",
            "The application may refuse with another status, with the same headers and bodies.",
            with_status(429),
            [
                (get("/"), refused()),
                (accepting("text/html"), refused_as(Form::Page)),
                (accepting("application/json"), refused_as(Form::Problem)),
                (Request::new("HEAD", "/"), refused()),
            ],
        ),
        row(
            "the_status_may_be_a_success",
            "The application may refuse with 200, for load balancers that drop a node which says 503.",
            with_status(200),
            [
                (get("/"), refused()),
                (accepting("text/html"), refused_as(Form::Page)),
            ],
        ),
        row(
            "a_status_without_content_has_none",
            "A status that has no content comes with the headers alone.",
            with_status(204),
            [(get("/"), refused()), (accepting("text/html"), refused())],
        ),
        row(
            "grpc_has_its_own_status",
            "The refusal of a gRPC call is 200, whatever the application has set.",
            with_status(429),
            [(
                post("/x").with("content-type", "application/grpc"),
                refused_as(Form::Grpc),
            )],
        ),
    ]
}

fn changes() -> Vec<Row> {
    vec![
        plays!(
            Replies,
            a_change_is_shown_at_once,
            "After a change, every refusal in every form is the new one.",
            Given::closed().saying("before")
        ),
        plays!(
            Replies,
            the_marker_follows_the_level,
            "The header `Maintenance-Mode` says which mode it is that refuses.",
            Given::open()
        ),
    ]
}

async fn a_change_is_shown_at_once(stage: &Stage) -> Checked {
    for (message, time) in [("before", "300"), ("after", "7"), ("later", "8")] {
        for accept in ["text/plain", "text/html", "application/json"] {
            let received = stage.ask(&accepting(accept)).await?;
            ensure(received.text().contains(message), || {
                format!("{message:?} is not in {received:?}")
            })?;
            ensure_eq("the time", &received.one("retry-after")?, &time)?;
        }
        let (message, seconds) = if message == "before" {
            ("after", 7)
        } else {
            ("later", 8)
        };
        let activate = Activate::by("ana")
            .with_message(message)
            .with_retry_after(Duration::from_secs(seconds));
        stage.change(Change::Activate(activate)).await?;
    }
    Ok(())
}

async fn the_marker_follows_the_level(stage: &Stage) -> Checked {
    for (level, marker) in [
        (Level::Full, "activated"),
        (Level::ReadOnly, "read-only"),
        (Level::Exclusive, "activated"),
    ] {
        stage.close_at(level).await?;
        let received = stage.ask(&post("/items")).await?;
        ensure_eq("the marker", &received.one("maintenance-mode")?, &marker)?;
    }
    stage.open().await?;
    let received = stage.ask(&post("/items").body("four")).await?;
    ensure_eq("the status after the opening", &received.status, &201)?;
    ensure_eq("the marker", &received.values("maintenance-mode").len(), &0)
}
