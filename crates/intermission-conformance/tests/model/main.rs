//! The suite on a model of a store that can do everything: sound, it must pass every case; with one flaw at a time,
//! it must fail the cases that are there for that flaw.

mod flaws;
mod store;
mod tampering;

use std::process::ExitCode;

use intermission_conformance::trials;

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut all = trials::<store::Model>("model");
    all.extend(flaws::trials());
    libtest_mimic::run(&arguments, all).exit_code()
}
