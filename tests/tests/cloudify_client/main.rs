//! Cloudify's own client, `cloudify_rest_client`, against the example application on each framework.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test, helpers included: what it prints is shown when it fails"
)]

mod client;

use client::{Caller, Python, raises};
use http::Method;
use intermission_tests::app::{App, Framework};
use intermission_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

/// The versions of the interface that have maintenance mode.
const VERSIONS: [&str; 3] = ["v2.1", "v3", "v3.1"];

fn admin(version: &str) -> Caller {
    Caller::version(version).password("admin", "admin-demo")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_sees_a_manager_on_axum() {
    conversation(Framework::Axum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_sees_a_manager_on_actix() {
    conversation(Framework::Actix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_sees_a_manager_on_warp() {
    conversation(Framework::Warp).await;
}

/// From deactivated to activated and back, with an execution in another process in between.
async fn conversation(framework: Framework) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path();
    let manager = App::start_on(framework, state, "manager", &[]).await;
    let mut worker = App::start_on(framework, state, "worker", &["--lost", "wait:1s"]).await;
    let mut python = Python::start(manager.address);
    let python = &mut python;

    for version in VERSIONS {
        let status = python
            .answer(&admin(version), "maintenance_mode.status")
            .await;
        assert_eq!(status, deactivated(), "{version}");
        already_off(python, &admin(version)).await;
    }
    strangers(python).await;
    unknown_action(python).await;

    let job = worker.start_job(600_000).await.expect("it is open");
    until("the manager knows of the job", || async {
        executions(state).await.contains(&job).then_some(())
    })
    .await;
    let admin = &admin("v3.1");
    let activating = python.answer(admin, "maintenance_mode.activate").await;
    let requested_at = text(&activating, "activation_requested_at");
    assert_activating(&activating, &job);
    for version in VERSIONS {
        let caller = self::admin(version);
        let status = python.answer(&caller, "maintenance_mode.status").await;
        assert_eq!(status, activating, "{version}");
        already_on(python, &caller).await;
    }
    refused_while_activating(python).await;

    // The execution is gone, with the process.
    worker.kill().await;
    let activated = tokio::time::timeout(PATIENCE, async {
        loop {
            let status = python.answer(admin, "maintenance_mode.status").await;
            assert_eq!(text(&status, "activation_requested_at"), requested_at);
            if status["status"] == "activated" {
                return status;
            }
        }
    });
    let activated = activated.await.expect("activated when nothing runs");
    assert_keys(&activated);
    assert!(!text(&activated, "activated_at").is_empty(), "{activated}");
    assert_eq!(text(&activated, "requested_by"), "admin");
    let remaining = &activated["remaining_executions"];
    assert!(
        remaining.is_null() || *remaining == json!([]),
        "{activated}"
    );
    already_on(python, admin).await;
    refused_while_activated(python).await;
    without_body(&manager, "activate").await;

    let mut ended = python.answer(admin, "maintenance_mode.deactivate").await;
    assert_eq!(ended["status"], "deactivated");
    // It tells of the maintenance that has ended.
    for key in ["activation_requested_at", "activated_at", "requested_by"] {
        assert_eq!(ended[key], activated[key], "{key}");
    }
    assert_keys(&ended);
    ended = python.answer(admin, "maintenance_mode.status").await;
    assert_eq!(ended, deactivated());
    already_off(python, admin).await;
    without_body(&manager, "deactivate").await;

    // The older versions can do it, too.
    for version in VERSIONS {
        let caller = self::admin(version);
        let on = python.answer(&caller, "maintenance_mode.activate").await;
        assert_ne!(on["status"], "deactivated", "{version}");
        let off = python.answer(&caller, "maintenance_mode.deactivate").await;
        assert_eq!(off["status"], "deactivated", "{version}");
    }
}

/// The ids of what the command says runs, as Cloudify's clients see them.
async fn executions(state: &std::path::Path) -> Vec<String> {
    let executions = intermission_tests::command::intermission(state, &["executions", "--json"]);
    let said: Value = serde_json::from_str(&executions.await.done().stdout).expect("JSON");
    let listed = said["executions"].as_array().expect("a list");
    let id = |one: &Value| format!("{}-{}", text(one, "node"), one["id"]);
    listed.iter().map(id).collect()
}

fn deactivated() -> Value {
    json!({
        "status": "deactivated",
        "activated_at": "",
        "activation_requested_at": "",
        "remaining_executions": null,
        "requested_by": "",
    })
}

fn assert_activating(status: &Value, job: &str) {
    assert_keys(status);
    assert_eq!(status["status"], "activating");
    assert_eq!(status["activated_at"], "");
    assert_eq!(status["requested_by"], "admin");
    assert!(
        !text(status, "activation_requested_at").is_empty(),
        "{status}"
    );
    let remaining = status["remaining_executions"].as_array().expect("a list");
    assert_eq!(remaining.len(), 1, "{status}");
    assert_eq!(remaining[0]["id"], job);
    assert_eq!(
        keys(&remaining[0]),
        ["deployment_id", "id", "status", "workflow_id"]
    );
}

fn assert_keys(status: &Value) {
    assert_eq!(
        keys(status),
        [
            "activated_at",
            "activation_requested_at",
            "remaining_executions",
            "requested_by",
            "status"
        ]
    );
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

fn text(status: &Value, key: &str) -> String {
    status[key].as_str().unwrap_or_default().to_owned()
}

async fn already_on(python: &mut Python, caller: &Caller) {
    let raised = python
        .raised(caller, "maintenance_mode.activate", &[])
        .await;
    assert_eq!(raised, raises("NotModifiedError", 304, "not_modified"));
}

async fn already_off(python: &mut Python, caller: &Caller) {
    let raised = python
        .raised(caller, "maintenance_mode.deactivate", &[])
        .await;
    assert_eq!(raised, raises("NotModifiedError", 304, "not_modified"));
}

/// 304 is where the client does not look at what came with it.
async fn without_body(manager: &App, action: &str) {
    // admin:admin-demo
    let authorization = ("authorization", "Basic YWRtaW46YWRtaW4tZGVtbw==");
    let path = format!("/api/v3.1/maintenance/{action}");
    let answer = manager.send(Method::POST, &path, &[authorization]).await;
    assert_eq!(answer.status, 304);
    assert_eq!(
        (answer.body.as_str(), answer.header("content-type")),
        ("", "")
    );
}

/// Who is nobody, and who is somebody but may not.
async fn strangers(python: &mut Python) {
    let unauthorized = || raises("UserUnauthorizedError", 401, "unauthorized_error");
    let forbidden = || raises("ForbiddenError", 403, "forbidden_error");
    let nobody = Caller::version("v3.1");
    for call in [
        "maintenance_mode.status",
        "maintenance_mode.activate",
        "maintenance_mode.deactivate",
    ] {
        for caller in [
            nobody.clone(),
            nobody.clone().password("admin", "wrong"),
            nobody.clone().token("wrong"),
        ] {
            assert_eq!(
                python.raised(&caller, call, &[]).await,
                unauthorized(),
                "{call}"
            );
        }
        // May pass during maintenance, and look at it, as every user of Cloudify may; but not change it.
        let operator = nobody.clone().token("operator-demo");
        if call == "maintenance_mode.status" {
            assert_eq!(python.answer(&operator, call).await, deactivated());
        } else {
            assert_eq!(
                python.raised(&operator, call, &[]).await,
                forbidden(),
                "{call}"
            );
        }
    }
    let by_token = nobody.token("admin-demo");
    let status = python.answer(&by_token, "maintenance_mode.status").await;
    assert_eq!(status, deactivated());
}

async fn unknown_action(python: &mut Python) {
    let path = "/maintenance/suspend";
    let raised = python.raised(&admin("v3.1"), "_client.post", &[path]).await;
    assert_eq!(
        (raised.status, raised.code.as_str()),
        (400, "bad_parameters_error")
    );
}

/// Nothing is started any more, all else goes on.
async fn refused_while_activating(python: &mut Python) {
    let activating = raises(
        "MaintenanceModeActivatingError",
        503,
        "entering_maintenance_mode",
    );
    let nobody = Caller::version("v3.1");
    let start = ["shop", "install"];
    let raised = python.raised(&nobody, "executions.start", &start).await;
    assert_eq!(raised, activating);
    let listed = python.raised(&nobody, "blueprints.list", &[]).await;
    assert_eq!(
        listed.status, 404,
        "it is let through to the application, which has none"
    );
}

/// The header counts for those who may, and only as a true one.
async fn refused_while_activated(python: &mut Python) {
    let active = || raises("MaintenanceModeActiveError", 503, "maintenance_mode_active");
    let nobody = Caller::version("v3.1");
    let operator = nobody.clone().token("operator-demo");
    let bypass =
        |caller: &Caller, value: &str| caller.clone().header("X-BYPASS-MAINTENANCE", value);
    for version in VERSIONS {
        let raised = python
            .raised(&Caller::version(version), "blueprints.list", &[])
            .await;
        assert_eq!(raised, active(), "{version}");
    }
    for caller in [
        bypass(&nobody, "true"),
        bypass(&operator, "false"),
        bypass(&admin("v3.1"), "false"),
    ] {
        let raised = python.raised(&caller, "blueprints.list", &[]).await;
        assert_eq!(raised, active());
    }
    for caller in [bypass(&operator, "true"), bypass(&admin("v3.1"), "True")] {
        let raised = python.raised(&caller, "blueprints.list", &[]).await;
        assert_eq!(raised.status, 404, "the application has none");
    }
}
