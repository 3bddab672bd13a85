//! On what something was measured.

use std::fmt;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A machine, and how busy it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// How many of them this process may use.
    pub processors: usize,
    /// The operating system and its kernel.
    pub system: String,
    /// The load of the last one, five and fifteen minutes.
    pub load: String,
    /// The compiler of this program.
    pub rustc: String,
    /// The version of Intermission.
    pub intermission: String,
}

impl Machine {
    /// This machine, now.
    #[must_use]
    pub fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpu_info = read("/proc/cpuinfo");
        let processor = cpu_info
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == "model name")
            .map_or("unknown processor", |(_, model)| model.trim());
        let load = read("/proc/loadavg");
        let load: Vec<&str> = load.split_whitespace().take(3).collect();
        Self {
            processor: processor.to_owned(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            system: format!(
                "{} {}",
                std::env::consts::OS,
                read("/proc/sys/kernel/osrelease").trim()
            ),
            load: load.join(" "),
            rustc: env!("BENCH_RUSTC").to_owned(),
            intermission: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether figures of the two may be compared: all is the same but the load.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.differences(other).is_empty()
    }

    /// What is different there, but for the load.
    #[must_use]
    pub fn differences(&self, there: &Self) -> Vec<String> {
        let hardware = |machine: &Self| {
            format!(
                "{}, {} processors, {}",
                machine.processor, machine.processors, machine.system
            )
        };
        let mut differences = Vec::new();
        if hardware(self) != hardware(there) {
            differences.push(format!("on another machine ({})", hardware(there)));
        }
        if self.intermission != there.intermission {
            differences.push(format!("with Intermission {}", there.intermission));
        }
        if self.rustc != there.rustc {
            differences.push(format!("with {}", there.rustc));
        }
        differences
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            processors,
            system,
            load,
            rustc,
            intermission,
        } = self;
        write!(
            f,
            "Intermission {intermission}, {rustc}; {processor}, {processors} processors; {system}; load {load}"
        )
    }
}

/// A program and its version, as it says it when it is started with this option: `nginx 1.22.1`.
pub(crate) fn version_of(program: &Path, option: &str) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let said = Command::new(program).arg(option).output();
    let said = said.map(|output| [output.stdout, output.stderr].concat());
    let said = said.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let version = version_in(&said).unwrap_or("of an unknown version");
    format!("{name} {version}")
}

/// The first number with a point in it.
fn version_in(said: &str) -> Option<&str> {
    said.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|number| number.trim_matches('.'))
        .find(|number| number.contains('.'))
}

/// The current time, RFC 3339 in UTC, in whole seconds.
#[must_use]
pub(crate) fn now() -> String {
    jiff::Timestamp::now()
        .round(jiff::Unit::Second)
        .unwrap_or_else(|_| jiff::Timestamp::now())
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
            ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012", "4.1.0"),
            ("valgrind-3.19.0", "3.19.0"),
            ("Redis server v=7.0.15 sha=00000000:0 bits=64", "7.0.15"),
        ] {
            assert_eq!(version_in(said), Some(version));
        }
        assert_eq!(version_in("no. 7 ..."), None);
        let absent = version_of(Path::new("/no-such-folder/wrk"), "-v");
        assert_eq!(absent, "wrk of an unknown version");
    }
}
