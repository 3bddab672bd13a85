//! `demo`: the whole story of a maintenance, told with three real services.

mod app;
mod fleet;
mod http;
mod interrupt;
mod process;
mod redis;
mod screen;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use self::fleet::SERVICES;
use self::interrupt::{Interrupt, Interrupted};
use self::process::{Stderr, run_to_end};
use self::redis::Redis;
use self::screen::Screen;
use self::story::Story;
use crate::workspace::{Workspace, line_of, quoted};
use crate::{Command, UsageError};

pub(crate) const COMMAND: Command = Command {
    name: "demo",
    arguments: "[--once] [--redis]",
    does: "three services, one switch: closes and opens them before your eyes, then serves until Ctrl-C",
    run: command,
};

/// A first build on a slow machine.
const BUILD: Duration = Duration::from_secs(30 * 60);

/// Ended by a signal, as shells count it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// How the demo is to be.
#[derive(Clone, Copy, Default)]
struct Wishes {
    /// To end after the story.
    once: bool,
    /// To keep the state in Redis.
    redis: bool,
}

fn command(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut wishes = Wishes::default();
    for option in arguments {
        match option.as_str() {
            "--once" => wishes.once = true,
            "--redis" => wishes.redis = true,
            other => {
                let known = "`--once` and `--redis`";
                return Err(UsageError(format!("`demo` knows only {known}, not `{other}`")).into());
            }
        }
    }
    let interrupt = Interrupt::listen()?;
    match demonstrate(wishes, &interrupt) {
        // By now everything has been put away: the processes and the folder end with their owners.
        Err(error) if error.is::<Interrupted>() => {
            println!("\nInterrupted. The processes are ended, the temporary folder is removed.");
            Ok(ExitCode::from(INTERRUPTED))
        }
        result => result,
    }
}

/// The whole story, once, on files. Whether all was as it should be.
pub(crate) fn once() -> anyhow::Result<bool> {
    let wishes = Wishes {
        once: true,
        redis: false,
    };
    let code = demonstrate(wishes, &Interrupt::listen()?)?;
    Ok(code == ExitCode::SUCCESS)
}

