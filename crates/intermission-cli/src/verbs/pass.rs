//! `pass`: let single persons pass.

use intermission::{Change, PassId, PassSecret};

use crate::args::{Pass, PassCreate, PassRevoke};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::table;
use crate::session::Session;
use intermission_admin::json;

/// How a pass travels in an address.
const PARAMETER: &str = "intermission-pass";

pub(crate) async fn run(args: &Pass, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    match args {
        Pass::Create(args) => create(args, session).await,
        Pass::List => list(session).await,
        Pass::Revoke(args) => revoke(args, session).await,
    }
}

async fn create(args: &PassCreate, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let expires_at = args
        .expires
        .map(|duration| session.now().saturating_add(duration));
    let (pass, secret) = intermission::Pass::issue(&args.subject, expires_at)
        .map_err(|error| Failure::new(ExitCode::Failed, crate::failure::in_full(&error)))?;
    session.change(Change::IssuePass(pass.clone())).await?;
    let link = link(args.base_url.as_deref(), &secret);
    if session.json {
        session.output.json(&json::PassCreated::of(&pass, &link))?;
    } else {
        session.output.line(&link)?;
    }
    let until = expires_at.map_or_else(|| "the maintenance ends".to_owned(), |at| at.to_string());
    let id = pass.id;
    session.output.note(&format!(
        "pass {id} is good until {until}; it is shown this once"
    ))?;
    Ok(ExitCode::Done)
}

fn link(base_url: Option<&str>, secret: &PassSecret) -> String {
    let base_url = base_url.unwrap_or_default();
    let separator = if base_url.contains('?') { '&' } else { '?' };
    format!("{base_url}{separator}{PARAMETER}={secret}")
}

async fn list(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let record = session.operator.inspect(0).await?.record;
    let (passes, now) = (record.passes(), session.now());
    if session.json {
        session.output.json(&json::Passes::of(passes, now))?;
    } else if passes.is_empty() {
        session.output.note("there is no pass")?;
    } else {
        session.output.data(table::passes(passes, now).as_bytes())?;
    }
    Ok(ExitCode::Done)
}

async fn revoke(args: &PassRevoke, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let change = match &args.id {
        // The text may be a secret, given by mistake, so the complaint does not repeat it.
        Some(id) => Change::RevokePass(
            id.parse::<PassId>()
                .map_err(|error| Failure::usage(error.to_string()))?,
        ),
        None => Change::RevokeAllPasses,
    };
    let accepted = session.change(change).await?;
    let said = if accepted.changed {
        "revoked"
    } else {
        "already revoked: there is no pass"
    };
    session.output.note(said)?;
    session.report_change(&accepted.record, accepted.changed)?;
    Ok(ExitCode::Done)
}
