//! The recipes of `intermission::recipes`, done as they are written: the commands of each page in a shell, with the real
//! programs, and what they say against what the page shows. Their Rust is in the documentation tests of this package.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, helpers included"
)]

mod kubernetes;
mod output;
mod page;
mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use intermission_tests::app::Framework;

use self::shell::Shell;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/intermission/src/recipes")
}

fn text_of(page: &str) -> String {
    fs::read_to_string(folder().join(format!("{page}.md"))).unwrap()
}

/// Does what the page says, on each framework.
async fn follow(name: &str) {
    let steps = page::steps(&text_of(name)).unwrap_or_else(|error| panic!("{name}.md: {error:#}"));
    let on = async |framework| {
        let mut shell = Shell::start(framework).unwrap();
        let followed = shell.follow(&steps).await;
        followed.unwrap_or_else(|error| panic!("{name}.md on {framework}: {error:#}"));
    };
    let [axum, actix, warp] = Framework::ALL.map(on);
    tokio::join!(axum, actix, warp);
}

macro_rules! recipes {
    ($($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                follow(stringify!($name)).await;
            }
        )+

        #[test]
        fn every_page_is_a_test() {
            let pages = fs::read_dir(folder()).unwrap();
            let pages: BTreeSet<String> = pages
                .map(|page| page.unwrap().path())
                .filter(|page| page.extension().is_some_and(|extension| extension == "md"))
                .filter_map(|page| Some(page.file_stem()?.to_str()?.to_owned()))
                .collect();
            let tested = [$(stringify!($name)),+].map(str::to_owned);
            assert_eq!(pages, BTreeSet::from(tested));
        }
    };
}

recipes!(
    application_down,
    behind_cloudflare,
    behind_nginx,
    cron_jobs,
    database_down,
    maintenance_window,
    on_kubernetes,
    one_tenant_only,
    pause_queue_workers,
    purge_cache,
    run_migrations,
);
