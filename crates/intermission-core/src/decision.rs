//! The one decision: may this request in?
//!
//! The rules, in this order. The first that answers wins, and the answer names it.
//!
//! 1. A route flagged [`Always`](RouteAccess::Always) is open.
//! 2. While maintenance is off and this node is not held, all is open, except executions on a node that may not
//!    start any at present.
//! 3. While a drain goes on, only what starts an execution is questioned.
//! 4. A browser's preflight is let through, so that scripts may read the refusal ([`Policy::with_preflight`]).
//! 5. At level [`ReadOnly`](Level::ReadOnly), safe methods are open where they start no execution.
//! 6. At level [`Exclusive`](Level::Exclusive), everybody else is refused.
//! 7. The permission lets in.
//! 8. A listed address lets in.
//! 9. A current pass lets in.
//! 10. Everybody else is refused.
//!
//! A request may belong to [scopes](crate::scope). Of the site's answer and those of its closed scopes, which are found by
//! the same rules, the strictest counts. A route flagged `Always` is open in all of them.
//!
//! Rules 1 to 3 and 6 to 10 are Drupal's, Cloudify's and Magento's, in the order that lets no later one leak into an
//! earlier one: the route flag before the mode, the mode before the person. The chain is explicit, so that
//! [`explain`] can answer "why does my address not work?".

mod reason;
mod scopes;
mod snapshot;

use std::fmt;

use crate::Timestamp;
use crate::client_address::ClientAddress;
use crate::pass::Pass;
use crate::phase::{Level, Phase};
use crate::route::RouteAccess;
use crate::visitor::Visitor;

pub use reason::{AdmitReason, Hold, RefuseReason};
pub use scopes::{ScopeClosure, ScopeDecision, decide_in_scopes};
pub use snapshot::Snapshot;

/// Whether a request may in, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Decision {
    /// It may.
    Admit(AdmitReason),
    /// It may not.
    Refuse(RefuseReason),
}

impl Decision {
    /// Whether the request may in.
    #[must_use]
    pub const fn is_admit(self) -> bool {
        matches!(self, Self::Admit(_))
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admit(reason) => write!(f, "admit ({})", reason.as_str()),
            Self::Refuse(reason) => write!(f, "refuse ({})", reason.as_str()),
        }
    }
}

/// A node's settings for the decision.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Policy {
    preflight: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { preflight: true }
    }
}

impl Policy {
    /// Whether browsers' preflight requests pass while the site is closed. On by default: refused, a script sees
    /// "network error" instead of the refusal.
    #[must_use]
    pub const fn with_preflight(mut self, preflight: bool) -> Self {
        self.preflight = preflight;
        self
    }
}

/// Decides about one request. Pure: the same arguments, the same answer.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use intermission_core::{
///     decide, Activate, AdmitReason, Change, Decision, Outcome, Policy, Record, RefuseReason, RouteAccess, Snapshot,
///     Timestamp, Visitor,
/// };
///
/// let now = Timestamp::from_millis(1_800_000_000_000);
/// let change = Change::Activate(Activate::by("ana"));
/// let Outcome::Changed(draining) = Record::default().apply(&change, now)? else { panic!("it was off") };
/// let snapshot = Snapshot::new(Arc::new(draining));
///
/// let page = Visitor::new("GET", "/");
/// assert_eq!(decide(&snapshot, &Policy::default(), &page, now), Decision::Admit(AdmitReason::Draining));
/// let job = Visitor::new("POST", "/jobs").with_access(RouteAccess::StartsExecution);
/// assert_eq!(decide(&snapshot, &Policy::default(), &job, now), Decision::Refuse(RefuseReason::Activating));
/// # Ok::<(), intermission_core::ChangeError>(())
/// ```
#[inline]
#[must_use]
pub fn decide(
    snapshot: &Snapshot,
    policy: &Policy,
    visitor: &Visitor<'_>,
    now: Timestamp,
) -> Decision {
    let site = decide_for_site(snapshot, policy, visitor, now);
    if visitor.scopes.is_empty() {
        return site;
    }
    match decide_in_scopes(snapshot, policy, visitor, now) {
        Some(scope) => site.stricter(scope.decision),
        None => site,
    }
}

