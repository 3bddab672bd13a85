//! What was measured, as a section of the report.

mod charts;
mod tables;
mod verdicts;

use super::costs::{Bytes, Idle};
use super::drain::Drains;
use super::flips::{Flips, Spread};
use crate::budgets::FleetBudgets;
use crate::figures::grouped;
use crate::machine::Machine;
use crate::report::Section;
use crate::statistics::Sample;

/// One of the kinds of measurements.
type Kind = (&'static str, fn(&Flips) -> &Spread);

const KINDS: [Kind; 4] = [
    ("closing flip", |flips| &flips.closing),
    ("bare PUBLISH, same client", |flips| &flips.clients),
    ("bare PUBLISH, bare sockets", |flips| &flips.sockets),
    ("opening flip", |flips| &flips.opening),
];

/// All that was measured, in ascending order of the number of nodes.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) flips: Vec<Flips>,
    pub(super) drains: Vec<Drains>,
    pub(super) idle: Vec<Idle>,
    /// Of the largest fleet.
    pub(super) bytes: Bytes,
    /// Commands that requests have caused.
    pub(super) asked: u64,
    /// Bytes of a record, and of a bare message.
    pub(super) payload: usize,
    /// From one process to another through a file state.
    pub(super) one_machine: Sample,
    /// As it was before.
    pub(super) machine: Machine,
    /// The version of redis-server.
    pub(super) redis: String,
}

impl Measured {
    pub(super) fn section(&self, budgets: &FleetBudgets) -> Section {
        Section {
            machine: self.machine.clone(),
            versions: vec![format!("redis-server {}", self.redis)],
            tables: vec![
                self.times("from its return", |spread| &spread.from_return),
                self.times("from its start", |spread| &spread.from_call),
                self.drain_times(),
                self.costs(),
                self.memory(),
                self.file_state(),
            ],
            charts: self.charts(budgets),
            verdicts: self.verdicts(budgets),
            reading: self.reading(),
            ..Section::new(
                "fleet",
                "How fast a change spreads",
                "How long does it take until the last node enforces a change, beside the fastest that Redis can tell \
                 as many listeners anything? How long does a drain take, and what does a fleet cost that does nothing?",
            )
        }
    }

    fn reading(&self) -> Vec<String> {
        vec![
            "All nodes are in one process and share this machine's processors, which a fleet does not. The bare \
             subscribers share them in the same way: compare the two, not the milliseconds."
                .to_owned(),
            format!(
                "A bare PUBLISH sends {} bytes, as many as a record has, on the same server to as many listeners, \
                 which do nothing with it. Flips and publishes take turns. “Same client” reads with the client library \
                 of the nodes, “bare sockets” count bytes.",
                self.payload
            ),
            "A bare PUBLISH is received and no more; at a flip each node decides by it, acknowledges it, and tells \
             whoever waits. An opening flip waits for each node's own question and is not in a hurry: nobody must be \
             let in too early."
                .to_owned(),
            "Times depend on what else the machine does, and so does their growth; nothing fails by them. Commands and bytes \
             do not. A time below zero is no mistake: the last one knew before the call had returned."
                .to_owned(),
            "When all have drained and when the site is activated is told by Redis' clock, in whole milliseconds. The \
             operator waits as `activate --wait` does: it is told, and looks now and then besides."
                .to_owned(),
            "An idle node renews its lease every three seconds. That rate is for each node, so the fleet's grows with \
             N^1 and a node's with N^0."
                .to_owned(),
        ]
    }
}

fn per_second(idle: &Idle) -> f64 {
    number(idle.work.scripts) / idle.seconds
}

fn per_second_and_node(idle: &Idle) -> f64 {
    per_second(idle) / number(idle.nodes)
}

fn nodes_of(count: usize) -> String {
    match count {
        1 => "1 node".to_owned(),
        _ => format!("{} nodes", grouped(count)),
    }
}

/// A count as a number to calculate with. Counts of this size have no rounding.
fn number(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::NAN, f64::from)
}

#[cfg(test)]
mod tests;
