//! `test`: every test of the workspace, by plain `cargo test`.
//!
//! Plain on purpose: it runs the documentation's examples as well, needs nothing installed, and its closing lines are
//! what every reader of a log knows.

mod python;
mod summary;

use std::io::{Read, Write};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context as _, bail};

use self::summary::Summary;
use crate::requirements;
use crate::workspace::{Workspace, line_of, run};
use crate::{Command, UsageError};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    arguments: "[FILTER…]",
    does: "every test: unit, loom, property, documentation, conformance, command, end to end",
    run: command,
};

/// For how long output is waited for after the runner has ended. Only a process that a test left behind can hold it.
const STRAGGLERS: Duration = Duration::from_secs(10);

fn command(arguments: &[String]) -> anyhow::Result<ExitCode> {
    if let Some(option) = arguments.iter().find(|argument| argument.starts_with('-')) {
        return Err(UsageError(format!(
            "`test` takes names of tests, or parts of them, not `{option}`"
        ))
        .into());
    }
    let workspace = Workspace::find()?;
    provide_requirements(&workspace)?;
    let tested = everything(&workspace, arguments)?;
    tested.print();
    Ok(tested.code())
}

/// Makes sure that everything is there that the tests need and cargo does not bring.
pub(crate) fn provide_requirements(workspace: &Workspace) -> anyhow::Result<()> {
    requirements::provide(requirements::TESTS, "the tests")?;
    python::provide(workspace)
}

/// Builds the workspace and runs its tests; with filters, those whose name contains one of them.
pub(crate) fn everything(workspace: &Workspace, filters: &[String]) -> anyhow::Result<Tested> {
    build(workspace)?;
    let mut tested = Tested {
        summary: Summary::default(),
        code: 0,
        complaints: Vec::new(),
    };
    if filters.is_empty() {
        tested.run(workspace, None)?;
    }
    // One run for each: the harness of the conformance suites takes one filter only.
    for filter in filters {
        tested.run(workspace, Some(filter))?;
    }
    tested.settle(filters);
    Ok(tested)
}

/// What the tests said.
pub(crate) struct Tested {
    summary: Summary,
    /// The first exit code of a runner that is not zero.
    code: u8,
    /// What went wrong that no test has reported.
    complaints: Vec<String>,
}

impl Tested {
    /// Prints the complaints, and the sum of the runners' summaries alone on the last line.
    pub(crate) fn print(&self) {
        println!();
        for complaint in &self.complaints {
            println!("{complaint}");
        }
        println!("{}", self.summary);
    }

    /// The runners' exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    fn run(&mut self, workspace: &Workspace, filter: Option<&String>) -> anyhow::Result<()> {
        let mut command =
            workspace.cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
        if let Some(filter) = filter {
            command.args(["--", filter]);
        }
        println!("\n== {}", line_of(&command));
        let mut runner = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", line_of(&command)))?;
        let output = runner
            .stdout
            .take()
            .context("the runner's output was not piped")?;

        let counted = Arc::new(Mutex::new(Summary::default()));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn({
            let counted = Arc::clone(&counted);
            // The receiver is gone only after it has given up on this output.
            move || drop(sender.send(pass_through(output, std::io::stdout(), &counted)))
        });
        let status = runner.wait().context("cannot wait for the runner")?;
        let all = receiver.recv_timeout(STRAGGLERS);
        self.add(&locked(&counted), status);
        match all {
            Ok(passed) => passed.context("cannot pass the runner's output on")?,
            Err(_) => self.blame_a_straggler(),
        }
        Ok(())
    }

    fn blame_a_straggler(&mut self) {
        self.code = self.code.max(1);
        self.summary.failed += 1;
        self.complaints.push(
            "A process that a test started has outlived the runner and still holds its output. It is counted as one \
             failure: find it with `ps`, end it, and mend the test that left it behind."
                .to_owned(),
        );
    }

    fn add(&mut self, counted: &Summary, status: ExitStatus) {
        self.summary.add(counted);
        if !status.success() {
            // No code: the runner was ended by a signal.
            let code = status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1);
            if self.code == 0 {
                self.code = code;
            }
            if counted.failed == 0 {
                self.summary.failed += 1;
                self.complaints.push(
                    "A runner failed without a failed test: it did not compile, or it ended before its summary. \
                     It is counted as one failure; cargo names it above."
                        .to_owned(),
                );
            }
        } else if counted.failed > 0 {
            // A runner that says "failed" and exits with 0 must not pass.
            self.code = 1;
        }
    }

    fn settle(&mut self, filters: &[String]) {
        if self.code == 0 && self.summary.passed == 0 {
            self.complaints.push(match filters {
                [] => "No test was run.".to_owned(),
                filters => format!("No test has a name with {} in it.", filters.join(" or ")),
            });
        }
    }
}

