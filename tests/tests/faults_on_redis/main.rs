//! What nodes on Redis do when something fails: real gates, real servers, real faults.
//!
//! One module for each kind of fault. They all assert the same few things: what is closed stays closed, nothing that was
//! decided is lost, the right nodes are counted, errors say what to do and hold no password, and when the fault is over
//! everybody recovers by themselves.
//!
//! The periods are short, so that a test takes seconds. No test judges how long something took; where a bound is part of
//! a promise, it is counted in what the servers saw.
//!
//! Started with `node` as its first argument, this program is a node for the tests in `processes`.
#![recursion_limit = "256"] // tests that wait within helpers that wait are deep types
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test"
)]

mod clock;
mod cluster;
mod connection;
mod counted;
mod crash;
mod eviction;
mod fleet;
mod foreign;
mod initialisation;
mod loss;
mod node_process;
mod outage;
mod processes;
mod refusal;
mod sentinel;
mod visitors;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use tokio::time::timeout;

/// Tests mostly wait for servers and leases, so more of them than processors run at the same time.
const AT_ONCE: usize = 8;

/// When a test is given up. Whatever it waits for has a limit of its own, which is much shorter.
const LIMIT: Duration = Duration::from_secs(150);

/// A test for each of these functions, under its module's name.
macro_rules! trials {
    ($($test:ident),+ $(,)?) => {
        vec![$(crate::trial(module_path!(), stringify!($test), $test)),+]
    };
}
use trials;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == "node") {
        return run(node_process::run(&words[2..]));
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    // Those that take longest begin first.
    let all = [
        cluster::trials(),
        sentinel::trials(),
        processes::trials(),
        loss::trials(),
        foreign::trials(),
        refusal::trials(),
        connection::trials(),
        crash::trials(),
        initialisation::trials(),
        clock::trials(),
        eviction::trials(),
        outage::trials(),
    ];
    libtest_mimic::run(&arguments, all.into_iter().flatten().collect()).exit_code()
}

fn trial<F: Future<Output = ()>>(
    module: &str,
    name: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    let module = module.rsplit("::").next().unwrap_or(module);
    Trial::test(format!("{module}::{name}"), move || {
        match run(async { timeout(LIMIT, test()).await }) {
            Ok(()) => Ok(()),
            Err(_) => Err(format!("it did not end within {LIMIT:?}").into()),
        }
    })
}

/// Gates live on threads of their own, so that a test that blocks (to wait for the end of a server, say) does not stop
/// them.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts")
        .block_on(test)
}