fn demonstrate(wishes: Wishes, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
    if wishes.redis {
        Redis::is_installed()?;
    }
    let mut screen = Screen::new();
    screen.heading("Intermission: maintenance mode for Rust services");
    screen.say(
        "You are about to see three small web services go into maintenance and out of it again:\n\
         one on axum, one on actix-web and one on warp. They share one state, which says whether\n\
         they are open: one switch for all three. The command `intermission` turns it; nothing\n\
         is restarted.\n\
         Lines with `$` are what is done, as you could type it yourself.\n\
         Lines below them are what came back. A check mark means: as it should be.\n\
         Every request goes to all three. The first answer is shown; the others have to be the\n\
         same, byte for byte: status, headers (but for `Date`) and body (but for the ids of jobs).",
    );
    let programs = Programs::build(interrupt, &mut screen)?;

    let folder = tempfile::Builder::new()
        .prefix("intermission-demo-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    // It is dropped after the processes, which say goodbye to it.
    let mut redis = None;
    let state = if wishes.redis {
        let site = (&programs, folder.path(), interrupt);
        let started = story::new_redis(&mut screen, site)?;
        redis.insert(started).url()
    } else {
        format!("file:{}", folder.path().join("state").display())
    };
    let fleet = story::open(&mut screen, &programs, &state, folder.path(), interrupt)?;
    let mut story = Story {
        screen,
        programs: &programs,
        state: &state,
        redis,
        fleet,
        interrupt,
    };

    if let Err(error) = story.tell() {
        if !error.is::<Interrupted>() {
            story.show_logs();
        }
        return Err(error);
    }
    let code = story.sum_up();
    if !wishes.once {
        story.offer();
        keep_serving(&mut story)?;
    }
    Ok(code)
}

/// Serves until somebody says that it is enough.
fn keep_serving(story: &mut Story<'_>) -> anyhow::Result<()> {
    let ended = story.interrupt.wait(Duration::MAX, || {
        if let Some(ended) = story.fleet.ended()? {
            return Ok(Some(ended));
        }
        match &mut story.redis {
            Some(redis) => Ok(redis.ended()?.map(|status| ("redis-server", status))),
            None => Ok(None),
        }
    });
    match ended {
        Ok(Some((name, status))) => {
            story.show_logs();
            bail!("{name} has ended by itself with {status}")
        }
        Err(error) if !error.is::<Interrupted>() => Err(error),
        Ok(None) | Err(_) => {
            println!(
                "\nThank you for watching. The processes are ended, the temporary folder is removed."
            );
            Ok(())
        }
    }
}

/// What the demo starts.
struct Programs {
    /// In the order of the services.
    services: [PathBuf; 3],
    intermission: PathBuf,
}

impl Programs {
    fn build(interrupt: &Interrupt, screen: &mut Screen) -> anyhow::Result<Self> {
        // The examples' packages and programs have the same names.
        let services = SERVICES.iter().map(|service| service.program);
        let packages = services.chain(["intermission-cli"]);
        let arguments = ["build", "--message-format", "json-render-diagnostics"];
        let arguments = arguments
            .into_iter()
            .chain(packages.flat_map(|package| ["--package", package]));
        let mut command = Workspace::find()?.cargo(arguments);
        screen.say("First, the services and the command are built. The first time takes minutes.");
        let finished = run_to_end(&mut command, Stderr::OnScreen, BUILD, interrupt)?;
        if !finished.status.success() {
            bail!("`{}` ended with {}", line_of(&command), finished.status);
        }
        Self::among(&finished.stdout)
    }

    /// Finds them in what cargo says about its work.
    fn among(messages: &str) -> anyhow::Result<Self> {
        let executable = |wanted: &str| {
            let path = messages
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .filter(|message| {
                    message.pointer("/target/name").and_then(Value::as_str) == Some(wanted)
                })
                .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
            path.with_context(|| format!("cargo has built no program `{wanted}`"))
        };
        let [axum, actix, warp] = &SERVICES;
        Ok(Self {
            services: [
                executable(axum.program)?,
                executable(actix.program)?,
                executable(warp.program)?,
            ],
            intermission: executable("intermission")?,
        })
    }

    /// What makes the story's lines work in another terminal.
    fn environment_line(&self, state: &str, user: &str) -> String {
        let folder = self
            .intermission
            .parent()
            .map(|folder| folder.display().to_string())
            .unwrap_or_default();
        format!(
            "export PATH={}:\"$PATH\" INTERMISSION_STATE={} INTERMISSION_USER={}",
            quoted(&folder),
            quoted(state),
            quoted(user)
        )
    }

    /// The command as it can be typed in any folder.
    fn intermission_line(&self, state: &str, rest: &str) -> String {
        format!(
            "{} --state {} {rest}",
            quoted(&self.intermission.display().to_string()),
            quoted(state)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"intermission","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"intermission","kind":["bin"]},"executable":"/t/debug/intermission"}
{"reason":"compiler-artifact","target":{"name":"axum-app","kind":["bin"]},"executable":"/t/debug/axum-app"}
{"reason":"compiler-artifact","target":{"name":"warp-app","kind":["bin"]},"executable":"/t/debug/warp-app"}
{"reason":"compiler-artifact","target":{"name":"actix-app","kind":["bin"]},"executable":"/t/debug/actix-app"}
{"reason":"build-finished","success":true}
"#;
        let programs = Programs::among(messages).unwrap();
        let names = ["axum-app", "actix-app", "warp-app"];
        let paths = names.map(|name| PathBuf::from(format!("/t/debug/{name}")));
        assert_eq!(programs.services, paths);
        assert_eq!(
            programs.intermission_line("file:/tmp/a b/state", "status"),
            "/t/debug/intermission --state 'file:/tmp/a b/state' status"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let messages = r#"{"target":{"name":"axum-app"},"executable":"/t/debug/axum-app"}"#;
        let error = Programs::among(messages).err().unwrap();
        assert!(error.to_string().contains("`actix-app`"), "{error}");
    }
}
