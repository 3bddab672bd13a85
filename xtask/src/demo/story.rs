//! The story itself, step by step.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Programs;
use super::app::App;
use super::http::{Request, Response};
use super::interrupt::Interrupt;
use super::process::{Finished, Stderr, run_to_end};
use super::redis::Redis;
use super::screen::{Screen, curl_line};
use crate::patience::{Deadline, Seconds};
use crate::workspace::line_of;

/// How long the job runs: long enough to look around while it does, on a slow machine too.
const JOB: Duration = Duration::from_secs(6);

/// How long a change may take to reach both processes before the demo calls it broken.
const NEWS: Duration = Duration::from_secs(10);

/// How long the drain may take beyond what the job takes.
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
    // The processes end before it does.
    pub(super) apps: [App; 2],
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

/// The first step: the processes start.
pub(super) fn open(
    screen: &mut Screen,
    programs: &Programs,
    state: &str,
    folder: &Path,
    interrupt: &Interrupt,
) -> anyhow::Result<[App; 2]> {
    screen.step("Two processes start, on one shared state");
    let place = if state.starts_with("file:") {
        "a directory"
    } else {
        "in Redis"
    };
    screen.say(&format!("The state is {place}. 127.0.0.1 is trusted as a proxy, so that this demo can play\nvisitors from different addresses."));
    let start = |name: &'static str| {
        let mut command = Command::new(&programs.axum_app);
        command.args(["--state", state, "--node", name]);
        command.args(["--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1/32"]);
        screen.typed(&line_of(&command));
        let app = App::start(name, &mut command, folder, interrupt)?;
        screen.say(&format!("  listening on http://{}", app.address));
        anyhow::Ok(app)
    };
    let apps = [start("web-1")?, start("web-2")?];
    screen.say("From here on, the command finds the state, and who asks, in its environment. To type\nalong in another terminal, begin with this:");
    screen.typed(&programs.environment_line(state, OPERATOR));
    Ok(apps)
}

