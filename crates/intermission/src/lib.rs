//! Maintenance mode for Rust services: close the site to visitors, let the right people in, let running work finish,
//! tell everybody else when to come back, and open again.
//!
//! This crate is the life of a node. A [`Gate`] answers for every request and every piece of work whether it may in;
//! one task, the keeper, keeps the gate's knowledge true; an [`Operator`] changes the mode. What the mode *is* (record,
//! decision, reply, protocol) is [`intermission_core`], which this crate re-exports; how it meets your framework is
//! `intermission-axum`, `intermission-actix`, `intermission-warp`, or `intermission-tower` for anything else on `http`
//! 1.x (and [`adapter`] is for whoever writes one for another framework); where it is kept is `intermission-file` for the
//! processes of one machine, `intermission-redis` for a fleet, and [`MemoryState`] for one process.
//!
//! # Example
//!
//! ```
//! use intermission::{
//!     Activate, Actor, Admission, Change, Deactivate, ExecutionInfo, Gate, Goal, MemoryState, Operator, Phase, Visitor,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let state = MemoryState::new();
//! let gate = Gate::builder(state.clone()).with_node_name("web-1").start().await?;
//! let operator = Operator::new(state, Actor::new("ana", "code"));
//!
//! // A job runs when the operator closes the site.
//! let job = gate.execution(ExecutionInfo::new("import").with_label("prices.csv"))?;
//! let change = Change::Activate(Activate::by("ana").with_message("Upgrading the database"));
//! let activation = operator.change(change).await?.record.activation().ok_or("it is on")?.id;
//!
//! // While it drains, nothing new starts, and pages are still served.
//! gate.reached(|record| record.phase() == Phase::Activating).await;
//! assert!(gate.execution(ExecutionInfo::new("import")).is_err());
//! assert!(matches!(gate.admit(&Visitor::new("GET", "/")), Admission::Admitted(_)));
//!
//! // The last job ends, and the site is closed: by itself, not by the next request.
//! drop(job);
//! operator.wait(activation, Goal::Activated, |_| {}).await?;
//! gate.reached(|record| record.phase() == Phase::Activated).await;
//! let Admission::Refused(refusal) = gate.admit(&Visitor::new("GET", "/")) else { return Err("closed".into()) };
//! let reply = refusal.reply(intermission::reply::ReplyRequest::new("GET"));
//! assert_eq!(reply.status(), 503);
//!
//! operator.change(Change::Deactivate(Deactivate::new())).await?;
//! gate.reached(|record| record.phase() == Phase::Deactivated).await;
//! # Ok(()) }
//! ```
//!
//! # One way through the house
//!
//! ```text
//! Operator ── Change ──► Record::apply ──► MaintenanceState::operate        (a ledger, in memory, files, Redis)
//!                                                 │ watch + sync
//!                                                 ▼
//!                                     keeper ── NodeMachine ──► the gate's doors and snapshot
//!                                                                      │
//! request, open:      adapter ──► Passage::if_open ──► Gate::count_open ──► handler
//! request, otherwise: adapter ──► Entrance::ask ──► Visitor ──► Gate::admit ──► decide ──► Admitted, or Refusal ──► reply
//! ```
//!
//! In `adapter/passage.rs` and `gate.rs`; in `adapter/ask.rs`, `gate.rs`, `admission.rs`, and [`visitor`], [`decision`],
//! [`reply`] of the core. A request never touches the state. While the gate is open, it is counted into one word, which says
//! in the same step whether to ask, and out of it at its end.
//!
//! What flows back up is how far a node has got. The way of one `activate`:
//!
//! ```text
//! operator ──► ledger: activating ──── push, or the next sync ────► each keeper: NodeMachine ──► doors close
//!                                                                                                    │
//!                                       the last execution on the node ends and wakes the keeper ◄───┘
//!                                                                 │ NodeEvent::Drained
//!                                                                 ▼
//!              ledger: all have drained ◄──── NodeReport ──── NodeMachine
//!                        │
//!                        └──► activated ──── the same way down ────► visitors are refused
//! ```
//!
//! By its source files, on Redis: `verbs/activate.rs` (the command) → `operator.rs` → `state.rs` (`operate`) → `operate.lua`
//! → (push) `heard.rs` → `keeper.rs` → `node/mod.rs` (`NodeMachine`) → `shared.rs` (`install`, then `watch_drained`) →
//! `keeper.rs` → `state.rs` (`sync`) → `sync.lua` → `prelude.lua` (`complete`). In memory and in a directory, [`ledger`]
//! stands in the place of the scripts.
//!
//! When the last request that the level closes out has ended, `NodeEvent::Quiet` goes up in the same way, and the ledger
//! notes [`View::quiescent_at`].
//!
//! # What "activated" means
//!
//! No execution that is waited for runs on any node. (Who passes the closed door, by permission, address or pass, may
//! start others meanwhile, unless the level is [`Exclusive`](Level::Exclusive); these are shown and not waited for.) Each
//! node closes its door, counts down to zero, and says so to the state for this very activation; when all have said so,
//! the state moves on by itself. A node of which that is not known is named in [`Completion::unconfirmed`], and nothing
//! claims more than is known. From [`View::quiescent_at`] on, no request that the level closes out runs either: the moment
//! for a backup. [`node`] has a table of the words (closed, drained, quiet, held, suspended, fenced) and of what each means
//! for who comes.
//!
//! # A part of a site
//!
//! A [scope](mod@scope) is closed and opened by itself, and drains by itself. [`Visitor::with_scopes`] says to which ones a
//! request belongs (adapters do it, by what the application tells them), [`ExecutionInfo::with_scope`] does for an execution,
//! and [`Operator::for_scope`] changes one. Requests of a scope are decided about, and not counted: there is no quiescence
//! of a scope, and [`Gate::closing`] waits for the whole site; [`Gate::closing_in`] for a scope, too.
//!
//! # When the state is out of reach
//!
//! Requests are decided by what the node last knew ([`OutagePolicy`]); executions go on as [`LostContact`] says; and a
//! node that starts meanwhile does what [`StartPolicy`] says. None of it is an error that a visitor sees.
//!
//! # When a dependency fails
//!
//! Give the gate a [`Probe`] of what the node cannot work without, such as its database. After some failures in a row
//! visitors get the same page as during maintenance, instead of an error from each handler; after some successes the node
//! is open again. Nobody has to be awake for it.
//!
//! ```
//! use std::time::Duration;
//!
//! use intermission::{Gate, Hold, MemoryState, Probe};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! let database = Probe::new("database", move || async move {
//!     // Or `SELECT 1` on the pool of your application.
//!     tokio::net::TcpStream::connect(address).await.map(drop)
//! })
//! .with_every(Duration::from_millis(20))
//! .with_failures(3);
//! let gate = Gate::builder(MemoryState::new()).with_probe(database).start().await?;
//! assert!(gate.is_open());
//!
//! // The database goes away.
//! # drop(listener);
//! gate.closing().await;
//! assert_eq!(gate.status().hold, Some(Hold::Dependency("database".to_owned())));
//! # Ok(()) }
//! ```
//!
//! This is about one node: others may reach what this one does not. The record stays as the operators have left it: a
//! dependency that is back ends no maintenance, and a maintenance that ends lets nobody in while the dependency fails.
//! `intermission nodes` shows the hold, [`Gate::status`] the last error, and the log says both. Requests and executions
//! that run go on, and are told nothing. A refused visitor learns nothing of the dependency. Who has the permission, a
//! listed address or a pass still comes in, and sees the site as it is.
//!
//! A probe asks for the whole node. If only a few routes need the dependency, let these fail and the others work; and probe
//! what is needed, not what a single slow answer makes look ill.
//!
//! # Readiness
//!
//! [`Gate::readiness`] answers a readiness probe. By default maintenance does not make a node unready: see
//! [`ReadinessPolicy`] for the risk. Liveness has nothing to do with maintenance.
//!
#![doc = include_str!("docs/observability.md")]
//! # Recipes
//!
//! [`recipes`] has a page for each situation: [queue workers](recipes::pause_queue_workers) during a deploy,
//! [migrations](recipes::run_migrations), [cron jobs](recipes::cron_jobs), a [window at 2 a.m.](recipes::maintenance_window), a
//! [database](recipes::database_down) or an [application](recipes::application_down) that is down, a
//! [cache](recipes::purge_cache) to purge, [nginx](recipes::behind_nginx), [Cloudflare](recipes::behind_cloudflare),
//! [Kubernetes](recipes::on_kubernetes).
//!
//! # Features
//!
//! | feature | default | does |
//! |---|---|---|
//! | `metrics` | no | [counters and gauges](#metrics), through the crate `metrics`; an open door pays nothing for them |
//! | `tracing` | no | [one line](#log-lines) for each change of state, never one for each request |
//!
//! # Reading order
//!
//! `intermission_core` ([`record`], [`change`], [`decision`]) → `gate.rs`, `admission.rs` → `shared.rs`, `in_flight/` →
//! [`ledger`], [`node`] → `keeper.rs` → `operator.rs` → a backend → [`adapter`] → an adapter.

