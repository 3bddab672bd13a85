//! `init`: an empty state is that of a new site.

use intermission::Revision;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::patience::patiently;
use crate::session::Session;

pub(crate) async fn run(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let is_new = patiently(session, async |operator| operator.init().await).await?;
    let record = session.operator.inspect(0).await?.record;
    if is_new {
        session.output.note("initialised as a new site")?;
    } else if record.revision() == Revision::ZERO {
        return Err(Failure::new(
            ExitCode::Failed,
            "running services know that this state has been used before: it has lost its data, and they bring it back",
        )
        .with_hint("look at `intermission status` in some seconds"));
    } else {
        session.output.note("already initialised")?;
    }
    session.report_change(&record, is_new)?;
    Ok(ExitCode::Done)
}
