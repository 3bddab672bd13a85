//! The command line. What is written here is what `--help`, the man page and the completions say.

mod closing;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use intermission::{AllowChange, AllowList, RouteAccess};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::time::{parse_duration, parse_whole_seconds};
pub(crate) use closing::{Activate, Deactivate, During};
use values::{
    parse_addresses, parse_base_url, parse_command, parse_if_closed, parse_method, parse_path,
    replacement, words,
};

/// Put a service into maintenance mode and out of it again
///
/// Closes a service, or a whole fleet of services, to visitors, lets running work finish and the right people in, and
/// opens it again. The services and this command share a state: name it with --state or INTERMISSION_STATE.
#[derive(Debug, Parser)]
#[command(
    name = "intermission",
    version,
    arg_required_else_help = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    // The same text everywhere, whatever the terminal.
    term_width = 80,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{STATES}\n\n{}", ExitCode::help()),
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  intermission status
  intermission activate --message 'Upgrading the database' --wait --timeout 10m
  intermission activate --level read-only --starts +30m --ends +2h --auto-end
  intermission allow-ips --add 192.0.2.10
  intermission explain GET /checkout --ip 192.0.2.10
  intermission exec --if-closed wait -- ./nightly.sh
  intermission during -- ./migrate-database.sh
  intermission activate --scope billing --message 'Moving the invoices'
  intermission deactivate";

/// How states are named, for help and man page.
pub(crate) const STATES: &str = "\
States:
  file:/var/lib/app/maintenance                           a directory
  magento:/srv/shop/var                                   Magento's flag files
  redis://cache:6379/0                                    a Redis server
  redis+sentinel://cache-1:26379,cache-2:26379/mymaster   Redis behind Sentinel
  redis+cluster://cache-1:7000,cache-2:7000               a Redis Cluster
  With rediss instead of redis: over TLS. With a user and a password:
  redis://USER:PASSWORD@cache:6379/0. A password belongs into
  INTERMISSION_STATE: everybody on the machine can read a command line.";

/// The whole command line, as clap knows it.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// The state that the services share, as in file:/var/lib/app/maintenance or redis://cache:6379/0
    /// [env: INTERMISSION_STATE] [default: file:./.intermission]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) state: Option<String>,
    /// One of many sites in the same state; as SITE/SCOPE, a part of it
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) site: Option<String>,
    /// A part of the site instead of the whole: a tenant, a host, a group of routes, as the service tells them apart
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) scope: Option<String>,
    /// Print data as JSON, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more: which state is used; `status` lists executions and nodes
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Print without colours, as NO_COLOR does
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Who asks, for `status` and the history
    /// [env: INTERMISSION_USER] [default: the login name]
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) requested_by: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(visible_alias = "enable")]
    Activate(Activate),
    #[command(visible_alias = "disable")]
    Deactivate(Deactivate),
    Status(Status),
    AllowIps(AllowIps),
    #[command(
        subcommand,
        subcommand_value_name = "VERB",
        subcommand_help_heading = "Verbs"
    )]
    Pass(Pass),
    Nodes(Nodes),
    Exec(Exec),
    During(During),
    /// List the executions that run, the oldest first
    Executions,
    History(History),
    Watch(Watch),
    Explain(Explain),
    Export(Export),
    /// Mark an empty state as that of a new site
    ///
    /// Creates the directory of a file: state if it is not there. An empty Redis may be new or may have lost its data,
    /// so running services are heard first, for as long as a lease, 15 seconds at least. Refuses if they know that the
    /// state has been used before: then it has lost its data, and they bring it back.
    Init,
    /// Print the completions for a shell
    #[command(
        after_help = "Example:\n  intermission completions bash > ~/.local/share/bash-completion/completions/intermission"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page
    #[command(
        after_help = "Example:\n  intermission man > /usr/local/share/man/man1/intermission.1"
    )]
    Man,
}

/// Say whether maintenance is on, and what still runs
#[derive(Debug, Args)]
#[command(after_help = "\
Example, for a script:
  intermission status --exit-code >/dev/null; [ $? -eq 3 ] && echo closed")]
