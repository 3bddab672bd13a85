//! The scripts: each is the clock, the prelude that they share, and one step.

use redis::Script;

/// A step of the ledger, as Redis runs it.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) sync: Script,
    pub(crate) operate: Script,
    pub(crate) leave: Script,
    pub(crate) inspect: Script,
    /// The same for who may not write, and for a server that does not let anybody.
    pub(crate) look: Script,
    pub(crate) history: Script,
    pub(crate) periods: Script,
}

const PRELUDE: &str = include_str!("scripts/prelude.lua");

/// Even when memory is full: what these scripts write is little, and a full cache must not close a site's fleet down.
const WRITES: &str = "#!lua flags=allow-oom\n";
const READS: &str = "#!lua flags=no-writes,allow-stale\n";

impl Scripts {
    /// By the clock of the server.
    pub(crate) fn by_server_clock() -> Self {
        Self::by(include_str!("scripts/clock.lua"))
    }

    /// By a clock that is set by hand.
    #[cfg(feature = "manual-clock")]
    pub(crate) fn by_manual_clock() -> Self {
        Self::by(include_str!("scripts/clock_manual.lua"))
    }

    fn by(clock: &str) -> Self {
        let script =
            |header: &str, step: &str| Script::new(&[header, clock, PRELUDE, step].concat());
        Self {
            sync: script(WRITES, include_str!("scripts/sync.lua")),
            operate: script(WRITES, include_str!("scripts/operate.lua")),
            leave: script(WRITES, include_str!("scripts/leave.lua")),
            inspect: script(WRITES, include_str!("scripts/inspect.lua")),
            look: script(READS, include_str!("scripts/inspect.lua")),
            history: script(READS, include_str!("scripts/history.lua")),
            periods: script(READS, include_str!("scripts/periods.lua")),
        }
    }
}
