//! `explain` as text.

use intermission::{Explanation, Verdict};

use crate::render::text::printable;

/// What no command can know of a node.
pub(crate) const NOT_KNOWN: [&str; 3] = [
    "whether a node is held by a failing dependency or has lost contact",
    "which flag the app has given to the route (say it with --route)",
    "whether the visitor has the permission (say it with --permission)",
];

/// The decision, and what every rule said, in the order in which they are asked.
pub(crate) fn explanation(explanation: &Explanation) -> String {
    let mut text = format!("{}\n", explanation.decision);
    for said in &explanation.verdicts {
        let verdict = match said.verdict {
            Verdict::Decides(_) => "decides",
            Verdict::Passes => "passes on",
            Verdict::NotAsked => "not asked",
        };
        let line = format!(
            "  {:<15}  {verdict:<9}  {}\n",
            said.rule.as_str(),
            printable(&said.because)
        );
        text.push_str(&line);
    }
    text.push_str("Judged by the state alone. It does not know:\n");
    let unknown: String = NOT_KNOWN
        .iter()
        .map(|unknown| format!("  - {unknown}\n"))
        .collect();
    text + &unknown
}
