//! The rules of the decision, in their order; the first that answers wins.

use intermission::{AdmitReason, Level, RefuseReason};

use crate::adapter::expected::{Expect, admitted, open, refused, refused_by};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, RowGroup, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure_eq};

pub(super) fn rows() -> Vec<Row> {
    [phases(), levels(), bypasses(), preflights()].concat()
}

fn row<const N: usize>(
    name: &'static str,
    promise: &'static str,
    given: Given,
    asks: [(Request, Expect); N],
) -> Row {
    Row::asks(RowGroup::Decision, name, promise, given, asks)
}

fn created(body: &'static str, reason: impl Into<Option<AdmitReason>>) -> Expect {
    Expect::Admitted {
        status: 201,
        body,
        reason: reason.into(),
    }
}

fn accepted(reason: AdmitReason) -> Expect {
    Expect::Admitted {
        status: 202,
        body: "done",
        reason: Some(reason),
    }
}

fn phases() -> Vec<Row> {
    vec![
        row(
            "an_open_site_changes_nothing",
            "While the mode is off, the application's answer goes out as it is.",
            Given::open(),
            [
                (get("/"), open("hello")),
                (Request::new("HEAD", "/"), open("hello")),
                (Request::new("OPTIONS", "/"), open("hello")),
                (preflight("/"), open("hello")),
                (post("/items").body("four"), created("4", None)),
                (get("/health"), open("ok")),
                (get("/seen"), open("nothing")),
            ],
        ),
        row(
            "an_open_site_starts_executions",
            "While the mode is off, a route that starts an execution is asked about and let in.",
            Given::open(),
            [(post("/jobs"), accepted(AdmitReason::Deactivated))],
        ),
        row(
            "a_drain_goes_on_serving",
            "While a drain goes on, all is let in that starts no execution, and nothing is marked as a bypass.",
            Given::draining(),
            [
                (get("/"), admitted("hello", AdmitReason::Draining)),
                (
                    post("/items").body("four"),
                    created("4", AdmitReason::Draining),
                ),
                (
                    get("/seen"),
                    admitted("admit (draining)", AdmitReason::Draining),
                ),
            ],
        ),
        row(
            "a_drain_refuses_what_starts_an_execution",
            "While a drain goes on, what would start an execution is refused, whatever its method.",
            Given::draining(),
            [
                (post("/jobs"), refused_by(RefuseReason::Activating)),
                (get("/jobs"), refused_by(RefuseReason::Activating)),
                (post("/exports"), refused_by(RefuseReason::Activating)),
            ],
        ),
        row(
            "a_drain_lets_who_may_pass_start_executions",
            "While a drain goes on, who has the permission may start an execution, and gets the marks of a bypass.",
            Given::draining(),
            [(post("/jobs").operator(), accepted(AdmitReason::Permission))],
        ),
        row(
            "a_closed_site_refuses",
            "While the mode is on, everybody else is refused, whatever the method.",
            Given::closed(),
            [
                (get("/"), refused()),
                (Request::new("HEAD", "/"), refused()),
                (Request::new("OPTIONS", "/"), refused()),
                (post("/items").body("four"), refused()),
                (Request::new("PUT", "/items").body("four"), refused()),
                (Request::new("DELETE", "/"), refused()),
                (Request::new("PROPFIND", "/"), refused()),
                (post("/jobs"), refused()),
                (get("/nested/page"), refused()),
            ],
        ),
        row(
            "always_open_routes_are_open_at_every_phase",
            "A route flagged as always open is, while it is closed or drains, to every method.",
            Given::closed(),
            [
                (get("/health"), admitted("ok", AdmitReason::RouteAlways)),
                (post("/health"), admitted("ok", AdmitReason::RouteAlways)),
                (
                    Request::new("HEAD", "/health"),
                    admitted("ok", AdmitReason::RouteAlways),
                ),
                (
                    get("/nested/health"),
                    admitted("ok", AdmitReason::RouteAlways),
                ),
                (
                    get("/health?full=1"),
                    admitted("ok", AdmitReason::RouteAlways),
                ),
            ],
        ),
    ]
}

