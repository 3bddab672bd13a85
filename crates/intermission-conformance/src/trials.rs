//! One `libtest-mimic` trial for each case.

use libtest_mimic::{Failed, Trial};

use crate::{Case, Fixture, Verdict, cases};

/// One trial for each case, named `BACKEND::GROUP::CASE`. Each runs on a multi-threaded tokio runtime of its own.
///
/// A case that does not apply is listed as ignored, with the capability that it needs in brackets before its name.
/// Running it all the same (`--ignored`) fails it: nothing passes without having been tested.
///
/// # Examples
///
/// ```no_run
/// # use intermission_conformance::{Fixture, trials};
/// # fn example<MyFixture: Fixture>() -> std::process::ExitCode {
/// let arguments = libtest_mimic::Arguments::from_args();
/// libtest_mimic::run(&arguments, trials::<MyFixture>("mine")).exit_code()
/// # }
/// ```
#[must_use]
pub fn trials<F: Fixture>(backend: &str) -> Vec<Trial> {
    cases()
        .into_iter()
        .map(|case| trial::<F>(backend, case))
        .collect()
}

fn trial<F: Fixture>(backend: &str, case: Case) -> Trial {
    let name = format!("{backend}::{}::{}", case.group(), case.name());
    let trial = Trial::test(name, move || run::<F>(&case));
    match case.missing(F::capabilities()) {
        Some(missing) => trial
            .with_ignored_flag(true)
            .with_kind(format!("needs {missing}")),
        None => trial,
    }
}

fn run<F: Fixture>(case: &Case) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let verdict = runtime.block_on(case.run_fresh::<F>());
    // A backend's thread that hangs is not to keep the other cases from running.
    runtime.shutdown_background();
    match verdict? {
        Verdict::Kept => Ok(()),
        Verdict::NotApplicable(missing) => {
            Err(format!("not applicable: `{missing}` is not claimed").into())
        }
    }
}
