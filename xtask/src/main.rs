//! The workspace's own chores. `cargo xtask` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what these commands print is what they are for"
)]

use std::fmt;
use std::process::ExitCode;

mod bench;
mod ci;
mod demo;
mod fix;
mod patience;
mod requirements;
mod test;
mod tidy;
mod workspace;

/// One chore.
struct Command {
    name: &'static str,
    /// What may follow the name, for the list.
    arguments: &'static str,
    /// What it does, in one line.
    does: &'static str,
    run: fn(&[String]) -> anyhow::Result<ExitCode>,
}

/// All chores, in the order of the list.
const COMMANDS: &[Command] = &[
    demo::COMMAND,
    test::COMMAND,
    tidy::COMMAND,
    ci::COMMAND,
    fix::COMMAND,
    bench::COMMAND,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) if error.is::<UsageError>() => {
            eprintln!("error: {error}\n\n{}", list());
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first() else {
        println!("{}", list());
        return Ok(ExitCode::SUCCESS);
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        println!("{}", list());
        return Ok(ExitCode::SUCCESS);
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => Err(UsageError(format!("there is no command `{name}`")).into()),
    }
}

/// What `cargo xtask` prints.
fn list() -> String {
    let usage = |command: &Command| format!("{} {}", command.name, command.arguments);
    let width = COMMANDS
        .iter()
        .map(|command| usage(command).len())
        .max()
        .unwrap_or(0);
    let lines: Vec<String> = COMMANDS
        .iter()
        .map(|command| format!("  {:width$}  {}", usage(command), command.does))
        .collect();
    format!("cargo xtask COMMAND\n\n{}", lines.join("\n"))
}

/// Fails as a usage error if a command that takes no arguments was given some.
fn no_arguments(command: &str, arguments: &[String]) -> Result<(), UsageError> {
    match arguments.first() {
        None => Ok(()),
        Some(first) => Err(UsageError(format!(
            "`{command}` takes no arguments, not even `{first}`"
        ))),
    }
}

/// A command line that means nothing: exit code 2.
#[derive(Debug)]
struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_command_is_listed_in_one_line() {
        let list = list();
        for command in COMMANDS {
            let lines = list
                .lines()
                .filter(|line| line.trim_start().starts_with(command.name));
            assert_eq!(lines.count(), 1, "{list}");
            assert!(list.contains(command.does), "{list}");
        }
    }

    #[test]
    fn an_unknown_word_is_a_usage_error() {
        for line in [
            "tset",
            "Demo",
            "demo --twice",
            "tidy now",
            "ci --fast",
            "fix me",
            "test --release",
            "bench everything",
        ] {
            let error = dispatch(&words(line)).unwrap_err();
            assert!(error.is::<UsageError>(), "{line}: {error}");
        }
    }
}
