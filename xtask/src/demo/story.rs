//! The story itself, step by step.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Programs;
use super::fleet::{Fleet, NEWS, SERVICES};
use super::http::{Request, Response};
use super::interrupt::Interrupt;
use super::process::{Finished, Stderr, run_to_end};
use super::redis::Redis;
use super::screen::{Screen, curl_line};
use crate::patience::{Deadline, Seconds};
use crate::workspace::line_of;

/// How long the jobs run: long enough to look around while they do, on a slow machine too.
const JOB: Duration = Duration::from_secs(6);

/// How long the drain may take beyond what the jobs take.
const DRAIN: Duration = Duration::from_secs(30);

/// How long the command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

const MESSAGE: &str = "Upgrading the database";
const OPERATOR: &str = "ana";

// Addresses that are reserved for documentation: nobody has them.
const OFFICE: &str = "203.0.113.7";
const STRANGER: &str = "198.51.100.9";

pub(super) struct Story<'a> {
    pub(super) screen: Screen,
    pub(super) programs: &'a Programs,
    pub(super) state: &'a str,
    // The services end before it does.
    pub(super) fleet: Fleet,
    pub(super) redis: Option<Redis>,
    pub(super) interrupt: &'a Interrupt,
}

/// The step before the first, if the state is to be in Redis: a server starts, and is told that it is new.
pub(super) fn new_redis(
    screen: &mut Screen,
    (programs, folder, interrupt): (&Programs, &Path, &Interrupt),
) -> anyhow::Result<Redis> {
    screen.step("A Redis server starts, for a new site");
    let redis = Redis::start(screen, folder, interrupt)?;
    screen.say(
        "An empty Redis may be new, or may have lost its data. So services that know more are\n\
         heard first, for 15 seconds. This happens once in the life of a site.",
    );
    let mut command = Command::new(&programs.intermission);
    command
        .args(["--state", &redis.url(), "init"])
        .env("INTERMISSION_USER", OPERATOR);
    screen.typed(&line_of(&command));
    let finished = run_to_end(&mut command, Stderr::Kept, COMMAND_LIMIT, interrupt)?;
    screen.printed(&finished);
    let holds = finished.status.success() && says(&finished.stderr, "initialised");
    screen.check(
        "the site is initialised",
        holds,
        &format!("the output above, {}", finished.status),
    );
    Ok(redis)
}