fn levels() -> Vec<Row> {
    vec![
        row(
            "a_drain_at_level_exclusive_counts_no_bypass",
            "While a drain to level exclusive goes on, not even who has the permission starts an execution.",
            Given::draining().at(Level::Exclusive),
            [
                (
                    post("/jobs").operator(),
                    refused_by(RefuseReason::Exclusive),
                ),
                (
                    get("/").operator(),
                    admitted("hello", AdmitReason::Draining),
                ),
                (
                    post("/items").body("four"),
                    created("4", AdmitReason::Draining),
                ),
            ],
        ),
        row(
            "a_drain_at_level_read_only_goes_on_serving",
            "While a drain to level read-only goes on, unsafe methods are still let in.",
            Given::draining().at(Level::ReadOnly),
            [
                (
                    post("/items").body("four"),
                    created("4", AdmitReason::Draining),
                ),
                (post("/jobs"), refused_by(RefuseReason::Activating)),
            ],
        ),
        row(
            "read_only_lets_safe_methods_in",
            "At level read-only, safe methods are let in, and are not marked as a bypass.",
            Given::closed().at(Level::ReadOnly),
            [
                (get("/"), admitted("hello", AdmitReason::ReadOnly)),
                (
                    Request::new("HEAD", "/"),
                    admitted("hello", AdmitReason::ReadOnly),
                ),
                (
                    Request::new("OPTIONS", "/"),
                    admitted("hello", AdmitReason::ReadOnly),
                ),
            ],
        ),
        row(
            "read_only_refuses_unsafe_methods",
            "At level read-only, unsafe and unknown methods are refused, and so is what starts an execution by GET.",
            Given::closed().at(Level::ReadOnly),
            [
                (post("/items").body("four"), refused()),
                (Request::new("PUT", "/"), refused()),
                (Request::new("PATCH", "/"), refused()),
                (Request::new("DELETE", "/"), refused()),
                (Request::new("PROPFIND", "/"), refused()),
                (Request::new("get", "/"), refused()),
                (get("/jobs"), refused()),
            ],
        ),
        row(
            "read_only_lets_who_may_pass_write",
            "At level read-only, who has the permission may use unsafe methods.",
            Given::closed().at(Level::ReadOnly),
            [(
                post("/items").body("four").operator(),
                created("4", AdmitReason::Permission),
            )],
        ),
        row(
            "exclusive_counts_no_bypass",
            "At level exclusive, neither permission nor address lets in.",
            Given::closed()
                .at(Level::Exclusive)
                .allowing(&["127.0.0.1"]),
            [
                (get("/").operator(), refused_by(RefuseReason::Exclusive)),
                (get("/"), refused_by(RefuseReason::Exclusive)),
                (
                    post("/jobs").operator(),
                    refused_by(RefuseReason::Exclusive),
                ),
            ],
        ),
        row(
            "exclusive_leaves_always_open_routes_open",
            "At level exclusive, a route that is always open still is.",
            Given::closed().at(Level::Exclusive),
            [(get("/health"), admitted("ok", AdmitReason::RouteAlways))],
        ),
    ]
}

