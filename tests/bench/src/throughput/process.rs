//! Processes that are measured, and end with the bench whatever happens to it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long a server may take to start, and to answer a request before it is measured.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Where a program of this name is. nginx lies where only root looks, by itself.
pub(super) fn on_search_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A command that the kernel kills when this process is gone. `setpriv` becomes the program, under the same id.
pub(super) fn mortal(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// On which processors the two sides of a measurement run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    /// The server.
    Server,
    /// The one that asks.
    Client,
}

/// The processors of this machine, shared out.
#[derive(Debug)]
pub(super) struct Processors {
    all: CpuSet,
    /// The server's and the client's, if there are two at least.
    pair: Option<(usize, usize)>,
}

impl Processors {
    pub(super) fn find() -> Result<Self> {
        let all = sched_getaffinity(None).context("cannot ask which processors there are")?;
        let mut each = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu));
        let pair = each.next().zip(each.next());
        Ok(Self { all, pair })
    }

    /// Which processor the server has for itself, and which the one that asks.
    pub(super) const fn pair(&self) -> Option<(usize, usize)> {
        self.pair
    }

    /// Does something that starts a process, which then stays on the processor of its side.
    pub(super) fn on<T>(&self, side: Side, start: impl FnOnce() -> T) -> Result<T> {
        let Some((server, client)) = self.pair else {
            return Ok(start());
        };
        let mut one = CpuSet::new();
        one.set(match side {
            Side::Server => server,
            Side::Client => client,
        });
        // A child inherits where the thread that starts it may run.
        sched_setaffinity(None, &one).context("cannot choose a processor")?;
        let started = start();
        sched_setaffinity(None, &self.all).context("cannot choose all processors again")?;
        Ok(started)
    }
}

/// A server that runs. It is killed and waited for when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts a program of which the first line says where it listens.
    pub(super) fn start(processors: &Processors, mut command: Command) -> Result<Self> {
        command.stdout(Stdio::piped());
        let child = processors.on(Side::Server, || command.spawn())?;
        let child = child.context("cannot start setpriv (Debian's package util-linux)")?;
        // From here on it is killed if anything goes wrong.
        let mut server = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let output = server
            .child
            .stdout
            .take()
            .context("the output is no pipe")?;
        let (said, first_line) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            // Nobody listens any more if it came too late.
            drop(said.send(lines.next()));
        });
        let line = match first_line.recv_timeout(PATIENCE) {
            Ok(Some(line)) => line?,
            Ok(None) => bail!("it ended without a word; what it complained of is above"),
            Err(_) => bail!("it said nothing for {PATIENCE:?}"),
        };
        server.address = line
            .parse()
            .with_context(|| format!("it said `{line}` instead of where it listens"))?;
        Ok(server)
    }

    /// Starts a program that listens at this address, sooner or later.
    pub(super) fn start_at(
        processors: &Processors,
        mut command: Command,
        address: SocketAddr,
    ) -> Result<Self> {
        let child = processors.on(Side::Server, || command.spawn())?;
        let child = child.context("cannot start setpriv (Debian's package util-linux)")?;
        let mut server = Self { child, address };
        let pause = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            if std::net::TcpStream::connect_timeout(&address, pause).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended with {status}; what it complained of is above");
            }
            thread::sleep(pause);
        }
        bail!("it does not listen on {address}, after {PATIENCE:?}")
    }

    /// How long its threads have used a processor so far; `None` where the kernel does not tell.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        threads
            .map(|thread| {
                let file = thread.ok()?.path().join("schedstat");
                let text = std::fs::read_to_string(file).ok()?;
                let nanos = text.split_whitespace().next()?.parse().ok()?;
                Some(Duration::from_nanos(nanos))
            })
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // To kill what has ended does nothing, and nothing else can fail with one's own child.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}
