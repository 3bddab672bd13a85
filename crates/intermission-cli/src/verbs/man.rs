//! `man`: the man page.

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::Output;
use crate::render::manual::manual;

pub(crate) fn run(output: &mut Output<'_>) -> Result<ExitCode, Failure> {
    output.data(manual()?.as_bytes())?;
    Ok(ExitCode::Done)
}
