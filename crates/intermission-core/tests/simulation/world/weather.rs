//! What a run is like.

use std::time::Duration;

use intermission_core::Timing;

use crate::checker::Run;
use crate::mutation::Mutation;
use crate::random::Random;

/// What a run is like. Runs that are all alike find less than runs of which each overdoes something else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Of a hundred nodes, how many fence themselves, how many hold, and how many serve nobody and leave by silence; the
    /// others wait.
    pub(super) fence: u64,
    pub(super) hold: u64,
    pub(super) leave: u64,
    /// How many milliseconds after its lease at most a node drops what it runs, or is waited for.
    pub(super) patience: u64,
    /// How many milliseconds a node waits for an answer.
    pub(super) timeout: u64,
    /// Of a hundred reports, replies, pushes and executions, how many take long.
    pub(super) slow_reports: u64,
    pub(super) slow_replies: u64,
    pub(super) slow_pushes: u64,
    pub(super) slow_work: u64,
    /// Of a hundred acts of an operator, how many switch maintenance on or off, how many are by a fresh look at the
    /// record, and how many expect no revision; and how many milliseconds lie between two acts at most.
    pub(super) switches: u64,
    pub(super) attention: u64,
    pub(super) carelessness: u64,
    pub(super) leisure: u64,
    /// How many milliseconds lie between two faults at most, and how likely each kind is, compared with the others.
    pub(super) peace: u64,
    pub(super) crashes: u64,
    pub(super) goodbyes: u64,
    pub(super) cuts: u64,
    /// How many milliseconds a node is cut off at most.
    pub(super) longest_cut: u64,
    pub(super) pauses: u64,
    pub(super) outages: u64,
    pub(super) stalls: u64,
    pub(super) losses: u64,
    /// All nodes crash, and the store loses something.
    pub(super) disasters: u64,
    /// The store goes back, and does not notice.
    pub(super) slips: u64,
    pub(super) jumps: u64,
    /// By how many millionths steady clocks are wrong.
    pub(super) drift: i64,
    /// Whether nodes write down the record, and know it when they are back.
    pub(super) remembers: bool,
    /// Whether the store has but one clock, as Redis has.
    pub(super) one_clock: bool,
    /// Whether the store holds nothing at first, and cannot know whether it has lost something.
    pub(super) begins_in_grace: bool,
}

impl Weather {
    pub(super) fn random(random: &mut Random) -> Self {
        Self {
            fence: random.pick(&[0, 45, 100]),
            hold: random.pick(&[0, 15]),
            leave: random.pick(&[0, 20]),
            patience: random.pick(&[0, 2_000, 6_000]),
            timeout: random.pick(&[600, 2_500]),
            slow_reports: random.pick(&[5, 30, 80]),
            slow_replies: random.pick(&[5, 30, 80]),
            slow_pushes: random.pick(&[5, 40]),
            slow_work: random.pick(&[5, 20]),
            switches: random.pick(&[50, 95]),
            attention: random.pick(&[95, 60]),
            carelessness: random.pick(&[0, 15]),
            leisure: random.pick(&[3_000, 8_000]),
            peace: random.pick(&[1_500, 3_000, 8_000]),
            crashes: random.pick(&[0, 15, 60]),
            goodbyes: random.pick(&[0, 10, 40]),
            cuts: random.pick(&[10, 30, 100]),
            longest_cut: random.pick(&[4_000, 10_000, 20_000]),
            pauses: random.pick(&[0, 15, 60]),
            outages: random.pick(&[0, 7, 30]),
            stalls: random.pick(&[0, 10, 40]),
            losses: random.pick(&[0, 20, 60]),
            disasters: random.pick(&[0, 0, 5]),
            slips: random.pick(&[0, 0, 10]),
            jumps: random.pick(&[0, 18, 60]),
            drift: random.pick(&[0, 1_000]),
            remembers: random.percent(50),
            one_clock: random.percent(50),
            begins_in_grace: random.percent(25),
        }
    }

    /// For how many milliseconds anybody relies on a lease at most.
    pub(super) const fn reliance(self) -> u64 {
        5_000 + self.patience
    }

    pub(super) const fn all_fence_alike(self) -> bool {
        self.fence == 100
    }

    pub(super) const fn run(self) -> Run {
        Run {
            all_fence: self.all_fence_alike(),
            has_true_calendar: self.jumps == 0 || !self.one_clock,
            has_steady_clock: self.jumps == 0,
        }
    }

    /// How wrong one clock is.
    pub(super) fn drift(self, random: &mut Random) -> i64 {
        random.pick(&[-self.drift, 0, self.drift])
    }

