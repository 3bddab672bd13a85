//! What operators use of the example applications, as processes.

use http::Method;
use intermission_tests::app::{App, Framework};
use intermission_tests::events::Events;
use intermission_tests::http::send_body;
use intermission_tests::wait::until;

const OPERATOR: (&str, &str) = ("authorization", "Bearer operator-demo");
const ADMIN: (&str, &str) = ("authorization", "Bearer admin-demo");
/// `admin:admin-demo`
const BASIC: (&str, &str) = ("authorization", "Basic YWRtaW46YWRtaW4tZGVtbw==");
const JSON: (&str, &str) = ("content-type", "application/json");
const MOUNT: &str = "/admin/maintenance";

async fn start_all() -> Vec<App> {
    let mut apps = Vec::new();
    for framework in Framework::ALL {
        let flags = ["--site", "shop", "--trusted-proxy", "127.0.0.0/8"];
        apps.push(App::start_on(framework, "memory:", "one", &flags).await);
    }
    apps
}

#[tokio::test]
async fn the_administrator_closes_the_site_and_opens_it_again() {
    for app in start_all().await {
        let get = async |path: &str, headers: &[_]| app.send(Method::GET, path, headers).await;
        let post = async |path: &str, headers: &[(&str, &str)], body: &'static str| {
            let path = format!("{MOUNT}{path}");
            let headers = [&[JSON], headers].concat();
            let answer = send_body(app.address, Method::POST, &path, &headers, body).await;
            answer.unwrap_or_else(|error| panic!("{path}: {error:#}"))
        };
        let nobody = get("/admin/maintenance/", &[]).await;
        assert_eq!(nobody.status, 401);
        assert_eq!(
            nobody.header("www-authenticate"),
            "Basic realm=\"maintenance\""
        );
        assert_eq!(get("/admin/maintenance/", &[OPERATOR]).await.status, 403);
        assert_eq!(get("/admin/maintenance/", &[BASIC]).await.status, 200);
        assert_eq!(get("/admin/maintenance", &[ADMIN]).await.status, 308);

        let refused = post("/api/activate", &[OPERATOR], "{}").await;
        assert_eq!(refused.status, 403);
        let headers = [BASIC, ("x-forwarded-for", "192.0.2.10")];
        let closed = post("/api/activate", &headers, r#"{"message":"Back soon"}"#).await;
        assert_eq!(closed.status, 200, "{closed:?}");
        let history = get("/admin/maintenance/api/history", &[ADMIN]).await;
        assert!(history.body.contains(r#""by":"admin""#), "{history:?}");
        assert!(
            history.body.contains("admin from 192.0.2.10"),
            "{history:?}"
        );

        let becomes = async |status: u16| {
            let ask = async || (get("/", &[]).await.status == status).then_some(());
            until("the process has seen the change", ask).await;
        };
        becomes(503).await;
        // Whoever administers sees his site, as operators do.
        for (headers, status) in [(&[OPERATOR][..], 200), (&[ADMIN], 200), (&[BASIC], 200)] {
            assert_eq!(get("/", headers).await.status, status, "{headers:?}");
        }
        let public = get("/maintenance-status", &[]).await;
        assert!(
            public.body.contains(r#""message":"Back soon""#),
            "{public:?}"
        );
        let opened = post("/api/deactivate", &[ADMIN], "{}").await;
        assert_eq!(opened.status, 200, "{opened:?}");
        becomes(200).await;
    }
}

#[tokio::test]
async fn a_process_ends_in_order_although_somebody_listens() {
    for mut app in start_all().await {
        let path = format!("{MOUNT}/api/events");
        let mut events = Events::listen(app.address, &path, &[ADMIN]).await.unwrap();
        events.until("view").await;
        app.ask_to_end();
        while events.next().await.unwrap().is_some() {}
        app.ended().await;
    }
}
