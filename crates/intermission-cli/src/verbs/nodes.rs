//! `nodes`: who is there; `nodes forget`: who is not.

use intermission::NodeId;

use crate::args::{Nodes, NodesVerb};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::{fleet, json, table};
use crate::session::Session;

/// Fewer digits than this are more likely a slip than a node.
const SHORTEST_PREFIX: usize = 4;

pub(crate) async fn run(args: &Nodes, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    match &args.verb {
        None => list(session).await,
        Some(NodesVerb::Forget { id }) => forget(id, session).await,
    }
}

async fn list(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let view = session.operator.inspect(usize::MAX).await?;
    if session.json {
        session.output.json(&json::Nodes::of(&view))?;
    } else if view.nodes.is_empty() {
        session.output.note("no service reports to this state")?;
    } else {
        let table = table::nodes(&view, session.now(), session.verbose);
        session.output.data(table.as_bytes())?;
    }
    Ok(ExitCode::Done)
}

async fn forget(id: &str, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let view = session.operator.inspect(usize::MAX).await?;
    let digits = id.to_ascii_lowercase();
    let is_prefix =
        digits.len() >= SHORTEST_PREFIX && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let whole: Option<NodeId> = digits.parse().ok();
    if whole.is_none() && (!is_prefix || digits.len() > 32) {
        return Err(Failure::usage(format!(
            "`{id}` is no node's id: write at least {SHORTEST_PREFIX} of its hexadecimal digits, as `intermission nodes` \
             shows them"
        )));
    }
    let mut matching = view
        .nodes
        .iter()
        .filter(|node| node.node.to_string().starts_with(&digits));
    match (matching.next(), matching.next(), whole) {
        (Some(node), None, _) => {
            session.operator.forget(node.node).await?;
            let name = fleet::name(&node.facts.label, node.node);
            session
                .output
                .note(&format!("forgot {name} ({})", node.node))?;
            let after = session.operator.inspect(0).await?;
            session.report_change(&after.record, true)?;
            Ok(ExitCode::Done)
        }
        (None, _, Some(_)) => {
            session.output.note(&format!(
                "already off the list: no node has the id {digits}"
            ))?;
            session.report_change(&view.record, false)?;
            Ok(ExitCode::Done)
        }
        (None, _, None) => Err(Failure::new(
            ExitCode::Failed,
            format!("no node's id begins with `{digits}`"),
        )
        .with_hint("`intermission nodes` lists them")),
        (Some(_), Some(_), _) => Err(Failure::new(
            ExitCode::Failed,
            format!("more than one node's id begins with `{digits}`: write more of it"),
        )
        .with_hint("`intermission nodes --verbose` shows whole ids")),
    }
}
