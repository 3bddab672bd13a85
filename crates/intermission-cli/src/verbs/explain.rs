//! `explain`: would this request pass, and by which rule?

use std::net::IpAddr;
use std::sync::Arc;

use intermission::{
    ClientAddress, Network, PassSecret, Policy, ScopeName, Snapshot, Visitor, explain,
};

use crate::args::Explain;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, in_full};
use crate::render::explanation::{NOT_KNOWN, explanation};
use crate::session::Session;
use intermission_admin::json;

pub(crate) async fn run(
    args: &Explain,
    session: &mut Session<'_, '_>,
) -> Result<ExitCode, Failure> {
    let scopes: Vec<ScopeName> = session.scope.iter().cloned().collect();
    let visitor = Visitor::new(&args.method, &args.path)
        .with_scopes(&scopes)
        .with_access(args.route)
        .with_address(ClientAddress::from(address(args)?))
        .with_permission(args.permission)
        .with_pass(pass(args)?);
    // Of the whole site: a request to a part of it goes through both.
    let record = session.whole_record().await?;
    let snapshot = Snapshot::new(Arc::clone(&record));
    let explained = explain(&snapshot, &Policy::default(), &visitor, session.now());
    if session.json {
        let request = (args.method.as_str(), args.path.as_str());
        session.output.json(&json::Explained::of(
            request, &record, &explained, &NOT_KNOWN,
        ))?;
    } else {
        session.output.data(explanation(&explained).as_bytes())?;
    }
    Ok(ExitCode::Done)
}

/// One address, by the same rules as the entries of the allow list.
fn address(args: &Explain) -> Result<Option<IpAddr>, Failure> {
    let Some(text) = &args.ip else {
        return Ok(None);
    };
    let network: Network = text
        .parse()
        .map_err(|error| Failure::usage(in_full(&error)))?;
    if network.is_single_address() {
        Ok(Some(network.address()))
    } else {
        Err(Failure::usage(format!(
            "`{network}` is a network: write the address of one visitor"
        )))
    }
}

/// Read here and not with the rest of the command line, whose complaint would repeat the secret.
fn pass(args: &Explain) -> Result<Option<PassSecret>, Failure> {
    let pass = args.pass.as_deref().map(str::parse).transpose();
    pass.map_err(|error: intermission::BadPass| Failure::usage(format!("--pass: {error}")))
}
