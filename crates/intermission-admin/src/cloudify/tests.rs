//! Every answer to the letter.

use std::time::Duration;

use intermission::reply::{Marker, Notice, RefusalStatus, Replies, ReplyPolicy, ReplyRequest};
use intermission::{
    Activate, Change, Clock, Deactivate, ExecutionInfo, MemoryState, Phase, SystemClock, Timestamp,
    Timing,
};

use super::*;
use crate::reply::AdminBody;

const DEACTIVATED: &str = r#"{"status":"deactivated","activated_at":"","activation_requested_at":"","remaining_executions":null,"requested_by":""}"#;

/// The calendar stands still, and everything else goes on.
#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        "2026-11-20T10:15:00Z".parse().unwrap()
    }

    fn steady(&self) -> Duration {
        SystemClock.steady()
    }
}

struct Site {
    gate: Gate,
    cloudify: Cloudify,
}

async fn site() -> Site {
    let clock: Arc<dyn Clock> = Arc::new(Standing);
    let state = MemoryState::with_timing_and_clock(Timing::default(), Arc::clone(&clock));
    let gate = Gate::builder(state)
        .with_node_name("api-1")
        .with_clock(clock)
        .start()
        .await
        .unwrap();
    let cloudify = Cloudify::new(gate.clone());
    Site { gate, cloudify }
}