/// What the site alone says of a request, whatever scopes it belongs to.
#[inline]
#[must_use]
pub fn decide_for_site(
    snapshot: &Snapshot,
    policy: &Policy,
    visitor: &Visitor<'_>,
    now: Timestamp,
) -> Decision {
    Question::new(snapshot, policy, visitor, now).decide()
}

/// Says what every rule had to say about one request.
#[must_use]
pub fn explain(
    snapshot: &Snapshot,
    policy: &Policy,
    visitor: &Visitor<'_>,
    now: Timestamp,
) -> Explanation {
    let question = Question::new(snapshot, policy, visitor, now);
    let mut verdicts = Vec::with_capacity(Rule::CHAIN.len() + 1);
    let mut decision = None;
    for &rule in Rule::CHAIN.iter().chain(&[Rule::Default]) {
        let answer = question.ask(rule);
        let verdict = match (decision, answer) {
            (None, Some(answer)) => Verdict::Decides(answer),
            (None, None) => Verdict::Passes,
            (Some(_), _) => Verdict::NotAsked,
        };
        decision = decision.or(answer);
        verdicts.push(RuleVerdict {
            rule,
            verdict,
            because: question.because(rule),
        });
    }
    let site = decision.unwrap_or_else(|| question.refusal());
    let decision = decide(snapshot, policy, visitor, now);
    if decision != site {
        // The site has left the question to a scope.
        for said in &mut verdicts {
            if said.verdict == Verdict::Decides(site) {
                said.verdict = Verdict::Passes;
            }
        }
    }
    verdicts.extend(scopes::explained(&question, site));
    Explanation { decision, verdicts }
}

/// What every rule said about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// What each rule said, in order.
    pub verdicts: Vec<RuleVerdict>,
}

/// What one rule said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleVerdict {
    /// Which rule.
    pub rule: Rule,
    /// What it said.
    pub verdict: Verdict,
    /// Why, in words.
    pub because: String,
}

/// What a rule said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a rule decides, passes the question on, or is not asked"
)]
pub enum Verdict {
    /// It decided.
    Decides(Decision),
    /// It left the question to the next.
    Passes,
    /// An earlier rule had decided.
    NotAsked,
}

/// The rules, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A route flagged as always open is.
    RouteAlways,
    /// While maintenance is off, all is open.
    Deactivated,
    /// While a drain goes on, only what starts an execution is questioned.
    Draining,
    /// A browser's preflight passes.
    Preflight,
    /// At level read-only, what only reads passes.
    ReadOnly,
    /// At level exclusive, nobody else passes.
    Exclusive,
    /// The permission lets in.
    Permission,
    /// A listed address lets in.
    AllowedAddress,
    /// A current pass lets in.
    Pass,
    /// Everybody else is refused.
    Default,
    /// A closed scope may be stricter than the site.
    Scope,
}

impl Rule {
    const CHAIN: [Self; 9] = [
        Self::RouteAlways,
        Self::Deactivated,
        Self::Draining,
        Self::Preflight,
        Self::ReadOnly,
        Self::Exclusive,
        Self::Permission,
        Self::AllowedAddress,
        Self::Pass,
    ];

    /// The word that interfaces show.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RouteAlways => "route-always",
            Self::Deactivated => "deactivated",
            Self::Draining => "draining",
            Self::Preflight => "preflight",
            Self::ReadOnly => "read-only",
            Self::Exclusive => "exclusive",
            Self::Permission => "permission",
            Self::AllowedAddress => "allowed-address",
            Self::Pass => "pass",
            Self::Default => "default",
            Self::Scope => "scope",
        }
    }
}

/// One request put to the rules.
struct Question<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    visitor: &'a Visitor<'a>,
    now: Timestamp,
    phase: Phase,
    level: Level,
    starts_execution: bool,
    /// The scope that is asked about, if one is: how this node is held and suspended, the site has said already.
    scope: Option<ScopeClosure<'a>>,
}

