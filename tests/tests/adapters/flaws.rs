//! Adapters with a flaw each, which the table has to find.
//!
//! They are the server on plain hyper with something done to requests before the layer sees them, or to responses after
//! it has made them.

use std::net::{IpAddr, SocketAddr};

use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SET_COOKIE,
    VARY,
};
use http::uri::PathAndQuery;
use http::{HeaderName, Method, Request, StatusCode, Uri, response};
use hyper::body::Incoming;
use intermission::Decision;
use intermission::reply::SCHEDULED_HEADER;
use intermission_conformance::adapter::{Row, rows};
use intermission_tower::PeerAddress;
use libtest_mimic::{Failed, Trial};

use crate::hyper::Hyper;

/// What is wrong with an adapter.
pub(crate) trait Flaw: Send + Sync + 'static {
    const NAME: &'static str;
    /// The rows that find it.
    const FOUND_BY: &'static [&'static str];

    /// Whether it reads the body of a request before it decides.
    const READS: bool = false;

    /// Whether it collects the body of a response before it sends the first piece.
    const COLLECTS: bool = false;

    fn before(_: &mut Request<Incoming>) {}

    fn after(_: &mut response::Parts) {}
}

/// Nothing is wrong.
pub(crate) struct Sound;

impl Flaw for Sound {
    const NAME: &'static str = "hyper";
    const FOUND_BY: &'static [&'static str] = &[];
}

/// One trial for each flaw: all rows that are to find it do.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial::<BelievesTheLeftmostHop>(),
        trial::<BelievesTheFirstLine>(),
        trial::<BelievesEveryHeader>(),
        trial::<BelievesWhoeverSaysHttps>(),
        trial::<TidiesPaths>(),
        trial::<DecodesPaths>(),
        trial::<TakesPreflightsByTheirMethod>(),
        trial::<RefusesAsAnError>(),
        trial::<RefusesForCaches>(),
        trial::<LetsBypassesBeCached>(),
        trial::<AnnouncesNothing>(),
        trial::<EndsSessions>(),
        trial::<KeepsTheFirstTime>(),
        trial::<ForgetsTheLengthOfHead>(),
        trial::<ClosesConnections>(),
        trial::<SaysNothingOfTheDecision>(),
        trial::<AnswersInHtml>(),
        trial::<ReadsBodies>(),
        trial::<CollectsBodies>(),
    ]
}

fn trial<F: Flaw>() -> Trial {
    Trial::test(format!("flaws::{}", F::NAME), || {
        let runtime = tokio::runtime::Runtime::new()?;
        for name in F::FOUND_BY {
            let row = row(name).ok_or_else(|| format!("there is no row `{name}`"))?;
            let missed = runtime.block_on(row.run_unmet::<Hyper<F>>());
            missed.map_err(|_| format!("`{name}` has not found it"))?;
        }
        Ok::<(), Failed>(())
    })
}

fn row(name: &str) -> Option<Row> {
    rows().into_iter().find(|row| row.name() == name)
}

struct BelievesTheLeftmostHop;

impl Flaw for BelievesTheLeftmostHop {
    const NAME: &'static str = "believes_the_leftmost_hop";
    const FOUND_BY: &'static [&'static str] = &[
        "leftmost_is_not_believed",
        "an_untrusted_peer_is_not_believed",
        "an_earlier_line_is_not_believed",
        "as_core_says_while_closed",
        "leftmost_is_not_believed_over_http2",
    ];

    fn before(request: &mut Request<Incoming>) {
        let line = request.headers().get("x-forwarded-for");
        let line = line.and_then(|line| line.to_str().ok());
        let hop = line.and_then(|line| line.split(',').next());
        let address: Option<IpAddr> = hop.and_then(|hop| hop.trim().parse().ok());
        if let Some(address) = address {
            let peer = PeerAddress(SocketAddr::new(address, 1));
            request.extensions_mut().insert(peer);
        }
    }
}

struct BelievesTheFirstLine;

impl Flaw for BelievesTheFirstLine {
    const NAME: &'static str = "believes_the_first_line";
    const FOUND_BY: &'static [&'static str] = &[
        "an_earlier_line_is_not_believed",
        "several_lines_count_as_one",
    ];

    fn before(request: &mut Request<Incoming>) {
        let headers = request.headers_mut();
        if let Some(first) = headers.get("x-forwarded-for").cloned() {
            headers.insert("x-forwarded-for", first);
        }
    }
}

