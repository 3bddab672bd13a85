//! Many requests that nobody has thought of, held against what core says of each.
//!
//! Core decides by what the table itself has read of the request. So a row fails where an adapter hands core something
//! else than what came over the wire, or makes something else of core's answer.

use intermission::{Decision, ForwardedHeader, Level, RouteAccess, RouteTable, Visitor};

use crate::adapter::Route;
use crate::adapter::expected::{Expect, admitted};
use crate::adapter::given::Given;
use crate::adapter::http1::Request;
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, Failure};

const REQUESTS: usize = 150;

pub(super) fn rows() -> Vec<Row> {
    let listed = |given: Given| given.allowing(&["192.0.2.10"]).trusting(&["127.0.0.1"]);
    vec![
        plays!(
            Generated,
            as_core_says_while_closed,
            "While the mode is on, requests of all kinds get what core says.",
            listed(Given::closed())
        ),
        plays!(
            Generated,
            as_core_says_in_a_drain,
            "While a drain goes on, requests of all kinds get what core says.",
            listed(Given::draining())
        ),
        plays!(
            Generated,
            as_core_says_at_level_read_only,
            "At level read-only, requests of all kinds get what core says, with `Forwarded` too.",
            listed(Given::closed().at(Level::ReadOnly)).speaking_in(ForwardedHeader::Forwarded)
        ),
        plays!(
            Generated,
            as_core_says_at_level_exclusive,
            "At level exclusive, requests of all kinds get what core says.",
            listed(Given::closed().at(Level::Exclusive))
        ),
    ]
}

async fn as_core_says_while_closed(stage: &Stage) -> Checked {
    as_core_says(stage, 1).await
}

async fn as_core_says_in_a_drain(stage: &Stage) -> Checked {
    as_core_says(stage, 2).await
}

async fn as_core_says_at_level_read_only(stage: &Stage) -> Checked {
    as_core_says(stage, 3).await
}

async fn as_core_says_at_level_exclusive(stage: &Stage) -> Checked {
    as_core_says(stage, 4).await
}

async fn as_core_says(stage: &Stage, seed: u64) -> Checked {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let spellings = Spellings::new()?;
    for _ in 0..REQUESTS {
        let request = random.request();
        if spellings.is_for_the_framework(&request) {
            continue;
        }
        let expected = expected(stage, &request);
        let outcome = stage.expect(&request, &expected).await;
        outcome.map_err(|failure| failure.during(&format!("{request:?}")))?;
    }
    Ok(())
}

/// The paths that some frameworks take for those of other routes. Only the framework can tell which handler they reach.
struct Spellings(RouteTable);

impl Spellings {
    /// Core knows them: a row for what starts an execution matches all of them.
    fn new() -> Result<Self, Failure> {
        let table = routes().try_fold(RouteTable::new(), |table, route| {
            table.with(&route.pattern(), RouteAccess::StartsExecution)
        });
        table
            .map(Self)
            .map_err(|error| Failure::new(error.to_string()))
    }

    fn is_for_the_framework(&self, request: &Request) -> bool {
        let path = path(request);
        self.0.access(request.method, path).is_some() && route(path).is_none()
    }
}

fn routes() -> impl Iterator<Item = Route> {
    Route::ALL.iter().chain(Route::NESTED).copied()
}

fn route(path: &str) -> Option<Route> {
    routes().find(|route| route.pattern() == path)
}

fn path(request: &Request) -> &str {
    let target = request.target.trim_start_matches("http://site.example");
    target.split('?').next().unwrap_or_default()
}

/// What core says of the request.
fn expected(stage: &Stage, request: &Request) -> Expect {
    let path = path(request);
    let route = route(path);
    let proxies = stage.site.trusted_proxies();
    let hops = proxies.header_name().into_iter();
    let hops = hops.flat_map(|name| request.lines(name));
    let address = proxies.client_address(Some([127, 0, 0, 1].into()), hops);
    let mut preflight = request.lines("access-control-request-method");
    let visitor = Visitor::new(request.method, path)
        .with_access(route.map_or(RouteAccess::Ordinary, |route| route.access()))
        .with_address(address)
        .with_permission(request.lines("x-operator").next() == Some(b"yes"))
        .with_preflight(request.method == "OPTIONS" && preflight.next().is_some());
    match (stage.gate.decide(&visitor), route) {
        (Decision::Refuse(reason), _) => Expect::RefusedAsCoreSays(reason),
        (Decision::Admit(_), None) => Expect::Status(404),
        (Decision::Admit(reason), Some(route)) => match route {
            Route::Health | Route::NestedHealth => admitted("ok", reason),
            Route::NestedPage => admitted("a page of the nest", reason),
            Route::Items => Expect::Admitted {
                status: 201,
                body: "0",
                reason: Some(reason),
            },
            Route::Jobs => Expect::Admitted {
                status: 202,
                body: "done",
                reason: Some(reason),
            },
            _ => admitted("hello", reason),
        },
    }
}

