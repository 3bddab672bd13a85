//! Flags, and paths that look like a flagged one.

use intermission::AdmitReason;

use crate::adapter::expected::{Expect, admitted, open, refused};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, RowGroup, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure, ensure_eq};

pub(super) fn rows() -> Vec<Row> {
    [look_alikes(), targets(), unknown()].concat()
}

fn row<const N: usize>(
    name: &'static str,
    promise: &'static str,
    given: Given,
    asks: [(Request, Expect); N],
) -> Row {
    Row::asks(RowGroup::Routes, name, promise, given, asks)
}

/// Paths that are not that of a route that is always open.
fn closed<const N: usize>(
    name: &'static str,
    promise: &'static str,
    targets: [&'static str; N],
) -> Row {
    row(
        name,
        promise,
        Given::closed(),
        targets.map(|target| (get(target), refused())),
    )
}

fn health() -> Expect {
    admitted("ok", AdmitReason::RouteAlways)
}

fn look_alikes() -> Vec<Row> {
    vec![
        closed(
            "a_flag_holds_for_whole_segments",
            "`/health` opens no path that begins or ends with it.",
            [
                "/healthz-admin",
                "/healthz",
                "/health-admin",
                "/health.json",
                "/health;x=1",
                "/healt",
                "/health/x",
                "/x/health",
                "/nested/healthz",
                "/nested/health/x",
                "/nestedhealth",
            ],
        ),
        closed(
            "a_trailing_slash_is_another_path",
            "`/health` does not open `/health/`.",
            ["/health/", "/health//", "/nested/health/"],
        ),
        closed(
            "a_doubled_slash_is_another_path",
            "`/health` does not open `//health`.",
            [
                "//health",
                "///health",
                "//nested/health",
                "/nested//health",
            ],
        ),
        closed(
            "upper_case_is_another_path",
            "`/health` does not open `/HEALTH`.",
            ["/HEALTH", "/Health", "/NESTED/health"],
        ),
        closed(
            "dots_are_not_followed",
            "`.` and `..` are segments like any other, escaped or not.",
            [
                "/./health",
                "/x/../health",
                "/health/.",
                "/health/..",
                "/health/../",
                "/nested/./health",
                "/nested/../health",
                "/%2e/health",
                "/x/%2e%2e/health",
                "/health/%2e%2e",
                "/health/%2E%2E/",
                "/..%2fhealth",
            ],
        ),
        closed(
            "an_escaped_slash_is_no_slash",
            "`%2f` and `\\` part no segments.",
            [
                "/%2fhealth",
                "/nested%2fhealth",
                "/nested%2Fhealth",
                "/health%2f",
                "/x%2f..%2fhealth",
                "/%5chealth",
            ],
        ),
        closed(
            "an_escaped_end_is_no_end",
            "An escaped `?`, `#`, space or zero is a part of the segment.",
            [
                "/health%3f",
                "/health%23",
                "/health%20",
                "/health%00",
                "/health%0a",
                "/health%3bx",
            ],
        ),
        closed(
            "an_escaped_letter_is_another_path",
            "A path is matched as it was sent: `/%68ealth` is not `/health`.",
            ["/%68ealth", "/healt%68", "/%6eested/health"],
        ),
        closed(
            "a_doubly_escaped_letter_is_another_path",
            "What is escaped twice is not decoded twice.",
            ["/%2568ealth", "/%252e/health"],
        ),
        closed(
            "a_query_opens_nothing",
            "Nothing after the `?` is a path.",
            ["/?/health", "/?path=/health", "/x?/health", "/?", "/??"],
        ),
        plays!(
            Routes,
            another_spelling_starts_no_execution,
            "While a drain goes on, no spelling of a flagged path reaches its handler.",
            Given::draining()
        ),
    ]
}

async fn another_spelling_starts_no_execution(stage: &Stage) -> Checked {
    let spellings = [
        "/%6aobs",
        "//jobs",
        "/jobs/",
        "/JOBS",
        "/./jobs",
        "/x/../jobs",
        "/jobs%2ftaken",
        "/jobs;x",
        "/jobs/%74aken",
        "/jobs?x",
        "/jobs/taken?x",
    ];
    for spelling in spellings {
        let received = stage.ask(&post(spelling)).await?;
        ensure(matches!(received.status, 404 | 503), || {
            format!("{spelling} is answered by {received:?}")
        })?;
        ensure_eq(&format!("{spelling}: calls"), &stage.site.calls(), &0)?;
    }
    Ok(())
}

fn targets() -> Vec<Row> {
    vec![
        row(
            "a_flagged_route_has_queries",
            "A query, an empty one too, belongs to the path before it.",
            Given::closed(),
            [
                (get("/health?"), health()),
                (get("/health?a=/b"), health()),
                (get("/health??"), health()),
                (get("/nested/health?x=%2f"), health()),
            ],
        ),
        row(
            "nested_routes_keep_their_flags",
            "A flag in a nested router holds for its whole path, and for no other.",
            Given::closed(),
            [
                (get("/nested/health"), health()),
                (get("/nested/page"), refused()),
                (get("/page"), refused()),
                (get("/nested"), refused()),
                (get("/nested/"), refused()),
            ],
        ),
        row(
            "the_absolute_form_names_the_same_path",
            "A request for a proxy, with the whole address in its line, is matched by its path.",
            Given::closed(),
            [
                (get("http://site.example/health"), health()),
                (get("http://other.example/health?x"), health()),
                (get("http://site.example/"), refused()),
                (get("http://site.example"), refused()),
                (get("http://health/"), refused()),
                (get("http://site.example/healthz"), refused()),
            ],
        ),
        row(
            "the_absolute_form_is_served",
            "While the mode is off, a request with the whole address in its line reaches its route.",
            Given::open(),
            [
                (get("http://site.example/"), open("hello")),
                (
                    get("http://site.example/nested/page"),
                    open("a page of the nest"),
                ),
            ],
        ),
        row(
            "the_asterisk_is_refused",
            "`OPTIONS *` names no path, and is refused as anything else.",
            Given::closed(),
            [(Request::new("OPTIONS", "*"), refused())],
        ),
        row(
            "a_long_path_is_refused",
            "A path of eight kilobytes is refused as any other.",
            Given::closed(),
            [
                (get(format!("/{}", "a".repeat(8_192))), refused()),
                (get(format!("/health{}", "/".repeat(8_192))), refused()),
                (get(format!("/?{}", "a=b&".repeat(2_048))), refused()),
            ],
        ),
        row(
            "odd_escapes_are_refused",
            "A path whose escapes are no text is refused, and nothing breaks.",
            Given::closed(),
            [
                (get("/%ff%fe"), refused()),
                (get("/%"), refused()),
                (get("/%2"), refused()),
                (get("/%zz"), refused()),
                (get("/%00"), refused()),
                (get("/{x}"), refused()),
                (get("/:x"), refused()),
                (get("/*"), refused()),
            ],
        ),
        row(
            "odd_methods_are_refused",
            "Whatever the method is called, it is refused.",
            Given::closed(),
            [
                (Request::new("BREW", "/"), refused()),
                (Request::new("M-SEARCH", "/"), refused()),
                (Request::new("head", "/"), refused()),
                (Request::new("TRACE", "/"), refused()),
            ],
        ),
    ]
}

fn unknown() -> Vec<Row> {
    vec![
        row(
            "an_unknown_route_is_not_found_while_open",
            "While the mode is off, a path without a route gets the framework's 404.",
            Given::open(),
            [
                (get("/nothing"), Expect::Status(404)),
                (get("/nested/nothing"), Expect::Status(404)),
                (get("/health/"), Expect::Status(404)),
            ],
        ),
        row(
            "an_unknown_route_is_not_found_in_a_drain",
            "While a drain goes on, a path without a route gets the framework's 404.",
            Given::draining(),
            [(get("/nothing"), Expect::Status(404))],
        ),
        row(
            "an_unknown_route_is_refused",
            "While the mode is on, nobody learns which routes there are.",
            Given::closed(),
            [
                (get("/nothing"), refused()),
                (post("/nothing").body("four"), refused()),
                (get("/nested/nothing"), refused()),
                (get("/favicon.ico"), refused()),
            ],
        ),
        row(
            "who_may_pass_learns_of_unknown_routes",
            "Who has the permission gets the framework's 404.",
            Given::closed(),
            [(get("/nothing").operator(), Expect::Status(404))],
        ),
        row(
            "unknown_routes_are_told_where_that_is_set",
            "With the setting for it, a path without a route gets 404 while the mode is on, and a route its refusal.",
            Given::closed().telling_unknown_routes(),
            [
                (get("/nothing"), Expect::Status(404)),
                (get("/nested/nothing"), Expect::Status(404)),
                (get("/"), refused()),
                (get("/nested/page"), refused()),
                (post("/jobs"), refused()),
                (get("/health"), health()),
            ],
        ),
    ]
}
