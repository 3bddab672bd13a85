//! How a service is closed and opened.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};
use intermission::{AllowChange, DrainPolicy, Goal, Level, OnFailure, Timestamp};

use super::values::{
    OrNone, parse_addresses, parse_drain, parse_end, parse_goal, parse_on_failure,
    parse_retry_after, replacement, words,
};
use crate::failure::Failure;
use crate::time::{When, parse_duration};

/// Close the service to visitors
///
/// From now on nothing starts an execution, which is work that must not be cut off, such as an import. What runs may
/// finish. Meanwhile the phase is `activating`; then it is `activated`, and visitors are refused. If the service is
/// closed already, what is given here is changed, and all else stays.
///
/// With --starts, it is planned: it starts by itself, also on services that cannot reach the state then. A plan is
/// changed with --starts again, and cancelled with `deactivate`. Without --starts, the service is closed at once, and
/// the plan is gone.
///
/// A state that is out of reach fails the request at once, with exit code 6; repeating it is harmless. Once it is
/// accepted, --wait bears an outage of half a minute, which is as long as most failovers take.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  intermission activate --message 'Upgrading the database' --ends +45m
  intermission activate --ip 192.0.2.10,2001:db8::/64 --drain force:5m --wait
  intermission activate --starts 2026-11-20T22:00:00+01:00 \\
    --ends 2026-11-21T06:00:00+01:00 --auto-end
  intermission activate --ends none --message 'It takes longer'")]
pub(crate) struct Activate {
    #[command(flatten)]
    pub(crate) closing: Closing,
    /// Start by itself at this time: RFC 3339 with an offset, or `+30m`. If a maintenance is planned, it is moved there,
    /// and what else is given is changed
    #[arg(long, value_name = "TIME")]
    pub(crate) starts: Option<When>,
    /// Open by itself at the announced end
    #[arg(long, conflicts_with = "no_auto_end")]
    auto_end: bool,
    /// Announce the end only: somebody opens
    #[arg(long)]
    no_auto_end: bool,
    /// Return when no execution runs any more; with =quiescent, when no visitor's request does, either. Where a drain is
    /// forced or a silent node is given up, return before that [exit code: 9]
    #[arg(
        long,
        value_name = "GOAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "activated",
        conflicts_with = "starts",
        value_parser = words(&["activated", "quiescent"], parse_goal),
    )]
    pub(crate) wait: Option<Goal>,
    /// Wait no longer than this; the request stays [exit code: 5]
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

impl Activate {
    pub(crate) const fn auto_end(&self) -> Option<bool> {
        match (self.auto_end, self.no_auto_end) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }
}

/// How the service is closed.
#[derive(Debug, Args)]
pub(crate) struct Closing {
    /// What visitors are told
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Who passes, instead of those listed so far: addresses and networks, or `none`
    #[arg(long, value_name = "ADDRESS", num_args = 1.., action = ArgAction::Append, conflicts_with = "add_ip")]
    ip: Vec<String>,
    /// Who passes, besides those listed so far
    #[arg(long, value_name = "ADDRESS", num_args = 1.., action = ArgAction::Append)]
    add_ip: Vec<String>,
    /// How much is closed: `full` lets in who may pass, `read-only` all that only reads, `exclusive` nobody [default:
    /// full]
    #[arg(long, value_name = "LEVEL", value_parser = words(&["full", "read-only", "exclusive"], str::parse::<Level>))]
    pub(crate) level: Option<Level>,
    /// When visitors are to come back if no end is announced, in whole seconds; `none` takes it back
    #[arg(long, value_name = "DURATION", value_parser = parse_retry_after)]
    pub(crate) retry_after: Option<OrNone<Duration>>,
    /// Announce this end to visitors; `none` takes it back, and an automatic end with it
    #[arg(long, value_name = "TIME", value_parser = parse_end)]
    pub(crate) ends: Option<OrNone<When>>,
    /// How long running executions are waited for: `wait` until the last has ended; `force:5m` at most so long, then
    /// activated all the same; `abort:5m` at most so long, then open again [default: wait]
    #[arg(long, value_name = "POLICY", value_parser = parse_drain)]
    pub(crate) drain: Option<DrainPolicy>,
}

