//! What the scopes of a request say, and which of several answers is the strictest.

use super::{Decision, Policy, Question, Rule, Snapshot, Verdict};
use crate::Timestamp;
use crate::decision::{AdmitReason, RefuseReason, RuleVerdict};
use crate::pass::Pass;
use crate::phase::{Level, Phase};
use crate::record::Settings;
use crate::route::RouteAccess;
use crate::scope::{ScopeName, ScopeRecord};
use crate::visitor::Visitor;

/// How a scope is closed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ScopeClosure<'a> {
    /// How far.
    pub phase: Phase,
    /// How the maintenance is meant.
    pub settings: &'a Settings,
    /// Who passes by a link.
    pub passes: &'a [Pass],
}

/// What the closed scopes of a request say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeDecision<'a> {
    /// The scope that was the strictest; of several, the first that the request was said to belong to.
    pub scope: &'a ScopeName,
    /// What it says.
    pub decision: Decision,
}

impl Snapshot {
    /// How a scope is closed, by its activation or by a plan that began while the state is away; `None` if it is open.
    #[must_use]
    pub fn scope(&self, name: &ScopeName) -> Option<ScopeClosure<'_>> {
        let scope = self.record.scopes().get(name.as_str())?;
        let (phase, settings) = match (scope.settings(), &scope.plan) {
            (Some(settings), _) => (scope.phase(), settings),
            (None, Some(plan)) if self.scopes_begun.contains(name) => {
                (Phase::Activated, &plan.settings)
            }
            (None, _) => return None,
        };
        Some(ScopeClosure {
            phase,
            settings,
            passes: scope.passes(),
        })
    }

    /// Whether no scope is closed, so that nobody needs to ask to which scopes a request belongs.
    #[must_use]
    pub fn all_scopes_open(&self) -> bool {
        self.record.scopes().closed() == 0 && self.scopes_begun.is_empty()
    }

    /// The closed scopes, each with the activation that an execution must not belong to.
    pub fn closed_scopes(&self) -> impl Iterator<Item = (&ScopeName, ScopeClosure<'_>)> {
        let scopes = self.record.scopes().iter();
        scopes.filter_map(|(name, _): (&ScopeName, &ScopeRecord)| Some((name, self.scope(name)?)))
    }
}

impl ScopeClosure<'_> {
    /// How much is closed.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.settings.level
    }

    /// Why no execution of this scope may start without a bypass.
    #[must_use]
    pub fn execution_refusal(&self) -> RefuseReason {
        match (self.phase, self.level()) {
            (_, Level::Exclusive) => RefuseReason::Exclusive,
            (Phase::Activating, _) => RefuseReason::Activating,
            _ => RefuseReason::Maintenance,
        }
    }
}

/// What the closed scopes of a request say of it, by the same rules as the site: the strictest of them. `None` if none of
/// its scopes is closed.
///
/// [`decide`](super::decide) asks for it by itself. Each scope costs a look into a tree of those that are not open.
#[must_use]
pub fn decide_in_scopes<'v>(
    snapshot: &Snapshot,
    policy: &Policy,
    visitor: &Visitor<'v>,
    now: Timestamp,
) -> Option<ScopeDecision<'v>> {
    if snapshot.all_scopes_open() || visitor.access == RouteAccess::Always {
        return None;
    }
    let mut strictest: Option<ScopeDecision<'v>> = None;
    for scope in visitor.scopes {
        let Some(closure) = snapshot.scope(scope) else {
            continue;
        };
        let decision = Question::in_scope(snapshot, policy, visitor, now, closure).decide();
        if strictest.is_none_or(|said| decision.strictness() > said.decision.strictness()) {
            strictest = Some(ScopeDecision { scope, decision });
        }
    }
    strictest
}

impl Decision {
    /// The stricter of two: a refusal before an admission; of two alike, the one that says more of what the visitor met.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        if other.strictness() > self.strictness() {
            other
        } else {
            self
        }
    }

    const fn strictness(self) -> u8 {
        match self {
            Self::Admit(AdmitReason::Deactivated) => 0,
            Self::Admit(AdmitReason::Draining) => 1,
            Self::Admit(AdmitReason::Preflight) => 2,
            Self::Admit(AdmitReason::ReadOnly) => 3,
            Self::Admit(
                AdmitReason::Permission | AdmitReason::AllowedAddress | AdmitReason::Pass,
            ) => 4,
            // Nothing is said after it.
            Self::Admit(AdmitReason::RouteAlways) => 5,
            Self::Refuse(RefuseReason::Activating | RefuseReason::OutOfContact) => 6,
            Self::Refuse(RefuseReason::Maintenance) => 7,
            Self::Refuse(RefuseReason::Held) => 8,
            Self::Refuse(RefuseReason::Exclusive) => 9,
        }
    }
}

/// What every rule had to say about a request in one of its closed scopes.
pub(super) fn explained(question: &Question<'_>, site: Decision) -> Vec<RuleVerdict> {
    let (snapshot, visitor) = (question.snapshot, question.visitor);
    let decided = decide_in_scopes(snapshot, question.policy, visitor, question.now);
    let verdict = |scope: &ScopeName| {
        let said = snapshot.scope(scope).map(|closure| {
            let question =
                Question::in_scope(snapshot, question.policy, visitor, question.now, closure);
            let (decision, rule) = question.decided_by();
            (
                decision,
                format!("{}: {}", rule.as_str(), question.because(rule)),
            )
        });
        let (verdict, because) = match said {
            None => (Verdict::Passes, format!("the scope {scope} is open")),
            Some((decision, because)) => {
                let decides = decided.is_some_and(|decided| decided.scope == scope)
                    && site.stricter(decision) != site;
                let verdict = if decides {
                    Verdict::Decides(decision)
                } else {
                    Verdict::Passes
                };
                (
                    verdict,
                    format!("scope {scope} says {decision}, by {because}"),
                )
            }
        };
        RuleVerdict {
            rule: Rule::Scope,
            verdict,
            because,
        }
    };
    visitor.scopes.iter().map(verdict).collect()
}
