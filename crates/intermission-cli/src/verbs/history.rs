//! `history`: who did what and when.

use crate::args::History;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::table;
use crate::session::Session;
use intermission_admin::json;

pub(crate) async fn run(
    args: &History,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let history = session.operator.history(usize::from(args.lines)).await?;
    if session.json {
        session.output.json(&json::History::of(&history))?;
    } else if history.is_empty() {
        session.output.note("nothing has happened yet")?;
    } else {
        session.output.data(table::history(&history).as_bytes())?;
    }
    Ok(ExitCode::Done)
}