const METHODS: &[&str] = &[
    "GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "OPTIONS", "DELETE", "TRACE", "PATCH",
    "PROPFIND", "get",
];

const SEGMENTS: &[&str] = &[
    "", "", "health", "health", "nested", "nested", "page", "items", "jobs", "HEALTH", ".", "..",
    "%2e%2e", "%2f", "health;x", "health.", "x", "*", ":", "@", "~", "%20", "%ff",
];

const TAILS: &[&str] = &[
    "",
    "",
    "",
    "?",
    "?a=b",
    "?/health",
    "??",
    "?intermission-pass=x",
    "?x-operator=yes",
    "/",
    "//",
];

const HEADERS: &[(&str, &[&str])] = &[
    (
        "accept",
        &[
            "*/*",
            "text/html",
            "application/json",
            "text/plain;q=0.5, text/html;q=0.4",
            "text/*;q=0.3, */*;q=0.1",
            "application/*",
            "application/xml;q=0.9,*/*;q=0.8",
            "text/html;level=1",
            "application/json;q=0,*/*",
            "application/problem+json;q=1.000",
            "text/html;q=1.0001",
            "text/html ;q=0.2 , application/json ; q=0.3",
            ";",
            "",
        ],
    ),
    (
        "content-type",
        &[
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web",
            "application/json",
            "application/vnd.api+json",
            "text/plain",
            "multipart/form-data; boundary=x",
        ],
    ),
    (
        "x-forwarded-for",
        &[
            "192.0.2.10",
            "198.51.100.7",
            "198.51.100.7, 192.0.2.10",
            "192.0.2.10, 198.51.100.7",
            "192.0.2.10, 127.0.0.1",
            "::ffff:192.0.2.10",
            "192.0.2.10:80",
            "unknown",
            "192.0.2.10,",
            "",
        ],
    ),
    (
        "forwarded",
        &[
            "for=192.0.2.10",
            "For=\"192.0.2.10:80\"",
            "for=198.51.100.7, for=192.0.2.10",
            "for=192.0.2.10, for=198.51.100.7",
            "for=192.0.2.10;proto=https",
            "for=\"192.0.2.10",
            "for=unknown",
            "by=192.0.2.10",
            "",
        ],
    ),
    ("x-operator", &["yes", "yes", "no", "YES", " yes ", ""]),
    ("access-control-request-method", &["POST", ""]),
    ("cookie", &["a=b", "intermission-pass=0", ";;;", "="]),
    ("x-forwarded-proto", &["https", "http"]),
    ("x-http-method-override", &["GET"]),
    ("x-original-url", &["/health"]),
    ("x-rewrite-url", &["/health"]),
    ("range", &["bytes=0-1"]),
    ("if-none-match", &["*"]),
    ("origin", &["https://shop.example"]),
];

/// Numbers that are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let end = u64::try_from(end).unwrap_or(1).max(1);
        usize::try_from(self.0 % end).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, items: &[T], otherwise: T) -> T {
        items
            .get(self.below(items.len()))
            .copied()
            .unwrap_or(otherwise)
    }

    fn request(&mut self) -> Request {
        let method = self.one_of(METHODS, "GET");
        let mut target = String::new();
        for _ in 0..=self.below(3) {
            target.push('/');
            target.push_str(self.one_of(SEGMENTS, ""));
        }
        target.push_str(self.one_of(TAILS, ""));
        if self.below(20) == 0 {
            target.insert_str(0, "http://site.example");
        }
        let mut request = Request::new(method, target);
        for _ in 0..self.below(5) {
            let (name, values) = self.one_of(HEADERS, ("accept", &[]));
            request = request.with(name, self.one_of(values, ""));
        }
        request
    }
}
