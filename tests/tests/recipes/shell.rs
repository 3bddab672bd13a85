//! The reader's terminal: a shell in an empty folder, with the programs under test.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use intermission_tests::app::Framework;
use intermission_tests::port::Port;
use intermission_tests::programs;
use intermission_tests::wait::PATIENCE;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Duration, sleep, timeout};

use crate::output::is_as_shown;
use crate::page::{self, Step};

/// Where a page pretends to be.
const FOLDER: &str = "/srv/shop";

/// The ports of which pages speak. Each gets one that is free.
const PORTS: [&str; 4] = ["8000", "8080", "6379", "6380"];

/// Programs of the system that a recipe leaves running.
const SERVERS: [&str; 2] = ["nginx", "redis-server"];

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Longer than any command that looks again and again, or that waits by itself.
const LIMIT: Duration = Duration::from_secs(120);

/// A shell, which ends with all that was started in it when this is dropped.
pub(crate) struct Shell {
    bash: Child,
    input: ChildStdin,
    ended: Lines<BufReader<ChildStdout>>,
    /// Where the reader is.
    folder: PathBuf,
    /// What was typed and said, and the programs.
    aside: PathBuf,
    ports: BTreeMap<&'static str, Port>,
    typed: usize,
    /// What was left running: the command, and where it speaks.
    jobs: Vec<(String, PathBuf)>,
    _temporary: TempDir,
}