pub mod adapter;
mod admission;
mod builder;
mod dependencies;
mod during;
mod execution;
mod execution_info;
mod gate;
mod in_flight;
mod keeper;
mod last_known;
mod log;
mod long_lived;
mod memory;
mod metrics;
mod node_clock;
mod operator;
mod probe;
mod readiness;
mod scopes;
// Their programs need other crates, which need this one: the package of the end-to-end tests runs them.
#[cfg(not(doctest))]
pub mod recipes;
mod shared;
mod subscription;
mod worker;

#[doc(no_inline)]
pub use intermission_core::*;

pub use admission::{Admission, Admitted, Refusal, RequestInFlight};
pub use builder::{GateBuilder, StartError};
pub use dependencies::DependencyStatus;
pub use during::{During, DuringError, OnFailure};
pub use execution::{Execution, ExecutionRefused, RunError};
pub use execution_info::ExecutionInfo;
pub use gate::{Gate, GateStatus};
pub use last_known::LastKnownError;
pub use long_lived::{LetIn, LongLived};
pub use memory::MemoryState;
pub use operator::{Accepted, Goal, Operator, OperatorError, Waited};
pub use probe::{BadProbe, Probe};
pub use readiness::{Readiness, ReadinessPolicy, UnknownReadinessPolicy};
pub use scopes::RequestScopes;
pub use subscription::{Subscription, Transition};
pub use worker::{Turn, WhenClosed, Worker};
