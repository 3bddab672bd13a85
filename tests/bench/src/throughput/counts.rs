//! What a layer costs for a request that it lets in, counted by callgrind: in instructions, in one process, with nothing
//! around it but a function.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use super::listed;
use super::process::mortal;
use crate::cases;

/// How often each case is done, in the shorter of its two runs.
const TIMES: u64 = 2_000;

/// What is counted, and what is taken off, since it is there without any layer.
struct Case {
    of: &'static str,
    around: &'static str,
    layered: &'static str,
    bare: &'static str,
    kind: Kind,
}

/// Why something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The decision alone.
    Decision,
    /// A layer of ours.
    Ours,
    /// A layer of a peer, off: what the decision is judged by. All of them keep a list: of addresses, or of paths.
    PeerOff,
    /// A layer of a peer, on.
    PeerOn,
}

const CASES: &[Case] = &[
    Case {
        of: "Gate::decide",
        around: "nothing",
        layered: "decide-off",
        bare: "nothing",
        kind: Kind::Decision,
    },
    Case {
        of: "Intermission's layer",
        around: "a function",
        layered: "tower-off",
        bare: "tower-bare",
        kind: Kind::Ours,
    },
    Case {
        of: "Intermission's into_service",
        around: "an axum router",
        layered: "axum-off",
        bare: "axum-bare",
        kind: Kind::Ours,
    },
    Case {
        of: "Intermission's layer, on, one of 100 networks",
        around: "a function",
        layered: "tower-listed-100",
        bare: "tower-known",
        kind: Kind::Ours,
    },
    Case {
        of: "autumn-web 0.9.0",
        around: "a function",
        layered: "autumn-off",
        bare: "autumn-bare",
        kind: Kind::PeerOff,
    },
    Case {
        of: "autumn-web 0.9.0, on, one of 100 networks",
        around: "a function",
        layered: "autumn-listed-100",
        bare: "autumn-bare",
        kind: Kind::PeerOn,
    },
    Case {
        of: "rustango 0.62.0",
        around: "an axum router",
        layered: "rustango-off",
        bare: "rustango-bare",
        kind: Kind::PeerOff,
    },
    Case {
        of: "backbone-maintenance 3.19.0",
        around: "a function",
        layered: "backbone-off",
        bare: "backbone-bare",
        kind: Kind::PeerOff,
    },
];

/// What something costs.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) of: &'static str,
    pub(super) around: &'static str,
    pub(super) bare: u64,
    pub(super) layered: u64,
    pub(super) kind: Kind,
}

impl Counted {
    /// What the layer adds.
    pub(super) const fn added(&self) -> u64 {
        self.layered.saturating_sub(self.bare)
    }
}

/// Does one of the [`cases`] that many times, in this process.
///
/// # Errors
/// If there is no such case, or it fails.
pub async fn count(case: &str, times: u64) -> Result<()> {
    match listed::prepare(case).await? {
        Some(mut listed) => listed(times),
        None => cases::prepare(case).await?(times),
    }
}

/// Counts all; those of the peers if there is a program of theirs.
pub(super) fn all(peers: Option<&Path>) -> Result<Vec<Counted>> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let mut counted = Vec::new();
    for case in CASES {
        let is_ours = matches!(case.kind, Kind::Decision | Kind::Ours);
        let each = |name: &str| match (is_ours, peers) {
            (true, _) => one(&own, &["throughput", "count"], name).map(Some),
            (false, Some(peers)) => one(peers, &["count"], name).map(Some),
            (false, None) => Ok(None),
        };
        let (Some(layered), Some(bare)) = (each(case.layered)?, each(case.bare)?) else {
            continue;
        };
        println!("counted: {}", case.of);
        counted.push(Counted {
            of: case.of,
            around: case.around,
            bare,
            layered,
            kind: case.kind,
        });
    }
    Ok(counted)
}

/// What one time costs: the difference of two runs, divided by the difference of their lengths.
fn one(program: &Path, words: &[&str], case: &str) -> Result<u64> {
    let run = |times: u64| collected(program, words, case, times);
    let (long, short) = (run(TIMES * 2)?, run(TIMES)?);
    let each = long
        .checked_sub(short)
        .context("twice as much costs less")?;
    Ok(each / TIMES)
}

fn collected(program: &Path, words: &[&str], case: &str, times: u64) -> Result<u64> {
    let times = times.to_string();
    let output = mortal("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(words.iter().map(OsStr::new))
        .args([case, times.as_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("cannot start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "valgrind failed on `{case}`:\n{said}"
    );
    parse(&said).with_context(|| format!("valgrind counted nothing on `{case}`:\n{said}"))
}

/// What callgrind says at the end.
fn parse(said: &str) -> Result<u64> {
    let Some((_, rest)) = said.split_once("Collected : ") else {
        bail!("there is no sum");
    };
    let number = rest.split_whitespace().next().unwrap_or_default();
    number
        .parse()
        .with_context(|| format!("`{number}` is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_have_the_versions_that_are_built() {
        let manifest = include_str!("../../peers/Cargo.toml");
        for case in CASES.iter().filter(|case| case.kind == Kind::PeerOff) {
            let (name, version) = case.of.split_once(' ').unwrap();
            let line = manifest
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap();
            assert!(line.contains(&format!("\"={version}\"")), "{line}");
        }
    }

    #[test]
    fn the_sum_of_callgrind() {
        let said =
            "==7== Events    : Ir\n==7== Collected : 2415\n==7== \n==7== I   refs:      2,415\n";
        assert_eq!(parse(said).unwrap(), 2_415);
        assert!(parse("==7== valgrind: failed to start tool\n").is_err());
    }
}
