//! Whatever may go wrong.

use std::sync::Arc;

use intermission_core::{Departure, Revision};

use super::weather::Weather;
use super::{Event, World};
use crate::store::Left;

impl World {
    pub(super) fn strike(&mut self) {
        let victim =
            (!self.nodes.is_empty()).then(|| self.random.range(0, self.nodes.len() as u64 - 1));
        let victim = victim.map(|index| usize::try_from(index).unwrap());
        let Weather {
            crashes,
            goodbyes,
            cuts,
            pauses,
            outages,
            stalls,
            losses,
            disasters,
            slips,
            jumps,
            ..
        } = self.weather;
        let of_nodes = crashes + goodbyes + cuts + pauses;
        let sum = of_nodes + outages + stalls + losses + disasters + slips + jumps;
        let mut drawn = self.random.range(0, sum - 1);
        let mut is = |weight: u64| {
            let is_drawn = drawn < weight;
            drawn = if is_drawn { u64::MAX } else { drawn - weight };
            is_drawn
        };
        let (crash, goodbye, cut, pause) = (is(crashes), is(goodbyes), is(cuts), is(pauses));
        let (outage, stall, loss) = (is(outages), is(stalls), is(losses));
        let (disaster, slip) = (is(disasters), is(slips));
        match victim {
            Some(index) if crash => self.crash(index),
            Some(index) if goodbye => {
                self.count("nodes told to stop");
                self.nodes[index].is_stopping = true;
                let pause = self.random.range(100, 4_000);
                self.schedule(pause, Event::Born);
            }
            Some(index) if cut => self.cut_off(index),
            Some(index) if pause => {
                self.count("processes paused");
                let length = self.random.range(100, 12_000);
                let node = &mut self.nodes[index];
                if !node.is_paused(self.now) {
                    node.paused_until = self.now + length;
                    let id = node.id;
                    self.schedule(length, Event::Resume(id));
                }
            }
            _ if outage => self.fail_for_all(),
            _ if stall => {
                self.count("store stalled");
                // A stall within a stall must not end it: what waits since then would be overtaken by what comes later.
                let end = self.now + self.random.range(300, 6_000);
                self.stalled_until = self.stalled_until.max(end);
            }
            _ if loss => self.lose_something(),
            _ if disaster => {
                self.count("disasters");
                for index in (0..self.nodes.len()).rev() {
                    self.crash(index);
                }
                self.lose_something();
            }
            _ if slip => self.go_back_unnoticed(),
            _ => self.set_the_stores_clock(),
        }
    }

    fn crash(&mut self, index: usize) {
        self.count("nodes crashed");
        let node = self.nodes.remove(index);
        self.has_changed = true;
        if self.weather.remembers && node.record().revision() > Revision::ZERO {
            self.memory
                .push(Arc::clone(&node.machine.snapshot().record));
        }
        // Sometimes somebody finds out that its process is gone.
        if self.random.percent(30) {
            self.depart(node.id, &Departure::Died);
        }
        let pause = self.random.range(100, 4_000);
        self.schedule(pause, Event::Born);
    }

    /// Nothing arrives in one direction, in the other, or in both.
    fn cut_off(&mut self, index: usize) {
        let end = self.now + self.random.range(300, self.weather.longest_cut);
        let (mute, deaf, name) = self.random.pick(&[
            (true, true, "nodes cut off"),
            (true, true, "nodes cut off"),
            (true, false, "nodes not heard"),
            (false, true, "nodes that hear nothing"),
        ]);
        self.count(name);
        let node = &mut self.nodes[index];
        if mute {
            node.mute_until = node.mute_until.max(end);
        }
        if deaf {
            node.deaf_until = node.deaf_until.max(end);
        }
    }

    fn fail_for_all(&mut self) {
        self.count("outages");
        let end = self.now + self.random.range(300, 6_000);
        for node in &mut self.nodes {
            node.mute_until = node.mute_until.max(end);
            node.deaf_until = node.deaf_until.max(end);
        }
        if self.random.percent(50) {
            self.unreachable_until = end;
        }
    }

    fn lose_something(&mut self) {
        // What takes a server away often takes the way to a node away, too.
        if !self.nodes.is_empty() && self.random.percent(50) {
            let index = self.random.range(0, self.nodes.len() as u64 - 1);
            self.cut_off(usize::try_from(index).unwrap());
        }
        let age = self.random.range(0, 3);
        let copy = self
            .copies
            .get(usize::try_from(age).unwrap())
            .or_else(|| self.copies.front());
        let now = self.store_moment();
        let mut are_members_kept = false;
        match self.random.range(0, 9) {
            0..3 => {
                self.store.restart_with(None, Left::Nothing, now);
                self.count("restarts without data");
            }
            3..5 => {
                self.store.restart_with(None, Left::TheRecord, now);
                self.count("restarts without members");
            }
            5 => {
                self.store.restart_with(None, Left::Everything, now);
                self.count("restarts with all data");
                are_members_kept = true;
            }
            _ => {
                // The other server has a clock of its own.
                let copy = copy.cloned();
                if self.random.percent(50) {
                    self.set_the_stores_clock();
                }
                let now = self.store_moment();
                self.store
                    .restart_with(copy.as_ref(), Left::Everything, now);
                self.count("failovers that lose writes");
            }
        }
        self.copies.clear();
        let now = (self.now, self.store_moment());
        self.checker
            .lost(self.store.ledger(), now, are_members_kept);
        self.has_changed = true;
        self.break_connections();
    }

    /// A machine is set back, for example, and its server goes on without knowing.
    fn go_back_unnoticed(&mut self) {
        if let Some(copy) = self.copies.front().cloned() {
            self.count("stores set back unnoticed");
            self.store.go_back_to(&copy);
            self.copies.clear();
            let now = self.store_moment();
            self.checker.went_back(self.store.ledger(), now);
            self.has_changed = true;
        }
    }

    /// Most nodes notice that the store has gone, as soon as it has.
    fn break_connections(&mut self) {
        for index in 0..self.nodes.len() {
            if self.random.percent(70) {
                let (id, delay) = (self.nodes[index].id, self.random.range(1, 500));
                self.schedule(delay, Event::Push(id, None));
            }
        }
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
            self.count("store's clock set back");
            let by = i64::try_from(self.random.range(0, 5_000)).unwrap();
            self.set_by(-by);
            return;
        }
        self.jumped_at = Some(self.now);
        let by = if self.random.percent(50) {
            400
        } else {
            3_600_000
        };
        self.count("store's clock set forward");
        self.set_by(by);
    }

    /// On Redis both clocks are one.
    fn set_by(&mut self, by: i64) {
        self.store_clocks.steady_set += by;
        if self.weather.one_clock {
            self.store_clocks.calendar_set += by;
        }
    }
}