fn bypasses() -> Vec<Row> {
    vec![
        row(
            "the_permission_lets_in",
            "Who has the permission is let in, and caches and pages are told that it is a bypass.",
            Given::closed(),
            [
                (
                    get("/").operator(),
                    admitted("hello", AdmitReason::Permission),
                ),
                (
                    Request::new("HEAD", "/").operator(),
                    admitted("hello", AdmitReason::Permission),
                ),
                (
                    post("/items").body("four").operator(),
                    created("4", AdmitReason::Permission),
                ),
                (
                    get("/seen").operator(),
                    admitted("admit (permission)", AdmitReason::Permission),
                ),
            ],
        ),
        row(
            "the_permission_is_not_guessed",
            "Another value of what the permission looks at, or another header, gives none.",
            Given::closed(),
            [
                (get("/").with("x-operator", "no"), refused()),
                (get("/").with("x-operator", ""), refused()),
                (get("/").with("x-bypass-maintenance", "true"), refused()),
            ],
        ),
        plays!(
            Decision,
            the_permission_is_asked_no_more_than_needed,
            "The permission is asked once for a request at most, and not while the mode is off or on an open route.",
            Given::open()
        ),
        row(
            "a_permission_that_panics_is_none",
            "A permission that panics lets nobody in, and costs nobody the answer.",
            Given::closed().permission_panics(),
            [
                (get("/").operator(), refused()),
                (get("/").operator(), refused()),
                (get("/health"), admitted("ok", AdmitReason::RouteAlways)),
            ],
        ),
        row(
            "a_permission_that_panics_does_not_hide_the_address",
            "A permission that panics leaves the rules after it to decide.",
            Given::closed().permission_panics().allowing(&["127.0.0.1"]),
            [(get("/"), admitted("hello", AdmitReason::AllowedAddress))],
        ),
        row(
            "a_listed_address_lets_in",
            "A visitor whose address is in the allow list is let in, with the marks of a bypass.",
            Given::closed().allowing(&["192.0.2.0/24", "127.0.0.0/8"]),
            [
                (get("/"), admitted("hello", AdmitReason::AllowedAddress)),
                (post("/jobs"), accepted(AdmitReason::AllowedAddress)),
                (
                    get("/seen"),
                    admitted("admit (allowed-address)", AdmitReason::AllowedAddress),
                ),
            ],
        ),
        row(
            "another_address_does_not",
            "A list without the visitor's address lets the visitor not in, not by the family nor by the text.",
            Given::closed().allowing(&["127.0.0.10", "127.0.0.16/28", "::1", "::7f00:1"]),
            [(get("/"), refused())],
        ),
        row(
            "the_permission_goes_before_the_address",
            "Of two rules that would let in, the first is named.",
            Given::closed().allowing(&["127.0.0.1"]),
            [(
                get("/").operator(),
                admitted("hello", AdmitReason::Permission),
            )],
        ),
    ]
}

/// The application's own permission may cost something, such as a look at a session.
async fn the_permission_is_asked_no_more_than_needed(stage: &Stage) -> Checked {
    let asked =
        |what: &str, times: usize| ensure_eq(what, &stage.site.asked_for_permission(), &times);
    stage.ask(&get("/").operator()).await?;
    asked("the questions while open", 0)?;
    stage.close().await?;
    stage.ask(&get("/health").operator()).await?;
    asked("the questions for a route that is always open", 0)?;
    stage.ask(&get("/").operator()).await?;
    asked("the questions for one request", 1)?;
    stage.ask(&get("/")).await?;
    asked("the questions for two requests", 2)
}

fn preflight(target: &'static str) -> Request {
    Request::new("OPTIONS", target)
        .with("origin", "https://shop.example")
        .with("access-control-request-method", "POST")
}

fn preflights() -> Vec<Row> {
    vec![
        row(
            "a_preflight_passes",
            "A browser's preflight is let in, so that a script may read the refusal; it starts no execution.",
            Given::closed(),
            [
                (preflight("/"), admitted("hello", AdmitReason::Preflight)),
                (
                    preflight("/jobs"),
                    Expect::Admitted {
                        status: 202,
                        body: "done",
                        reason: Some(AdmitReason::Preflight),
                    },
                ),
            ],
        ),
        row(
            "only_a_preflight_is_one",
            "OPTIONS without `Access-Control-Request-Method` is none, nor is another method with it.",
            Given::closed(),
            [
                (
                    Request::new("OPTIONS", "/").with("origin", "https://shop.example"),
                    refused(),
                ),
                (
                    post("/").with("access-control-request-method", "POST"),
                    refused(),
                ),
            ],
        ),
        row(
            "a_preflight_passes_at_level_exclusive",
            "A preflight is let in at level exclusive, too: it writes nothing.",
            Given::closed().at(Level::Exclusive),
            [(preflight("/"), admitted("hello", AdmitReason::Preflight))],
        ),
        row(
            "preflights_are_refused_where_that_is_set",
            "A gate whose policy lets no preflight pass refuses it like anything else.",
            Given::closed().refusing_preflights(),
            [(preflight("/"), refused())],
        ),
    ]
}
