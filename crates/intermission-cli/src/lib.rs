//! The `intermission` command, as a library: [`run`] takes a command line and answers with an [`ExitCode`].
//!
//! The binary of the same package is three lines around it. It is a library so that other tools can carry the verbs,
//! and so that tests can run them in their own process.
//!
//! ```
//! use intermission_cli::{Environment, ExitCode, Output, run};
//!
//! let environment = Environment::default().with_state("file:/nonexistent/maintenance").with_user("ana");
//! let (mut data, mut notes) = (Vec::new(), Vec::new());
//! let code = run(["intermission", "status"], &environment, &mut Output::new(&mut data, &mut notes));
//! assert_eq!(code, ExitCode::Unreachable);
//! assert!(data.is_empty());
//! assert!(String::from_utf8_lossy(&notes).starts_with("error: "));
//! ```
//!
//! # Streams
//!
//! What is asked for goes to standard output and nothing else does; everything else goes to standard error. Text from
//! the record (messages, names, labels) is shown with control characters escaped, except in JSON. A reader that goes
//! away (`intermission history | head -1`) is no failure: the exit code is 0 then.
//!
//! # JSON
//!
//! With `--json` every verb that prints data prints one JSON object on one line (`watch`: one for each change). Each
//! begins with its version, `"v":1`. Within a version fields are neither renamed nor taken away, and all are always
//! present: what is not known is `null`. Times are RFC 3339 in UTC with three decimals and `Z`; what ends in `_s` is in
//! whole seconds.
//!
//! `status`:
//!
//! | field | holds |
//! |---|---|
//! | `phase` | `deactivated`, `activating` or `activated` |
//! | `level` | `full`, `read-only` or `exclusive`; `null` while deactivated |
//! | `revision` | a number that grows with every change |
//! | `message`, `requested_by`, `activation_requested_at`, `activated_at`, `retry_after_s` | of the maintenance that is on |
//! | `quiescent_at` | since when no visitor's request runs any more |
//! | `window` | `{"starts_at","ends_at","auto_end"}` of a planned maintenance, or of one that is on and whose end is announced (then `starts_at` is `null`) |
//! | `allow` | the addresses and networks that pass |
//! | `nodes` | `{"live","behind","out_of_contact","unconfirmed"}`: nodes heard of within their lease, how many of these have not seen the record yet, nodes silent for longer; and those of which nobody knows whether anything runs there, each as `{"node","label","cause","running","last_heard_at"}` with the cause `out-of-contact` or `still-running` |
//! | `executions` | `{"running"}`: executions that a drain waits for |
//! | `passes` | how many passes are good |
//! | `state_lost_at` | when the state lost data before the activation was complete: a node that was cut off then may be missing among the unconfirmed |
//! | `scope` | the part of the site that all of it is about, if one was named with `--scope` |
//! | `scopes` | the parts that are closed or planned to be, each `{"scope","phase","level","message","requested_by","activated_at","window"}`, by name |
//! | `state` | `{"reconciling_s","behind","lost_at"}`: how long the state still hears its nodes before anything completes; whether a node has seen a newer record than the state has; when it lost data of which no activation has told yet |
//!
//! | verb | object |
//! |---|---|
//! | `activate`, `deactivate`, `allow-ips` with addresses, `pass revoke`, `nodes forget`, `init` | `{"v","changed","phase","revision","unconfirmed","state_lost_at"}`; `changed` is `false` if all was already as asked for |
//! | `allow-ips` | `{"v","allow"}` |
//! | `nodes` | `{"v","revision","nodes":[{"id","label","framework","revision","heard_at","out_of_contact","closed","drained","running","bypass_running","requests","hold","lost_contact":{"policy","after_s"},"unconfirmed"}]}`; the policy is `wait`, `hold`, `fence` or `leave` |
//! | `executions` | `{"v","running","bypass_running","executions":[{"node","node_label","id","kind","label","started_at","bypass","scopes"}]}`; a node lists its 20 oldest |
//! | `history` | `{"v","history":[{"at","revision","event","phase","by","origin","note","scope"}]}`, the newest first; what has a `scope` happened in that part of the site alone, and has its phase |
//! | `watch` | `{"v","at","revision","event","phase","by","origin","note","scope"}`; the first has the event `current`, and a record that the state has lost `state-lost` |
//! | `watch --on-change`, on the command's standard input | `{"v","change","missed","status"}`: what `watch` prints for the change, whether there may be changes before it that nobody was told, and what `status` prints when the command is first run for it |
//! | `explain` | `{"v","method","path","decision","reason","bypass","phase","revision","rules":[{"rule","verdict","because"}],"not_known":[…]}`; the decision is `admit` or `refuse`, a verdict `decides`, `passes` or `not-asked` |
//! | `exec` | nothing of its own: standard output is the command's |
//! | `export` | `{"v","dir","files":[…]}`; the files are relative to the directory |
//! | `pass create` | `{"v","id","subject","expires_at","link"}` |
//! | `pass list` | `{"v","passes":[{"id","subject","expires_at","expired"}]}` |

//!
//! # Features
//!
//! | feature | default | does |
//! |---|---|---|
//! | `tls` | yes | `rediss://`, `rediss+sentinel://` and `rediss+cluster://` |

mod args;
mod child;
mod environment;
mod exit_code;
mod export;
mod failure;
mod output;
mod patience;
mod place;
mod render;
mod session;
#[cfg(test)]
mod tests;
mod time;
mod verbs;
mod wait;
mod witness;

use std::ffi::OsString;
use std::sync::Arc;

use clap::FromArgMatches;
use intermission::SystemClock;

use args::{Arguments, Global, Verb};
use failure::Failure;
use place::Place;
use session::{Manner, Session};

