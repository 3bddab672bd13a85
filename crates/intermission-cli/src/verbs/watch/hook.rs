//! `watch --on-change`: a command of the operator's that is run for each change.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use intermission_admin::{Line, json};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedReceiver;

use super::watcher::Watcher;
use crate::args::Watch;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Told, in_full};
use crate::time::brief;

/// What is run for each change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook<'a> {
    command: &'a str,
    timeout: Duration,
    retries: u8,
}

/// A change that the hook is to be told.
#[derive(Debug)]
pub(super) struct Change {
    event: String,
    phase: String,
    revision: u64,
    scope: Option<String>,
    missed: bool,
    line: Box<RawValue>,
}

impl Change {
    /// `missed`: whether there may be changes before this one that nobody was told.
    pub(super) fn of(line: &Line<'_>, missed: bool) -> Result<Self, Failure> {
        Ok(Self {
            missed,
            event: line.event.to_owned(),
            phase: line.phase.to_string(),
            revision: line.revision.number(),
            scope: line.scope.map(str::to_owned),
            line: to_raw_value(&json::Event::of(line)).map_err(io::Error::from)?,
        })
    }
}

/// What the hook reads.
#[derive(Debug, Serialize)]
struct Input<'a> {
    v: u32,
    change: &'a RawValue,
    missed: bool,
    status: json::Status<'a>,
}

/// Tells the hook, if there is one, each change that comes, one at a time and in order, while the lines are printed. It
/// ends only by a failure.
pub(super) async fn tell_all(
    hook: Option<Hook<'_>>,
    watcher: &Watcher<'_, '_, '_>,
    mut changes: UnboundedReceiver<Change>,
) -> Result<ExitCode, Failure> {
    if let Some(hook) = hook {
        while let Some(change) = changes.recv().await {
            hook.tell(watcher, &change).await?;
        }
    }
    std::future::pending().await
}

impl<'a> Hook<'a> {
    /// The hook of this command line, if it has one.
    pub(super) fn of(args: &'a Watch) -> Option<Self> {
        Some(Self {
            command: args.on_change.as_deref()?,
            timeout: args.on_change_timeout,
            retries: args.on_change_retries,
        })
    }

    /// Runs the hook until it succeeds, or has failed too often. A broken hook is no failure of the watch.
    ///
    /// Dropped early, it asks the hook to end.
    async fn tell(&self, watcher: &Watcher<'_, '_, '_>, change: &Change) -> Result<(), Failure> {
        let view = watcher
            .answer(async |state| state.inspect(usize::MAX).await)
            .await?;
        let input = Input {
            v: json::VERSION,
            change: &change.line,
            missed: change.missed,
            status: json::Status::of(&view, watcher.now()),
        };
        let mut input = serde_json::to_vec(&input).map_err(io::Error::from)?;
        input.push(b'\n');
        let attempts = u32::from(self.retries) + 1;
        let mut pause = Duration::from_secs(1);
        for attempt in 1..=attempts {
            let Err(trouble) = self.run(change, input.clone()).await else {
                return Ok(());
            };
            watcher.say(|output| {
                output.warning(&format!(
                    "the hook failed for `{}` at revision {}: {trouble} (attempt {attempt} of {attempts})",
                    change.event, change.revision
                ))
            })?;
            if attempt < attempts {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        let told = Told {
            code: ExitCode::Failed,
            message: format!(
                "gave up on the hook for `{}` at revision {}; watching goes on",
                change.event, change.revision
            ),
            hint: None,
        };
        watcher.say(|output| output.told(&told))
    }

    /// Runs the hook once, and says what went wrong.
    async fn run(&self, change: &Change, input: Vec<u8>) -> Result<(), String> {
        let mut running = self
            .start(change)
            .map_err(|error| format!("cannot start: {}", in_full(&error)))?;
        // In a task of its own, since a hook may never read it. That it was not read is no failure.
        let writing = running
            .0
            .stdin
            .take()
            .map(|mut stdin| tokio::spawn(async move { drop(stdin.write_all(&input).await) }));
        let ended = tokio::time::timeout(self.timeout, running.0.wait()).await;
        let ended = match ended {
            Ok(ended) => ended.map_err(|error| in_full(&error)),
            Err(_) => {
                running.signal(Signal::KILL);
                drop(running.0.wait().await);
                Err(format!("killed after {}", brief(self.timeout)))
            }
        };
        // Something that the hook has left behind may hold the pipe open.
        if let Some(writing) = writing {
            writing.abort();
        }
        judge(ended?)
    }

    fn start(&self, change: &Change) -> io::Result<Running> {
        Command::new("/bin/sh")
            .args(["-c", self.command])
            .env("INTERMISSION_EVENT", &change.event)
            .env("INTERMISSION_PHASE", &change.phase)
            .env("INTERMISSION_REVISION", change.revision.to_string())
            // Empty where it is the whole site, since a script may be strict about what is not set.
            .env(
                "INTERMISSION_SCOPE",
                change.scope.as_deref().unwrap_or_default(),
            )
            .stdin(Stdio::piped())
            // Standard output holds the changes, and nothing else.
            .stdout(io::stderr())
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .map(Running)
    }
}

fn judge(status: ExitStatus) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    Err(match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    })
}

/// A hook that runs, at the head of a process group of its own. Dropped while it runs, the group is asked to end.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        // There is no id any more once the child has been waited for, so the group is still the hook's own.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // A group that is gone is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}