impl<'a> Question<'a> {
    #[inline]
    fn new(
        snapshot: &'a Snapshot,
        policy: &'a Policy,
        visitor: &'a Visitor<'a>,
        now: Timestamp,
    ) -> Self {
        let (phase, level) = snapshot.closure();
        let starts_execution = matches!(visitor.access, RouteAccess::StartsExecution);
        Self {
            snapshot,
            policy,
            visitor,
            now,
            phase,
            level,
            starts_execution,
            scope: None,
        }
    }

    fn in_scope(
        snapshot: &'a Snapshot,
        policy: &'a Policy,
        visitor: &'a Visitor<'a>,
        now: Timestamp,
        scope: ScopeClosure<'a>,
    ) -> Self {
        Self {
            phase: scope.phase,
            level: scope.level(),
            scope: Some(scope),
            ..Self::new(snapshot, policy, visitor, now)
        }
    }

    #[inline(always)]
    fn decide(&self) -> Decision {
        // The chain written out, so that each link is compiled for its rule. A test holds it to `Rule::CHAIN`.
        macro_rules! first_of {
            ($($rule:ident),*) => {
                $(if let Some(answer) = self.ask(Rule::$rule) {
                    return answer;
                })*
            };
        }
        first_of!(RouteAlways);
        // These two are about the other phases, and the next but one about the other levels.
        if self.phase != Phase::Activated {
            first_of!(Deactivated, Draining);
        }
        first_of!(Preflight);
        if self.level != Level::Full {
            first_of!(ReadOnly, Exclusive);
        }
        first_of!(Permission, AllowedAddress, Pass);
        self.refusal()
    }

    /// The decision, and the rule that made it.
    fn decided_by(&self) -> (Decision, Rule) {
        let mut chain = Rule::CHAIN.iter();
        let decided = chain.find_map(|rule| Some((self.ask(*rule)?, *rule)));
        decided.unwrap_or_else(|| (self.refusal(), Rule::Default))
    }

    #[inline(always)]
    fn ask(&self, rule: Rule) -> Option<Decision> {
        let admit = |applies: bool, reason| applies.then_some(Decision::Admit(reason));
        match rule {
            Rule::RouteAlways => admit(
                matches!(self.visitor.access, RouteAccess::Always),
                AdmitReason::RouteAlways,
            ),
            Rule::Deactivated => {
                let suspended = || self.starts_execution && self.snapshot.executions_suspended;
                admit(
                    !self.phase.is_on() && !suspended(),
                    AdmitReason::Deactivated,
                )
            }
            Rule::Draining => admit(
                self.phase == Phase::Activating && !self.starts_execution,
                AdmitReason::Draining,
            ),
            Rule::Preflight => admit(
                self.visitor.preflight && self.policy.preflight,
                AdmitReason::Preflight,
            ),
            Rule::ReadOnly => {
                // The method last: it is the one thing here that has to be read.
                let reads = || !self.starts_execution && self.visitor.is_safe();
                admit(
                    self.level == Level::ReadOnly && reads(),
                    AdmitReason::ReadOnly,
                )
            }
            Rule::Exclusive => {
                let exclusive = self.level == Level::Exclusive && self.phase.is_on();
                exclusive.then(|| {
                    Decision::Refuse(if self.serves_nobody() {
                        RefuseReason::Held
                    } else {
                        RefuseReason::Exclusive
                    })
                })
            }
            Rule::Permission => admit(self.visitor.permission, AdmitReason::Permission),
            Rule::AllowedAddress => {
                let known = !matches!(self.visitor.address, ClientAddress::Unknown);
                let listed = known && is_listed(self.snapshot, self.visitor);
                admit(listed, AdmitReason::AllowedAddress)
            }
            Rule::Pass => {
                let carried = self.visitor.pass.is_some();
                let passes =
                    carried && current_pass(self.passes(), self.visitor, self.now).is_some();
                admit(passes, AdmitReason::Pass)
            }
            Rule::Default => Some(self.refusal()),
            // Asked of each scope, when the site has answered.
            Rule::Scope => None,
        }
    }

    /// Whether the node is closed like this by its own choice, and not by the record's level.
    #[cold]
    fn serves_nobody(&self) -> bool {
        self.scope.is_none() && self.snapshot.hold == Some(Hold::ServesNobody)
    }