pub use environment::Environment;
pub use exit_code::ExitCode;
pub use output::Output;

/// Runs one command line, of which the first item is the command's own name.
///
/// Everything that goes wrong is said on the output's notes and in the exit code. While it waits or watches, it blocks
/// the thread; it runs a small runtime of its own, so it must not be called from within one.
///
/// See the [crate's documentation](crate) for an example.
pub fn run(
    args: impl IntoIterator<Item = impl Into<OsString>>,
    environment: &Environment,
    output: &mut Output<'_>,
) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    // Known before the rest is, because the rest may be wrong.
    let mut own = args.iter().take_while(|arg| *arg != "--");
    if own.any(|arg| arg == "--no-color") {
        output.without_colours();
    }
    let ended = match parse(args) {
        Ok(arguments) => perform(&arguments, environment, output),
        Err(error) => answer(&error, output),
    };
    conclude(ended, output)
}

fn conclude(ended: Result<ExitCode, Failure>, output: &mut Output<'_>) -> ExitCode {
    match ended {
        Ok(code) => code,
        Err(Failure::ReaderGone) => ExitCode::Done,
        Err(Failure::Told(told)) => {
            // If nobody can be told, the code still says it.
            drop(output.told(&told));
            told.code
        }
    }
}

fn parse(args: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let mut command = args::command();
    let matches = command.try_get_matches_from_mut(args)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Help, the version, or what is wrong with the command line: clap has the words for all of them.
fn answer(error: &clap::Error, output: &mut Output<'_>) -> Result<ExitCode, Failure> {
    let text = error.render();
    if error.use_stderr() {
        let text = if output.notes_are_coloured() {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        output.raw_note(&text)?;
        return Ok(ExitCode::Usage);
    }
    let text = if output.data_is_coloured() {
        text.ansi().to_string()
    } else {
        text.to_string()
    };
    output.data(text.as_bytes())?;
    Ok(ExitCode::Done)
}

fn perform(
    arguments: &Arguments,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<ExitCode, Failure> {
    match &arguments.verb {
        Verb::Completions { shell } => verbs::completions::run(*shell, output),
        Verb::Man => verbs::man::run(output),
        verb => {
            let ended = with_state(verb, &arguments.global, environment, output);
            match (verb, ended) {
                // Nobody reads what is said, and the command was not run: that is no success.
                (Verb::Exec(_) | Verb::During(_), Err(Failure::ReaderGone)) => Ok(ExitCode::Failed),
                (_, ended) => ended,
            }
        }
    }
}

fn with_state(
    verb: &Verb,
    global: &Global,
    environment: &Environment,
    output: &mut Output<'_>,
) -> Result<ExitCode, Failure> {
    let place = Place::choose(
        global.state.as_deref(),
        global.site.as_deref(),
        global.scope.as_deref(),
        environment,
    )?;
    let scope = place.scope().cloned();
    if scope.is_some() {
        takes_a_scope(verb)?;
    }
    let requested_by = match &global.requested_by {
        Some(name) => name.clone(),
        None => environment.user()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot start: {error}")))?;
    let manner = Manner {
        json: global.json,
        verbose: global.verbose,
        invocation: place.invocation(),
        is_remote: place.is_remote(),
        scope,
    };
    if manner.verbose {
        output.note(&format!("the state is {}", place.url()))?;
    }
    let ended = runtime.block_on(async {
        let reached = match verb {
            Verb::Init => place.open_or_create(),
            Verb::Exec(_) | Verb::During(_) => place.open().map_err(child::not_run),
            _ => place.open(),
        }?;
        if let Some(warning) = &reached.warning {
            output.warning(warning)?;
        }
        let mut session =
            Session::new(reached, Arc::new(SystemClock), requested_by, manner, output);
        dispatch(verb, &mut session).await
    });
    // A look at the state that is still under way when a wait times out holds nobody up.
    runtime.shutdown_background();
    ended
}

/// What is the whole site's to say is not asked of a part of it.
fn takes_a_scope(verb: &Verb) -> Result<(), Failure> {
    let (name, why) = match verb {
        Verb::AllowIps(_) => ("allow-ips", "the list is the whole site's"),
        Verb::Init => ("init", "a site is new as a whole"),
        Verb::Watch(_) => (
            "watch",
            "it tells of all scopes, and the note of each line names its own",
        ),
        _ => return Ok(()),
    };
    let message = format!("`{name}` takes no scope: {why}");
    Err(Failure::usage(message).with_hint("leave the scope out"))
}

async fn dispatch(verb: &Verb, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Activate(args) => verbs::activate::run(args, session).await,
        Verb::Deactivate(args) => verbs::deactivate::run(args, session).await,
        Verb::Status(args) => verbs::status::run(args, session).await,
        Verb::AllowIps(args) => verbs::allow_ips::run(args, session).await,
        Verb::Pass(args) => verbs::pass::run(args, session).await,
        Verb::Nodes(args) => verbs::nodes::run(args, session).await,
        Verb::Executions => verbs::executions::run(session).await,
        Verb::History(args) => verbs::history::run(args, session).await,
        Verb::Watch(args) => verbs::watch::run(args, session).await,
        Verb::Explain(args) => verbs::explain::run(args, session).await,
        Verb::Exec(args) => verbs::exec::run(args, session).await,
        Verb::During(args) => verbs::during::run(args, session).await,
        Verb::Export(args) => verbs::export::run(args, session).await,
        Verb::Init => verbs::init::run(session).await,
        Verb::Completions { shell } => verbs::completions::run(*shell, session.output),
        Verb::Man => verbs::man::run(session.output),
    }
}
