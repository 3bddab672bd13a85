//! What a run is like.

use std::time::Duration;

use intermission_core::Timing;

use crate::mutation::Mutation;
use crate::random::Random;

/// What a run is like. Runs that are all alike find less than runs of which each overdoes something else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Of a hundred nodes, how many fence themselves, and how many hold; the others wait.
    pub(super) fence: u64,
    pub(super) hold: u64,
    /// How many milliseconds after its lease at most a node drops what it runs, or is waited for.
    pub(super) patience: u64,
    /// How many milliseconds a node waits for an answer.
    pub(super) timeout: u64,
    /// Of a hundred reports, replies and executions, how many take long.
    pub(super) slow_reports: u64,
    pub(super) slow_replies: u64,
    pub(super) slow_work: u64,
    /// Of a hundred acts of an operator, how many switch maintenance on or off, and how many milliseconds lie between
    /// two acts at most.
    pub(super) switches: u64,
    pub(super) leisure: u64,
    /// How many milliseconds lie between two faults at most, and how likely each kind is, compared with the others.
    pub(super) peace: u64,
    pub(super) crashes: u64,
    pub(super) goodbyes: u64,
    pub(super) cuts: u64,
    pub(super) outages: u64,
    pub(super) losses: u64,
    pub(super) jumps: u64,
}

impl Weather {
    pub(super) fn random(random: &mut Random) -> Self {
        Self {
            fence: random.pick(&[0, 45, 100]),
            hold: random.pick(&[0, 15]),
            patience: random.pick(&[0, 2_000, 6_000]),
            timeout: random.pick(&[600, 2_500]),
            slow_reports: random.pick(&[5, 30, 80]),
            slow_replies: random.pick(&[5, 30, 80]),
            slow_work: random.pick(&[5, 20]),
            switches: random.pick(&[50, 95]),
            leisure: random.pick(&[1_500, 5_000]),
            peace: random.pick(&[1_500, 3_000, 8_000]),
            crashes: random.pick(&[0, 15, 60]),
            goodbyes: random.pick(&[0, 10, 40]),
            cuts: random.pick(&[10, 30, 100]),
            outages: random.pick(&[0, 7, 30]),
            losses: random.pick(&[0, 20, 60]),
            jumps: random.pick(&[0, 18, 60]),
        }
    }

    /// For how many milliseconds anybody relies on a lease at most.
    pub(super) const fn reliance(self) -> u64 {
        5_000 + self.patience
    }

    /// The weather that brings out what a mutation breaks.
    pub(super) fn for_mutation(self, mutation: Mutation) -> Self {
        let calm = Self {
            crashes: 0,
            goodbyes: 0,
            outages: 0,
            losses: 0,
            slow_work: 5,
            switches: 95,
            ..self
        };
        let cuts = Self {
            fence: 100,
            patience: 0,
            slow_reports: 5,
            slow_replies: 5,
            cuts: 60,
            jumps: 0,
            leisure: 3_000,
            ..calm
        };
        match mutation {
            Mutation::NoMargin | Mutation::NoClamp => Self { jumps: 60, ..cuts },
            Mutation::LeaseFromReply => Self {
                slow_replies: 60,
                timeout: 2_500,
                peace: 8_000,
                ..cuts
            },
            Mutation::NoProbation => Self {
                crashes: 60,
                losses: 60,
                cuts: 30,
                outages: 30,
                switches: 95,
                ..self
            },
            Mutation::NothingClaimed => Self {
                losses: 60,
                cuts: 100,
                outages: 30,
                switches: 95,
                ..self
            },
            Mutation::NoGrace | Mutation::NothingOffered => Self { losses: 60, ..self },
            Mutation::PushOpens => Self {
                leisure: 1_500,
                slow_replies: 30,
                ..calm
            },
            Mutation::AcknowledgementsKept | Mutation::FenceNotObeyed => self,
        }
    }
}

/// Periods with little slack, so that little goes wrong unnoticed.
pub(super) fn tight() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_millis(4_000);
    timing.heartbeat = Duration::from_millis(1_000);
    timing.timeout = Duration::from_millis(600);
    timing.step = Duration::from_millis(400);
    timing.margin = Duration::from_millis(450);
    timing.grace = Duration::from_millis(4_000);
    timing.reconcile = Duration::from_millis(2_000);
    timing.drain_poll = Duration::from_millis(200);
    timing
        .validate()
        .expect("the periods of the simulation fit together");
    timing
}