struct BelievesEveryHeader;

impl Flaw for BelievesEveryHeader {
    const NAME: &'static str = "believes_every_header";
    const FOUND_BY: &'static [&'static str] = &[
        "forwarded_is_not_read_where_the_proxy_speaks_otherwise",
        "as_core_says_at_level_read_only",
        "another_header_than_the_configured_one_is_not_read",
    ];

    fn before(request: &mut Request<Incoming>) {
        let headers = request.headers_mut();
        for (from, to) in [
            ("x-real-ip", "x-forwarded-for"),
            ("x-real-ip", "forwarded"),
            ("x-forwarded-for", "forwarded"),
            ("forwarded", "x-forwarded-for"),
        ] {
            let said = headers.get(from).and_then(|said| said.to_str().ok());
            let Some(address) = said.map(|said| said.trim_start_matches("for=")) else {
                continue;
            };
            let address = match to {
                "forwarded" => format!("for={address}"),
                _ => address.to_owned(),
            };
            if let Ok(value) = HeaderValue::try_from(address) {
                headers.insert(to, value);
                return;
            }
        }
    }
}

struct BelievesWhoeverSaysHttps;

impl Flaw for BelievesWhoeverSaysHttps {
    const NAME: &'static str = "believes_whoever_says_https";
    const FOUND_BY: &'static [&'static str] = &["an_untrusted_peer_does_not_say_https"];

    fn before(request: &mut Request<Incoming>) {
        if request.headers().contains_key("x-forwarded-proto") {
            let uri = format!("https://site.example{}", request.uri());
            if let Ok(uri) = uri.parse() {
                *request.uri_mut() = uri;
            }
        }
    }
}

fn change_path(request: &mut Request<Incoming>, change: impl Fn(&str) -> String) {
    let mut parts = request.uri().clone().into_parts();
    let Some(path) = &parts.path_and_query else {
        return;
    };
    let changed = match path.query() {
        Some(query) => format!("{}?{query}", change(path.path())),
        None => change(path.path()),
    };
    parts.path_and_query = PathAndQuery::try_from(changed).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

struct TidiesPaths;

impl Flaw for TidiesPaths {
    const NAME: &'static str = "tidies_paths";
    const FOUND_BY: &'static [&'static str] = &[
        "a_trailing_slash_is_another_path",
        "a_doubled_slash_is_another_path",
        "upper_case_is_another_path",
        "as_core_says_while_closed",
        "dots_are_not_followed",
    ];

    fn before(request: &mut Request<Incoming>) {
        change_path(request, |path| {
            let segments = path.split('/');
            let kept: Vec<&str> = segments.filter(|part| !matches!(*part, "" | ".")).collect();
            format!("/{}", kept.join("/").to_lowercase())
        });
    }
}

struct DecodesPaths;

impl Flaw for DecodesPaths {
    const NAME: &'static str = "decodes_paths";
    const FOUND_BY: &'static [&'static str] = &[
        "an_escaped_letter_is_another_path",
        "an_escaped_slash_is_no_slash",
    ];

    fn before(request: &mut Request<Incoming>) {
        change_path(request, |path| {
            let letters = [("%68", "h"), ("%6a", "j"), ("%2f", "/"), ("%6e", "n")];
            letters
                .iter()
                .fold(path.to_owned(), |path, (escape, letter)| {
                    path.replace(escape, letter)
                })
        });
    }
}

struct TakesPreflightsByTheirMethod;

impl Flaw for TakesPreflightsByTheirMethod {
    const NAME: &'static str = "takes_preflights_by_their_method";
    const FOUND_BY: &'static [&'static str] = &[
        "as_core_says_while_closed",
        "only_a_preflight_is_one",
        "a_closed_site_refuses",
    ];

    fn before(request: &mut Request<Incoming>) {
        if request.method() == Method::OPTIONS {
            let name = HeaderName::from_static("access-control-request-method");
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static("GET"));
        }
    }
}

fn is_refused(response: &response::Parts) -> bool {
    matches!(response.extensions.get(), Some(Decision::Refuse(_)))
}