/// The first step: the services start.
pub(super) fn open(
    screen: &mut Screen,
    programs: &Programs,
    state: &str,
    folder: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<Fleet> {
    screen.step("Three services start, each on a framework of its own, on one shared state");
    let place = if state.starts_with("file:") {
        "a directory"
    } else {
        "in Redis"
    };
    screen.say(&format!("The state is {place}. 127.0.0.1 is trusted as a proxy, so that this demo can play\nvisitors from different addresses."));
    let fleet = Fleet::start(screen, &programs.services, state, folder, interrupt)?;
    screen.say("From here on, the command finds the state, and who asks, in its environment. To type\nalong in another terminal, begin with this:");
    screen.typed(&programs.environment_line(state, OPERATOR));
    Ok(fleet)
}

impl Story<'_> {
    /// Everything between the start of the services and the end of the maintenance.
    pub(super) fn tell(&mut self) -> anyhow::Result<()> {
        self.the_services_are_open()?;
        let jobs = self.jobs_start()?;
        self.maintenance_is_asked_for()?;
        self.new_work_is_refused()?;
        self.pages_are_still_served()?;
        self.the_operator_sees_what_is_waited_for(jobs)?;
        self.it_is_activated_by_itself(jobs)?;
        self.everybody_gets_their_answer()?;
        self.the_right_people_pass()?;
        self.health_stays_green()?;
        self.the_operator_looks()?;
        self.maintenance_ends()?;
        self.the_history_tells()
    }

    fn the_services_are_open(&mut self) -> anyhow::Result<()> {
        self.screen.step("The services are open");
        self.eventually_all_are_up_to_date("all three report to the state")?;
        self.operate(
            &["nodes"],
            "the state knows each by its name and its framework",
            |out| {
                let mut services = SERVICES.iter();
                services.all(|service| says(out, service.name) && says(out, service.framework))
            },
        )?;
        self.operate(&["status"], "the state says: deactivated", |out| {
            says(out, "deactivated")
        })?;
        self.all(&Request::get("/"), "serves the page", |response| {
            response.status == 200
        })
    }

    fn jobs_start(&mut self) -> anyhow::Result<Deadline> {
        self.screen.step(&format!(
            "A job starts on each, and will run for {} seconds",
            JOB.as_secs()
        ));
        let jobs = Deadline::after(JOB);
        let request = Request::post(&format!("/jobs?ms={}", JOB.as_millis()));
        self.all(&request, "has accepted a job: 202", |response| {
            response.status == 202
        })?;
        Ok(jobs)
    }

    fn maintenance_is_asked_for(&mut self) -> anyhow::Result<()> {
        self.screen.step("The operator asks for maintenance");
        self.screen.say(&format!(
            "One command, for all three. People in the office, at {OFFICE}, shall still get in."
        ));
        self.operate(
            &["activate", "--message", MESSAGE, "--ip", OFFICE],
            "the answer is: activating, since jobs still run",
            |out| says(out, "activating"),
        )
    }

    fn new_work_is_refused(&mut self) -> anyhow::Result<()> {
        self.screen.step("Nothing new may start");
        self.eventually_all(
            &Request::post("/jobs?ms=1"),
            "refuses new jobs: 503, activating",
            |response| {
                response.status == 503 && response.header("Maintenance-Mode") == Some("activating")
            },
        )
    }

    fn pages_are_still_served(&mut self) -> anyhow::Result<()> {
        self.screen.step("Visitors notice nothing yet");
        self.all(&Request::get("/"), "still serves the page", |response| {
            response.status == 200
        })
    }

    fn the_operator_sees_what_is_waited_for(&mut self, jobs: Deadline) -> anyhow::Result<()> {
        self.screen.step("The operator sees what is waited for");
        self.eventually_in_the_state("the state knows of three jobs that run", |status| {
            number(status, "/executions/running") == Some(3)
        })?;
        self.operate(
            &["status"],
            "the state says: activating, and what is waited for on which service",
            |out| {
                let mut services = SERVICES.iter();
                says(out, "activating")
                    && says(out, "jobs")
                    && services.all(|service| says(out, service.name))
            },
        )?;
        self.screen.check(
            "all this while the jobs were running",
            !jobs.left().is_zero(),
            "the jobs were over before; this machine is too busy for the demo to show it, so run it again",
        );
        Ok(())
    }

    fn it_is_activated_by_itself(&mut self, jobs: Deadline) -> anyhow::Result<()> {
        self.screen
            .step("The last job ends, and maintenance is activated by itself");
        self.screen.say(&format!(
            "Nobody does anything now; the state is only looked at. The jobs have {} to go.",
            Seconds(jobs.left())
        ));
        let waited = Deadline::after(jobs.left() + DRAIN);
        let activated = self.interrupt.wait(waited.left(), || {
            let status = self.status()?;
            Ok((status.get("phase").and_then(Value::as_str) == Some("activated")).then_some(()))
        })?;
        self.screen.say(&format!(
            "(waited {} for the phase `activated`)",
            Seconds(waited.waited())
        ));
        if activated.is_none() {
            self.screen.check(
                "the phase is `activated` once the jobs have ended",
                false,
                "it is not",
            );
            bail!("the rest of the story needs the maintenance to be activated, so it ends here");
        }
        self.screen.check(
            "the jobs could end before the services were closed",
            jobs.left().is_zero(),
            "a job still runs",
        );
        self.operate(&["status"], "the state says: activated", |out| {
            says(out, "activated")
        })?;
        self.eventually_all(&Request::get("/"), "is closed: 503", |response| {
            response.status == 503
        })
    }

    fn everybody_gets_their_answer(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("Everybody gets the answer that they can read");
        self.screen
            .say("`Retry-After` says when to come back; nothing may be kept by caches.");
        for (whom, accept, content_type) in [
            ("a browser a page", "text/html", "text/html"),
            (
                "a program JSON",
                "application/json",
                "application/problem+json",
            ),
            ("a terminal text", "text/plain", "text/plain"),
        ] {
            self.all(
                &Request::get("/").with("Accept", accept),
                &format!("gives {whom}: 503, Retry-After, no-store, and in it `{MESSAGE}`"),
                |response| {
                    response.status == 503
                        && response
                            .header("Content-Type")
                            .is_some_and(|value| value.starts_with(content_type))
                        && response.header("Retry-After").is_some()
                        && response.header("Cache-Control") == Some("no-store")
                        && response.body.contains(MESSAGE)
                },
            )?;
        }
        Ok(())
    }

    fn the_right_people_pass(&mut self) -> anyhow::Result<()> {
        self.screen.step("The right people pass");
        let from = |address: &str| Request::get("/").with("X-Forwarded-For", address);
        let operator = Request::get("/").with("Authorization", "Bearer operator-demo");
        for (request, claim, status) in [
            (from(OFFICE), "lets the address in the list pass", 200),
            (from(STRANGER), "lets no other address pass", 503),
            (
                operator,
                "lets who has the permission pass, from wherever",
                200,
            ),
        ] {
            self.all(&request, &format!("{claim}: {status}"), |response| {
                response.status == status
            })?;
        }
        Ok(())
    }

    fn health_stays_green(&mut self) -> anyhow::Result<()> {
        self.screen.step(
            "Health checks stay green, so that nobody restarts a service that is merely closed",
        );
        self.all(&Request::get("/health"), "is healthy: 200", |response| {
            response.status == 200
        })
    }

    fn the_operator_looks(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("The operator can ask what would happen to whom, and why");
        self.operate(
            &["explain", "GET", "/", "--ip", OFFICE],
            "the rule that lets the office in is named",
            |out| says(out, "allowed-address"),
        )?;
        self.operate(
            &["explain", "GET", "/", "--ip", STRANGER],
            "a stranger would be refused",
            |out| says(out, "refuse"),
        )
    }

    fn maintenance_ends(&mut self) -> anyhow::Result<()> {
        self.screen.step("Maintenance ends");
        self.operate(&["deactivate"], "the request is accepted", |_| true)?;
        self.eventually_all(&Request::get("/"), "serves the page again", |response| {
            response.status == 200
        })?;
        self.all(
            &Request::post("/jobs?ms=1"),
            "accepts jobs again: 202",
            |response| response.status == 202,
        )?;
        self.eventually_all_are_up_to_date("all three have confirmed it to the state")?;
        self.operate(&["status"], "the state says: deactivated", |out| {
            says(out, "deactivated")
        })
    }

    fn the_history_tells(&mut self) -> anyhow::Result<()> {
        self.screen.step("The history keeps who did what, and when");
        self.operate(
            &["history"],
            "the history names the operator and every turn",
            |out| {
                [OPERATOR, "requested", "activated", "deactivated"]
                    .iter()
                    .all(|word| says(out, word))
            },
        )
    }

    /// Says how it went.
    pub(super) fn sum_up(&self) -> ExitCode {
        let (good, bad) = self.screen.results();
        println!();
        if bad.is_empty() {
            self.screen.say(&format!(
                "That was the whole story. All {good} checks were as they should be."
            ));
            return ExitCode::SUCCESS;
        }
        self.screen.say(&format!(
            "{} of {} checks were NOT as they should be:",
            bad.len(),
            good + bad.len()
        ));
        for claim in bad {
            self.screen.say(&format!("  {claim}"));
        }
        self.show_logs();
        ExitCode::FAILURE
    }

    /// What a visitor of the demo may try now.
    pub(super) fn offer(&mut self) {
        self.screen
            .step("Your turn: all three go on until you press Ctrl-C");
        let [web_1, web_2, web_3] = self.fleet.addresses();
        let operator = Request::get("/").with("Authorization", "Bearer operator-demo");
        let lines = [
            curl_line(web_3, &Request::post("/jobs?ms=20000")),
            self.programs.intermission_line(
                self.state,
                "activate --message 'Back at noon' --retry-after 10m",
            ),
            self.programs.intermission_line(self.state, "status -v"),
            curl_line(web_1, &Request::get("/")),
            curl_line(web_2, &operator),
            self.programs.intermission_line(self.state, "deactivate"),
            self.programs.intermission_line(self.state, "--help"),
        ];
        for line in lines {
            self.screen.typed(&line);
        }
        self.screen
            .say(&format!("Or look at http://{web_1}/ in a browser."));
        self.screen.say(&format!(
            "The admin page is http://{web_2}/admin/maintenance/, for `admin` with `admin-demo`. It follows what you type."
        ));
        if let Some(redis) = &self.redis {
            let port = redis.address.port();
            self.screen.say(
                "Or close them again, and let Redis forget everything: the services bring it back.",
            );
            self.screen.typed(&format!("redis-cli -p {port} FLUSHALL"));
        }
    }

    /// What the services have logged, for whoever has to find out what went wrong.
    pub(super) fn show_logs(&self) {
        for (name, log) in self.fleet.logs() {
            println!("\n   {name} logged last:");
            self.screen.say(&log);
        }
        if let Some(redis) = &self.redis {
            println!("\n   redis-server logged last:");
            self.screen.say(&redis.log());
        }
    }

    /// Runs the command as typed, shows what it printed, and checks that it succeeded and what it printed.
    fn operate(
        &mut self,
        arguments: &[&str],
        claim: &str,
        holds: impl FnOnce(&str) -> bool,
    ) -> anyhow::Result<()> {
        let mut command = self.command(arguments);
        self.screen.typed(&line_of(&command));
        let finished = self.finish(&mut command)?;
        self.screen.printed(&finished);
        let holds = finished.status.success()
            && holds(&format!("{}\n{}", finished.stdout, finished.stderr));
        self.screen.check(
            claim,
            holds,
            &format!("the output above, {}", finished.status),
        );
        Ok(())
    }

    /// Looks into the state until it says what is claimed.
    fn eventually_in_the_state(
        &mut self,
        claim: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<()> {
        let waited = Deadline::after(NEWS);
        let mut last = self.status()?;
        if !holds(&last) {
            self.interrupt.wait(NEWS, || {
                last = self.status()?;
                Ok(holds(&last).then_some(()))
            })?;
            self.screen.say(&format!(
                "(the state was looked at again and again for {})",
                Seconds(waited.waited())
            ));
        }
        self.screen.check(claim, holds(&last), &last.to_string());
        Ok(())
    }

    /// `intermission status --json`, unseen.
    fn status(&self) -> anyhow::Result<Value> {
        let mut command = self.command(&["status", "--json"]);
        let finished = self.finish(&mut command)?;
        serde_json::from_str(&finished.stdout).with_context(|| {
            format!(
                "`{}` printed no JSON: {}{}",
                line_of(&command),
                finished.stdout,
                finished.stderr
            )
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.programs, self.state, arguments)
    }

    fn finish(&self, command: &mut Command) -> anyhow::Result<Finished> {
        run_to_end(command, Stderr::Kept, COMMAND_LIMIT, self.interrupt)
    }

    /// Looks into the state until every service is in it, and has heard of the last change.
    fn eventually_all_are_up_to_date(&mut self, claim: &str) -> anyhow::Result<()> {
        self.eventually_in_the_state(claim, |status| {
            number(status, "/nodes/live") == Some(3) && number(status, "/nodes/behind") == Some(0)
        })
    }

    /// Asks each service once.
    fn all(
        &mut self,
        request: &Request,
        claim: &str,
        holds: impl Fn(&Response) -> bool,
    ) -> anyhow::Result<()> {
        let scene = (&mut self.screen, self.interrupt);
        self.fleet.ask(scene, Duration::ZERO, request, claim, holds)
    }

    /// Asks each service until it answers as expected: a change needs a moment to reach it.
    fn eventually_all(
        &mut self,
        request: &Request,
        claim: &str,
        holds: impl Fn(&Response) -> bool,
    ) -> anyhow::Result<()> {
        let scene = (&mut self.screen, self.interrupt);
        self.fleet.ask(scene, NEWS, request, claim, holds)
    }
}

/// The command, with the state and the operator in its environment.
fn command(programs: &Programs, state: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(&programs.intermission);
    command
        .args(arguments)
        .env("INTERMISSION_STATE", state)
        .env("INTERMISSION_USER", OPERATOR);
    command
}

/// The number at this place of a JSON document.
fn number(document: &Value, place: &str) -> Option<u64> {
    document.pointer(place)?.as_u64()
}

/// Whether a word is in a text, as a word: `deactivated` does not say `activated`.
fn says(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '-')
        .any(|known| known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_not_the_end_of_another() {
        assert!(says("Maintenance: activated (full)", "activated"));
        assert!(!says("Maintenance: deactivated", "activated"));
        assert!(says("admit (allowed-address)", "allowed-address"));
        assert!(!says("not-allowed-address", "allowed-address"));
    }
}