/// Builds all that the tests need, among it the programs that end-to-end tests start.
///
/// In one call together with the tests, so that cargo settles on the same features and compiles everything once.
fn build(workspace: &Workspace) -> anyhow::Result<()> {
    let arguments = [
        "build",
        "--workspace",
        "--all-features",
        "--lib",
        "--bins",
        "--examples",
        "--tests",
    ];
    let mut command = workspace.cargo(arguments);
    println!("\n== {}", line_of(&command));
    if !run(&mut command)?.success() {
        bail!("the workspace does not build, so no test was run");
    }
    Ok(())
}

/// Copies the output as it comes, byte for byte, and counts what its lines say.
fn pass_through(
    mut output: impl Read,
    mut screen: impl Write,
    counted: &Mutex<Summary>,
) -> std::io::Result<()> {
    let mut unfinished = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let length = output.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        screen.write_all(bytes)?;
        screen.flush()?;
        unfinished.extend_from_slice(bytes);
        while let Some(end) = unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unfinished.drain(..=end).collect();
            locked(counted).read_line(&String::from_utf8_lossy(&line));
        }
    }
    locked(counted).read_line(&String::from_utf8_lossy(&unfinished));
    Ok(())
}

/// The counts; they are whole even if a thread has panicked with them.
fn locked(counted: &Mutex<Summary>) -> MutexGuard<'_, Summary> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn tested() -> Tested {
        Tested {
            summary: Summary::default(),
            code: 0,
            complaints: Vec::new(),
        }
    }

    fn counted(passed: u64, failed: u64) -> Summary {
        Summary {
            passed,
            failed,
            skipped: 0,
        }
    }

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn the_runners_exit_code_is_kept() {
        let mut tested = tested();
        tested.add(&counted(3, 0), exited(0));
        tested.add(&counted(3, 2), exited(101));
        tested.add(&counted(3, 0), exited(0));
        assert_eq!(
            (tested.code, tested.summary.to_string().as_str()),
            (101, "9 passed, 2 failed")
        );
        assert!(tested.complaints.is_empty());
    }

    #[test]
    fn a_runner_that_dies_is_never_zero_failed() {
        for status in [exited(101), ExitStatus::from_raw(9)] {
            let mut tested = tested();
            tested.add(&counted(3, 0), status);
            assert_ne!(tested.code, 0);
            assert_eq!(tested.summary.to_string(), "3 passed, 1 failed");
            assert_eq!(tested.complaints.len(), 1);
        }
    }

    #[test]
    fn a_failed_test_fails_even_if_its_runner_does_not() {
        let mut tested = tested();
        tested.add(&counted(3, 1), exited(0));
        assert_eq!(tested.code, 1);
    }

    #[test]
    fn a_process_that_outlives_the_runner_is_a_failure() {
        let mut tested = tested();
        tested.add(&counted(3, 0), exited(0));
        tested.blame_a_straggler();
        assert_eq!(tested.code, 1);
        assert_eq!(tested.summary.to_string(), "3 passed, 1 failed");
    }

    #[test]
    fn output_is_counted_and_shown_whatever_the_pieces_it_comes_in() {
        let output = b"a\n\xff\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\nend";
        let pieces = output.chunks(7).fold(
            Box::new(std::io::empty()) as Box<dyn Read>,
            |read, piece| Box::new(read.chain(piece)),
        );
        let counted = Mutex::default();
        let mut screen = Vec::new();
        pass_through(pieces, &mut screen, &counted).unwrap();
        assert_eq!(locked(&counted).passed, 3);
        assert_eq!(screen, output);
    }

    #[test]
    fn nothing_run_is_said() {
        let mut tested = tested();
        tested.add(&counted(0, 0), exited(0));
        tested.settle(&["drain".to_owned()]);
        assert_eq!(tested.complaints, ["No test has a name with drain in it."]);
    }
}
