//! Where the workspace is, and cargo, started in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};

/// The checkout that the commands work on.
#[derive(Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace around the current folder, as cargo sees it: the binary may have been built from another checkout.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let mut locate = Command::new(cargo_program());
        locate.args(["locate-project", "--workspace", "--message-format", "plain"]);
        let manifest = PathBuf::from(text_of(&mut locate)?.trim());
        let root = manifest
            .parent()
            .context("cargo named a manifest that is in no folder")?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo, in the root folder, with nothing to read.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(cargo_program());
        command
            .args(arguments)
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    /// Git, in the root folder, with nothing to read.
    pub(crate) fn git<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("git");
        // Without this git refuses to read a clone that belongs to another user, as in many containers.
        command.args(["-c", "safe.directory=*"]);
        command
            .args(arguments)
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }
}

/// Runs a command to its end and returns what it wrote to stdout. If it fails, all that it wrote is in the error.
pub(crate) fn text_of(command: &mut Command) -> anyhow::Result<String> {
    let line = line_of(command);
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        let wrote = [stderr, stdout].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let wrote = wrote.join("\n");
        bail!("`{line}` ended with {status}: {}", wrote.trim());
    }
    String::from_utf8(stdout)
        .with_context(|| format!("`{line}` printed something that is not UTF-8"))
}

/// Runs a command to its end, with its output on ours. Whether it succeeded is for the caller to judge.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<std::process::ExitStatus> {
    command
        .status()
        .with_context(|| format!("cannot start `{}`", line_of(command)))
}

/// The command as a person would type it. Only what is not the same for all is shown: no folder, no environment.
pub(crate) fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_else(|| command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a POSIX shell must be given it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Whether a program of this name is on the search path.
pub(crate) fn on_search_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// The cargo that runs this, so that the toolchain stays the same.
fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_pasted_into_a_shell() {
        let mut command = Command::new("/somewhere/bin/intermission");
        command.args([
            "activate",
            "--message",
            "Upgrading the 'big' database",
            "--ip",
            "2001:db8::/64",
            "",
        ]);
        assert_eq!(
            line_of(&command),
            r"intermission activate --message 'Upgrading the '\''big'\'' database' --ip 2001:db8::/64 ''"
        );
    }

    #[test]
    fn a_failed_command_is_an_error_with_its_words() {
        let error =
            text_of(Command::new("sh").args(["-c", "echo no such luck >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit status: 3") && text.contains("no such luck"),
            "{text}"
        );
        assert!(text_of(&mut Command::new("no-such-program-anywhere")).is_err());
    }
}
