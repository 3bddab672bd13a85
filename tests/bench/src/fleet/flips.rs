//! How long it takes until the last one knows: flips of the mode and bare publishes, in turns.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use intermission::{Clock, Gate, RouteAccess, SystemClock, View, Visitor};

use super::Fleet;
use super::caller::{Call, Called};
use crate::statistics::{Sample, millis_between};

/// Measurements of one kind, in milliseconds.
#[derive(Debug)]
pub(super) struct Spread {
    /// From the return of the call.
    pub(super) from_return: Sample,
    /// From its start.
    pub(super) from_call: Sample,
}

/// What was measured with so many nodes.
#[derive(Debug)]
pub(super) struct Flips {
    pub(super) nodes: usize,
    pub(super) closing: Spread,
    pub(super) opening: Spread,
    pub(super) clients: Spread,
    pub(super) sockets: Spread,
    /// From the activation until all nodes had said that nothing runs there, by Redis' clock.
    pub(super) drained: Sample,
}

/// Longer than any flip takes in a fleet that works.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait between two looks at who is awaited. One who looked all the time would take a processor of those
/// who are to be measured.
const GLANCE: Duration = Duration::from_micros(20);

/// After each measurement, so that what it has left to do does not count for the next.
const REST: Duration = Duration::from_millis(5);

/// How often it is looked whether the fleet has come to rest: rarely, since the answer lists all nodes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// And no less often than this for each node, which small fleets take less than.
const NODE_RESTS: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Measured {
    from_return: Vec<f64>,
    from_call: Vec<f64>,
}

/// Flips so often in each direction, as long as that takes less than `at_most`, with a bare publish of each kind between
/// two flips.
pub(super) fn measure(fleet: &mut Fleet, times: usize, at_most: Duration) -> Result<Flips> {
    let limit = SystemClock.steady() + at_most;
    let (mut closing, mut opening) = (Measured::default(), Measured::default());
    let (mut clients, mut sockets) = (Measured::default(), Measured::default());
    let mut drained = Vec::with_capacity(times);
    while drained.is_empty() || (drained.len() < times && SystemClock.steady() < limit) {
        closing.add(fleet.flip(Call::Activate)?);
        let view = fleet.settled(|view| view.quiescent_at.is_some())?;
        drained.push(drain(&view)?);
        sleep(REST);
        clients.add(fleet.publish_to_clients()?);
        sleep(REST);
        opening.add(fleet.flip(Call::Deactivate)?);
        fleet.all_have_seen_it()?;
        sleep(REST);
        sockets.add(fleet.publish_to_sockets()?);
        sleep(REST);
    }
    Ok(Flips {
        nodes: fleet.gates.len(),
        closing: closing.spread(),
        opening: opening.spread(),
        clients: clients.spread(),
        sockets: sockets.spread(),
        drained: Sample::new(drained),
    })
}

impl Measured {
    fn add(&mut self, (called, last): (Called, Duration)) {
        self.from_return.push(millis_between(called.returned, last));
        self.from_call.push(millis_between(called.began, last));
    }

    fn spread(self) -> Spread {
        Spread {
            from_return: Sample::new(self.from_return),
            from_call: Sample::new(self.from_call),
        }
    }
}

impl Fleet {
    /// Flips the mode; returns when the last node enforced it.
    fn flip(&self, call: Call) -> Result<(Called, Duration)> {
        let closes = call == Call::Activate;
        self.timed(call, &self.gates, |gate| is_closed(gate) == closes)
    }

    fn publish_to_clients(&mut self) -> Result<(Called, Duration)> {
        self.published += 1;
        let message = self.published;
        let call = Call::PublishToClients(message, self.payload);
        self.timed(call, &self.clients, |client| client.has_heard(message))
    }

    fn publish_to_sockets(&mut self) -> Result<(Called, Duration)> {
        let call = Call::PublishToSockets(self.published, self.payload);
        // They count what they hear, each from its own beginning.
        let before: Vec<u64> = self.sockets.iter().map(super::Listener::heard).collect();
        let awaited: Vec<_> = self.sockets.iter().zip(before).collect();
        self.timed(call, &awaited, |(socket, before)| {
            socket.has_heard(before + 1)
        })
    }

    /// Makes a call, and looks again and again until all have it. Whoever has it keeps it, so who has it need not be
    /// looked at again, and the last one is found as soon as it has it.
    fn timed<T>(
        &self,
        call: Call,
        all: &[T],
        has: impl Fn(&T) -> bool,
    ) -> Result<(Called, Duration)> {
        let limit = SystemClock.steady() + PATIENCE;
        self.caller.begin(call)?;
        for each in all {
            while !has(each) {
                ensure!(
                    SystemClock.steady() < limit,
                    "{call:?} has not reached everybody"
                );
                sleep(GLANCE);
            }
        }
        let last = SystemClock.steady();
        Ok((self.caller.finish()?, last))
    }

    /// Waits until all nodes have said that they know the newest record.
    pub(super) fn all_have_seen_it(&self) -> Result<View> {
        self.settled(|view| {
            let newest = view.record.revision();
            view.nodes.iter().all(|node| node.seen == newest)
        })
    }

    /// Waits until the state says so of all nodes.
    pub(super) fn settled(&self, is_settled: impl Fn(&View) -> bool) -> Result<View> {
        let limit = SystemClock.steady() + PATIENCE;
        loop {
            // A fleet of one has come to rest before it is looked at.
            sleep(LOOK_EVERY.min(NODE_RESTS * u32::try_from(self.gates.len())?));
            let view = self.runtime.block_on(self.inspector.inspect(usize::MAX))?;
            if is_settled(&view) {
                return Ok(view);
            }
            ensure!(
                SystemClock.steady() < limit,
                "the fleet does not come to rest"
            );
        }
    }
}

/// Whether no execution may begin: what is true from the first moment of an activation to its end.
fn is_closed(gate: &Gate) -> bool {
    let job = Visitor::new("POST", "/jobs").with_access(RouteAccess::StartsExecution);
    !gate.decide(&job).is_admit()
}

fn drain(view: &View) -> Result<f64> {
    let activation = view.record.activation().context("the mode is on")?;
    let done = activation.completion.as_ref().context("it has drained")?;
    let took = done.at.saturating_since(activation.requested_at);
    Ok(took.as_secs_f64() * 1_000.0)
}
