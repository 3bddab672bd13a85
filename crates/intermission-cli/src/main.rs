//! The `intermission` command. Everything is in the library.

use intermission_cli::{Environment, Output, run};

fn main() -> std::process::ExitCode {
    run(
        std::env::args_os(),
        &Environment::of_process(),
        &mut Output::of_process(),
    )
    .into()
}
