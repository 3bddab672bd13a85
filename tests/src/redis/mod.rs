//! Redis for tests: real servers, groups of them, and what goes wrong between them and their clients.
//!
//! - [`RedisServer`]: one `redis-server` that can be killed, paused and started again, with or without its data.
//! - [`Sentinels`]: a master, replicas and sentinels that choose another master.
//! - [`Cluster`]: masters with a replica each, slots that move, and owners that fail.
//! - [`Proxy`]: a connection that stalls, is slow, closes half, or breaks in the middle of a reply.
//! - [`ClockShim`]: a clock that can be put forward and back under a process.
//!
//! Any number of tests may use these at the same time, in one process or in many: every server has a folder and a
//! port of its own, and the server on 6379 that Debian's package may have started is never touched. All processes
//! end with the values that hold them, and with the test's process, however that ends. Linux only: the kernel kills
//! what a killed test leaves behind, and every address of 127.0.0.0/8 is the machine itself.
//!
//! Where a method waits, it asks again and again, and fails loudly with the servers' logs.

mod clock;
mod cluster;
mod options;
mod proxy;
mod resp;
mod sentinel;
mod server;

pub use clock::ClockShim;
pub use cluster::{Cluster, ClusterOptions, SlotMove};
pub use options::ServerOptions;
pub use proxy::{Counts, Direction, Mode, Proxy};
pub use sentinel::{SentinelOptions, Sentinels};
pub use server::RedisServer;

use std::future::Future;
use std::time::Duration;

/// Asks again and again until there is an answer, for as long as `limit`.
async fn ask_for<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> Option<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(limit, asking).await.ok()
}
