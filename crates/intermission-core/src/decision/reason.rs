//! By which rule a request was let in or refused, and why a node is closed by itself.

use std::fmt;

/// The rule by which a request was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdmitReason {
    /// The route is flagged as always open.
    RouteAlways,
    /// Maintenance is off.
    Deactivated,
    /// A drain goes on, and the request starts no execution.
    Draining,
    /// A browser asks before a cross-origin request.
    Preflight,
    /// The level is read-only, and the request only reads.
    ReadOnly,
    /// The visitor holds the permission.
    Permission,
    /// The visitor's address is listed.
    AllowedAddress,
    /// The visitor carries a current pass.
    Pass,
}

impl AdmitReason {
    /// All reasons, in the order in which they are declared: each stands at `reason as usize`.
    pub const ALL: &'static [Self] = &[
        Self::RouteAlways,
        Self::Deactivated,
        Self::Draining,
        Self::Preflight,
        Self::ReadOnly,
        Self::Permission,
        Self::AllowedAddress,
        Self::Pass,
    ];

    /// Whether the visitor was let in past a closed door, which everybody else finds closed.
    #[must_use]
    pub const fn is_bypass(self) -> bool {
        matches!(self, Self::Permission | Self::AllowedAddress | Self::Pass)
    }

    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RouteAlways => "route-always",
            Self::Deactivated => "deactivated",
            Self::Draining => "draining",
            Self::Preflight => "preflight",
            Self::ReadOnly => "read-only",
            Self::Permission => "permission",
            Self::AllowedAddress => "allowed-address",
            Self::Pass => "pass",
        }
    }
}

/// The rule by which a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The level is exclusive.
    Exclusive,
    /// Maintenance is on.
    Maintenance,
    /// A drain goes on, and the request would start an execution.
    Activating,
    /// This node is held; see [`Hold`].
    Held,
    /// The request would start an execution, and this node may not start any until it hears from its state.
    OutOfContact,
}

impl RefuseReason {
    /// All reasons, in the order in which they are declared: each stands at `reason as usize`.
    pub const ALL: &'static [Self] = &[
        Self::Exclusive,
        Self::Maintenance,
        Self::Activating,
        Self::Held,
        Self::OutOfContact,
    ];

    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Maintenance => "maintenance",
            Self::Activating => "activating",
            Self::Held => "held",
            Self::OutOfContact => "out-of-contact",
        }
    }
}

/// Why one node is closed although maintenance is off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// Something that the node needs has failed; Drupal's "any time the database fails".
    Dependency(String),
    /// A planned maintenance has begun while the state is away. How closed the node is, is the plan's level.
    PlanBegan,
    /// The node serves nobody and runs nothing by its own choice, whatever the record says:
    /// [`LostContact::Leave`](crate::LostContact::Leave). Nobody is let in, and no bypass helps.
    ServesNobody,
    /// The node has started on a state that knows of no record and may have lost one; those who may know better are heard
    /// first.
    StateReconciling,
    /// The state has not been reached for longer than the outage policy bears, or never yet.
    StateUnreachable,
}

impl Hold {
    /// The words that [`kind`](Self::kind) says.
    pub const KINDS: &'static [&'static str] = &[
        "dependency",
        "plan-began",
        "serves-nobody",
        "state-reconciling",
        "state-unreachable",
    ];

    /// The word for logs and metrics, which names no dependency.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Dependency(_) => "dependency",
            Self::PlanBegan => "plan-began",
            Self::ServesNobody => "serves-nobody",
            Self::StateReconciling => "state-reconciling",
            Self::StateUnreachable => "state-unreachable",
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependency(name) => write!(f, "dependency {name} fails"),
            Self::PlanBegan => f.write_str("plan began while the state is away"),
            Self::ServesNobody => f.write_str("it serves nobody"),
            Self::StateReconciling => f.write_str("state reconciling"),
            Self::StateUnreachable => f.write_str("state unreachable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_stands_where_it_says_and_has_a_word_of_its_own() {
        for (at, reason) in AdmitReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at);
        }
        for (at, reason) in RefuseReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at);
        }
        let admits = AdmitReason::ALL.iter().map(|reason| reason.as_str());
        let refusals = RefuseReason::ALL.iter().map(|reason| reason.as_str());
        let mut words: Vec<_> = admits.chain(refusals).collect();
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn a_hold_says_one_of_the_known_words() {
        for hold in [
            Hold::Dependency("database".to_owned()),
            Hold::PlanBegan,
            Hold::ServesNobody,
            Hold::StateReconciling,
            Hold::StateUnreachable,
        ] {
            assert!(Hold::KINDS.contains(&hold.kind()), "{hold}");
        }
    }
}
