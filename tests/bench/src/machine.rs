//! On what something was measured.

use std::fmt;

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

/// The current time, RFC 3339 in UTC, in whole seconds.
#[must_use]
pub(crate) fn now() -> String {
    jiff::Timestamp::now()
        .round(jiff::Unit::Second)
        .unwrap_or_else(|_| jiff::Timestamp::now())
        .to_string()
}
