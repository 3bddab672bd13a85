//! `activate`: close the service, or change how it is closed.

use intermission::{Accepted, Change, Phase, Record};

use crate::args::Activate;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::session::Session;
use crate::wait::{Wish, wait};

pub(crate) async fn run(args: &Activate, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let change = Change::Activate(request(args, session)?);
    let before = session.operator.inspect(0).await?.record;
    let accepted = session.operator.change(change).await?;
    let activation = accepted.record.activation().map(|on| on.id);
    match (args.wait, activation) {
        (Some(goal), Some(activation)) => {
            if !accepted.changed {
                session.output.note(&say(&before, &accepted))?;
            }
            wait(Wish { activation, goal, limit: args.timeout }, accepted.changed, session).await
        }
        _ => {
            session.output.note(&say(&before, &accepted))?;
            session.report_change(&accepted.record, accepted.changed)?;
            Ok(ExitCode::Done)
        }
    }
}

fn request(args: &Activate, session: &Session<'_, '_>) -> Result<intermission::Activate, Failure> {
    let now = session.now();
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

/// What came of it, for the person who asked.
fn say(before: &Record, Accepted { record, changed, .. }: &Accepted) -> String {
    let phase = record.phase();
    if let Some(plan) = record.plan() {
        let already = if *changed { "" } else { "already " };
        return format!("{already}planned to start at {}", plan.starts_at);
    }
    if !changed {
        return format!("already {phase}");
    }
    if before.phase().is_on() {
        return format!("updated; still {phase}");
    }
    match phase {
        Phase::Activating => "activating: nothing new starts, and what runs may finish".to_owned(),
        Phase::Activated | Phase::Deactivated => phase.to_string(),
    }
}
