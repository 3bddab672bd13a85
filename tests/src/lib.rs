//! What the end-to-end tests share: building and starting the real programs, and talking to them.
//!
//! Every process that is started here ends with the value that holds it, whatever the test does.
#![expect(
    clippy::exhaustive_structs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::must_use_candidate,
    clippy::panic,
    reason = "parts of tests, which the keys of clippy.toml do not reach: a failed expectation is a failed test"
)]

pub mod app;
pub mod browser;
pub mod command;
pub mod events;
pub mod foreign;
pub mod http;
pub mod port;
mod process;
pub mod programs;
pub mod python;
pub mod redis;
pub mod running;
pub mod wait;

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The programs of the recipes do what they say.
#[cfg(doctest)]
mod recipes {
    #[doc = include_str!("../../crates/intermission/src/recipes/application_down.md")]
    struct ApplicationDown;
    #[doc = include_str!("../../crates/intermission/src/recipes/behind_cloudflare.md")]
    struct BehindCloudflare;
    #[doc = include_str!("../../crates/intermission/src/recipes/behind_nginx.md")]
    struct BehindNginx;
    #[doc = include_str!("../../crates/intermission/src/recipes/cron_jobs.md")]
    struct CronJobs;
    #[doc = include_str!("../../crates/intermission/src/recipes/database_down.md")]
    struct DatabaseDown;
    #[doc = include_str!("../../crates/intermission/src/recipes/maintenance_window.md")]
    struct MaintenanceWindow;
    #[doc = include_str!("../../crates/intermission/src/recipes/on_kubernetes.md")]
    struct OnKubernetes;
    #[doc = include_str!("../../crates/intermission/src/recipes/one_tenant_only.md")]
    struct OneTenantOnly;
    #[doc = include_str!("../../crates/intermission/src/recipes/pause_queue_workers.md")]
    struct PauseQueueWorkers;
    #[doc = include_str!("../../crates/intermission/src/recipes/purge_cache.md")]
    struct PurgeCache;
    #[doc = include_str!("../../crates/intermission/src/recipes/run_migrations.md")]
    struct RunMigrations;
}
