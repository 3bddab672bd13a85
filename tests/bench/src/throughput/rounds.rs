//! The rounds: all servers run, and each is asked once in each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use intermission_tests::foreign::Claim;

use super::check::{self, Answer};
use super::contestants::{ALL, Contestant, Program};
use super::process::{Processors, Server, mortal};
use super::{BODY, Plan, nginx, wrk};

/// A server, and what it has done in each round.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) contestant: Contestant,
    pub(super) answer: Answer,
    /// Requests per second.
    pub(super) per_second: Vec<f64>,
    /// How long a processor was used, in seconds for each second; empty where the kernel does not tell.
    pub(super) busy: Vec<f64>,
}

impl Measured {
    /// For how long one answer used a processor, in microseconds, in each round.
    pub(super) fn each(&self) -> Vec<f64> {
        let rounds = self.busy.iter().zip(&self.per_second);
        rounds
            .map(|(busy, per_second)| busy / per_second * 1e6)
            .collect()
    }
}

/// What all of them have done, and on which processors.
#[derive(Debug)]
pub(super) struct Rounds {
    pub(super) servers: Vec<Measured>,
    /// The server's and that of the one that asks, if there are two.
    pub(super) processors: Option<(usize, usize)>,
}

impl Rounds {
    /// What the server of this name has done.
    pub(super) fn of(&self, name: &str) -> Option<&Measured> {
        self.servers
            .iter()
            .find(|measured| measured.contestant.name == name)
    }
}

/// Starts all servers, checks them, asks them in rounds, and ends them.
pub(super) fn all(plan: &Plan, peers: Option<&Path>) -> Result<Rounds> {
    let processors = Processors::find()?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let start = Start {
        processors: &processors,
        own: std::env::current_exe().context("cannot tell where this program lies")?,
        peers,
        folder: folder.path(),
    };
    let mut running = Vec::new();
    for contestant in ALL {
        let name = contestant.name;
        let Some(started) = start
            .one(contestant)
            .with_context(|| format!("the server `{name}` does not start"))?
        else {
            continue;
        };
        let answer = check::ask(started.server.address)
            .and_then(|answer| is_as_expected(contestant, &answer).map(|()| answer))
            .with_context(|| format!("the server `{name}` does not answer as it should"))?;
        let measured = Measured {
            contestant: *contestant,
            answer,
            per_second: Vec::new(),
            busy: Vec::new(),
        };
        running.push((started, measured));
    }
    println!(
        "{} servers run and answer as they should; to ask them takes {} s",
        running.len(),
        duration(plan, running.len()).as_secs()
    );

    for round in 0..=plan.rounds {
        for index in order(running.len(), |index| group(&running, index), round) {
            let Some((started, measured)) = running.get_mut(index) else {
                continue;
            };
            let (per_second, busy) = ask(&processors, &started.server, measured, plan.seconds)
                .with_context(|| {
                    format!("measuring the server `{}` failed", measured.contestant.name)
                })?;
            // The first round warms up.
            if round > 0 {
                measured.per_second.push(per_second);
                measured.busy.extend(busy);
            }
        }
        println!("round {round} of {} is over", plan.rounds);
    }
    let known = running.into_iter().map(|(_, mut measured)| {
        // Each is put beside the requests of its round, so there is one of each round, or none.
        if measured.busy.len() != measured.per_second.len() {
            measured.busy.clear();
        }
        measured
    });
    Ok(Rounds {
        servers: known.collect(),
        processors: processors.pair(),
    })
}

fn group(running: &[(Started, Measured)], index: usize) -> &'static str {
    running
        .get(index)
        .map_or("", |(_, measured)| measured.contestant.group)
}

/// The order of one round: groups are drawn, and in each of them its servers, so that those which are compared are
/// asked one after the other.
fn order<'a>(count: usize, group: impl Fn(usize) -> &'a str, round: u32) -> Vec<usize> {
    let mut random = Rng::with_seed(u64::from(round));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in 0..count {
        let fits = |others: &&mut Vec<usize>| {
            others
                .first()
                .is_some_and(|other| group(*other) == group(index))
        };
        match groups.iter_mut().find(fits) {
            Some(others) => others.push(index),
            None => groups.push(vec![index]),
        }
    }
    random.shuffle(&mut groups);
    for group in &mut groups {
        random.shuffle(group);
    }
    groups.concat()
}