    /// The passes of what is asked about.
    #[inline]
    fn passes(&self) -> &'a [Pass] {
        match self.scope {
            Some(scope) => scope.passes,
            None => self.snapshot.record.passes(),
        }
    }

    #[inline]
    fn refusal(&self) -> Decision {
        Decision::Refuse(if self.snapshot.hold.is_some() && self.scope.is_none() {
            RefuseReason::Held
        } else if !self.phase.is_on() {
            RefuseReason::OutOfContact
        } else if self.phase == Phase::Activating {
            RefuseReason::Activating
        } else {
            RefuseReason::Maintenance
        })
    }

    fn because(&self, rule: Rule) -> String {
        let Self {
            snapshot,
            visitor,
            phase,
            level,
            ..
        } = self;
        match rule {
            Rule::RouteAlways => format!("the route is flagged `{}`", visitor.access),
            Rule::Deactivated => match &snapshot.hold {
                Some(hold) => format!(
                    "the phase is {}, but this node is held: {hold}",
                    snapshot.record.phase()
                ),
                None if snapshot.executions_suspended && self.starts_execution => {
                    format!(
                        "the phase is {phase}, but this node may start no execution until it hears from its state"
                    )
                }
                None => format!("the phase is {phase}"),
            },
            Rule::Draining => {
                let starts = if self.starts_execution {
                    "starts an execution"
                } else {
                    "starts no execution"
                };
                format!("the phase is {phase}, and the route {starts}")
            }
            Rule::Preflight => {
                let preflight = if visitor.preflight {
                    "a preflight"
                } else {
                    "no preflight"
                };
                let passes = if self.policy.preflight {
                    "pass"
                } else {
                    "do not pass"
                };
                format!("the request is {preflight}, and preflights {passes}")
            }
            Rule::ReadOnly => {
                let safe = if visitor.is_safe() {
                    "is safe"
                } else {
                    "is not safe"
                };
                let starts = if self.starts_execution {
                    ", but the route starts an execution"
                } else {
                    ""
                };
                format!(
                    "the level is {level}, and {} {safe}{starts}",
                    visitor.method
                )
            }
            Rule::Exclusive if self.serves_nobody() => {
                "this node serves nobody, and no bypass changes that".to_owned()
            }
            Rule::Exclusive => format!("the level is {level}"),
            Rule::Permission => {
                let holds = if visitor.permission {
                    "holds"
                } else {
                    "does not hold"
                };
                format!("the visitor {holds} the permission")
            }
            Rule::AllowedAddress => match visitor.address.ip() {
                None => "the client address is unknown".to_owned(),
                Some(ip) => {
                    let listed = if snapshot.record.allow().contains(ip) {
                        "is"
                    } else {
                        "is not"
                    };
                    format!(
                        "{ip} {listed} in the allow list of {}",
                        count(snapshot.record.allow().len(), "entry", "entries")
                    )
                }
            },
            Rule::Pass => match (
                &visitor.pass,
                current_pass(self.passes(), visitor, self.now),
            ) {
                (None, _) => "the visitor carries no pass".to_owned(),
                (Some(_), None) => "the visitor's pass is unknown, revoked or expired".to_owned(),
                (Some(_), Some(pass)) => format!(
                    "the visitor carries the pass {} of {}",
                    pass.id, pass.subject
                ),
            },
            Rule::Default => "nothing lets the visitor in".to_owned(),
            Rule::Scope => "a closed scope may be stricter".to_owned(),
        }
    }
}

// Not inlined, and given no more than they need: a request by which neither is asked, as while nobody is let in by address
// and nobody carries a pass, is decided without a call and without a question in memory.
#[inline(never)]
fn is_listed(snapshot: &Snapshot, visitor: &Visitor<'_>) -> bool {
    let allow = snapshot.record.allow();
    visitor.address.ip().is_some_and(|ip| allow.contains(ip))
}

#[inline(never)]
fn current_pass<'a>(passes: &'a [Pass], visitor: &Visitor<'_>, now: Timestamp) -> Option<&'a Pass> {
    let secret = visitor.pass.as_ref()?;
    passes.iter().find(|pass| pass.accepts(secret, now))
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