impl Closing {
    /// What is asked for, by this person.
    pub(crate) fn request(
        &self,
        requested_by: &str,
        now: Timestamp,
    ) -> Result<intermission::Activate, Failure> {
        let mut request = intermission::Activate::by(requested_by);
        if let Some(level) = self.level {
            request = request.with_level(level);
        }
        if let Some(message) = &self.message {
            request = request.with_message(message);
        }
        if let Some(allow) = self.allow()? {
            request = request.with_allow(allow);
        }
        match self.ends {
            Some(OrNone::This(ends)) => request = request.with_ends_at(ends.from(now)),
            Some(OrNone::None) => request = request.without_ends_at(),
            None => {}
        }
        match self.retry_after {
            Some(OrNone::This(after)) => request = request.with_retry_after(after),
            Some(OrNone::None) => request = request.without_retry_after(),
            None => {}
        }
        if let Some(drain) = self.drain {
            request = request.with_drain(drain);
        }
        Ok(request)
    }

    pub(crate) fn allow(&self) -> Result<Option<AllowChange>, Failure> {
        if !self.add_ip.is_empty() {
            return Ok(Some(AllowChange::Add(parse_addresses(&self.add_ip)?)));
        }
        replacement(&self.ip)
    }
}

/// Close the service for as long as a command runs, and restore what was before
///
/// For deployments and migrations. Closes the service as `activate` does, waits until nothing runs any more, runs the
/// command, and opens the service again, unless it was closed before. Several may hold it closed at a time, each for
/// itself: it opens with the last of them. `activate` meanwhile makes it stay closed, `deactivate` opens it at once.
///
/// It is no lock: two at a time both run.
///
/// A command that fails leaves the service closed, and so does a crash: nobody knows how far the work has come.
/// `status` says who holds it, and whether that one is still alive; `deactivate` opens it. Before the command runs,
/// nothing is kept: a drain that takes too long, or a signal, restores what was before.
///
/// The command's streams and its exit code are its own, and so are SIGTERM, SIGINT, SIGHUP and SIGQUIT. If it was not
/// run, that is said on standard error, and the exit code is 1, 5, 6, 7 or 9; 7 as well if it was run with success, and
/// somebody opened the service meanwhile. Kill this process with SIGKILL, and the command runs on while the service
/// stays closed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  intermission during --message 'A new version' -- ./deploy.sh
  intermission during --level exclusive --wait=quiescent -- ./backup.sh
  intermission during --on-failure lift --timeout 5m -- ./reindex.sh")]
pub(crate) struct During {
    /// What becomes of the service if the command fails: `keep` leaves it closed until somebody deactivates, `lift`
    /// restores what was before
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "keep",
        value_parser = words(&["keep", "lift"], parse_on_failure),
    )]
    pub(crate) on_failure: OnFailure,
    /// What the command is called in `status` and the history [default: its program's name]
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) closing: Closing,
    /// What has to be reached before the command runs: `activated`, when no execution runs any more or
    /// `--drain force` has ended the drain, or `quiescent`, when no visitor's request does, either
    #[arg(
        long,
        value_name = "GOAL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "activated",
        default_missing_value = "activated",
        value_parser = words(&["activated", "quiescent"], parse_goal),
    )]
    pub(crate) wait: Goal,
    /// Wait no longer than this for it; then restore what was before, and run nothing [exit code: 5]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, num_args = 1.., value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Open the service again, or cancel a plan
///
/// Passes end; the allow list stays for the next time, and so does what is planned for later: if the service is open
/// already, that is cancelled.
#[derive(Debug, Args)]
pub(crate) struct Deactivate {
    /// Who passes the next time, instead of those listed so far: addresses and networks, or `none`
    #[arg(long, value_name = "ADDRESS", num_args = 1.., action = ArgAction::Append)]
    ip: Vec<String>,
}

impl Deactivate {
    pub(crate) fn allow(&self) -> Result<Option<AllowChange>, Failure> {
        replacement(&self.ip)
    }
}
