//! When a node speaks, so that a great fleet does not speak all at once.

use std::time::Duration;

use super::NodeMachine;
use crate::phase::Phase;
use crate::timing::Timing;

/// For each node of a fleet, in microseconds: how much time all of them take together, so that no second has more of them
/// than a server can serve.
mod micros_per_node {
    /// Reconnecting. Each costs its server three commands, where an idle one costs it one in a heartbeat. What ten thousand
    /// do in this time stays below five times of what they do while they idle.
    pub(super) const RECONNECT: u64 = 300;
    /// Asking again and again while a drain goes on.
    pub(super) const POLL: u64 = 250;
    /// Asking once, because something has happened.
    pub(super) const ASK: u64 = 100;
    /// Hearing of a push.
    pub(super) const HEAR: u64 = 30;
    /// Acknowledging what was heard.
    pub(super) const ACKNOWLEDGE: u64 = 220;
}

impl NodeMachine {
    /// From how many nodes on they take care not to speak all at once.
    const CROWD: u64 = 100;

    /// When to try again after a failure: soon, but not all nodes of a great fleet at once, as soon as a server is back.
    pub(super) fn retry_at(&mut self, now: Duration) -> Duration {
        let Timing {
            heartbeat, lease, ..
        } = self.settings.timing;
        let pause = self.jittered(heartbeat / 4);
        // Later than a part of the time in any case: it is the mean pause that says how many come in a second, and the
        // longest that says whether a lease is over.
        let all = self.fleet_takes(micros_per_node::RECONNECT).min(lease / 4);
        let spread = all / 6 + self.random_below(all * 2 / 3);
        now.saturating_add(pause).saturating_add(spread)
    }

    /// How long the fleet takes if each node takes so many microseconds.
    const fn fleet_takes(&self, micros_per_node: u64) -> Duration {
        Duration::from_micros(self.fleet_nodes.saturating_mul(micros_per_node))
    }

    /// How long to be silent after an answer, if nothing happens.
    pub(super) fn pause(&mut self) -> Duration {
        let Timing {
            heartbeat,
            drain_poll,
            ..
        } = self.settings.timing;
        let record = &self.snapshot.record;
        let is_draining = record.phase() == Phase::Activating || record.scopes.draining() > 0;
        let watches = is_draining || !self.fleet_grace.is_zero() || self.asked_about.is_some();
        let all = self.fleet_takes(micros_per_node::POLL);
        self.jittered(if watches {
            drain_poll.max(all).min(heartbeat)
        } else {
            heartbeat
        })
    }

    /// At once, but not all nodes of a great fleet in the same instant.
    pub(super) fn sync_soon(&mut self, now: Duration) {
        self.sync_within(self.fleet_takes(micros_per_node::ASK), now);
    }

    /// Everybody closes at the same moment and is about to say so. That takes its turns, and the first is when everybody has
    /// heard of it: until then there is more urgent work. What happens before a node's turn is said along with it.
    pub(super) fn acknowledge_in_turn(&mut self, now: Duration) {
        if self.fleet_nodes < Self::CROWD {
            self.sync_soon(now);
        } else if !self.has_turn {
            self.has_turn = true;
            let all_have_heard = now.saturating_add(self.fleet_takes(micros_per_node::HEAR));
            self.sync_within(
                self.fleet_takes(micros_per_node::ACKNOWLEDGE),
                all_have_heard,
            );
        }
    }

    /// With the report that waits for its turn, if there is one.
    pub(super) fn say_soon(&mut self, now: Duration) {
        if !self.has_turn {
            self.sync_soon(now);
        }
    }

    fn sync_within(&mut self, spread: Duration, now: Duration) {
        let delay = if self.fleet_nodes < Self::CROWD {
            Duration::ZERO
        } else {
            self.random_below(spread)
        };
        self.sync_at = self.sync_at.min(now.saturating_add(delay));
    }

    /// When it is this node's turn: what all are to ask for at once, most likely over new connections, takes longer than
    /// a word. A heartbeat that is due before that waits, too, but never for more than the time between two.
    pub(super) fn sync_in_turn(&mut self, now: Duration) {
        if self.fleet_nodes < Self::CROWD {
            self.sync_soon(now);
        } else if !self.has_turn {
            self.has_turn = true;
            let all = self.fleet_takes(micros_per_node::RECONNECT);
            let spread = self.random_below(all.min(self.settings.timing.heartbeat));
            self.sync_at = now.saturating_add(spread);
        }
    }

    fn jittered(&mut self, period: Duration) -> Duration {
        period
            .mul_f64(0.8)
            .saturating_add(self.random_below(period.mul_f64(0.4)))
    }

    fn random_below(&mut self, limit: Duration) -> Duration {
        // xorshift64*: spreads heartbeats; nothing depends on it being unpredictable.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let draw = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        limit.mul_f64(f64::from(u32::try_from(draw).unwrap_or(0)) / f64::from(1_u32 << 24))
    }
}
