//! Intermission's state in Redis, shared by a fleet.
//!
//! Use it when the service runs on several machines, or as several apps in whatever frameworks, that close and open
//! together. One change reaches all of them within milliseconds, and `activated` means that no execution runs anywhere.
//!
//! # Example
//!
//! ```no_run
//! use intermission_core::{MaintenanceState, StateUrl};
//! use intermission_redis::RedisState;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url: StateUrl = "redis://cache:6379/0?site=shop".parse()?;
//! let state = RedisState::new(&url)?; // Give it to `Gate::builder`, or to an `Operator`.
//! println!("{:?}", state.inspect(10).await?.record.phase());
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! The ledger (document, fleet clock, leases, acknowledgements, completion) is kept in Redis and stepped by Lua scripts:
//! the twin of [`Ledger`](intermission_core::Ledger), held to it by a test that drives both with the same steps
//! (`tests/tests/ledger_twin.rs`). Each step is one script. A change is published within the script that makes it, so it reaches every connected node at
//! once; and every heartbeat asks for the record anyway, so nothing depends on a message that arrives.
//!
//! One connection for each state, replaced after the first time-out, with at most one command under way and an echo in
//! every answer. We do not use the client's own reconnection: it hangs on a connection that swallows everything, and an
//! idle subscription is not brought back after a longer outage.
//!
//! # What is in Redis
//!
//! All keys of a site share the hash tag `{PREFIX:SITE}`, so a Cluster keeps them together, and have no expiry.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `…:record` | hash | the record, in pieces of JSON |
//! | `…:meta` | JSON | fleet clock, grace, claims, counts, periods |
//! | `…:nodes` | sorted set | the nodes, and when by the fleet clock each is given up: its lease and its `Wait` or `Fence` after it was last heard, or 2^53 - 1 for `Hold` |
//! | `…:gone` | sorted set | nodes that were silent for too long, at most 64 |
//! | `…:reports` | hash | what each node last said, of itself and for the present activation |
//! | `…:history` | list | the last 256 lines of the history |
//! | `…:departed` | sorted set | who said goodbye a short while ago |
//! | `…:ch` | channel | changes, as they happen |
//!
//! # When something is lost
//!
//! Redis may restart empty, fail over to a replica that lacks the last writes, be flushed, or evict a key. The scripts
//! notice all of these (by the server's identity, and by the sizes of the keys), and whatever nodes report that they
//! have seen. Then nothing completes until every node had time to say what it knows (the grace), and the newest record
//! that any node has is put back. Who opens meanwhile waits for [`Timing::reconcile`](intermission_core::Timing::reconcile),
//! in which nodes in contact speak; who edits waits for the whole grace; who closes waits for nothing. See the README on
//! what asynchronous replication cannot give.
//!
//! # Needs
//!
//! Redis 7.0 or newer, or Valkey. `maxmemory-policy` may be anything but is best `noeviction` or `volatile-*`.
//!
//! # Features
//!
//! | feature | default | does |
//! |---|---|---|
//! | `tls` | no | `rediss://`, `rediss+sentinel://` and `rediss+cluster://` |

mod address;
mod answer;
mod dial;
mod error;
mod heard;
mod keys;
mod link;
mod options;
mod pieces;
mod script;
mod state;

pub use options::RedisOptions;
pub use state::RedisState;