pub(crate) struct Status {
    /// Exit with 3 if activated and 4 if activating
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// List the addresses that pass, or change the list
///
/// Without an option, the addresses replace the list. Without addresses, the list is printed, one address per line.
/// The list outlives a deactivation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  intermission allow-ips --add 192.0.2.10
  intermission allow-ips --remove 192.0.2.10 2001:db8::/64
  intermission allow-ips 192.0.2.10,2001:db8::/64")]
pub(crate) struct AllowIps {
    /// Addresses and networks, separated by spaces or commas
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// Add them to the list
    #[arg(long, requires = "addresses", conflicts_with_all = ["remove", "none"])]
    add: bool,
    /// Take them off the list
    #[arg(long, requires = "addresses", conflicts_with_all = ["add", "none"])]
    remove: bool,
    /// Clear the list
    #[arg(long, conflicts_with_all = ["addresses", "add", "remove"])]
    none: bool,
}

impl AllowIps {
    /// The change, or `None` if the list is only to be shown.
    pub(crate) fn change(&self) -> Result<Option<AllowChange>, Failure> {
        if self.none {
            Ok(Some(AllowChange::Replace(AllowList::default())))
        } else if self.add {
            Ok(Some(AllowChange::Add(parse_addresses(&self.addresses)?)))
        } else if self.remove {
            Ok(Some(AllowChange::Remove(parse_addresses(&self.addresses)?)))
        } else {
            replacement(&self.addresses)
        }
    }
}

/// Let single persons pass
///
/// A pass is a link for one person. It ends by its time, by its revocation, and with the maintenance.
#[derive(Debug, Subcommand)]
pub(crate) enum Pass {
    Create(PassCreate),
    /// List the passes
    List,
    Revoke(PassRevoke),
}

/// Make a pass and print its link, this once
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  intermission pass create auditor --expires 2h --base-url https://shop.example/")]
pub(crate) struct PassCreate {
    /// Whom it is for
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) subject: String,
    /// For how long it is good [default: until the maintenance ends]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) expires: Option<Duration>,
    /// An address of the site; without it, only what is to be appended to one is printed
    #[arg(long, value_name = "URL", value_parser = parse_base_url)]
    pub(crate) base_url: Option<String>,
}

/// End a pass
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PassRevoke {
    /// Its id, as `pass list` shows it
    pub(crate) id: Option<String>,
    /// End all passes
    #[arg(long)]
    pub(crate) all: bool,
}

/// List the nodes: who is there, and how far each is
///
/// A node is one process of a service that shares the state.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs"
)]
pub(crate) struct Nodes {
    #[command(subcommand)]
    pub(crate) verb: Option<NodesVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesVerb {
    /// Take dead nodes off the list, so that no drain waits for them and no activation names them
    ///
    /// You take the responsibility that nothing runs there any more; the history keeps your name. A node that is alive
    /// comes back with its next report.
    Forget {
        /// Their ids, or the beginnings of them, as `nodes` shows them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

/// Run a command only while the site is open
///
/// For cron jobs and scripts in any language. While the command runs, it is an execution: an activation waits for it,
/// and `executions` lists it by its label or its program's name (its arguments may hold secrets). Its streams and its exit code are
/// its own. SIGTERM, SIGINT, SIGHUP and SIGQUIT are passed on to it, and SIGTERM is what it gets when a drain that is
/// to be forced tells it to end. It is never killed: if it goes on, the activation names it as unconfirmed. Kill this
/// process with SIGKILL, and the command runs on, unknown to all.
///
/// A state that cannot be reached runs nothing: exit code 6. With `--if-closed wait` it is waited for as well, be it out
/// of reach at the start or later; a directory that is not there is no outage, and fails.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  intermission exec --kind import --label prices -- php bin/import-prices.php
  intermission exec --if-closed wait -- ./nightly.sh --full
  intermission exec --only-in-maintenance -- ./migrate-database.sh")]
pub(crate) struct Exec {
    /// What to do while the site is closed: `skip` does not run it and exits with 8; `wait` runs it once the site is
    /// open; `run` runs it all the same, and no drain waits for it until the site has been open again
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "skip",
        value_parser = words(&["skip", "wait", "run"], parse_if_closed),
    )]
    pub(crate) if_closed: IfClosed,
    /// Run it only while maintenance is on, be it activating or activated; otherwise exit with 8. Nothing waits for it,
    /// and nothing keeps the maintenance on while it runs
    #[arg(long, conflicts_with_all = ["if_closed", "kind", "label"])]
    pub(crate) only_in_maintenance: bool,
    /// What kind of work it is, for `executions`
    #[arg(
        long,
        value_name = "KIND",
        default_value = "command",
        value_parser = NonEmptyStringValueParser::new(),
    )]
    pub(crate) kind: String,
    /// Which piece of work it is, for `executions`; everybody who may look reads it [default: the program's name]
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) label: Option<String>,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, num_args = 1.., value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// What `exec` does while the site is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfClosed {
    /// It runs nothing.
    Skip,
    /// It runs the command once the site is open.
    Wait,
    /// It runs the command all the same.
    Run,
}

