//! How long a decision by address takes, by the length of the list.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use intermission::{ClientAddress, Visitor};

use super::{Families, columns};
use crate::cases::closed;
use crate::clock::{now, since};
use crate::figures::{grouped, time};
use crate::report::Table;
use crate::statistics::Sample;

/// How many addresses are asked for in each round.
const ADDRESSES: u32 = 4_096;
const ROUNDS: usize = 100;

/// One list.
pub(super) struct Lookup {
    size: u32,
    families: Families,
    /// Seconds for each decision.
    each: f64,
    /// To that of a list of one, in the same round.
    ratio: Sample,
}

pub(super) fn measure(sizes: &[u32]) -> Result<Vec<Lookup>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut asked = Vec::new();
    for families in [Families::V4, Families::Mixed] {
        for &size in sizes {
            let gate = runtime.block_on(closed(families.list(size)))?;
            let visitors = visitors(families, size);
            let admitted = visitors.iter().filter(|one| gate.decide(one).is_admit());
            ensure!(
                admitted.count() == visitors.len() / 2,
                "every other address is listed"
            );
            asked.push((size, families, gate, visitors, Vec::new()));
        }
    }
    for _ in 0..ROUNDS {
        for (_, _, gate, visitors, took) in &mut asked {
            let began = now();
            for visitor in visitors.iter() {
                black_box(black_box(&*gate).decide(black_box(visitor)));
            }
            took.push(since(began).as_secs_f64() / f64::from(ADDRESSES));
        }
    }
    let (.., first) = asked.first().context("there are sizes")?;
    let first = first.clone();
    Ok(asked
        .into_iter()
        .map(|(size, families, _, _, took)| Lookup {
            size,
            families,
            ratio: Sample::new(
                took.iter()
                    .zip(&first)
                    .map(|(one, first)| one / first)
                    .collect(),
            ),
            each: Sample::new(took).median(),
        })
        .collect())
}

pub(super) fn table(lookups: &[Lookup]) -> Table {
    let row = |lookup: &Lookup| {
        vec![
            format!("{}, {}", grouped(lookup.size), lookup.families.name()),
            time(lookup.each),
            format!("{:.2}", lookup.ratio.median()),
            format!("{:.2} to {:.2}", lookup.ratio.at(10), lookup.ratio.at(90)),
        ]
    };
    Table {
        title: format!(
            "A decision by address on a closed node, {ADDRESSES} addresses in {ROUNDS} interleaved rounds"
        ),
        columns: columns(["networks", "each", "to a list of 1", "p10 to p90"]),
        rows: lookups.iter().map(row).collect(),
    }
}

/// All over the list, in no order; every other one lies beside a network, and in none.
fn visitors(families: Families, size: u32) -> Vec<Visitor<'static>> {
    let visitor = |at: u32| {
        // By an odd number, so it goes through all.
        let network = families.network((at / 2).wrapping_mul(2_654_435_761) % size)?;
        let address = match network.address() {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() + (at % 2) * 16)),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(
                v6.to_bits() + (u128::from(at % 2) << 64),
            )),
        };
        let address = ClientAddress::from(Some(address));
        Some(Visitor::new("GET", "/hello").with_address(address))
    };
    (0..ADDRESSES).filter_map(visitor).collect()
}
