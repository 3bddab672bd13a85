//! The ratchet: counts that were recorded, so that a hot path that gets slower is noticed long before its budget.

use std::process::Command;

use super::{Counts, does, percent_over};
use crate::budgets::Ratchet;
use crate::machine::Machine;
use crate::report::Verdict;

/// What counts depend on besides the code. Other processors do not change them: valgrind shows its programs always the
/// same one.
pub(super) fn toolchain() -> String {
    let library = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let library = library
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_else(|| "unknown C library".to_owned());
    format!(
        "{}, {library}, {}",
        Machine::this().rustc,
        std::env::consts::ARCH
    )
}

/// One for each recorded count that is broken, or one for all together. None if this is another toolchain than the one
/// they were recorded with.
pub(super) fn verdicts(counts: &Counts, ratchet: &Ratchet, toolchain: &str) -> Vec<Verdict> {
    let Ratchet {
        recorded_with,
        percent,
        counts: recorded,
    } = ratchet;
    if recorded_with != toolchain || recorded.is_empty() {
        return Vec::new();
    }
    let broken: Vec<Verdict> = recorded
        .iter()
        .filter_map(|(name, recorded)| {
            let each = *counts.get(name)?;
            (each as f64 > limit(*recorded, *percent)).then(|| Verdict {
                what: format!("{name} ({}), recorded", does(name)),
                budget: format!("at most {percent} % over the recorded {recorded}"),
                measured: format!("{each} ({})", percent_over(each, *recorded)),
                is_kept: false,
                is_stable: true,
            })
        })
        .collect();
    if !broken.is_empty() {
        return broken;
    }
    vec![Verdict {
        what: format!("all {} recorded counts", recorded.len()),
        budget: format!("at most {percent} % over each"),
        measured: "none is over".to_owned(),
        is_kept: true,
        is_stable: true,
    }]
}

/// Of few instructions, some percent are less than one; the compiler's choice of a register is not what is looked for.
fn limit(recorded: u64, percent: f64) -> f64 {
    let recorded = recorded as f64;
    recorded + (recorded * percent / 100.0).max(2.0)
}

/// Whether the recorded counts were judged, and what to do about them.
pub(super) fn reading(counts: &Counts, ratchet: &Ratchet, toolchain: &str) -> Vec<String> {
    const ANEW: &str =
        "record them anew: put what is in target/bench/ratchet.toml into tests/bench/budgets.toml";
    let mut lines = Vec::new();
    if ratchet.recorded_with == toolchain {
        lines.push(format!(
            "The recorded counts are judged: {toolchain} is what they were recorded with."
        ));
    } else {
        lines.push(format!(
            "The recorded counts are NOT judged: they were recorded with {}, and this is {toolchain}. If that is what \
             you build with from now on, {ANEW}.",
            ratchet.recorded_with
        ));
        return lines;
    }
    let unrecorded: Vec<&str> = counts
        .keys()
        .map(String::as_str)
        .filter(|name| !ratchet.counts.contains_key(*name))
        .collect();
    if !unrecorded.is_empty() {
        lines.push(format!(
            "Without a recorded count: {}; {ANEW}.",
            unrecorded.join(", ")
        ));
    }
    let faster: Vec<&str> = ratchet
        .counts
        .iter()
        .filter(|(name, recorded)| {
            let each = counts.get(*name).copied().unwrap_or(u64::MAX);
            limit(each, ratchet.percent) < **recorded as f64
        })
        .map(|(name, _)| name.as_str())
        .collect();
    if !faster.is_empty() {
        lines.push(format!(
            "Cheaper than recorded: {}. To keep that, {ANEW}.",
            faster.join(", ")
        ));
    }
    lines
}

/// The part of `budgets.toml` that records these counts.
pub(super) fn record(counts: &Counts, percent: f64, toolchain: &str) -> String {
    let counts = counts
        .iter()
        .map(|(name, each)| format!("{name} = {each}\n"));
    format!(
        "[ratchet]\nrecorded-with = \"{toolchain}\"\npercent = {percent}\n\n[ratchet.counts]\n{}",
        counts.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratchet() -> Ratchet {
        Ratchet {
            recorded_with: "this".to_owned(),
            percent: 3.0,
            counts: Counts::from([("off".to_owned(), 1_000), ("few".to_owned(), 10)]),
        }
    }

    fn counts(off: u64, few: u64) -> Counts {
        Counts::from([("off".to_owned(), off), ("few".to_owned(), few)])
    }

    #[test]
    fn a_little_more_is_kept_and_more_is_not() {
        let verdicts = |off, few| verdicts(&counts(off, few), &ratchet(), "this");
        assert!(verdicts(1_030, 12)[0].is_kept);
        let broken = verdicts(1_031, 13);
        assert_eq!(broken.len(), 2);
        assert!(
            broken
                .iter()
                .all(|verdict| !verdict.is_kept && verdict.is_stable)
        );
    }

    #[test]
    fn with_another_compiler_nothing_is_judged_and_that_is_said() {
        assert!(verdicts(&counts(9_999, 9_999), &ratchet(), "another").is_empty());
        let lines = reading(&counts(9_999, 9_999), &ratchet(), "another");
        assert!(
            lines[0].contains("NOT judged: they were recorded with this, and this is another"),
            "{lines:?}"
        );
    }

    #[test]
    fn what_got_cheaper_is_named() {
        let lines = reading(&counts(900, 10), &ratchet(), "this");
        assert!(
            lines[1].starts_with("Cheaper than recorded: off."),
            "{lines:?}"
        );
    }

    #[test]
    fn what_is_recorded_can_be_read_again() {
        #[derive(serde::Deserialize)]
        struct Part {
            ratchet: Ratchet,
        }
        let text = record(&counts(1, 2), 3.0, "this");
        let part: Part = toml::from_str(&text).unwrap();
        assert_eq!(part.ratchet.counts, counts(1, 2));
        assert_eq!(part.ratchet.recorded_with, "this");
    }
}