/// Print who did what and when, the newest first
#[derive(Debug, Args)]
pub(crate) struct History {
    /// How many lines
    #[arg(
        short = 'n',
        long = "lines",
        value_name = "NUMBER",
        default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..),
    )]
    pub(crate) lines: u16,
}

/// Print how things are, then one line for each change, until Ctrl-C
///
/// The first line says how things are now. With --json, each line is an object of the kind that `history` prints; the
/// first one has the event `current`. A state that is out of reach is waited for, also at the start.
///
/// With --on-change, a command of yours is run for each change after the first line, one at a time and in order. It
/// reads the change and the status as one JSON object on standard input, and finds INTERMISSION_EVENT,
/// INTERMISSION_PHASE, INTERMISSION_REVISION and INTERMISSION_SCOPE in its environment; the last is empty but for a
/// change in a part of the site, whose phase it is then, and `*` for many parts at once. What it prints goes to standard error. Lines are printed while
/// it runs, and changes wait for it, however many. The history keeps 256 changes: should more come while the state is
/// out of reach, say, a warning says that some are not told, and `missed` is true in what the command reads for the
/// first one after them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  intermission watch --on-change ./purge-cdn")]
pub(crate) struct Watch {
    /// Run this for each change, with /bin/sh
    #[arg(long, value_name = "COMMAND", value_parser = parse_command)]
    pub(crate) on_change: Option<String>,
    /// Kill it, and all that it has started, when it runs longer; that is a failure
    #[arg(long, value_name = "DURATION", requires = "on_change", default_value = "30s", value_parser = parse_duration)]
    pub(crate) on_change_timeout: Duration,
    /// How often it is tried again after a failure, with pauses of 1 s, 2 s, 4 s and so on
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "on_change",
        default_value_t = 3,
        value_parser = clap::value_parser!(u8).range(0..=10),
    )]
    pub(crate) on_change_retries: u8,
}

/// Say whether a request would pass, and by which rule
///
/// Judged by the state alone. What only a node knows is not: whether it is held by a failing dependency, which flag the
/// route has, and who has the permission. Say the latter two with --route and --permission.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  intermission explain GET / --ip 192.0.2.10
  intermission explain POST /jobs --route starts-execution")]
pub(crate) struct Explain {
    /// The request's method, as in GET
    #[arg(value_parser = parse_method)]
    pub(crate) method: String,
    /// The request's path, as in /checkout
    #[arg(value_parser = parse_path)]
    pub(crate) path: String,
    /// The visitor's address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// The visitor has the permission to access the site in maintenance mode
    #[arg(long)]
    pub(crate) permission: bool,
    /// The visitor carries the pass with this secret
    #[arg(long, value_name = "SECRET")]
    pub(crate) pass: Option<String>,
    /// The route's flag
    #[arg(
        long,
        value_name = "FLAG",
        default_value = "ordinary",
        value_parser = words(&["ordinary", "always", "starts-execution"], str::parse::<RouteAccess>),
    )]
    pub(crate) route: RouteAccess,
}

/// Write the page as files, for a proxy to show while the application itself is down
///
/// Writes the page, JSON and text of the present or planned maintenance, or else the default words, with snippets for
/// nginx, HAProxy and Caddy. They answer when the application cannot be reached; its own answers pass untouched.
/// Retry-After is fixed at the time of the export, so export again after each change; `watch` tells of them. Of
/// `Accept`, they heed what is refused (`q=0`) and no other weight: whoever takes a page gets it, else whoever takes
/// JSON gets that, and all others get text.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  intermission export /srv/maintenance --page maintenance.html")]
pub(crate) struct Export {
    /// The directory, created if it is not there; other files in it are left alone
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// A page of your own, with the placeholders of the library's templates
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) page: Option<PathBuf>,
    /// When visitors are to come back if the maintenance says nothing, in whole seconds [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_whole_seconds)]
    pub(crate) retry_after: Option<Duration>,
}
