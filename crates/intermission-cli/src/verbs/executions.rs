//! `executions`: what runs.

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::table;
use crate::session::Session;
use intermission_admin::json;

pub(crate) async fn run(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let view = session.operator.inspect(usize::MAX).await?;
    if session.json {
        session.output.json(&json::Executions::of(&view))?;
        return Ok(ExitCode::Done);
    }
    let listed: usize = view
        .nodes
        .iter()
        .map(|node| node.facts.executions.len())
        .sum();
    if listed > 0 {
        let table = table::executions(&view, session.now());
        session.output.data(table.as_bytes())?;
    }
    let all: u64 = view
        .nodes
        .iter()
        .map(|node| node.facts.running + node.facts.bypass_running)
        .sum();
    let unlisted = all.saturating_sub(u64::try_from(listed).unwrap_or(u64::MAX));
    if all == 0 {
        session.output.note("no execution runs")?;
    } else if unlisted > 0 {
        session.output.note(&format!(
            "{unlisted} more run; a node lists its oldest only"
        ))?;
    }
    Ok(ExitCode::Done)
}
