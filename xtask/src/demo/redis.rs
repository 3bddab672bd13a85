//! A Redis server of the demo's own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::app::tail;
use super::interrupt::Interrupt;
use super::process::EndsWithUs;
use super::screen::Screen;
use crate::patience::Seconds;
use crate::workspace::{line_of, on_search_path};

const PROGRAM: &str = "redis-server";

/// How long it may take to start and to answer.
const START: Duration = Duration::from_secs(20);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// How often another port is tried: between choosing a free one and listening there, somebody may be faster.
const PORTS: usize = 5;

/// A Redis server that nobody else uses. It ends with its owner, and keeps nothing.
pub(super) struct Redis {
    pub(super) address: SocketAddr,
    process: EndsWithUs,
    log: PathBuf,
}

impl Redis {
    /// Fails if there is no Redis on this machine.
    pub(super) fn is_installed() -> anyhow::Result<()> {
        if on_search_path(PROGRAM) {
            return Ok(());
        }
        bail!(
            "`--redis` needs {PROGRAM}, which is not installed; on Debian and Ubuntu: apt-get install redis-server. \
             Without `--redis`, the demo keeps its state in a directory"
        )
    }

    /// Starts one on a free port, and waits until it answers.
    pub(super) fn start(
        screen: &Screen,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let log = folder.join("redis.log");
        for _ in 0..PORTS {
            let address = free_address()?;
            let mut command = Command::new(PROGRAM);
            command
                .args(["--bind", "127.0.0.1", "--port"])
                .arg(address.port().to_string())
                .args(["--save", "", "--appendonly", "no", "--dir"])
                .arg(folder);
            screen.typed(&line_of(&command));
            let output =
                File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
            command.stdout(output.try_clone()?).stderr(output);
            let mut process = EndsWithUs::spawn(&mut command)?;
            let started = interrupt.wait(START, || {
                if let Some(status) = process.ended()? {
                    return Ok(Some(Err(status)));
                }
                Ok(answers(address, process.id()).then_some(Ok(())))
            })?;
            match started {
                Some(Ok(())) => {
                    return Ok(Self {
                        address,
                        process,
                        log,
                    });
                }
                Some(Err(_)) if tail(&log).contains("already in use") => {
                    screen.say("  somebody else was faster on that port");
                }
                Some(Err(status)) => bail!("{PROGRAM} ended with {status}:\n{}", tail(&log)),
                None => bail!(
                    "{PROGRAM} did not answer for {}:\n{}",
                    Seconds(START),
                    tail(&log)
                ),
            }
        }
        bail!("{PORTS} ports in a row were taken by others")
    }

    /// The state, as the service and the command are told it.
    pub(super) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// The end of what it wrote.
    pub(super) fn log(&self) -> String {
        tail(&self.log)
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    Ok(listener.local_addr()?)
}

/// Whether this very process answers there, and no other Redis.
fn answers(address: SocketAddr, process: u32) -> bool {
    let info = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"INFO server\r\nQUIT\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    info().is_ok_and(|text| has_line(&text, &format!("process_id:{process}")))
}

fn has_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_not_ours() {
        let text = "$40\r\nredis_mode:standalone\r\nprocess_id:123\r\n";
        assert!(has_line(text, "process_id:123"));
        assert!(!has_line(text, "process_id:12"));
        assert!(!answers(free_address().unwrap(), 1), "nobody listens there");
    }
}