/// Requests per second, and how busy a processor was with it.
fn ask(
    processors: &Processors,
    server: &Server,
    measured: &Measured,
    seconds: u32,
) -> Result<(f64, Option<f64>)> {
    let before = server.processor_time();
    let run = wrk::run(processors, server.address, seconds)?;
    let after = server.processor_time();
    if let Some(trouble) = run.trouble {
        bail!("connections broke: {trouble}");
    }
    let expected = if measured.contestant.is_open {
        0
    } else {
        run.requests
    };
    ensure!(
        run.requests > 0 && run.refused == expected,
        "{} of {} requests were refused, instead of {expected}",
        run.refused,
        run.requests
    );
    // What wrk divides by is a little longer than it was told.
    let took = run.requests as f64 / run.per_second;
    let used = before.zip(after);
    let busy = used.map(|(before, after)| after.saturating_sub(before).as_secs_f64() / took);
    Ok((run.per_second, busy))
}

fn is_as_expected(contestant: &Contestant, answer: &Answer) -> Result<()> {
    let status = if contestant.is_open { 200 } else { 503 };
    ensure!(
        answer.status == status,
        "the status is {} and not {status}",
        answer.status
    );
    ensure!(
        answer.header("content-type").is_some(),
        "it does not say what its body is"
    );
    ensure!(
        contestant.is_open || answer.header("retry-after").is_some(),
        "it does not say when to come back"
    );
    ensure!(
        answer.body.len() == BODY.len(),
        "the body has {} bytes and not {}: {:?}",
        answer.body.len(),
        BODY.len(),
        answer.body
    );
    ensure!(
        !contestant.sends_the_body() || answer.body == BODY,
        "the body is another: {:?}",
        answer.body
    );
    Ok(())
}

/// What starts servers.
struct Start<'a> {
    processors: &'a Processors,
    own: PathBuf,
    peers: Option<&'a Path>,
    folder: &'a Path,
}

/// A server that runs.
struct Started {
    server: Server,
    /// Its port, where it cannot choose one by itself.
    _claim: Option<Claim>,
}

impl Start<'_> {
    /// `None` for a peer, if they are not measured.
    fn one(&self, contestant: &Contestant) -> Result<Option<Started>> {
        let (server, claim) = match (contestant.program, self.peers) {
            (Program::Ours, _) => {
                let mut command = mortal(&self.own);
                command.args(["throughput", "serve", contestant.name]);
                (Server::start(self.processors, command)?, None)
            }
            (Program::Nginx(mode), _) => {
                let folder = self.folder.join(contestant.name);
                std::fs::create_dir(&folder).context("cannot make a folder for it")?;
                let claim = Claim::stake();
                let command = nginx::command(mode, &folder, claim.address())?;
                let server = Server::start_at(self.processors, command, claim.address())?;
                (server, Some(claim))
            }
            (Program::Peers, Some(program)) => {
                let mut command = mortal(program);
                command.args(["serve", contestant.name, BODY]);
                (Server::start(self.processors, command)?, None)
            }
            (Program::Peers, None) => return Ok(None),
        };
        Ok(Some(Started {
            server,
            _claim: claim,
        }))
    }
}

/// How long it takes to ask them all.
fn duration(plan: &Plan, servers: usize) -> Duration {
    let runs = (plan.rounds + 1) * u32::try_from(servers).unwrap_or(u32::MAX);
    // wrk takes a tenth of a second more than it is told.
    (Duration::from_secs(plan.seconds.into()) + Duration::from_millis(100)) * runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_asks_everybody_once_and_groups_together() {
        let group = |index: usize| ["a", "b", "a", "c", "b", "a"][index];
        let orders: Vec<Vec<usize>> = (0..20).map(|round| order(6, group, round)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
            let mut groups: Vec<&str> = order.iter().map(|index| group(*index)).collect();
            groups.dedup();
            assert_eq!(groups.len(), 3, "{order:?}");
        }
        assert!(orders.iter().any(|order| *order != orders[0]));
        assert_eq!(order(6, group, 7), order(6, group, 7));
    }
}