impl Shell {
    pub(crate) fn start(framework: Framework) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let (folder, aside) = (
            temporary.path().join("shop"),
            temporary.path().join("aside"),
        );
        for folder in [&folder, &aside, &aside.join("bin")] {
            fs::create_dir(folder)?;
        }
        let own = |name: &str, program: &Path| {
            // It ends with the shell, also when that is killed.
            let text = format!(
                "#!/bin/sh\nexec setpriv --pdeathsig KILL -- '{}' \"$@\"\n",
                program.display()
            );
            let file = aside.join("bin").join(name);
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
        };
        own("shop", &programs::app(framework))?;
        own("worker", &programs::worker())?;
        own("intermission", &programs::intermission())?;
        for server in SERVERS {
            let mut places = PATH.split(':').map(|place| Path::new(place).join(server));
            let program = places.find(|program| program.exists());
            own(
                server,
                &program.with_context(|| format!("{server} is not installed"))?,
            )?;
        }
        let mut bash = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "bash", "--noprofile", "--norc"])
            .env_clear()
            .env("PATH", format!("{}:{PATH}", aside.join("bin").display()))
            .env("USER", "ana")
            .env("HOME", &folder)
            .env("LC_ALL", "C.UTF-8")
            .env("ASIDE", &aside)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = bash.stdin.take().context("it is piped")?;
        let ended = bash.stdout.take().context("it is piped")?;
        Ok(Self {
            bash,
            input,
            ended: BufReader::new(ended).lines(),
            folder,
            aside,
            ports: PORTS
                .into_iter()
                .map(|port| (port, Port::claim()))
                .collect(),
            typed: 0,
            jobs: Vec::new(),
            _temporary: temporary,
        })
    }

    /// Does what a page asks for.
    pub(crate) async fn follow(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            match step {
                Step::File { name, text } => fs::write(self.folder.join(name), self.real(text))?,
                Step::Command(command) => self.do_as_shown(command).await.with_context(|| {
                    format!(
                        "line {}: $ {}{}",
                        command.line,
                        command.text,
                        self.of_jobs()
                    )
                })?,
            }
        }
        Ok(())
    }

    async fn do_as_shown(&mut self, command: &page::Command) -> Result<()> {
        let mut tries = LIMIT.min(PATIENCE).as_millis() / 100;
        let mut file = self.run(command).await;
        loop {
            let (failure, is_as_shown) = match &file {
                Ok(file) => {
                    let said = self.shown(&fs::read_to_string(file)?);
                    let is_as_shown =
                        command.shown.is_empty() || is_as_shown(&command.shown, &said);
                    (
                        format!("it says\n{said}\nand not\n{}", command.shown.join("\n")),
                        is_as_shown,
                    )
                }
                Err(error) => (format!("{error:#}"), false),
            };
            if is_as_shown {
                return Ok(());
            }
            ensure!(command.is_job() || command.only_looks(), "{failure}");
            ensure!(tries > 0, "after {PATIENCE:?}: {failure}");
            tries -= 1;
            sleep(Duration::from_millis(100)).await;
            if command.only_looks() {
                file = self.run(command).await;
            }
        }
    }

    /// Types a command, and waits until it has ended, or runs by itself. Where it speaks.
    async fn run(&mut self, command: &page::Command) -> Result<PathBuf> {
        self.typed += 1;
        let (script, said) = (self.aside(".sh"), self.aside(".out"));
        fs::write(&script, self.real(&command.text))?;
        // Read by the shell itself, so that variables and jobs stay.
        let typed = self.typed;
        let line = format!(
            ". \"$ASIDE/{typed}.sh\" </dev/null >\"$ASIDE/{typed}.out\" 2>&1; echo \"$?\"\n"
        );
        self.input.write_all(line.as_bytes()).await?;
        let ended = timeout(LIMIT, self.ended.next_line()).await;
        let Ok(code) = ended else {
            bail!("it has not ended after {LIMIT:?}");
        };
        let code = code?.context("the shell is gone")?;
        if command.is_job() {
            self.jobs.push((command.text.clone(), said.clone()));
        }
        let output = || fs::read_to_string(&said).unwrap_or_default();
        ensure!(
            code == "0",
            "it ends with {code}: {}",
            self.shown(&output())
        );
        Ok(said)
    }

    fn aside(&self, ending: &str) -> PathBuf {
        self.aside.join(format!("{}{ending}", self.typed))
    }

    /// What a page says, for here.
    fn real(&self, text: &str) -> String {
        let mut text = text.replace(FOLDER, &self.folder.display().to_string());
        for (shown, port) in &self.ports {
            text = with_number(&text, shown, &port.number().to_string());
        }
        text
    }

    /// What is said here, as the page would have it.
    fn shown(&self, text: &str) -> String {
        let mut text = text.replace(&self.folder.display().to_string(), FOLDER);
        for (shown, port) in &self.ports {
            text = with_number(&text, &port.number().to_string(), shown);
        }
        text
    }

    /// What the jobs have said, for whoever looks for the reason of a failure.
    fn of_jobs(&self) -> String {
        let said = self.jobs.iter().map(|(command, file)| {
            let said = fs::read_to_string(file).unwrap_or_default();
            format!("\n--- $ {command}\n{said}")
        });
        said.collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let id = self.bash.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // It fails if the group is gone, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Replaces a number where it stands alone.
fn with_number(text: &str, old: &str, new: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let mut pieces = text.split(old).peekable();
    let mut replaced = String::new();
    while let Some(piece) = pieces.next() {
        replaced.push_str(piece);
        if let Some(next) = pieces.peek() {
            let is_alone = !is_part(replaced.chars().next_back()) && !is_part(next.chars().next());
            replaced.push_str(if is_alone { new } else { old });
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn typed(commands: &str) -> Result<()> {
        let page = format!("# Title\n```console\n{commands}\n```\n");
        let mut shell = Shell::start(Framework::Axum)?;
        shell.follow(&page::steps(&page)?).await
    }

    #[tokio::test]
    async fn what_is_as_shown_is_right() {
        typed("$ echo 1 > x\n$ cat x\n1\n$ PORT=8080\n$ echo $PORT $PWD\n8080 /srv/shop")
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_is_not_as_shown_is_an_error_that_names_the_line() {
        for (commands, complaint) in [
            ("$ true\n$ echo a\nb", "line 4: $ echo a: it says\na\n"),
            ("$ false", "line 3: $ false: it ends with 1"),
            ("$ echo oh; exit 3", "the shell is gone"),
            ("$ no-such-command", "it ends with 127"),
        ] {
            let error = format!("{:#}", typed(commands).await.unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn only_whole_numbers_are_ports() {
        assert_eq!(
            with_number("127.0.0.1:8080 18080 8080x :8080/", "8080", "1"),
            "127.0.0.1:1 18080 8080x :1/"
        );
    }
}
