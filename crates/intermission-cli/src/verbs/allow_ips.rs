//! `allow-ips`: who passes by address.

use intermission::Change;

use crate::args::AllowIps;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::session::Session;
use intermission_admin::json;

pub(crate) async fn run(
    args: &AllowIps,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let Some(change) = args.change()? else {
        return show(session).await;
    };
    let accepted = session.change(Change::Allow(change)).await?;
    let length = u64::try_from(accepted.record.allow().len()).unwrap_or(u64::MAX);
    let already = if accepted.changed { "" } else { "already so: " };
    let said = match length {
        0 => format!("{already}nobody passes by address"),
        1 => format!("{already}1 address or network passes"),
        several => format!("{already}{several} addresses and networks pass"),
    };
    session.output.note(&said)?;
    session.report_change(&accepted.record, accepted.changed)?;
    Ok(ExitCode::Done)
}

async fn show(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let record = session.operator.inspect(0).await?.record;
    let list = record.allow();
    if session.json {
        session.output.json(&json::Allowed::of(list))?;
    } else if list.is_empty() {
        session.output.note("nobody passes by address")?;
    } else {
        let lines: String = list
            .networks()
            .map(|network| format!("{network}\n"))
            .collect();
        session.output.data(lines.as_bytes())?;
    }
    Ok(ExitCode::Done)
}
