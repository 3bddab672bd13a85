//! Who may ask the admin API what, from where: every route × who asks × which page the browser shows. Each has the status
//! that is documented, and whoever may not change anything changes nothing.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use http::{Method, StatusCode};
use intermission_tests::app::{App, Framework};
use intermission_tests::http::send_body;

/// A route of the admin API, and of Cloudify's.
struct Route {
    method: Method,
    path: &'static str,
    body: &'static str,
    family: Family,
    /// What somebody gets who may.
    granted: &'static [u16],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Admin,
    Cloudify,
    Public,
}

fn routes() -> Vec<Route> {
    let admin = |method, path, body, granted| Route {
        method,
        path,
        body,
        family: Family::Admin,
        granted,
    };
    let cloudify = |method, path, granted| Route {
        method,
        path,
        body: "",
        family: Family::Cloudify,
        granted,
    };
    vec![
        admin(Method::GET, "/admin/maintenance", "", &[308]),
        admin(Method::GET, "/admin/maintenance/", "", &[200]),
        admin(Method::GET, "/admin/maintenance/openapi.json", "", &[200]),
        admin(Method::GET, "/admin/maintenance/api/status", "", &[200]),
        admin(Method::GET, "/admin/maintenance/api/nodes", "", &[200]),
        admin(Method::GET, "/admin/maintenance/api/executions", "", &[200]),
        admin(Method::GET, "/admin/maintenance/api/history", "", &[200]),
        admin(
            Method::GET,
            "/admin/maintenance/api/explain?path=/x",
            "",
            &[200],
        ),
        admin(Method::GET, "/admin/maintenance/api/passes", "", &[200]),
        admin(Method::HEAD, "/admin/maintenance/api/status", "", &[200]),
        admin(Method::GET, "/admin/maintenance/nothing", "", &[404]),
        admin(Method::GET, "/admin/maintenance/api/activate", "", &[405]),
        admin(
            Method::POST,
            "/admin/maintenance/api/activate",
            "{}",
            &[200],
        ),
        admin(
            Method::POST,
            "/admin/maintenance/api/passes",
            r#"{"subject":"eve"}"#,
            &[201],
        ),
        admin(
            Method::DELETE,
            "/admin/maintenance/api/passes/0123456789abcdef",
            "",
            &[404],
        ),
        admin(Method::DELETE, "/admin/maintenance/api/passes", "", &[200]),
        admin(
            Method::PUT,
            "/admin/maintenance/api/allow-ips",
            r#"{"allow":["192.0.2.66"]}"#,
            &[200],
        ),
        admin(
            Method::POST,
            "/admin/maintenance/api/deactivate",
            "{}",
            &[200],
        ),
        cloudify(Method::GET, "/api/v3.1/maintenance", &[200]),
        cloudify(Method::GET, "/api/v2.1/maintenance", &[200]),
        cloudify(Method::POST, "/api/v3.1/maintenance/activate", &[200, 304]),
        cloudify(Method::POST, "/api/v3.1/maintenance/explode", &[400]),
        cloudify(
            Method::POST,
            "/api/v3.1/maintenance/deactivate",
            &[200, 304],
        ),
        Route {
            method: Method::GET,
            path: "/maintenance-status",
            body: "",
            family: Family::Public,
            granted: &[200],
        },
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    Known,
    Administrator,
}

/// `Authorization`, and whom it stands for.
const CREDENTIALS: [(Option<&str>, Who); 8] = [
    (None, Who::Nobody),
    (Some("Bearer wrong"), Who::Nobody),
    (Some("Bearer admin-demo2"), Who::Nobody),
    // ana:admin-demo
    (Some("Basic YW5hOmFkbWluLWRlbW8="), Who::Nobody),
    (Some("Basic not-base64"), Who::Nobody),
    (Some("Bearer operator-demo"), Who::Known),
    (Some("Bearer admin-demo"), Who::Administrator),
    // admin:admin-demo
    (Some("Basic YWRtaW46YWRtaW4tZGVtbw=="), Who::Administrator),
];

/// What a browser says of the page that sends a request; `true` is our own, or no browser.
fn origins(app: &App) -> Vec<(Vec<(&'static str, String)>, bool)> {
    let own = format!("http://{}", app.address);
    let other_port = format!("http://{}:1", app.address.ip());
    vec![
        (vec![], true),
        (
            vec![
                ("sec-fetch-site", "same-origin".into()),
                ("origin", own.clone()),
            ],
            true,
        ),
        (vec![("origin", own.clone())], true),
        (
            vec![
                ("sec-fetch-site", "same-site".into()),
                ("origin", other_port.clone()),
            ],
            false,
        ),
        (
            vec![
                ("sec-fetch-site", "cross-site".into()),
                ("origin", "https://evil.example".into()),
            ],
            false,
        ),
        (vec![("sec-fetch-site", "none".into())], false),
        (vec![("origin", other_port)], false),
        (vec![("origin", "https://evil.example".into())], false),
        (vec![("origin", "null".into())], false),
        // A page that lies about its origin with what it can set has no say in the other.
        (
            vec![("sec-fetch-site", "cross-site".into()), ("origin", own)],
            false,
        ),
    ]
}

/// The statuses that are documented.
fn expected(route: &Route, who: Who, is_own_page: bool) -> Vec<u16> {
    let is_read = matches!(route.method, Method::GET | Method::HEAD);
    match (route.family, who) {
        (Family::Public, _) => route.granted.to_vec(),
        (_, Who::Nobody) => vec![401],
        (Family::Admin, Who::Known) => vec![403],
        (Family::Cloudify, Who::Known) if !is_read => vec![403],
        (_, Who::Administrator) if !is_read && !is_own_page => vec![403],
        (Family::Admin | Family::Cloudify, _) => route.granted.to_vec(),
    }
}

/// Asks, and holds the answer to what is expected.
async fn row(
    app: &App,
    route: &Route,
    authorization: Option<&str>,
    origin: &[(&'static str, String)],
    expected: &[u16],
) {
    let mut headers: Vec<(&str, &str)> = origin
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    headers.extend(authorization.map(|value| ("authorization", value)));
    if !route.body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    let Route {
        method, path, body, ..
    } = route;
    let answer = send_body(app.address, method.clone(), path, &headers, body)
        .await
        .unwrap_or_else(|error| panic!("{path}: {error:#}"));
    assert!(
        expected.contains(&answer.status.as_u16()),
        "{method} {path} {headers:?}: {} instead of {expected:?}: {}",
        answer.status,
        answer.body
    );
}

/// How the site is: the record, and how many lines the history has.
async fn record(app: &App) -> (String, usize) {
    let mut said = Vec::new();
    for path in [
        "/admin/maintenance/api/status",
        "/admin/maintenance/api/history?n=1000",
    ] {
        let admin = [("authorization", "Bearer admin-demo")];
        let answer = app.send(Method::GET, path, &admin).await;
        assert_eq!(answer.status, StatusCode::OK);
        said.push(serde_json::from_str::<serde_json::Value>(&answer.body).unwrap());
    }
    let status = &said[0];
    let keys = ["revision", "phase", "allow", "message", "passes"];
    let record: Vec<String> = keys.iter().map(|key| status[key].to_string()).collect();
    (
        record.join(" "),
        said[1]["history"].as_array().unwrap().len(),
    )
}

async fn every_row(framework: Framework) {
    let directory = tempfile::tempdir().unwrap();
    let app = App::start_on(framework, directory.path(), "web-1", &[]).await;
    // Closed, so that everything that is asked would change something.
    let close = [
        ("authorization", "Bearer admin-demo"),
        ("content-type", "application/json"),
    ];
    let body = r#"{"message":"as it was"}"#;
    let path = "/admin/maintenance/api/activate";
    send_body(app.address, Method::POST, path, &close, body)
        .await
        .unwrap();
    let mut rows = 0;
    for route in routes() {
        for (authorization, who) in CREDENTIALS {
            let may_change = |is_own_page| who == Who::Administrator && is_own_page;
            let (may, may_not): (Vec<_>, Vec<_>) = origins(&app)
                .into_iter()
                .partition(|(_, is_own_page)| may_change(*is_own_page));
            let before = settled(&app).await;
            for (origin, is_own_page) in &may_not {
                row(
                    &app,
                    &route,
                    authorization,
                    origin,
                    &expected(&route, who, *is_own_page),
                )
                .await;
                rows += 1;
            }
            let place = format!("{framework}: {} {} by {who:?}", route.method, route.path);
            assert_eq!(record(&app).await, before, "{place}");
            for (origin, is_own_page) in &may {
                row(
                    &app,
                    &route,
                    authorization,
                    origin,
                    &expected(&route, who, *is_own_page),
                )
                .await;
                rows += 1;
            }
        }
    }
    assert_eq!(
        rows,
        routes().len() * CREDENTIALS.len() * origins(&app).len()
    );
}

/// The record, when nothing is about to complete by itself any more.
async fn settled(app: &App) -> (String, usize) {
    loop {
        let found = record(app).await;
        if !found.0.contains("\"activating\"") {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_axum() {
    every_row(Framework::Axum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_actix() {
    every_row(Framework::Actix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_warp() {
    every_row(Framework::Warp).await;
}

/// What a form on another site can send without asking: none of it is JSON, whatever it says of itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_form_can_send_is_no_change() {
    for framework in Framework::ALL {
        let directory = tempfile::tempdir().unwrap();
        let app = App::start_on(framework, directory.path(), "web-1", &[]).await;
        let before = record(&app).await;
        for content_type in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain",
            "text/plain; charset=application/json",
        ] {
            for path in ["activate", "deactivate", "passes"] {
                let path = format!("/admin/maintenance/api/{path}");
                let headers = [
                    ("authorization", "Bearer admin-demo"),
                    ("content-type", content_type),
                ];
                let answer = send_body(app.address, Method::POST, &path, &headers, "{}")
                    .await
                    .unwrap();
                assert_eq!(answer.status, 415, "{framework} {path} {content_type}");
            }
        }
        assert_eq!(record(&app).await, before, "{framework}");
    }
}

/// The limit is on what is read, not on what a header says of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused_and_changes_nothing() {
    for framework in Framework::ALL {
        let directory = tempfile::tempdir().unwrap();
        let app = App::start_on(framework, directory.path(), "web-1", &[]).await;
        let before = record(&app).await;
        let headers = [
            ("authorization", "Bearer admin-demo"),
            ("content-type", "application/json"),
        ];
        let path = "/admin/maintenance/api/activate";
        let fits = format!("{{\"message\":\"{}\"}}", "x".repeat(64 * 1024 - 14));
        assert_eq!(fits.len(), 64 * 1024);
        for (body, status) in [(format!("{fits} "), 413), (fits, 422)] {
            let answer = send_body(app.address, Method::POST, path, &headers, &body)
                .await
                .unwrap();
            assert_eq!(answer.status, status, "{framework}");
        }
        assert_eq!(record(&app).await, before, "{framework}");
    }
}