impl Story<'_> {
    /// Everything between the start of the processes and the end of the maintenance.
    pub(super) fn tell(&mut self) -> anyhow::Result<()> {
        self.the_service_is_open()?;
        let job = self.a_job_starts()?;
        self.maintenance_is_asked_for()?;
        self.new_work_is_refused()?;
        self.pages_are_still_served()?;
        self.the_operator_sees_what_is_waited_for(job)?;
        self.it_is_activated_by_itself(job)?;
        self.everybody_gets_their_answer()?;
        self.the_right_people_pass()?;
        self.health_stays_green()?;
        self.the_operator_looks()?;
        self.maintenance_ends()?;
        self.the_history_tells()
    }

    fn the_service_is_open(&mut self) -> anyhow::Result<()> {
        self.screen.step("The service is open");
        self.eventually_in_the_state("both processes report to the state", |status| {
            number(status, "/nodes/live") == Some(2) && number(status, "/nodes/behind") == Some(0)
        })?;
        self.operate(&["status"], "the state says: deactivated", |out| {
            says(out, "deactivated")
        })?;
        self.eventually_both(&Request::get("/"), "serves the page", |response| {
            response.status == 200
        })
    }

    fn a_job_starts(&mut self) -> anyhow::Result<Deadline> {
        self.screen.step(&format!(
            "A job starts on web-1, and will run for {} seconds",
            JOB.as_secs()
        ));
        let job = Deadline::after(JOB);
        let [web_1, _] = &self.apps;
        let request = Request::post(&format!("/jobs?ms={}", JOB.as_millis()));
        let response = ask(&self.screen, web_1, &request)?;
        self.screen.check(
            "web-1 has accepted the job",
            response.status == 202,
            &response.status_line,
        );
        Ok(job)
    }

    fn maintenance_is_asked_for(&mut self) -> anyhow::Result<()> {
        self.screen.step("The operator asks for maintenance");
        self.screen.say(&format!(
            "People in the office, at {OFFICE}, shall still get in."
        ));
        self.operate(
            &["activate", "--message", MESSAGE, "--ip", OFFICE],
            "the answer is: activating, since a job still runs",
            |out| says(out, "activating"),
        )
    }

    fn new_work_is_refused(&mut self) -> anyhow::Result<()> {
        self.screen.step("Nothing new may start");
        self.eventually_both(
            &Request::post("/jobs?ms=1"),
            "refuses new jobs: 503, activating",
            |response| {
                response.status == 503 && response.header("Maintenance-Mode") == Some("activating")
            },
        )
    }

    fn pages_are_still_served(&mut self) -> anyhow::Result<()> {
        self.screen.step("Visitors notice nothing yet");
        for app in &self.apps {
            let response = ask(&self.screen, app, &Request::get("/"))?;
            self.screen.check(
                &format!("{} still serves the page", app.name),
                response.status == 200,
                &response.status_line,
            );
        }
        Ok(())
    }

    fn the_operator_sees_what_is_waited_for(&mut self, job: Deadline) -> anyhow::Result<()> {
        self.screen.step("The operator sees what is waited for");
        self.eventually_in_the_state("the state knows of one job that runs", |status| {
            number(status, "/executions/running") == Some(1)
        })?;
        self.operate(
            &["status"],
            "the state says: activating, and what is waited for on which process",
            |out| says(out, "activating") && says(out, "web-1") && says(out, "jobs"),
        )?;
        self.screen.check(
            "all this while the job was running",
            !job.left().is_zero(),
            "the job was over before; this machine is too busy for the demo to show it, so run it again",
        );
        Ok(())
    }

    fn it_is_activated_by_itself(&mut self, job: Deadline) -> anyhow::Result<()> {
        self.screen
            .step("The job ends, and maintenance is activated by itself");
        self.screen.say(&format!(
            "Nobody does anything now; the state is only looked at. The job has {} to go.",
            Seconds(job.left())
        ));
        let waited = Deadline::after(job.left() + DRAIN);
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
                "the phase is `activated` once the job has ended",
                false,
                "it is not",
            );
            bail!("the rest of the story needs the maintenance to be activated, so it ends here");
        }
        self.screen.check(
            "the job could end before the service was closed",
            job.left().is_zero(),
            "the job still runs",
        );
        self.operate(&["status"], "the state says: activated", |out| {
            says(out, "activated")
        })?;
        self.eventually_both(&Request::get("/"), "is closed: 503", |response| {
            response.status == 503
        })
    }

    fn everybody_gets_their_answer(&mut self) -> anyhow::Result<()> {
        self.screen
            .step("Everybody gets the answer that they can read");
        self.screen
            .say("`Retry-After` says when to come back; nothing may be kept by caches.");
        let [web_1, web_2] = &self.apps;
        for (app, whom, accept, content_type) in [
            (web_1, "a browser gets a page", "text/html", "text/html"),
            (
                web_2,
                "a program gets JSON",
                "application/json",
                "application/problem+json",
            ),
            (web_1, "a terminal gets text", "text/plain", "text/plain"),
        ] {
            let response = ask(&self.screen, app, &Request::get("/").with("Accept", accept))?;
            let holds = response.status == 503
                && response
                    .header("Content-Type")
                    .is_some_and(|value| value.starts_with(content_type))
                && response.header("Retry-After").is_some()
                && response.header("Cache-Control") == Some("no-store")
                && response.body.contains(MESSAGE);
            self.screen.check(
                &format!(
                    "{whom}: 503, {content_type}, Retry-After, no-store, and in it `{MESSAGE}`"
                ),
                holds,
                &format!(
                    "the answer above, with a body of {} bytes",
                    response.body.len()
                ),
            );
        }
        Ok(())
    }

    fn the_right_people_pass(&mut self) -> anyhow::Result<()> {
        self.screen.step("The right people pass");
        let [web_1, web_2] = &self.apps;
        let from = |address: &str| Request::get("/").with("X-Forwarded-For", address);
        for (app, request, claim, status) in [
            (web_1, from(OFFICE), "the address in the list passes", 200),
            (web_2, from(STRANGER), "any other address does not", 503),
            (
                web_2,
                Request::get("/").with("Authorization", "Bearer operator-demo"),
                "somebody with the permission passes, from wherever",
                200,
            ),
        ] {
            let response = ask(&self.screen, app, &request)?;
            self.screen.check(
                &format!("{claim}: {status}"),
                response.status == status,
                &response.status_line,
            );
        }
        Ok(())
    }

    fn health_stays_green(&mut self) -> anyhow::Result<()> {
        self.screen.step(
            "Health checks stay green, so that nobody restarts a service that is merely closed",
        );
        for app in &self.apps {
            let response = ask(&self.screen, app, &Request::get("/health"))?;
            self.screen.check(
                &format!("{} is healthy: 200", app.name),
                response.status == 200,
                &response.status_line,
            );
        }
        Ok(())
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
        self.eventually_both(&Request::get("/"), "serves the page again", |response| {
            response.status == 200
        })?;
        let [_, web_2] = &self.apps;
        let response = ask(&self.screen, web_2, &Request::post("/jobs?ms=1"))?;
        self.screen.check(
            "jobs are accepted again",
            response.status == 202,
            &response.status_line,
        );
        self.eventually_in_the_state("both processes have confirmed it to the state", |status| {
            number(status, "/nodes/live") == Some(2) && number(status, "/nodes/behind") == Some(0)
        })?;
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
            .step("Your turn: both processes go on until you press Ctrl-C");
        let [web_1, web_2] = &self.apps;
        let operator = Request::get("/").with("Authorization", "Bearer operator-demo");
        let lines = [
            curl_line(web_2.address, &Request::post("/jobs?ms=20000")),
            self.programs.intermission_line(
                self.state,
                "activate --message 'Back at noon' --retry-after 10m",
            ),
            self.programs.intermission_line(self.state, "status -v"),
            curl_line(web_1.address, &Request::get("/")),
            curl_line(web_2.address, &operator),
            self.programs.intermission_line(self.state, "deactivate"),
            self.programs.intermission_line(self.state, "--help"),
        ];
        for line in lines {
            self.screen.typed(&line);
        }
        self.screen.say(&format!(
            "Or look at http://{}/ in a browser.",
            web_1.address
        ));
        if let Some(redis) = &self.redis {
            let port = redis.address.port();
            self.screen.say("Or close the service again, and let Redis forget everything: the processes bring it back.");
            self.screen.typed(&format!("redis-cli -p {port} FLUSHALL"));
        }
    }

    /// What the processes have logged, for whoever has to find out what went wrong.
    pub(super) fn show_logs(&self) {
        for app in &self.apps {
            println!("\n   {} logged last:", app.name);
            self.screen.say(&app.log());
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

    /// Asks each process until it answers as expected: a change needs a moment to reach it.
    fn eventually_both(
        &mut self,
        request: &Request,
        claim: &str,
        holds: impl Fn(&Response) -> bool,
    ) -> anyhow::Result<()> {
        for app in &self.apps {
            let waited = Deadline::after(NEWS);
            self.screen.typed(&curl_line(app.address, request));
            let mut last = app.ask(request)?;
            let at_once = holds(&last);
            if !at_once {
                self.interrupt.wait(NEWS, || {
                    last = app.ask(request)?;
                    Ok(holds(&last).then_some(()))
                })?;
            }
            let waited = Seconds(waited.waited());
            self.screen.answered(&last);
            if !at_once {
                let until = if holds(&last) {
                    "until it had heard of the change"
                } else {
                    "in vain"
                };
                self.screen.say(&format!(
                    "({} was asked again and again for {waited}, {until})",
                    app.name
                ));
            }
            self.screen.check(
                &format!("{} {claim}", app.name),
                holds(&last),
                &last.status_line,
            );
        }
        Ok(())
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

/// Sends a request once and shows both sides of it.
fn ask(screen: &Screen, app: &App, request: &Request) -> anyhow::Result<Response> {
    screen.typed(&curl_line(app.address, request));
    let response = app.ask(request)?;
    screen.answered(&response);
    Ok(response)
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
