//! One `libtest-mimic` trial for each row.

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};

use super::{Row, RowFailure, Server, Unmet, rows};

/// One trial for each row, named `SERVER::GROUP::ROW`. Each runs on a multi-threaded tokio runtime of its own.
///
/// A row that the server [cannot meet](Server::UNMET) is listed with the reason in brackets before its name. It is run
/// all the same, and its trial succeeds when the row fails. One trial more makes sure that the list names rows that
/// there are.
///
/// # Examples
///
/// ```no_run
/// # use intermission_conformance::adapter::{Server, trials};
/// # fn example<MyServer: Server>() -> std::process::ExitCode {
/// let arguments = libtest_mimic::Arguments::from_args();
/// libtest_mimic::run(&arguments, trials::<MyServer>()).exit_code()
/// # }
/// ```
#[must_use]
pub fn trials<S: Server>() -> Vec<Trial> {
    let known = Trial::test(
        format!("{}::unmet_rows_exist", S::NAME),
        unmet_rows_exist::<S>,
    );
    rows().into_iter().map(trial::<S>).chain([known]).collect()
}

fn trial<S: Server>(row: Row) -> Trial {
    let name = format!("{}::{}::{}", S::NAME, row.group(), row.name());
    let unmet = S::UNMET.iter().find(|unmet| unmet.row == row.name());
    match unmet {
        None => Trial::test(name, move || complete(row.run::<S>())),
        Some(Unmet { reason, .. }) => Trial::test(name, move || complete(row.run_unmet::<S>()))
            .with_kind(format!("unmet: {reason}")),
    }
}

fn complete(row: impl Future<Output = Result<(), RowFailure>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(row);
    // What hangs in a server is not to keep the other rows from running.
    runtime.shutdown_background();
    Ok(outcome?)
}

fn unmet_rows_exist<S: Server>() -> Result<(), Failed> {
    let rows = rows();
    let names: BTreeSet<&str> = rows.iter().map(Row::name).collect();
    let mut listed = BTreeSet::new();
    for Unmet { row, .. } in S::UNMET {
        if !names.contains(row) {
            return Err(format!("there is no row `{row}`").into());
        }
        if !listed.insert(row) {
            return Err(format!("`{row}` is listed twice").into());
        }
    }
    Ok(())
}
