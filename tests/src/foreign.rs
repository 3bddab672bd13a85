//! Programs of others, such as proxies, which listen where a test tells them to.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::port::Port;
use crate::process::{Process, mortal};

/// Where they look for what they need.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An address on this machine that no other test takes for as long as this lives, also while nobody listens there.
#[derive(Debug)]
pub struct Claim(Port);

impl Claim {
    /// Claims one.
    ///
    /// # Panics
    ///
    /// There is none left.
    #[must_use]
    pub fn stake() -> Self {
        Self(Port::claim())
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

/// A running program. It is killed when this is dropped, and when the test is.
#[derive(Debug)]
pub struct Foreign {
    process: Process,
    log: PathBuf,
}

impl Foreign {
    /// Starts it in this folder, where it writes its log, with nothing in its environment but a path and a home.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[must_use]
    pub fn start(program: &str, arguments: &[&OsStr], folder: &Path) -> Self {
        let log = folder.join(format!("{program}.log"));
        let file = File::create(&log).expect("a file can be made in the folder");
        let mut command = mortal(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file can be opened twice"))
            .stderr(file);
        let process = Process::start(command).unwrap_or_else(|error| {
            panic!("setpriv, which starts {program}, cannot be started: {error}")
        });
        Self { process, log }
    }

    /// Makes sure that it runs.
    ///
    /// # Panics
    ///
    /// It has ended; the message has its log.
    pub fn runs(&mut self) {
        if let Some(status) = self.process.ended() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            panic!("it ended with {status}:\n{log}");
        }
    }
}
