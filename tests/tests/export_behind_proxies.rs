//! What `intermission export` writes, in the real proxies: while the application is down they show the page, and while
//! it is up they pass on its own answers.
#![expect(clippy::expect_used, reason = "a test, helpers included")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use http::{Method, StatusCode};
use intermission_tests::app::App;
use intermission_tests::command::intermission;
use intermission_tests::http::send;
use intermission_tests::wait::until;
use tokio::process::{Child, Command};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A port on which nobody listens. Another program may take it before the proxy does, which is as likely as it is
/// to be drawn.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("there is a free port")
}

#[derive(Clone, Copy, Debug)]
enum Proxy {
    Nginx,
    Haproxy,
    Caddy,
}

impl Proxy {
    /// Runs in the foreground as one process, and ends with the value.
    fn start(self, folder: &Path, pages: &Path, own: SocketAddr, app: SocketAddr) -> Child {
        let (at, dir) = (folder.display(), pages.display());
        let (name, text) = match self {
            Self::Nginx => (
                "nginx.test.conf",
                format!(
                    "daemon off; master_process off; pid {at}/pid; error_log {at}/log;\nevents {{}}\nhttp {{\n\
                     access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p;\n\
                     fastcgi_temp_path {at}/f; scgi_temp_path {at}/s; uwsgi_temp_path {at}/u;\n\
                     include \"{dir}/nginx-http.conf\";\nserver {{ listen {own}; include \"{dir}/nginx.conf\";\n\
                     location / {{ proxy_pass http://{app}; }} }} }}\n"
                ),
            ),
            Self::Haproxy => {
                let written = fs::read_to_string(pages.join("haproxy.cfg")).expect("a file");
                // The lines that the file tells people to copy.
                let lines: Vec<&str> = written
                    .lines()
                    .filter_map(|line| line.strip_prefix("#     "))
                    .filter(|line| !line.starts_with("errorfiles"))
                    .collect();
                (
                    "haproxy.test.cfg",
                    format!(
                        "defaults\n mode http\n timeout connect 1s\n timeout client 30s\n timeout server 30s\n\
                         frontend f\n bind {own}\n {}\n default_backend app\n\
                         backend app\n errorfiles intermission 503\n server s {app} check inter 100ms\n",
                        lines.join("\n ")
                    ),
                )
            }
            Self::Caddy => (
                "Caddyfile.test",
                format!(
                    "{{\n admin off\n}}\nhttp://{own} {{\n import \"{dir}/Caddyfile\"\n reverse_proxy {app}\n}}\n"
                ),
            ),
        };
        let config = folder.join(name);
        fs::write(&config, text).expect("it can be written");
        let mut command = match self {
            Self::Nginx => Command::new("nginx"),
            Self::Haproxy => Command::new("haproxy"),
            Self::Caddy => Command::new("caddy"),
        };
        match self {
            Self::Nginx => command.arg("-c").arg(&config),
            Self::Haproxy => command
                .args(["-db", "-f"])
                .arg(pages.join("haproxy.cfg"))
                .arg("-f")
                .arg(&config),
            Self::Caddy => command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(&config),
        };
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the proxy starts")
    }
}

async fn serves(proxy: Proxy) {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    // Quoting is wanted.
    let pages = folder.path().join("the pages");
    let dir = pages.to_str().expect("text");
    for line in [
        &["init"][..],
        &["activate", "--message", "Moving house"],
        &["export", dir, "--retry-after", "7m"],
    ] {
        let outcome = intermission(state.as_path(), line).await;
        assert_eq!(outcome.code, 0, "{line:?}: {}", outcome.stderr);
    }

    let own = free();
    let mut down = proxy.start(folder.path(), &pages, own, free());
    for (accept, content_type) in [
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ] {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            // HAProxy knows the server to be down only after its first check.
            let answer = until("the proxy answers in that form", async || {
                let answer = send(own, method.clone(), "/x", &[("accept", accept)]).await;
                answer
                    .ok()
                    .filter(|answer| answer.header("content-type") == content_type)
            })
            .await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{proxy:?}");
            for (name, value) in [
                ("retry-after", "420"),
                ("cache-control", "no-store"),
                ("vary", "Accept"),
                ("maintenance-mode", "activated"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(answer.header(name), value, "{proxy:?} {accept} {name}");
            }
            let is_page = content_type.starts_with("text/html");
            let policy = answer.headers.contains_key("content-security-policy");
            assert_eq!(policy, is_page, "{proxy:?} {accept}");
            let says = answer.body.contains("Moving house");
            assert_eq!(says, method != Method::HEAD, "{proxy:?} {accept} {method}");
            if method == Method::POST {
                assert!(!answer.headers.contains_key("refresh"), "{proxy:?}");
            }
        }
    }
    down.kill().await.expect("it ends");

    let app = App::start(state.as_path(), "a", &[]).await;
    let own = free();
    let mut up = proxy.start(folder.path(), &pages, own, app.address);
    let closed = until("the application's own refusal comes", async || {
        let answer = send(own, Method::GET, "/", &[("accept", "text/plain")]).await;
        answer.ok().filter(|answer| {
            !answer.headers.contains_key("retry-after") || answer.header("retry-after") != "420"
        })
    })
    .await;
    assert_eq!(closed.status, StatusCode::SERVICE_UNAVAILABLE, "{proxy:?}");
    let outcome = intermission(state.as_path(), &["deactivate"]).await;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    until("the application is open", async || {
        let answer = send(own, Method::GET, "/", &[]).await;
        answer.ok().filter(|answer| answer.status == StatusCode::OK)
    })
    .await;
    up.kill().await.expect("it ends");
}

#[tokio::test]
async fn nginx_shows_the_page() {
    serves(Proxy::Nginx).await;
}

#[tokio::test]
async fn haproxy_shows_the_page() {
    serves(Proxy::Haproxy).await;
}

#[tokio::test]
async fn caddy_shows_the_page() {
    serves(Proxy::Caddy).await;
}
