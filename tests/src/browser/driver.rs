//! The program between a test and its browser.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::port::Port;
use crate::process::{Process, mortal};
use crate::wait::{PATIENCE, until};

/// The names under which Chromium is installed. `cargo xtask test` looks for the same.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A running chromedriver. It and its browsers end when this is dropped.
#[derive(Debug)]
pub(super) struct Driver {
    process: Process,
    port: Port,
    /// Where it and its browsers put their files, profiles included.
    folder: TempDir,
}

impl Driver {
    /// Starts one, and waits until it listens.
    pub(super) async fn start() -> Self {
        loop {
            let port = Port::claim();
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut command = mortal("chromedriver");
            command
                .arg(format!("--port={}", port.number()))
                .env("TMPDIR", folder.path())
                // Where Chromium keeps more than its profile.
                .env("HOME", folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let process = Process::start(command).expect("setpriv starts chromedriver");
            let mut driver = Self {
                process,
                port,
                folder,
            };
            if driver.listens().await {
                return driver;
            }
        }
    }

    /// Whether it came to listen. It ends by itself if somebody else has the port.
    async fn listens(&mut self) -> bool {
        let address = self.address();
        let process = &mut self.process;
        until("chromedriver listens", || {
            let ended = process.ended();
            async move {
                match ended {
                    Some(status) if status.code() == Some(127) => {
                        panic!("chromedriver is not installed: `cargo xtask test` installs it")
                    }
                    Some(_) => Some(false),
                    None => tokio::net::TcpStream::connect(address)
                        .await
                        .ok()
                        .map(|_| true),
                }
            }
        })
        .await
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Asks it to end its browsers and itself.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET /shutdown HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address()
        )?;
        match stream.read_to_end(&mut Vec::new()) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Killed, it would leave it to the browsers to notice, and they would still write to the folder.
        if self.shut_down().is_ok() {
            let mut asked = 0;
            while self.process.ended().is_none() && asked < 1_000 {
                std::thread::sleep(Duration::from_millis(5));
                asked += 1;
            }
        }
    }
}

/// Where Chromium is.
pub(super) fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|folder| BROWSERS.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("Chromium is not installed: `cargo xtask test` installs it"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::browser::{Browser, View};

    /// The driver and all that it has started, directly or not.
    fn family(driver: &Driver) -> HashSet<u32> {
        let mut family = HashSet::from([driver.process.id()]);
        loop {
            let before = family.len();
            for entry in fs::read_dir("/proc").unwrap() {
                let entry = entry.unwrap();
                let Some(id) = entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse().ok())
                else {
                    continue;
                };
                // The name, in brackets, may hold anything; the state and the parent follow it.
                let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
                let parent = stat
                    .rsplit_once(')')
                    .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
                if parent.is_some_and(|parent: u32| family.contains(&parent)) {
                    family.insert(id);
                }
            }
            if family.len() == before {
                return family;
            }
        }
    }

    async fn gone(family: &HashSet<u32>) {
        until("the processes have ended", || async {
            let runs = |id: &u32| {
                let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
                // Where process 1 does not collect orphans, they stay as zombies.
                stat.rsplit_once(')')
                    .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
            };
            (!family.iter().any(runs)).then_some(())
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_browser_that_is_closed_leaves_nothing_behind() {
        let browser = Browser::open(View::WIDE).await;
        let driver = &browser.driver;
        let (family, folder) = (family(driver), driver.folder().to_owned());
        assert!(family.len() > 2, "chromedriver and a browser: {family:?}");
        browser.close().await;
        gone(&family).await;
        assert!(!folder.exists(), "{}", folder.display());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_browser_ends_when_its_driver_is_killed() {
        let browser = Browser::open(View::WIDE).await;
        let family = family(&browser.driver);
        // What the kernel does to it when the test is gone.
        let driver = Pid::from_raw(browser.driver.process.id().cast_signed()).unwrap();
        kill_process(driver, Signal::KILL).unwrap();
        gone(&family).await;
        browser.abandon();
    }
}