    /// The weather that brings out what a mutation breaks.
    pub(super) fn for_mutation(self, mutation: Mutation) -> Self {
        // Nothing goes wrong but in the network, and nodes are out of contact now and then.
        let cuts = Self {
            cuts: 60,
            leave: 0,
            crashes: 0,
            goodbyes: 0,
            pauses: 0,
            outages: 0,
            stalls: 0,
            losses: 0,
            disasters: 0,
            slips: 0,
            jumps: 0,
            switches: 95,
            carelessness: 0,
            slow_work: 20,
            ..self
        };
        let fences = Self {
            fence: 100,
            patience: 0,
            slow_reports: 5,
            slow_replies: 5,
            ..cuts
        };
        // Seldom enough for a grace to end before the next loss.
        let losses = Self {
            losses: 40,
            cuts: 100,
            peace: 8_000,
            ..cuts
        };
        match mutation {
            Mutation::NoMargin | Mutation::NoClamp => Self {
                jumps: 60,
                drift: 1_000,
                peace: 1_500,
                longest_cut: 20_000,
                leisure: 6_000,
                slow_work: 80,
                ..fences
            },
            Mutation::LeaseFromReply => Self {
                slow_replies: 80,
                timeout: 2_500,
                longest_cut: 10_000,
                peace: 1_500,
                leisure: 3_000,
                ..fences
            },
            Mutation::FenceNotObeyed | Mutation::DropNotObeyed => fences,
            Mutation::FenceCountedEarly => Self {
                patience: 6_000,
                longest_cut: 10_000,
                peace: 3_000,
                ..fences
            },
            Mutation::FenceByTimerOnly => Self {
                pauses: 100,
                ..fences
            },
            Mutation::HoldGivenUp => Self {
                fence: 0,
                hold: 50,
                ..cuts
            },
            Mutation::ServesAfterAll => Self {
                fence: 0,
                hold: 0,
                leave: 50,
                slow_work: 80,
                longest_cut: 20_000,
                peace: 1_500,
                ..cuts
            },
            Mutation::GivenUpNotNamed | Mutation::NeverConfirmed => Self {
                fence: 0,
                hold: 0,
                patience: 0,
                peace: 1_500,
                ..cuts
            },
            Mutation::LateReplyTaken => Self {
                slow_replies: 80,
                timeout: 600,
                ..fences
            },
            Mutation::PushOpens => Self {
                cuts: 10,
                peace: 8_000,
                leisure: 3_000,
                slow_replies: 30,
                slow_work: 5,
                ..cuts
            },
            Mutation::BeginsUnknown => Self {
                crashes: 100,
                peace: 1_500,
                slow_reports: 30,
                ..cuts
            },
            Mutation::NoProbation => Self {
                crashes: 100,
                outages: 60,
                losses: 60,
                cuts: 0,
                peace: 1_500,
                leisure: 8_000,
                ..cuts
            },
            Mutation::TombstoneIgnored => Self {
                goodbyes: 100,
                slow_reports: 80,
                ..cuts
            },
            Mutation::PlanNotObeyed | Mutation::HoldNotObeyed => Self {
                peace: 1_500,
                ..cuts
            },
            Mutation::ForceNotObeyed
            | Mutation::DrainedTooEarly
            | Mutation::ScopesDrainedTooEarly
            | Mutation::SequenceIgnored
            | Mutation::AcknowledgementsKept => cuts,
            Mutation::QuietTooEarly => Self {
                slow_work: 80,
                peace: 8_000,
                ..cuts
            },
            Mutation::QuietKept => Self {
                switches: 50,
                peace: 8_000,
                ..cuts
            },
            Mutation::GraceBeforeFences => Self {
                fence: 100,
                patience: 6_000,
                slow_work: 15,
                slow_reports: 5,
                slow_replies: 5,
                losses: 100,
                cuts: 10,
                longest_cut: 10_000,
                leisure: 4_000,
                ..losses
            },
            Mutation::NothingOffered
            | Mutation::NothingClaimed
            | Mutation::ClaimsCountInGrace
            | Mutation::ClaimsSurviveLoss
            | Mutation::NoGrace
            | Mutation::PlainCounter
            | Mutation::OlderTakenBack
            | Mutation::OwnStepsInGrace
            | Mutation::OpensWhileReconciling
            | Mutation::EditsInGrace => losses,
            Mutation::LossNotNoticed => Self {
                losses: 0,
                slips: 60,
                ..losses
            },
            Mutation::LossNotTold => Self {
                fence: 0,
                hold: 0,
                patience: 2_000,
                peace: 3_000,
                losses: 30,
                longest_cut: 10_000,
                leisure: 3_000,
                ..cuts
            },
            // A node is away for long from when its renewal is lost, and nobody opens meanwhile.
            Mutation::LeasesNotRenewed => Self {
                fence: 0,
                hold: 0,
                patience: 6_000,
                slow_work: 5,
                slow_reports: 5,
                longest_cut: 20_000,
                cuts: 20,
                leisure: 15_000,
                ..losses
            },
            // All who were there are gone, and some of those who come know what there was.
            Mutation::OldRecordsIgnored => Self {
                disasters: 30,
                losses: 0,
                remembers: true,
                leisure: 3_000,
                ..losses
            },
            Mutation::NewSiteNotSeen => Self {
                begins_in_grace: true,
                losses: 0,
                cuts: 10,
                peace: 8_000,
                leisure: 8_000,
                slow_work: 5,
                ..cuts
            },
            Mutation::QuietDespiteLoss => Self {
                fence: 100,
                patience: 0,
                slow_work: 5,
                longest_cut: 20_000,
                peace: 5_000,
                leisure: 15_000,
                ..losses
            },
            Mutation::OwnStepsWhileBehind => Self {
                slow_reports: 80,
                cuts: 0,
                disasters: 100,
                ..cuts
            },
            Mutation::ConflictIgnored | Mutation::BehindIgnored | Mutation::DuplicateIgnored => {
                Self {
                    carelessness: 50,
                    attention: 60,
                    losses: 30,
                    ..cuts
                }
            }
            Mutation::CompletionFromOperator => Self {
                switches: 50,
                carelessness: 60,
                attention: 30,
                leisure: 3_000,
                ..cuts
            },
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
