//! `activate`: close the service, or change how it is closed.

use intermission::{Accepted, Change, Goal, Phase, Record, ScopeName, Timestamp};

use crate::args::Activate;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::text::printable;
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
    if let Some(scope) = &session.scope
        && looks_like_a_host(scope)
    {
        session.output.warning(&format!(
            "upper and lower case differ in `{scope}`: where the service goes by hosts, they are in lower case"
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

/// Whether it looks like the name of a host, which no request has in this spelling.
fn looks_like_a_host(scope: &ScopeName) -> bool {
    let name = scope.as_str();
    name.contains('.') && name.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn request(
    args: &Activate,
    now: Timestamp,
    session: &Session<'_, '_>,
) -> Result<intermission::Activate, Failure> {
    let mut request = args.closing.request(&session.requested_by, now)?;
    if let Some(starts) = args.starts {
        request = request.with_starts_at(starts.from(now));
    }
    if let Some(auto_end) = args.auto_end() {
        request = request.with_auto_end(auto_end);
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
        let start = plan.starts_at;
        let earlier = before.plan().map(|plan| plan.starts_at);
        return match (changed, earlier) {
            (false, _) => format!("already planned to start at {start}"),
            (true, None) => format!("planned to start at {start}"),
            (true, Some(same)) if same == start => {
                format!("changed the plan; it still starts at {start}")
            }
            (true, Some(earlier)) => {
                format!("changed the plan: it starts at {start} instead of {earlier}")
            }
        };
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
        let holders = record.holders();
        if !holders.is_empty() {
            let labels: Vec<_> = holders
                .iter()
                .map(|holder| printable(&holder.label))
                .collect();
            return format!(
                "updated; {still} {phase}, and stays on when {} is done",
                labels.join(", ")
            );
        }
        let opened_itself =
            |record: &Record| record.activation().is_some_and(|on| on.settings.auto_end);
        let by_hand = if opened_itself(before) && !opened_itself(record) {
            ", and no longer opens by itself"
        } else {
            ""
        };
        return format!("updated; {still} {phase}{by_hand}");
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
