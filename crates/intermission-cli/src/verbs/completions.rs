//! `completions`: what shells need to know.

use clap_complete::Shell;

use crate::args;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(shell: Shell, output: &mut Output<'_>) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "intermission", &mut script);
    output.data(&script)?;
    Ok(ExitCode::Done)
}
