//! The manifest of `on_kubernetes`: what the kubelet would do with it, against a real service.

use std::process::{Command, Stdio};

use http::Method;
use intermission_tests::app::{App, Framework};
use intermission_tests::command::intermission;
use intermission_tests::port::Port;
use intermission_tests::python;
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::{PATIENCE, until};
use serde_json::Value;
use tokio::time::{Duration, timeout};

use crate::page::{self, Step};
use crate::text_of;

/// The manifest, as the API server would read it.
fn manifest() -> Value {
    let steps = page::steps(&text_of("on_kubernetes")).unwrap();
    let text = steps.iter().find_map(|step| match step {
        Step::File { name, text } if name == page::MANIFEST => Some(text),
        Step::File { .. } | Step::Command(_) => None,
    });
    let text = text.expect("the page has a manifest");
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.argv[1]), sys.stdout)";
    let parsed = Command::new(python::program("python"))
        .args(["-c", script, text])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(parsed.status.success(), "{parsed:?}");
    serde_json::from_slice(&parsed.stdout).unwrap()
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().expect("seconds"))
}

/// Asks once, as the kubelet does: an answer from 200 to 399 in time is a success.
async fn succeeds(app: &App, container: &Value, probe: &str) -> bool {
    let probe = &container[probe];
    let port = &probe["httpGet"]["port"];
    assert_eq!(port, &container["ports"][0]["containerPort"]);
    let path = probe["httpGet"]["path"].as_str().expect("a path");
    // By default it waits for a second.
    let limit = probe
        .get("timeoutSeconds")
        .map_or(Duration::from_secs(1), seconds);
    let answer = timeout(limit, app.send(Method::GET, path, &[])).await;
    answer.is_ok_and(|answer| (200..400).contains(&answer.status.as_u16()))
}

/// Asks as often as it takes to give a pod up, or to let it in.
async fn stays_well(app: &App, container: &Value) {
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let times = container[probe]["failureThreshold"]
            .as_u64()
            .expect("a number");
        for _ in 0..times {
            assert!(succeeds(app, container, probe).await, "{probe}");
        }
    }
}

/// Starts the container's process with its own arguments.
async fn start(
    framework: Framework,
    container: &Value,
    redis: &RedisServer,
    port: &Port,
    pod: &str,
) -> App {
    assert_eq!(container["env"][0]["name"], "POD_NAME");
    let arguments = container["args"].as_array().expect("arguments").iter();
    let arguments: Vec<String> = arguments
        .map(|argument| {
            let argument = argument.as_str().expect("text");
            let address = port.address().to_string();
            argument
                .replace("$(POD_NAME)", pod)
                .replace("0.0.0.0:8080", &address)
        })
        .collect();
    assert!(
        arguments.contains(&format!("--node={pod}")),
        "{arguments:?}"
    );
    assert!(
        arguments.contains(&"--state=redis://cache:6379/0".to_owned()),
        "{arguments:?}"
    );
    // These two are given by who starts it here.
    let others: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with("--node=") && !argument.starts_with("--state="))
        .collect();
    assert_eq!(others.len(), arguments.len() - 2, "{arguments:?}");
    App::start_on(framework, redis.url().as_str(), pod, &others).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_right_for_a_service_that_is_closed_opened_and_ended() {
    let manifest = manifest();
    assert_eq!(manifest["kind"], "Deployment");
    let spec = &manifest["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    let grace = seconds(&spec["terminationGracePeriodSeconds"]);
    let before = seconds(&container["lifecycle"]["preStop"]["sleep"]["seconds"]);

    let redis = RedisServer::start().await;
    let state = redis.url();
    let state = state.as_str();
    intermission(state, &["init"]).await.done();
    for (framework, pod) in Framework::ALL
        .into_iter()
        .zip(["shop-a", "shop-b", "shop-c"])
    {
        let port = Port::claim();
        let mut app = start(framework, container, &redis, &port, pod).await;
        stays_well(&app, container).await;
        intermission(state, &["activate", "--wait", "--timeout", "30s"])
            .await
            .done();
        until("the pod turns visitors away", async || {
            (app.get("/").await.status == 503).then_some(())
        })
        .await;
        stays_well(&app, container).await;

        // One that comes meanwhile is let in, and closed.
        let late_port = Port::claim();
        let mut late = start(framework, container, &redis, &late_port, "late").await;
        stays_well(&late, container).await;
        assert_eq!(late.get("/").await.status, 503);
        late.terminate().await;

        intermission(state, &["deactivate"]).await.done();
        until("it is open", async || app.start_job(1_000).await).await;
        app.ask_to_end();
        let left = grace
            .checked_sub(before)
            .expect("time is left after preStop");
        timeout(left.min(PATIENCE), app.ended())
            .await
            .expect("it ends before it would be killed");
        let nodes = intermission(state, &["nodes", "--json"])
            .await
            .done()
            .json();
        assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(0), "{nodes}");
    }
}
