//! What `intermission export` writes, in the real proxies: while the application is down they show the page, and while
//! it is up they pass on its own answers.
#![expect(clippy::expect_used, reason = "a test, helpers included")]

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use http::{Method, StatusCode};
use intermission_tests::app::App;
use intermission_tests::command::intermission;
use intermission_tests::foreign::{Claim, Foreign};
use intermission_tests::http::{Answer, send};
use intermission_tests::wait::until;

#[derive(Clone, Copy, Debug)]
enum Proxy {
    Nginx,
    Haproxy,
    Caddy,
}

impl Proxy {
    /// Runs in the foreground as one process, and ends with the value.
    fn start(self, folder: &Path, pages: &Path, own: SocketAddr, app: SocketAddr) -> Foreign {
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
                    "{{\n admin off\n}}\nhttp://{own} {{\n bind {}\n import \"{dir}/Caddyfile\"\n reverse_proxy {app}\n}}\n",
                    own.ip()
                ),
            ),
        };
        let config = folder.join(name);
        fs::write(&config, text).expect("it can be written");
        let own = pages.join("haproxy.cfg");
        let words: &[&OsStr] = match self {
            Self::Nginx => &["-c".as_ref(), config.as_ref()],
            Self::Haproxy => &[
                "-db".as_ref(),
                "-f".as_ref(),
                own.as_ref(),
                "-f".as_ref(),
                config.as_ref(),
            ],
            Self::Caddy => &[
                "run".as_ref(),
                "--adapter".as_ref(),
                "caddyfile".as_ref(),
                "--config".as_ref(),
                config.as_ref(),
            ],
        };
        let program = match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
        };
        Foreign::start(program, words, folder)
    }
}

/// Asks the proxy until its answer is of the wanted kind.
async fn ask(
    running: &mut Foreign,
    at: SocketAddr,
    method: &Method,
    accept: &str,
    is_wanted: impl Fn(&Answer) -> bool,
) -> Answer {
    let headers = [("accept", accept)];
    let (headers, is_wanted) = (&headers, &is_wanted);
    until(&format!("the proxy answers to {method} {accept}"), || {
        running.runs();
        let asking = send(at, method.clone(), "/x", headers);
        async move { asking.await.ok().filter(|answer| is_wanted(answer)) }
    })
    .await
}

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/problem+json";
const TEXT: &str = "text/plain; charset=utf-8";

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

    let (own, app) = (Claim::stake(), Claim::stake());
    let mut down = proxy.start(folder.path(), &pages, own.address(), app.address());
    for (accept, content_type) in [
        ("text/html,*/*;q=0.8", HTML),
        ("application/json", JSON),
        ("*/*", TEXT),
        // What somebody does not take at all is not sent; other weights are not looked at.
        ("text/html;q=0, application/json", JSON),
        ("application/json;q=0.000 , text/html ; q=0.0, */*", TEXT),
        ("text/html;level=1;q=0.4, application/json", HTML),
        ("application/vnd.shop+json; q=1.0", JSON),
    ] {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            // HAProxy knows the server to be down only after its first check.
            let is_wanted = |answer: &Answer| answer.header("content-type") == content_type;
            let answer = ask(&mut down, own.address(), &method, accept, is_wanted).await;
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
            let is_page = content_type == HTML;
            let policy = answer.headers.contains_key("content-security-policy");
            assert_eq!(policy, is_page, "{proxy:?} {accept}");
            let says = answer.body.contains("Moving house");
            assert_eq!(says, method != Method::HEAD, "{proxy:?} {accept} {method}");
            if method == Method::POST {
                assert!(!answer.headers.contains_key("refresh"), "{proxy:?}");
            }
        }
    }
    drop(down);

    let app = App::start(state.as_path(), "a", &[]).await;
    let own = Claim::stake();
    let mut up = proxy.start(folder.path(), &pages, own.address(), app.address);
    for (accept, content_type) in [
        ("text/html", HTML),
        ("application/json", JSON),
        ("*/*", TEXT),
    ] {
        for method in [Method::GET, Method::POST] {
            let own_answer = app.send(method.clone(), "/x", &[("accept", accept)]).await;
            assert_eq!(own_answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(own_answer.header("content-type"), content_type);
            assert_ne!(own_answer.header("retry-after"), "420", "it is told apart");
            // Until the proxy has started, nobody answers.
            let passed = ask(&mut up, own.address(), &method, accept, |_| true).await;
            assert_eq!(passed.status, own_answer.status, "{proxy:?} {accept}");
            assert_eq!(passed.body, own_answer.body, "{proxy:?} {accept}");
            for (name, value) in &own_answer.headers {
                // Of the connection, and of the moment.
                if name != "connection" && name != "date" {
                    let values: Vec<_> = passed.headers.get_all(name).iter().collect();
                    let all: Vec<_> = own_answer.headers.get_all(name).iter().collect();
                    assert_eq!(values, all, "{proxy:?} {accept} {name}: {value:?}");
                }
            }
            for name in ["retry-after", "maintenance-mode", "refresh", "vary"] {
                let adds =
                    passed.headers.contains_key(name) != own_answer.headers.contains_key(name);
                assert!(!adds, "{proxy:?} {accept} {name}");
            }
        }
    }
    let outcome = intermission(state.as_path(), &["deactivate"]).await;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    until("the application is open", async || {
        let answer = send(own.address(), Method::GET, "/", &[]).await;
        answer.ok().filter(|answer| answer.status == StatusCode::OK)
    })
    .await;
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
