//! Whatever may go wrong.

use intermission_core::{Departure, Ledger, Members};

use super::weather::Weather;
use super::{Event, World};
use crate::mutation::Mutation;

impl World {
    pub(super) fn strike(&mut self) {
        let victim =
            (!self.nodes.is_empty()).then(|| self.random.range(0, self.nodes.len() as u64 - 1));
        let victim = victim.map(|index| usize::try_from(index).unwrap());
        let Weather {
            crashes,
            goodbyes,
            cuts,
            outages,
            losses,
            jumps,
            ..
        } = self.weather;
        let mut drawn = self
            .random
            .range(0, crashes + goodbyes + cuts + outages + losses + jumps - 1);
        let mut is = |weight: u64| {
            let is_drawn = drawn < weight;
            drawn = if is_drawn { u64::MAX } else { drawn - weight };
            is_drawn
        };
        let (crash, goodbye, cut) = (is(crashes), is(goodbyes), is(cuts));
        let (outage, loss) = (is(outages), is(losses));
        match victim {
            Some(index) if crash => {
                let node = self.nodes.remove(index);
                // Sometimes somebody finds out that its process is gone.
                if self.random.percent(30) {
                    self.step(|ledger, now| ledger.leave(node.id, &Departure::Died, now));
                }
                let pause = self.random.range(100, 4_000);
                self.schedule(pause, Event::Born);
            }
            Some(index) if goodbye => {
                self.nodes[index].is_stopping = true;
                let pause = self.random.range(100, 4_000);
                self.schedule(pause, Event::Born);
            }
            Some(index) if cut => {
                let length = self.random.range(300, 10_000);
                self.nodes[index].cut_off_until = self.now + length;
            }
            _ if outage => {
                let end = self.now + self.random.range(300, 5_000);
                for node in &mut self.nodes {
                    node.cut_off_until = node.cut_off_until.max(end);
                }
            }
            _ if loss => self.lose_something(),
            _ => self.set_the_stores_clock(),
        }
    }

    fn lose_something(&mut self) {
        let (timing, record) = (self.timing, self.ledger.record().cloned());
        let history: Vec<_> = self.ledger.kept_history().cloned().collect();
        self.ledger = match self.random.range(0, 9) {
            // All of it.
            0..3 => Ledger::restored(timing, None, [], Members::default()),
            // Who is there.
            3..5 => Ledger::restored(timing, record, history, Members::default()),
            // Nothing, and it does not know that.
            5 => self.ledger.clone(),
            // The newest of it.
            _ => {
                let copy = self.copies.front().cloned();
                let copy = copy.unwrap_or_else(|| Ledger::new(timing));
                let history: Vec<_> = copy.kept_history().cloned().collect();
                Ledger::restored(
                    timing,
                    copy.record().cloned(),
                    history,
                    copy.members().clone(),
                )
            }
        };
        self.copies.clear();
        if self.mutation != Some(Mutation::NoGrace) {
            let now = self.store_moment();
            self.ledger.lost_members(now);
        }
        self.checker.lost(&self.ledger);
        self.has_changed = true;
    }

    /// Back as often as it likes; forward at most once in the time for which anybody relies on a lease, which is what
    /// the design assumes.
    fn set_the_stores_clock(&mut self) {
        if self.weather.jumps == 0 {
            return;
        }
        let is_allowed = self
            .jumped_at
            .is_none_or(|at| self.now > at + self.weather.reliance());
        if self.random.percent(30) || !is_allowed {
            self.store_offset -= i64::try_from(self.random.range(0, 5_000)).unwrap();
            return;
        }
        self.jumped_at = Some(self.now);
        let by = if self.random.percent(50) {
            400
        } else {
            3_600_000
        };
        self.store_offset += by;
    }
}