/// Does it to refusals alone.
macro_rules! refuses {
    ($name:ident, $text:literal, $found_by:expr, |$response:ident| $change:expr) => {
        struct $name;

        impl Flaw for $name {
            const NAME: &'static str = $text;
            const FOUND_BY: &'static [&'static str] = &$found_by;

            fn after($response: &mut response::Parts) {
                if is_refused($response) {
                    $change;
                }
            }
        }
    };
}

refuses!(
    RefusesAsAnError,
    "refuses_as_an_error",
    [
        "a_closed_site_refuses",
        "as_core_says_while_closed",
        "the_status_may_be_another",
        "a_refusal_over_http2_is_the_same"
    ],
    |response| response.status = StatusCode::INTERNAL_SERVER_ERROR
);

refuses!(
    RefusesForCaches,
    "refuses_for_caches",
    ["text_to_the_letter", "a_closed_site_refuses"],
    |response| response.headers.remove(VARY)
);

refuses!(
    EndsSessions,
    "ends_sessions",
    [
        "a_refused_visitors_cookies_are_left_alone",
        "text_to_the_letter"
    ],
    |response| {
        let cookie = HeaderValue::from_static("session=; Max-Age=0");
        response.headers.insert(SET_COOKIE, cookie)
    }
);

refuses!(
    KeepsTheFirstTime,
    "keeps_the_first_time",
    ["the_time_counts_down", "a_change_is_shown_at_once"],
    |response| response
        .headers
        .insert(RETRY_AFTER, HeaderValue::from_static("90"))
);

refuses!(
    ForgetsTheLengthOfHead,
    "forgets_the_length_of_head",
    [
        "head_gets_the_headers_of_get",
        "head_over_http2_gets_the_headers_of_get"
    ],
    |response| response.headers.remove(CONTENT_LENGTH)
);

refuses!(
    ClosesConnections,
    "closes_connections",
    [
        "a_connection_goes_on_after_a_refusal",
        "each_request_of_a_connection_is_decided_by_itself"
    ],
    |response| response
        .headers
        .insert(CONNECTION, HeaderValue::from_static("close"))
);

refuses!(
    SaysNothingOfTheDecision,
    "says_nothing_of_the_decision",
    ["a_closed_site_refuses"],
    |response| response.extensions.clear()
);

refuses!(
    AnswersInHtml,
    "answers_in_html",
    [
        "problem_to_the_letter",
        "a_problem_for_who_asks_for_json",
        "as_core_says_while_closed",
        "grpc_to_the_letter"
    ],
    |response| response
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"))
);

struct ReadsBodies;

impl Flaw for ReadsBodies {
    const NAME: &'static str = "reads_bodies";
    const FOUND_BY: &'static [&'static str] = &[
        "a_refused_upload_is_not_waited_for",
        "a_refused_upload_without_a_length_is_not_waited_for",
        "a_refused_upload_that_asks_first_is_not_told_to_go_on",
        "an_admitted_upload_is_read_whole",
        "an_upload_counts_while_it_is_read",
    ];
    const READS: bool = true;
}

struct CollectsBodies;

impl Flaw for CollectsBodies {
    const NAME: &'static str = "collects_bodies";
    const FOUND_BY: &'static [&'static str] = &[
        "a_stream_goes_out_piece_by_piece",
        "a_stream_counts_until_its_client_goes_away",
        "an_execution_lasts_as_long_as_the_body",
    ];
    const COLLECTS: bool = true;
}

struct LetsBypassesBeCached;

impl Flaw for LetsBypassesBeCached {
    const NAME: &'static str = "lets_bypasses_be_cached";
    const FOUND_BY: &'static [&'static str] = &[
        "as_core_says_while_closed",
        "the_permission_lets_in",
        "a_cookie_lets_in",
    ];

    fn after(response: &mut response::Parts) {
        if !is_refused(response) {
            let everybody = HeaderValue::from_static("public, max-age=600");
            response.headers.insert(CACHE_CONTROL, everybody);
        }
    }
}

struct AnnouncesNothing;

impl Flaw for AnnouncesNothing {
    const NAME: &'static str = "announces_nothing";
    const FOUND_BY: &'static [&'static str] = &[
        "a_plan_is_announced_in_every_response",
        "a_changed_plan_is_announced_at_once",
        "who_passes_a_held_node_is_told_of_the_plan",
    ];

    fn after(response: &mut response::Parts) {
        response.headers.remove(SCHEDULED_HEADER);
    }
}
