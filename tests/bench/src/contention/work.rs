//! What the threads do.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use intermission::{ClientAddress, ExecutionInfo, RouteAccess, Visitor};

use super::crew::Work;
use crate::cases;

/// What shares nothing at all.
pub(super) const CEILING: &str = "pure calculation";
/// What has the budget.
pub(super) const EXECUTION: &str = "execution begin and end";

/// How many networks the list has by which is decided.
const NETWORKS: u32 = 10_000;

pub(super) async fn all() -> Result<Vec<Work>> {
    let page = Visitor::new("GET", "/hello");
    let open = cases::off().await?;
    let listed = cases::closed(cases::networks(NETWORKS)).await?;
    let closed = cases::on().await?;
    let (ordinary, turned_away) = (page.clone(), page.clone());
    let by_address = page.with_address(ClientAddress::from(Some(IpAddr::from([10, 0, 0, 1]))));
    let counter = Arc::new(AtomicU64::new(0));
    let lock = Arc::new(Mutex::new(0_u64));
    let (for_requests, for_executions) = (open.clone(), open.clone());
    Ok(vec![
        work(CEILING, || {
            black_box((0..32).fold(black_box(1_u64), |sum, at| sum.rotate_left(5) ^ at));
        }),
        work("decide, off", move || {
            black_box(black_box(&open).decide(black_box(&ordinary)));
        }),
        work("decide, by address", move || {
            black_box(black_box(&listed).decide(black_box(&by_address)));
        }),
        work("request in and out", move || {
            drop(black_box(
                for_requests.admit_open(black_box("GET"), RouteAccess::Ordinary),
            ));
        }),
        work(EXECUTION, move || {
            drop(black_box(
                for_executions.execution(ExecutionInfo::new("job")),
            ));
        }),
        work("refusal", move || {
            drop(black_box(closed.admit(black_box(&turned_away))));
        }),
        work("a counter that all share", move || {
            black_box(counter.fetch_add(1, Ordering::AcqRel));
        }),
        work("a lock that all share", move || {
            *lock.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }),
    ])
}

/// A loop of its own for each, as the compiler makes it for who calls one of them.
fn work(name: &'static str, once: impl Fn() + Send + Sync + 'static) -> Work {
    Work {
        name,
        run: Arc::new(move |times| {
            for _ in 0..times {
                once();
            }
        }),
    }
}
