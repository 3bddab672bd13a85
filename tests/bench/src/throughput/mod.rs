//! What a server answers in a second, through sockets: with Intermission and without, beside what one would take
//! instead.
//!
//! Every server is a process of its own with one worker, and all of them run at the same time; those that are not
//! asked cost nothing. A round asks each of them once with `wrk`, in an order that is drawn anew, so that a slow
//! second of the machine hits all alike. What is judged are ratios of one round, of which the median counts.

mod check;
mod contestants;
mod counts;
mod listed;
mod nginx;
mod peers;
mod process;
mod ratios;
mod rounds;
mod section;
mod serve;
mod wrk;

use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail, ensure};

use crate::budgets::Budgets;
use crate::machine::version_of;
use crate::report::Section;
use counts::{Counted, Kind};

pub use counts::count;
pub use serve::serve;

/// What each server answers, open or closed: the message of a maintenance, as plain text.
const BODY: &str = "We are upgrading the database and are back as soon as this has been done. Nothing that you have \
sent to us is lost: what was accepted before is worked on and you will find the outcome where you always find it. You \
need not do anything but to come back later. If you have to reach us before that, please call the office or write to \
the address on your invoice. Our status page tells how it is going and what is left to do, and you may let it send a \
message to you when the service is open again. Thank you for your patience.\n";

/// Who may pass while a server is closed, where it can know that. It is nobody who asks here.
const ALLOWED: [&str; 3] = ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"];

/// How many seconds or rounds there may be: a slip of the finger must not keep a machine busy for weeks.
const MANY: RangeInclusive<u32> = 1..=100;

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// For how long each server is asked, in each round.
    pub seconds: u32,
    /// How many rounds there are, after one to warm up.
    pub rounds: u32,
    /// Whether the layers of other crates are measured, too. They must be built, which takes minutes and the network.
    pub has_peers: bool,
}

impl Plan {
    /// The plan that these options of the command line ask for.
    ///
    /// # Errors
    /// If one of them is unknown, or lacks its number.
    pub fn of(mut options: &[&str]) -> Result<Self> {
        let mut plan = Self {
            seconds: 1,
            rounds: 9,
            has_peers: true,
        };
        loop {
            options = match options {
                [] => return Ok(plan),
                ["--without-peers", rest @ ..] => {
                    plan.has_peers = false;
                    rest
                }
                [name @ ("--seconds" | "--rounds"), value, rest @ ..] => {
                    let number = value.parse().ok().filter(|number| MANY.contains(number));
                    let number = number.with_context(|| {
                        format!("`{name}` takes a number from 1 to 100, and `{value}` is none")
                    })?;
                    match *name {
                        "--seconds" => plan.seconds = number,
                        _ => plan.rounds = number,
                    }
                    rest
                }
                [name @ ("--seconds" | "--rounds")] => bail!("`{name}` lacks its number"),
                [name, ..] => bail!(
                    "`throughput` has no option `{name}`: it takes --seconds S, --rounds N and --without-peers"
                ),
            };
        }
    }
}

/// Measures, which takes as long as the plan says and some seconds for each server, and ends all that it has started.
///
/// # Errors
/// If something that it needs is not installed or cannot be built, or a server does not answer as it should.
pub fn measure(plan: &Plan) -> Result<Section> {
    let budgets = Budgets::load()?.throughput;
    let mut tools = vec![
        ("wrk", "wrk"),
        ("nginx", "nginx-light"),
        ("setpriv", "util-linux"),
        ("valgrind", "valgrind"),
    ];
    tools.retain(|(program, _)| process::on_search_path(program).is_none());
    ensure!(
        tools.is_empty(),
        "not installed: {}; on Debian and Ubuntu: apt-get install {}",
        words(tools.iter().map(|(program, _)| *program)),
        words(tools.iter().map(|(_, package)| *package)),
    );
    let peers = if plan.has_peers {
        Some(peers::build()?)
    } else {
        None
    };
    let counted = counts::all(peers.as_deref())?;
    let measured = rounds::all(plan, peers.as_deref())?;
    let mut section = section::of(plan, &budgets, &measured, &counted);
    section.versions = versions(&counted);
    Ok(section)
}

/// Of the tools, and of the peers that took part.
fn versions(counted: &[Counted]) -> Vec<String> {
    let tools = [("wrk", "-v"), ("nginx", "-v"), ("valgrind", "--version")];
    let tools = tools.iter().filter_map(|(program, option)| {
        Some(version_of(&process::on_search_path(program)?, option))
    });
    let peers = counted
        .iter()
        .filter(|counted| counted.kind == Kind::PeerOff);
    tools.chain(peers.map(|peer| peer.of.to_owned())).collect()
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_make_a_plan() {
        let plan = Plan::of(&["--rounds", "3", "--without-peers"]).unwrap();
        assert_eq!(
            plan,
            Plan {
                seconds: 1,
                rounds: 3,
                has_peers: false
            }
        );
        for (options, words) in [
            (["--rounds"].as_slice(), "lacks its number"),
            (&["--rounds", "0"], "from 1 to 100"),
            (&["--seconds", "x"], "`x` is none"),
            (&["--round", "3"], "no option `--round`"),
        ] {
            let error = Plan::of(options).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
