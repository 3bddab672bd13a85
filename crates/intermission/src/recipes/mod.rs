//! What to do when: a page for each situation, to type along.
//!
//! Each begins with the shortest thing that works. In what is typed, `shop` stands for your service (the tests take
//! `examples/axum-app`, `actix-app` and `warp-app`, which have the same flags), `worker` for your consumer of a queue
//! (`examples/worker`), `/srv/shop` for the folder where you are, and `intermission` is the command of `intermission-cli`. All of
//! it is run by the tests, as it stands here: the commands of each page in a shell, and what they say against what the page
//! shows, but for times, revisions, ids, and `…`, which stands for more of the kind.

#[doc = include_str!("pause_queue_workers.md")]
#[doc(alias = "pause queue workers during deploy")]
#[doc(alias = "queue consumers")]
pub mod pause_queue_workers {}

#[doc = include_str!("cron_jobs.md")]
#[doc(alias = "cron")]
#[doc(alias = "scheduled jobs")]
pub mod cron_jobs {}

#[doc = include_str!("maintenance_window.md")]
#[doc(alias = "maintenance window at 2 a.m.")]
#[doc(alias = "schedule maintenance")]
pub mod maintenance_window {}

#[doc = include_str!("run_migrations.md")]
#[doc(alias = "run migrations in maintenance mode")]
#[doc(alias = "deployment")]
pub mod run_migrations {}

#[doc = include_str!("one_tenant_only.md")]
#[doc(alias = "tenant")]
#[doc(alias = "multi-tenant")]
#[doc(alias = "virtual host")]
pub mod one_tenant_only {}

#[doc = include_str!("database_down.md")]
#[doc(alias = "maintenance page when the database is down")]
pub mod database_down {}

#[doc = include_str!("application_down.md")]
#[doc(alias = "maintenance page when the application is down")]
#[doc(alias = "502 bad gateway")]
pub mod application_down {}

#[doc = include_str!("purge_cache.md")]
#[doc(alias = "webhook")]
#[doc(alias = "clear cache after maintenance")]
pub mod purge_cache {}

#[doc = include_str!("behind_nginx.md")]
#[doc(alias = "real client address")]
#[doc(alias = "reverse proxy")]
pub mod behind_nginx {}

#[doc = include_str!("behind_cloudflare.md")]
#[doc(alias = "CF-Connecting-IP")]
pub mod behind_cloudflare {}

#[doc = include_str!("on_kubernetes.md")]
#[doc(alias = "readiness probe")]
#[doc(alias = "liveness probe")]
pub mod on_kubernetes {}
