//! `status`: how things are.

use intermission::{Phase, ScopeName, View};

use crate::args::Status;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::{status, table};
use crate::session::Session;
use intermission_admin::json;

pub(crate) async fn run(args: &Status, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let view = session.operator.inspect(usize::MAX).await?;
    let now = session.now();
    if session.json {
        let scope = session.scope.as_ref().map(ScopeName::as_str);
        session
            .output
            .json(&json::Status::of(&view, now).with_scope(scope))?;
    } else {
        let coloured = session.output.data_is_coloured();
        let scope = session.scope.as_ref();
        let mut text = status::status(&view, scope, now, coloured, &session.invocation);
        if session.verbose {
            text.push_str(&lists(&view, session));
        }
        session.output.data(text.as_bytes())?;
    }
    Ok(match view.record.phase() {
        Phase::Activated if args.exit_code => ExitCode::Activated,
        Phase::Activating if args.exit_code => ExitCode::Activating,
        _ => ExitCode::Done,
    })
}

fn lists(view: &View, session: &Session<'_, '_>) -> String {
    let mut text = String::new();
    if !view.record.scopes().is_empty() {
        text.push('\n');
        text.push_str(&table::scopes(view.record.scopes()));
    }
    if view
        .nodes
        .iter()
        .any(|node| !node.facts.executions.is_empty())
    {
        text.push('\n');
        text.push_str(&table::executions(view, session.now()));
    }
    if !view.nodes.is_empty() {
        text.push('\n');
        text.push_str(&table::nodes(view, session.now(), true));
    }
    text
}
