//! `deactivate`: open the service again, or cancel a plan.

use intermission::Change;

use crate::args::Deactivate;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::text::printable;
use crate::session::Session;
use crate::witness::witnessed;

pub(crate) async fn run(
    args: &Deactivate,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let mut request = intermission::Deactivate::new();
    if let Some(allow) = args.allow()? {
        request = request.with_allow(allow);
    }
    let accepted = session.change(Change::Deactivate(request)).await?;
    let before = &accepted.before;
    let said = if before.phase().is_on() {
        "deactivated"
    } else if before.plan().is_some() {
        "cancelled the planned maintenance"
    } else if accepted.changed {
        "already deactivated; the allow list is changed"
    } else {
        "already deactivated"
    };
    session.output.note(said)?;
    if let Some(plan) = accepted.record.plan() {
        session.output.hint(&format!(
            "the maintenance planned for {} stays: `{} deactivate` again cancels it",
            plan.starts_at, session.invocation
        ))?;
    }
    let working: Vec<_> = before
        .holders()
        .iter()
        .filter(|holder| holder.failure.is_none())
        .map(|holder| {
            format!(
                "{} ({})",
                printable(&holder.label),
                printable(&holder.node_label)
            )
        })
        .collect();
    if !working.is_empty() {
        session.output.warning(&format!(
            "it was held by {}, which may still work: visitors are let in all the same",
            working.join(", ")
        ))?;
    }
    if before.phase().is_on() {
        witnessed(&accepted.record, session).await?;
    }
    session.report_change(&accepted.record, accepted.changed)?;
    Ok(ExitCode::Done)
}
