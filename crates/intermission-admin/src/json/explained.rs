//! Would this request pass, and by which rule?

use intermission::{Decision, Explanation, Phase, Record, RefuseReason, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::VERSION;

/// A decision and what every rule said: what `intermission explain --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explained<'a> {
    v: u32,
    method: &'a str,
    path: &'a str,
    #[schema(example = "refuse")]
    decision: &'static str,
    #[schema(example = "maintenance")]
    reason: &'static str,
    bypass: bool,
    #[schema(value_type = String)]
    phase: Phase,
    revision: u64,
    rules: Vec<RuleSaid<'a>>,
    /// What whoever explains cannot know, in words.
    not_known: &'a [&'a str],
}

/// What one rule said.
#[derive(Debug, Serialize, ToSchema)]
struct RuleSaid<'a> {
    rule: &'static str,
    /// `decides`, `passes` or `not-asked`.
    verdict: &'static str,
    because: &'a str,
}

impl<'a> Explained<'a> {
    /// An explanation of what happens to `request`, a method and a path, by `record`.
    #[must_use]
    pub fn of(
        request: (&'a str, &'a str),
        record: &Record,
        explanation: &'a Explanation,
        not_known: &'a [&'a str],
    ) -> Self {
        let (method, path) = request;
        let (decision, reason, bypass) = match explanation.decision {
            Decision::Admit(reason) => ("admit", reason.as_str(), reason.is_bypass()),
            Decision::Refuse(reason) => ("refuse", RefuseReason::as_str(reason), false),
        };
        let rules = explanation.verdicts.iter().map(|said| RuleSaid {
            rule: said.rule.as_str(),
            verdict: match said.verdict {
                Verdict::Decides(_) => "decides",
                Verdict::Passes => "passes",
                Verdict::NotAsked => "not-asked",
            },
            because: &said.because,
        });
        Self {
            v: VERSION,
            method,
            path,
            decision,
            reason,
            bypass,
            phase: record.phase(),
            revision: record.revision().number(),
            rules: rules.collect(),
            not_known,
        }
    }
}
