//! The cases.

mod axum;

use std::hint::black_box;
use std::net::IpAddr;

use anyhow::{Result, bail};
use intermission::{
    Activate, Actor, AllowChange, AllowList, Change, ClientAddress, ExecutionInfo, Gate,
    MemoryState, Network, Operator, Phase, RouteAccess, Visitor,
};

const NAMES: [&str; 14] = [
    "nothing",
    "decide-off",
    "decide-refused",
    "decide-address-1",
    "decide-address-1000000",
    "admit-off",
    "admit-refused",
    "admit-execution",
    "execution",
    "execution-refused",
    "axum-bare",
    "axum-off",
    "axum-layer-off",
    "axum-refused",
];

/// The names of all cases.
pub(crate) fn names() -> Vec<&'static str> {
    NAMES.to_vec()
}

/// Does one thing that many times.
pub(crate) async fn run(name: &str, times: u64) -> Result<()> {
    let page = Visitor::new("GET", "/hello");
    match name {
        "nothing" => (0..times).for_each(|time| {
            black_box(time);
        }),
        "decide-off" => decide(&off().await?, &page, times),
        "decide-refused" => decide(&on(AllowList::default()).await?, &page, times),
        "decide-address-1" => decide(&on(networks(1)).await?, &listed(page), times),
        "decide-address-1000000" => decide(&on(networks(1_000_000)).await?, &listed(page), times),
        "admit-off" => {
            let gate = off().await?;
            for _ in 0..times {
                drop(black_box(
                    black_box(&gate).admit_open(black_box("GET"), RouteAccess::Ordinary),
                ));
            }
        }
        "admit-refused" => {
            let gate = on(AllowList::default()).await?;
            for _ in 0..times {
                drop(black_box(black_box(&gate).admit(black_box(&page))));
            }
        }
        "admit-execution" => {
            let gate = off().await?;
            let job = page.with_access(RouteAccess::StartsExecution);
            for _ in 0..times {
                drop(black_box(black_box(&gate).admit(black_box(&job))));
            }
        }
        "execution" => execution(&off().await?, times),
        "execution-refused" => execution(&on(AllowList::default()).await?, times),
        "axum-bare" => axum::requests(&axum::bare(), times)?,
        "axum-off" => axum::requests(&axum::service(off().await?)?, times)?,
        "axum-layer-off" => axum::requests(&axum::layered(off().await?)?, times)?,
        "axum-refused" => axum::requests(&axum::service(on(AllowList::default()).await?)?, times)?,
        _ => bail!("there is no case `{name}`; there are: {}", NAMES.join(", ")),
    }
    Ok(())
}

fn decide(gate: &Gate, visitor: &Visitor<'_>, times: u64) {
    for _ in 0..times {
        black_box(black_box(gate).decide(black_box(visitor)));
    }
}

fn execution(gate: &Gate, times: u64) {
    for _ in 0..times {
        drop(gate.execution(ExecutionInfo::new("job")));
    }
}

/// An address in the middle of the list.
fn listed(visitor: Visitor<'_>) -> Visitor<'_> {
    visitor.with_address(ClientAddress::from(Some(IpAddr::from([10, 0, 0, 1]))))
}

/// That many networks, of which the middle one holds the [`listed`] address.
fn networks(count: u32) -> AllowList {
    let middle = u32::from_be_bytes([10, 0, 0, 0]);
    let first = middle - (count / 2) * 16;
    (0..count)
        .filter_map(|at| Network::new(IpAddr::from((first + at * 16).to_be_bytes()), 28).ok())
        .collect()
}

async fn off() -> Result<Gate> {
    Ok(Gate::builder(MemoryState::new()).start().await?)
}

async fn on(allow: AllowList) -> Result<Gate> {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await?;
    let activate = Activate::by("bench").with_allow(AllowChange::Replace(allow));
    Operator::new(state, Actor::new("bench", "bench"))
        .change(Change::Activate(activate))
        .await?;
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    Ok(gate)
}