impl Site {
    async fn ask(&self, request: AdminRequest) -> (u16, Vec<String>, String) {
        let reply = self.cloudify.answer(request).await;
        let status = reply.status();
        let headers = reply.headers();
        let headers = headers.map(|(name, value)| format!("{name}: {value}"));
        let headers = headers.collect();
        let AdminBody::Full(body) = reply.into_body() else {
            panic!("it is no stream")
        };
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn is(&self, request: AdminRequest, status: u16, body: &str) {
        let (found, headers, text) = self.ask(request).await;
        assert_eq!((found, text.as_str()), (status, body));
        let length = format!("content-length: {}", body.len());
        assert!(headers.contains(&length), "{headers:?}");
        let json = "content-type: application/json".to_owned();
        assert!(headers.contains(&json), "{headers:?}");
        assert!(headers.contains(&"cache-control: no-store".to_owned()));
    }

    async fn not_modified(&self, request: AdminRequest) {
        let (status, headers, body) = self.ask(request).await;
        assert_eq!((status, body.as_str()), (304, ""));
        let about_body = headers.iter().find(|line| line.starts_with("content-type"));
        assert_eq!(about_body, None);
        assert!(
            !headers
                .iter()
                .any(|line| line.starts_with("content-length"))
        );
    }
}

fn request(method: &str, path: &str) -> AdminRequest {
    // As the client sends it.
    AdminRequest::new(method, path, Authorization::granted("ana"))
        .with_header("Content-type", "application/json")
        .with_header("Tenant", "default_tenant")
}

fn by(authorization: Authorization, method: &str, path: &str) -> AdminRequest {
    AdminRequest::new(method, path, authorization)
}

#[tokio::test]
async fn nothing_runs() {
    let site = site().await;
    site.is(request("GET", ""), 200, DEACTIVATED).await;
    site.is(request("GET", "/"), 200, DEACTIVATED).await;
    site.not_modified(request("POST", "/deactivate")).await;

    let activated = r#"{"status":"activated","activated_at":"2026-11-20T10:15:00.000Z","activation_requested_at":"2026-11-20T10:15:00.000Z","remaining_executions":null,"requested_by":"ana"}"#;
    site.is(request("POST", "/activate"), 200, activated).await;
    site.is(request("GET", ""), 200, activated).await;
    site.not_modified(request("POST", "/activate")).await;

    let ended = r#"{"status":"deactivated","activated_at":"2026-11-20T10:15:00.000Z","activation_requested_at":"2026-11-20T10:15:00.000Z","remaining_executions":null,"requested_by":"ana"}"#;
    site.is(request("POST", "/deactivate"), 200, ended).await;
    site.is(request("GET", ""), 200, DEACTIVATED).await;
    site.not_modified(request("POST", "/deactivate")).await;

    let history = site.gate.operator(Actor::new("", "")).history(2).await;
    let newest = history.unwrap().remove(0);
    assert_eq!(newest.by.as_deref(), Some("ana"));
    assert_eq!(newest.origin.as_deref(), Some("cloudify"));
}

#[tokio::test]
async fn what_runs_is_listed_flat() {
    let site = site().await;
    let begin = |info| site.gate.execution(info).unwrap();
    let prices = begin(ExecutionInfo::new("import").with_label("prices.csv"));
    let mail = begin(ExecutionInfo::new("mail"));
    let node = site.gate.status().node;
    let operator = site.gate.operator(Actor::new("test", "test"));
    let ids = loop {
        let view = operator.inspect(9).await.unwrap();
        let ids: Vec<u64> = view.executions().iter().map(|(_, one)| one.id).collect();
        if ids.len() == 2 {
            break ids;
        }
        // The node tells of itself with its next report.
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let [one, two] = *ids else {
        panic!("there are two")
    };
    let activating = format!(
        r#"{{"status":"activating","activated_at":"","activation_requested_at":"2026-11-20T10:15:00.000Z","remaining_executions":[{{"id":"{node}-{one}","status":"started","deployment_id":"prices.csv","workflow_id":"import"}},{{"id":"{node}-{two}","status":"started","deployment_id":"api-1","workflow_id":"mail"}}],"requested_by":"ana"}}"#
    );
    site.is(request("POST", "/activate"), 200, &activating)
        .await;
    site.is(request("GET", ""), 200, &activating).await;
    site.not_modified(request("POST", "/activate")).await;

    let ended = r#"{"status":"deactivated","activated_at":"","activation_requested_at":"2026-11-20T10:15:00.000Z","remaining_executions":null,"requested_by":"ana"}"#;
    site.is(request("POST", "/deactivate"), 200, ended).await;
    drop((prices, mail));
}

#[tokio::test]
async fn a_drain_ends_without_another_request() {
    let site = site().await;
    let execution = site.gate.execution(ExecutionInfo::new("import")).unwrap();
    assert_eq!(site.ask(request("POST", "/activate")).await.0, 200);
    drop(execution);
    let activated = |record: &intermission::Record| record.phase() == Phase::Activated;
    site.gate.reached(activated).await;
    let (_, _, body) = site.ask(request("GET", "")).await;
    assert!(body.starts_with(r#"{"status":"activated","#), "{body}");
}

#[tokio::test]
async fn a_plan_is_cancelled_and_not_taken_for_maintenance() {
    let site = site().await;
    // An operator judges by the system's clock.
    let starts = SystemClock.now().saturating_add(Duration::from_secs(3600));
    let plan = Change::Activate(Activate::by("bob").with_starts_at(starts));
    let operator = site.gate.operator(Actor::new("bob", "test"));
    operator.change(plan).await.unwrap();
    site.is(request("GET", ""), 200, DEACTIVATED).await;
    site.is(request("POST", "/deactivate"), 200, DEACTIVATED)
        .await;
    site.not_modified(request("POST", "/deactivate")).await;
}

fn error(message: &str, code: &str) -> String {
    format!(r#"{{"message":"{message}","error_code":"{code}","server_traceback":""}}"#)
}

#[tokio::test]
async fn errors_have_cloudifys_envelope() {
    let site = site().await;
    for (action, said) in [
        ("restart", "restart"),
        ("Activate", "Activate"),
        ("%22", "%22"),
        ("\"\u{1}", r#"\"\u0001"#),
    ] {
        let message =
            format!("Invalid action: {said}, Valid action values are: ['activate', 'deactivate']");
        let body = error(&message, "bad_parameters_error");
        let request = request("POST", &format!("/{action}"));
        site.is(request, 400, &body).await;
    }
    let nobody = error(
        "sign in first: nobody knows who you are",
        "unauthorized_error",
    );
    let may_not = error("you may not administer maintenance", "forbidden_error");
    for (method, path) in [
        ("GET", ""),
        ("POST", "/activate"),
        ("POST", "/deactivate"),
        ("POST", "/restart"),
        ("POST", ""),
        ("GET", "/activate"),
        ("GET", "/a/b"),
    ] {
        let stranger = by(Authorization::Unauthenticated, method, path);
        let (_, headers, _) = site.ask(stranger.clone()).await;
        let challenge = r#"www-authenticate: Basic realm="maintenance""#.to_owned();
        assert!(headers.contains(&challenge), "{headers:?}");
        site.is(stranger, 401, &nobody).await;
        if method == "POST" {
            let user = by(Authorization::Forbidden, method, path);
            site.is(user, 403, &may_not).await;
        }
    }
    let reader = by(Authorization::Forbidden, "GET", "");
    site.is(reader, 200, DEACTIVATED).await;

    for (method, path, allow) in [
        ("POST", "", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("GET", "/activate", "POST"),
        ("PUT", "/deactivate", "POST"),
    ] {
        let message = format!("this can be asked with {allow} only");
        let body = error(&message, "method_not_allowed_error");
        let (_, headers, _) = site.ask(request(method, path)).await;
        assert!(headers.contains(&format!("allow: {allow}")), "{headers:?}");
        site.is(request(method, path), 405, &body).await;
    }
    for path in ["/activate/", "/activate/now", "//activate", "activate"] {
        let body = error("there is nothing here", "not_found_error");
        site.is(request("POST", path), 404, &body).await;
    }
    assert_eq!(site.gate.record().phase(), Phase::Deactivated);
}

#[tokio::test]
async fn another_site_changes_nothing() {
    let site = site().await;
    let may_not = error(
        "a change must come from this site, or from no browser at all",
        "forbidden_error",
    );
    let foreign = request("POST", "/activate").with_header("Sec-Fetch-Site", "cross-site");
    site.is(foreign, 403, &may_not).await;
    let foreign = request("POST", "/activate")
        .with_header("Host", "api.example")
        .with_header("Origin", "https://evil.example");
    site.is(foreign, 403, &may_not).await;

    let form = by(Authorization::granted("ana"), "POST", "/activate")
        .with_header("content-type", "application/x-www-form-urlencoded");
    let body = error("send no body, or JSON", "unsupported_content_type_error");
    site.is(form, 415, &body).await;
    assert_eq!(site.gate.record().phase(), Phase::Deactivated);

    let bare = by(Authorization::granted("ana"), "POST", "/activate");
    assert_eq!(site.ask(bare).await.0, 200);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let site = site().await;
    let (status, headers, body) = site.ask(request("HEAD", "")).await;
    assert_eq!((status, body.as_str()), (200, ""));
    let length = format!("content-length: {}", DEACTIVATED.len());
    assert!(headers.contains(&length), "{headers:?}");
}

#[test]
fn refusals_are_what_the_client_makes_exceptions_of() {
    let policy = ReplyPolicy::default()
        .with_status(RefusalStatus::new(200).unwrap())
        .with_vendor_format(Refusals::default());
    for (marker, code) in [
        (Marker::Activated, "maintenance_mode_active"),
        (Marker::ReadOnly, "maintenance_mode_active"),
        (Marker::Activating, "entering_maintenance_mode"),
    ] {
        let notice = Notice::new(marker).with_message("Back \"soon\"\n");
        let replies = Replies::render(&policy, &notice);
        let ask = |path: &str| {
            let request = ReplyRequest::new("GET").with_vendor(replies.vendor_at(path));
            replies.reply(request, Standing.now(), 0)
        };
        let reply = ask("/api/v3.1/blueprints");
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.body(), &error(r#"Back \"soon\"\n"#, code));
        let mut headers = reply.headers();
        let (name, value) = headers.next().unwrap();
        assert_eq!(
            (name, &*value.to_string()),
            ("content-type", "application/json")
        );
        assert_eq!(ask("/apix/v3.1/blueprints").status(), 200);
    }
}

#[tokio::test]
async fn the_last_who_opens_wins_and_the_other_is_told() {
    let site = site().await;
    site.ask(request("POST", "/activate")).await;
    let operator = site.gate.operator(Actor::new("bob", "test"));
    let open = Change::Deactivate(Deactivate::new());
    operator.change(open).await.unwrap();
    site.not_modified(request("POST", "/deactivate")).await;
}
