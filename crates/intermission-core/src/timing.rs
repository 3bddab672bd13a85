//! The periods that nodes and ledger share.

use std::time::Duration;

use crate::report::LostContact;

/// The periods that nodes and ledger share.
///
/// All who share a site must have the same. A gate and its state above all, for nobody can compare these two: a gate that
/// counts on a longer lease than its state gives would go on after the ledger has given it up. Nodes may differ for a while
/// on Redis alone, which is told everybody's and goes by the most patient; a state in memory or files goes at each step by
/// those of whoever takes it.
///
/// A node renews a lease every [`heartbeat`](Timing::heartbeat). It counts the lease from the moment at which it
/// *sent* the renewal and gives up [`margin`](Timing::margin) early; the ledger counts from the moment at which it
/// *received* it. So the node always stops first, as in Kubernetes' leader election, and unlike etcd's client,
/// which counts from the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// For how long the ledger takes a node's word.
    pub lease: Duration,
    /// How often a node speaks while nothing happens.
    pub heartbeat: Duration,
    /// How long a node waits for an answer before it counts the state as out of reach. A state may have a shorter
    /// limit of its own.
    pub timeout: Duration,
    /// The most that the fleet clock believes at once: a greater jump of the store's clock counts as this much.
    pub step: Duration,
    /// How much earlier than the ledger a node counts its lease as lost.
    pub margin: Duration,
    /// After the ledger may have forgotten something: how long nothing completes, so that every node can say what
    /// it knows.
    pub grace: Duration,
    /// After the ledger may have forgotten something: how long an operator may not open. Edits wait for the whole
    /// grace, since they are changes of a record that may be lost.
    pub reconcile: Duration,
    /// How often a node speaks while a drain goes on.
    pub drain_poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            heartbeat: Duration::from_secs(3),
            timeout: Duration::from_secs(3),
            step: Duration::from_secs(1),
            margin: Duration::from_secs(3),
            grace: Duration::from_secs(15),
            reconcile: Duration::from_secs(6),
            drain_poll: Duration::from_millis(500),
        }
    }
}

/// Periods that would let a node believe in a lease that the ledger has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTiming {
    /// `margin` must exceed `step`.
    #[error("the margin ({margin:?}) must be longer than the step ({step:?})")]
    Margin {
        /// The margin.
        margin: Duration,
        /// The step.
        step: Duration,
    },
    /// Some heartbeats must fit between a renewal and the moment at which a node gives up.
    #[error(
        "two heartbeats and a time-out ({needed:?}) must fit into the lease less the margin ({usable:?})"
    )]
    Heartbeat {
        /// What must fit.
        needed: Duration,
        /// Into what.
        usable: Duration,
    },
    /// The clocks of two machines drift apart by up to a thousandth.
    #[error(
        "with LostContact::Fence({after:?}) the margin ({margin:?}) must be at least {needed:?}, since clocks drift"
    )]
    FenceMargin {
        /// How long after its lease a node drops what it runs.
        after: Duration,
        /// The margin.
        margin: Duration,
        /// What the margin must be.
        needed: Duration,
    },
    /// Leases that were running when the ledger forgot must have ended when the grace ends.
    #[error("the grace ({grace:?}) must be at least as long as the lease ({lease:?})")]
    Grace {
        /// The grace.
        grace: Duration,
        /// The lease.
        lease: Duration,
    },
}

impl Timing {
    /// Says whether the periods fit together.
    ///
    /// # Errors
    ///
    /// They do not; the error says which and how.
    pub fn validate(&self) -> Result<(), BadTiming> {
        let Self {
            lease,
            heartbeat,
            timeout,
            step,
            margin,
            grace,
            ..
        } = *self;
        if margin <= step {
            return Err(BadTiming::Margin { margin, step });
        }
        let usable = lease.saturating_sub(margin);
        // A heartbeat is jittered by up to a fifth.
        let needed = heartbeat.saturating_mul(12) / 5 + timeout;
        if needed >= usable {
            return Err(BadTiming::Heartbeat { needed, usable });
        }
        if grace < lease {
            return Err(BadTiming::Grace { grace, lease });
        }
        Ok(())
    }

    /// Says whether the periods fit together, and to what a node does when it loses contact.
    ///
    /// # Errors
    ///
    /// They do not; the error says which and how.
    pub fn validate_for(&self, lost_contact: LostContact) -> Result<(), BadTiming> {
        self.validate()?;
        let Self {
            lease,
            step,
            margin,
            ..
        } = *self;
        if let LostContact::Fence(after) = lost_contact {
            let silent = lease.saturating_add(after);
            // Both clocks may be off by a thousandth, in opposite directions.
            let needed = step.saturating_add(silent / 500);
            if margin < needed {
                return Err(BadTiming::FenceMargin {
                    after,
                    margin,
                    needed,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together_and_others_may_not() {
        let good = Timing::default();
        assert_eq!(good.validate(), Ok(()));
        let second = Duration::from_secs(1);
        assert!(matches!(
            Timing {
                margin: second,
                ..good
            }
            .validate(),
            Err(BadTiming::Margin { .. })
        ));
        assert!(matches!(
            Timing {
                heartbeat: second * 6,
                ..good
            }
            .validate(),
            Err(BadTiming::Heartbeat { .. })
        ));
        assert!(matches!(
            Timing {
                grace: second,
                ..good
            }
            .validate(),
            Err(BadTiming::Grace { .. })
        ));
        assert_eq!(good.validate_for(LostContact::Fence(second * 60)), Ok(()));
        assert_eq!(good.validate_for(LostContact::Leave), Ok(()));
        assert!(matches!(
            good.validate_for(LostContact::Fence(second * 7_200)),
            Err(BadTiming::FenceMargin { .. })
        ));
    }
}
