//! What is done with a list of one size.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use intermission::{
    Activate, AllowChange, AllowList, Change, Gate, Outcome, Record, Snapshot, Timestamp,
};
use tokio::runtime::Runtime;

use super::{Allocated, Families, Meter};
use crate::cases::closed;
use crate::clock::{now, since};
use crate::figures::grouped;
use crate::statistics::Sample;

/// How long something took, in seconds, and what it allocated.
pub(super) type Cost = (f64, Allocated);

/// The costs of a list.
pub(super) struct Steps {
    pub(super) size: u32,
    pub(super) families: Families,
    /// How long a record with it is in JSON.
    pub(super) text: usize,
    /// What a gate has more with it than without.
    pub(super) held: Allocated,
    /// A record with it is read by who knows nothing.
    pub(super) read: Cost,
    /// A network is added.
    pub(super) added: Cost,
    /// A record with it is written.
    pub(super) written: Cost,
    /// Another message is applied, and the snapshot of that is what a gate decides by.
    pub(super) applied: Cost,
    /// A record with another message is read by who knows the one before.
    pub(super) heard: Cost,
    /// Whether that has the list of the one before.
    pub(super) is_shared: bool,
}

impl Steps {
    pub(super) fn name(&self) -> String {
        format!("{}, {}", grouped(self.size), self.families.name())
    }
}

pub(super) fn measure(size: u32, families: Families, meter: Meter) -> Result<Steps> {
    let times = if size > 100_000 { 5 } else { 25 };
    let list = families.list(size);
    ensure!(
        list.len() == usize::try_from(size)?,
        "the networks are all different"
    );
    let replace = Activate::by("bench").with_allow(AllowChange::Replace(list.clone()));
    let record = changed(&Record::default(), replace.with_message("Back at nine"))?;
    let said = Activate::by("bench").with_message("Back at ten!");
    let next = changed(&record, said.clone())?;
    let (text, next_text) = (record.to_json(), next.to_json());
    let outside = AllowList::parse(["192.0.2.1"])?;

    let read = cost(times, meter, || Ok(Record::from_json(&text)?))?;
    let added = cost(times, meter, || {
        let add = Activate::by("bench").with_allow(AllowChange::Add(outside.clone()));
        changed(&record, add)
    })?;
    let written = cost(times, meter, || Ok(record.to_json()))?;
    let change = Change::Activate(said);
    let applied = cost(times, meter, || {
        let Outcome::Changed(next) = record.apply(&change, Timestamp::default())? else {
            bail!("another message is a change");
        };
        let snapshot = Snapshot::new(Arc::new(next));
        // Decided by, handed on and kept, as it is by a node.
        Ok((snapshot.clone(), snapshot.closure()))
    })?;
    let heard = cost(times, meter, || {
        Ok(Record::from_json_after(&next_text, &record)?)
    })?;
    let again = Record::from_json_after(&next_text, &record)?;
    ensure!(again == next, "what is read is what was written");
    Ok(Steps {
        size,
        families,
        text: text.len(),
        held: held(&list, meter)?,
        read,
        added,
        written,
        applied,
        heard,
        is_shared: again.allow().is_shared_with(record.allow()),
    })
}

fn changed(record: &Record, activate: Activate) -> Result<Record> {
    match record.apply(&Change::Activate(activate), Timestamp::default())? {
        Outcome::Changed(next) => Ok(next),
        Outcome::Unchanged => bail!("that is no change"),
    }
}

/// Does it once for the bytes and then some times for the time. What it makes is given back outside of the time.
fn cost<T>(times: usize, meter: Meter, mut step: impl FnMut() -> Result<T>) -> Result<Cost> {
    let mut made = None;
    let allocated = meter(&mut || made = Some(step()));
    made.context("a meter does what it measures")??;
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let began = now();
        let made = black_box(step());
        took.push(since(began).as_secs_f64());
        made?;
    }
    Ok((Sample::new(took).median(), allocated))
}

/// What a gate on a state in memory has more with this list than with none.
fn held(list: &AllowList, meter: Meter) -> Result<Allocated> {
    let empty = gate(&AllowList::default(), meter)?;
    let full = gate(list, meter)?;
    Ok(Allocated {
        kept: full.kept.saturating_sub(empty.kept),
        ..full
    })
}

/// A gate and its keeper, both on this thread, so that all that they allocate is counted.
fn gate(list: &AllowList, meter: Meter) -> Result<Allocated> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut started = None;
    let allocated = meter(&mut || started = Some(start(&runtime, list)));
    let gate = started.context("a meter does what it measures")??;
    ensure!(gate.record().allow() == list, "the gate goes by the list");
    Ok(allocated)
}

fn start(runtime: &Runtime, list: &AllowList) -> Result<Gate> {
    // A list of its own: the one of the bench is not counted.
    let own: AllowList = list.networks().collect();
    runtime.block_on(closed(own))
}
