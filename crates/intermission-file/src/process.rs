//! Which process a node is, and whether it has ended.
//!
//! A node whose process has ended runs nothing, so nothing need wait for it. That must be *proved*: a process that
//! cannot be seen, because it lives in another container or the system hides it, has not ended.

use std::fs;
use std::io;
use std::path::Path;

use intermission_core::{Clock, SystemClock, Timestamp};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// A process, as far as other processes of the same machine can recognise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// When it was started, in ticks since the machine was: another process may get the same pid later.
    pub(crate) started: u64,
    /// Pids mean nothing outside of their namespace.
    pub(crate) pid_namespace: String,
    /// Nor do ticks, if there are time namespaces.
    #[serde(default)]
    pub(crate) time_namespace: Option<String>,
}

impl Process {
    /// The one that asks; `None` where the system does not say.
    pub(crate) fn own() -> Option<Self> {
        let status = Status::read("self")?;
        let pid = i32::try_from(std::process::id()).ok()?;
        // A `/proc` of another namespace calls this process by another number, and means others by ours.
        (status.pid == pid).then_some(())?;
        Some(Self {
            pid,
            started: status.started,
            pid_namespace: namespace("pid")?,
            time_namespace: namespace("time"),
        })
    }

    /// One of the same namespaces.
    #[cfg(test)]
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let Status { pid, started, .. } = Status::read(&pid.to_string())?;
        Some(Self {
            pid,
            started,
            ..Self::own()?
        })
    }

    /// Whether `witness` can tell that it has ended. No proof is `false`.
    pub(crate) fn has_ended(&self, witness: &Self) -> bool {
        if self.pid_namespace != witness.pid_namespace
            || self.time_namespace != witness.time_namespace
        {
            return false;
        }
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        // `/proc` may be mounted so that it hides the processes of others. The signal nevertheless tells whether
        // there is one.
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        Status::read(&self.pid.to_string())
            .is_some_and(|status| status.started != self.started || status.is_over)
    }
}

/// What a step must know about this machine and this process.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// Fresh for each start of the machine.
    pub(crate) boot: Option<String>,
    /// When the machine was started, by the present calendar.
    pub(crate) booted_at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) host: Option<String>,
    pub(crate) process: Option<Process>,
}

impl Surroundings {
    /// By the system's own clocks: what is compared here are dates of files and boots, never leases.
    pub(crate) fn look() -> Self {
        let now = SystemClock.now();
        let up = u64::try_from(SystemClock.steady().as_millis()).unwrap_or(u64::MAX);
        Self {
            boot: line("/proc/sys/kernel/random/boot_id"),
            booted_at: Timestamp::from_millis(now.as_millis().saturating_sub(up)),
            now,
            host: line("/proc/sys/kernel/hostname"),
            process: Process::own(),
        }
    }
}

/// What `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    pid: i32,
    is_over: bool,
    started: u64,
}

impl Status {
    fn read(process: &str) -> Option<Self> {
        Self::parse(&fs::read(Path::new("/proc").join(process).join("stat")).ok()?)
    }

    /// The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    fn parse(stat: &[u8]) -> Option<Self> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let end_of_pid = stat.iter().position(|byte| *byte == b' ')?;
        let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
        let pid = text(stat.get(..end_of_pid)?)?.parse().ok()?;
        let fields: Vec<&str> = text(stat.get(end_of_name + 1..)?)?
            .split_ascii_whitespace()
            .collect();
        let (state, threads, started) = (*fields.first()?, fields.get(17)?, fields.get(19)?);
        // A process whose first thread has ended looks like a zombie while its other threads go on.
        let is_over = matches!(state, "Z" | "X" | "x") && threads.parse::<u64>().ok()? <= 1;
        Some(Self {
            pid,
            is_over,
            started: started.parse().ok()?,
        })
    }
}

fn namespace(kind: &str) -> Option<String> {
    let link = fs::read_link(Path::new("/proc/self/ns").join(kind)).ok()?;
    link.into_os_string().into_string().ok()
}

fn line(path: &str) -> Option<String> {
    let text: io::Result<String> = fs::read_to_string(path);
    text.ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    fn sleeper() -> (Child, Process) {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        (child, process)
    }

    #[test]
    fn a_killed_process_has_ended_also_before_its_parent_has_noticed() {
        let own = Process::own().unwrap();
        assert!(!own.has_ended(&own));
        let (mut child, process) = sleeper();
        assert!(!process.has_ended(&own));
        child.kill().unwrap();
        let zombie = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), zombie).unwrap();
        assert!(process.has_ended(&own), "a zombie");
        child.wait().unwrap();
        assert!(process.has_ended(&own), "gone");
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_the_same() {
        let own = Process::own().unwrap();
        let predecessor = Process {
            started: own.started - 1,
            ..own.clone()
        };
        assert!(predecessor.has_ended(&own));
    }

    #[test]
    fn nothing_is_proved_across_namespaces() {
        let own = Process::own().unwrap();
        let (mut child, process) = sleeper();
        child.kill().unwrap();
        child.wait().unwrap();
        let elsewhere = Process {
            pid_namespace: "pid:[1]".to_owned(),
            ..process.clone()
        };
        assert!(!elsewhere.has_ended(&own));
        let shifted = Process {
            time_namespace: Some("time:[1]".to_owned()),
            ..process
        };
        assert!(!shifted.has_ended(&own));
    }

    #[test]
    fn a_program_may_have_any_name() {
        let stat = |name: &str, state: &str, threads: u64| {
            format!(
                "41 ({name}) {state} 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 {threads} 0 206408 0 0"
            )
        };
        for (name, state, threads, is_over) in [
            ("sh", "S", 1, false),
            ("a) Z 1 (b", "R", 1, false),
            ("a b", "Z", 1, true),
            ("leader is gone", "Z", 2, false),
            ("x", "X", 0, true),
        ] {
            let parsed = Status::parse(stat(name, state, threads).as_bytes());
            assert_eq!(
                parsed,
                Some(Status {
                    pid: 41,
                    is_over,
                    started: 206_408
                }),
                "{name}"
            );
        }
        let mut torn = stat("\u{fffd}", "S", 1).into_bytes();
        torn[4] = 0xff;
        assert!(Status::parse(&torn).is_some(), "a name need not be text");
        assert_eq!(Status::parse(b"41 (sh) S 1 1"), None);
    }
}
