//! `activate`: close the service, or change how it is closed.

use intermission::{Accepted, Change, Goal, Phase, Timestamp};

use crate::args::Activate;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::session::Session;
use crate::wait::{Wish, wait};
use crate::witness::witnessed;

pub(crate) async fn run(
    args: &Activate,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    if session.scope.is_some() && args.wait == Some(Goal::Quiescent) {
        let message = "nobody counts the requests of a scope, so its quiescence is never known";
        return Err(Failure::usage(message).with_hint("wait for `--wait=activated`"));
    }
    let now = session.now();
    let change = Change::Activate(request(args, now, session)?);
    if let Some(start) = args
        .starts
        .map(|starts| starts.from(now))
        .filter(|start| *start <= now)
    {
        session.output.warning(&format!(
            "the start {start} has passed, so it starts at once"
        ))?;
    }
    // A state that is out of reach now fails this at once, also with `--wait`: what was not accepted changes nothing, and
    // whoever asks should know that before anything else.
    let accepted = session.change(change).await?;
    let Accepted {
        before,
        record,
        changed,
        ..
    } = &accepted;
    // The activation that is gone in the same step, because the limit of its drain had passed, is the one before.
    let activation = record.activation().or_else(|| before.activation());
    let wish = args.wait.zip(activation).map(|(goal, activation)| Wish {
        activation: activation.id,
        goal,
        limit: args.timeout,
    });
    if let Some(wish) = wish {
        if !changed {
            session.output.note(&say(&accepted))?;
        }
        return wait(wish, *changed, session).await;
    }
    if was_aborted_at_once(&accepted) {
        return Err(Failure::new(
            ExitCode::Failed,
            "the limit of the drain has passed, and something still runs: the site is open",
        ));
    }
    session.output.note(&say(&accepted))?;
    if record.phase().is_on() {
        witnessed(record, session).await?;
    }
    session.report_change(record, *changed)?;
    Ok(ExitCode::Done)
}

fn request(
    args: &Activate,
    now: Timestamp,
    session: &Session<'_, '_>,
) -> Result<intermission::Activate, Failure> {
    let mut request = intermission::Activate::by(&session.requested_by);
    if let Some(level) = args.level {
        request = request.with_level(level);
    }
    if let Some(message) = &args.message {
        request = request.with_message(message);
    }
    if let Some(allow) = args.allow()? {
        request = request.with_allow(allow);
    }
    if let Some(starts) = args.starts {
        request = request.with_starts_at(starts.from(now));
    }
    if let Some(ends) = args.ends {
        request = request.with_ends_at(ends.from(now));
    }
    if args.auto_end {
        request = request.with_auto_end(true);
    }
    if let Some(retry_after) = args.retry_after {
        request = request.with_retry_after(retry_after);
    }
    if let Some(drain) = args.drain {
        request = request.with_drain(drain);
    }
    Ok(request)
}

/// Whether the drain's limit was over before the request was answered, and the policy is to open again then.
fn was_aborted_at_once(accepted: &Accepted) -> bool {
    accepted.changed && !accepted.record.phase().is_on() && accepted.record.plan().is_none()
}

/// What came of it, for the person who asked.
fn say(
    Accepted {
        before,
        record,
        changed,
        ..
    }: &Accepted,
) -> String {
    let phase = record.phase();
    if let Some(plan) = record.plan() {
        let already = if *changed { "" } else { "already " };
        return format!("{already}planned to start at {}", plan.starts_at);
    }
    if !changed {
        return format!("already {phase}");
    }
    if before.phase().is_on() {
        let still = if before.phase() == phase {
            "still"
        } else {
            "now"
        };
        return format!("updated; {still} {phase}");
    }
    let instead = if before.plan().is_some() {
        ", instead of the planned maintenance"
    } else {
        ""
    };
    match phase {
        Phase::Activating => {
            format!("activating{instead}: nothing new starts, and what runs may finish")
        }
        Phase::Activated | Phase::Deactivated => format!("{phase}{instead}"),
    }
}
