//! Whether this node asks its load balancer for requests.

use std::fmt;
use std::str::FromStr;

use crate::gate::Gate;

/// What maintenance means for a readiness probe, such as `GET /ready`.
///
/// # Which one
///
/// [`StayReady`](Self::StayReady), unless something else than this service is there to answer visitors. Maintenance closes
/// all nodes of a site at the same moment. If all of them call themselves unready, the load balancer has nobody left, and
/// answers in our place: an error page of its own, without message, without `Retry-After`, also for those who may pass and
/// for routes that are always open. Kubernetes stops to route to the pods, and a rollout under way stands still. What looks
/// like maintenance from inside is an outage from outside.
///
/// [`UnreadyWhenActivated`](Self::UnreadyWhenActivated) is for a load balancer that has a page of its own for that case, or
/// other nodes of another site to fall back on.
///
/// # Liveness
///
/// Maintenance is no reason to restart a process. A liveness probe answers as it always does, and no policy here is for it.
///
/// # At the end of a process
///
/// A process that is about to end should be unready first, so that its load balancer sends it nothing more. That is the
/// application's to say, from the signal on; neither policy knows of it.
///
/// # The route
///
/// Flag it [`Always`](crate::RouteAccess::Always). Otherwise maintenance refuses the probe itself with 503, and the node
/// is unready whatever the policy says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new policy must not compile until every match has an answer for it"
)]
pub enum ReadinessPolicy {
    /// Ready in every phase, and while the node is held.
    #[default]
    StayReady,
    /// Unready while the node turns ordinary visitors away from pages: activated at level
    /// [`Full`](crate::Level::Full) or [`Exclusive`](crate::Level::Exclusive), or [held](crate::Hold).
    UnreadyWhenActivated,
}

impl ReadinessPolicy {
    /// All policies.
    pub const ALL: [Self; 2] = [Self::StayReady, Self::UnreadyWhenActivated];

    /// The word that settings use: `stay-ready` or `unready-when-activated`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StayReady => "stay-ready",
            Self::UnreadyWhenActivated => "unready-when-activated",
        }
    }
}

impl fmt::Display for ReadinessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ReadinessPolicy {
    type Err = UnknownReadinessPolicy;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.as_str() == word)
            .ok_or_else(|| UnknownReadinessPolicy {
                word: word.to_owned(),
            })
    }
}

/// A word that names no [`ReadinessPolicy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown readiness policy `{word}`: write stay-ready or unready-when-activated")]
pub struct UnknownReadinessPolicy {
    word: String,
}

/// Whether this node asks for requests, and what its readiness probe answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Readiness {
    /// Send requests here.
    Ready,
    /// Send them elsewhere.
    Unready,
}

impl Readiness {
    /// Whether requests are welcome.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Ready)
    }

    /// The status to answer a probe with: 200 or 503.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Ready => 200,
            Self::Unready => 503,
        }
    }

    /// The word to answer a probe with: `ready` or `unready`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unready => "unready",
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Gate {
    /// What to answer a readiness probe: from memory, without I/O.
    ///
    /// What counts for [`ReadinessPolicy::UnreadyWhenActivated`] is whether this node turns ordinary visitors away from
    /// pages, the same as for [`closing`](Self::closing):
    ///
    /// | this node is | it is |
    /// |---|---|
    /// | deactivated, or activating: pages are served | ready |
    /// | activated, read-only: reading goes on | ready |
    /// | activated, full or exclusive | unready |
    /// | [held](crate::Hold), in whatever phase | unready |
    /// | not to start executions, and nothing else: out of contact, fenced, on probation | ready |
    ///
    /// At the start there is nothing to ask: [`start`](crate::GateBuilder::start) returns a gate that knows its record, or
    /// by its [`StartPolicy`](crate::StartPolicy) goes without. One that starts closed, and one on a state that may have lost
    /// its data, is held, and so it is unready until its state has answered or the grace is over.
    ///
    /// A hold for want of the state comes to all nodes at the same time, too, when the state fails: with
    /// [`OutagePolicy::CloseAfter`](crate::OutagePolicy::CloseAfter) the whole fleet becomes unready.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use intermission::{Gate, MemoryState, ReadinessPolicy};
    ///
    /// let gate = Gate::builder(MemoryState::new()).start().await?;
    /// let policy: ReadinessPolicy = "unready-when-activated".parse()?;
    /// let readiness = gate.readiness(policy);
    /// assert_eq!((readiness.status(), readiness.as_str()), (200, "ready"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn readiness(&self, policy: ReadinessPolicy) -> Readiness {
        match policy {
            ReadinessPolicy::UnreadyWhenActivated if self.turns_visitors_away() => {
                Readiness::Unready
            }
            ReadinessPolicy::StayReady | ReadinessPolicy::UnreadyWhenActivated => Readiness::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_strict() {
        for policy in ReadinessPolicy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        for word in ["", "ready", "Stay-Ready", "stay_ready", "stay-ready ", "on"] {
            let error = word.parse::<ReadinessPolicy>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{word}`")), "{error}");
            assert!(error.contains("stay-ready or unready-when-activated"));
        }
    }
}
