//! The same on every state that processes can share.

use intermission_tests::app::App;
use intermission_tests::command::intermission;
use intermission_tests::wait::until;

use crate::states::Site;
use crate::{begin, holders, phase, reach, start};

/// Waits until visitors are let in.
async fn admits(app: &App) {
    until("visitors are let in", || async {
        (app.get("/").await.status == 200).then_some(())
    })
    .await;
}

/// The work meets no job, visitors are refused while it runs, and everything is as before when it is done.
async fn a_deployment(site: Site) {
    let state = site.url.as_str();
    let app = App::start(state, "web-1", &[]).await;
    assert!(app.start_job(1_500).await.is_some());
    let mut running = begin(state, &["--message", "A new version", "--wait=quiescent"]);
    assert_eq!(
        running.said().await,
        "activating: nothing new starts, and what runs may finish"
    );
    running.has_started().await;
    let executions = intermission(state, &["executions", "--json"]).await.done();
    assert_eq!(
        executions.json()["executions"].as_array().map(Vec::len),
        Some(0)
    );
    let refused = app.get("/").await;
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("A new version"), "{}", refused.body);
    assert_eq!(holders(state).await, [("sh".to_owned(), Some(true), None)]);

    let ended = running.told("0").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.ends_with("deactivated\n"), "{ended:?}");
    assert_eq!(phase(state).await, "deactivated");
    admits(&app).await;
}

/// Work that fails leaves the site closed for everybody, until somebody opens it.
async fn a_deployment_that_fails(site: Site) {
    let state = site.url.as_str();
    let app = App::start(state, "web-1", &[]).await;
    let running = start(state, &["--label", "migration 42"]).await;
    let ended = running.told("3").await;
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.stderr.contains("so the site stays closed"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("deactivate` opens it"), "{ended:?}");
    let failed = (
        "migration 42".to_owned(),
        Some(false),
        Some("exit status 3".to_owned()),
    );
    assert_eq!(holders(state).await, [failed]);
    assert_eq!(app.get("/").await.status, 503);
    intermission(state, &["deactivate"]).await.done();
    admits(&app).await;
    reach(state, "deactivated").await;
}

macro_rules! on_each_state {
    ($($state:ident: $site:expr,)*) => {
        $(
            mod $state {
                use crate::states;

                #[tokio::test(flavor = "multi_thread")]
                async fn a_deployment() {
                    super::a_deployment($site).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn a_deployment_that_fails() {
                    super::a_deployment_that_fails($site).await;
                }
            }
        )*
    };
}

on_each_state! {
    files: states::files().await,
    magento: states::magento(),
    redis: states::redis().await,
    sentinel: states::sentinel().await,
    cluster: states::cluster().await,
    restricted: states::restricted().await,
}
