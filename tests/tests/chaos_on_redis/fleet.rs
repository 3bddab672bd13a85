//! The processes of the nodes, each behind a proxy of its own.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use intermission_tests::redis::{Mode, Proxy};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::time::sleep;

use crate::log::{Event, Writer, now};
use crate::node::Setup;
use crate::random::Random;
use crate::setting::{Mix, NODES};

/// How long a node may take to end in order. Its longest execution takes four seconds, and its goodbye one.
const STOP: Duration = Duration::from_secs(30);

/// The nodes, numbered from 0, and the operator's proxy after them.
#[derive(Debug)]
pub(crate) struct Fleet {
    proxies: Vec<Proxy>,
    slots: Vec<RefCell<Slot>>,
    folder: PathBuf,
    mix: Mix,
    seed: u64,
    log: Arc<Writer>,
    /// The names of nodes that have ended.
    dead: RefCell<HashSet<String>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// How many nodes have been there.
    lives: u64,
    life: Option<Life>,
}

/// One process. It is killed when this is dropped.
#[derive(Debug)]
struct Life {
    name: String,
    process: Child,
    stdin: Option<ChildStdin>,
    paused: bool,
}

/// The operator's place among the proxies.
pub(crate) const OPERATOR: usize = NODES;

impl Fleet {
    /// Nobody is there yet.
    pub(crate) async fn new(
        target: SocketAddr,
        folder: &Path,
        (mix, seed): (Mix, u64),
        log: &Arc<Writer>,
    ) -> Self {
        let mut proxies = Vec::new();
        for _ in 0..=NODES {
            proxies.push(Proxy::start(target).await);
        }
        Self {
            proxies,
            slots: (0..NODES).map(|_| RefCell::default()).collect(),
            folder: folder.to_owned(),
            mix,
            seed,
            log: Arc::clone(log),
            dead: RefCell::default(),
        }
    }

    pub(crate) fn operators_url(&self) -> String {
        self.proxies[OPERATOR].url()
    }

    pub(crate) async fn set_mode(&self, place: usize, mode: Mode) {
        self.proxies[place].set(mode).await;
    }

    /// Everybody finds the state elsewhere from now on.
    pub(crate) async fn move_to(&self, target: SocketAddr) {
        for proxy in &self.proxies {
            proxy.set_target(target).await;
        }
        for proxy in &self.proxies {
            proxy.reset().await;
        }
    }

    /// Starts a node where none is.
    pub(crate) fn start(&self, number: usize) {
        let mut slot = self.slots[number].borrow_mut();
        if slot.life.is_some() {
            return;
        }
        slot.lives += 1;
        let name = format!("{number:02}.{}", slot.lives);
        let mut random = Random::branch(self.seed, &name);
        let setup = Setup {
            url: self.proxies[number].url(),
            folder: self.folder.clone(),
            lost: self.mix.draw(&mut random),
            closes: random.chance(25),
            threads: 1 + number % 2,
            seed: random.next(),
            name,
        };
        slot.life = Some(Life::start(setup));
    }

    /// Kills a node as a power cut would.
    pub(crate) fn kill(&self, number: usize) {
        let Some(mut life) = self.slots[number].borrow_mut().life.take() else {
            return;
        };
        let name = life.name.clone();
        if let Some(status) = life.process.try_wait().expect("a child can be asked after") {
            self.fail(&name, &format!("ended by itself: {status}"));
        }
        let from = now();
        // It is waited for in there.
        drop(life);
        self.dead.borrow_mut().insert(name.clone());
        self.log.write(&Event::Killed { from, whose: name });
    }

    /// Lets a node stand still. Says whether there is one to do so.
    pub(crate) fn pause(&self, number: usize) -> bool {
        let mut slot = self.slots[number].borrow_mut();
        let Some(life) = slot.life.as_mut().filter(|life| !life.paused) else {
            return false;
        };
        let from = now();
        life.signal(Signal::STOP);
        let changes = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // If it has ended instead, that is found out when it is stopped.
        waitid(WaitId::Pid(Pid::from_child(&life.process)), changes)
            .expect("a child can be waited for");
        life.paused = true;
        self.log.write(&Event::Paused {
            from,
            whose: life.name.clone(),
        });
        true
    }

    /// Lets it go on.
    pub(crate) fn resume(&self, number: usize) {
        let mut slot = self.slots[number].borrow_mut();
        if let Some(life) = slot.life.as_mut().filter(|life| life.paused) {
            let from = now();
            life.signal(Signal::CONT);
            life.paused = false;
            self.log.write(&Event::Resumed {
                from,
                whose: life.name.clone(),
            });
        }
    }

    /// Asks a node to end in order.
    pub(crate) fn ask_to_stop(&self, number: usize) {
        self.resume(number);
        if let Some(life) = &mut self.slots[number].borrow_mut().life
            && let Some(stdin) = &mut life.stdin
        {
            // An error means that it has died, which is found out when it is waited for.
            drop(stdin.write_all(b"stop\n"));
        }
    }

    /// Has a node end in order, and waits until it has.
    pub(crate) async fn stop(&self, number: usize) {
        self.ask_to_stop(number);
        let Some(mut life) = self.slots[number].borrow_mut().life.take() else {
            return;
        };
        let ending = async {
            loop {
                if let Some(status) = life.process.try_wait().expect("a child can be asked after") {
                    return status;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = tokio::time::timeout(STOP, ending).await;
        let name = life.name.clone();
        if !matches!(ended, Ok(status) if status.success()) {
            self.fail(&name, &format!("was told to stop: {ended:?}"));
        }
        let from = now();
        drop(life);
        self.dead.borrow_mut().insert(name.clone());
        self.log.write(&Event::Killed { from, whose: name });
    }

    fn fail(&self, name: &str, what: &str) {
        let said = std::fs::read_to_string(self.folder.join(format!("{name}.stderr")));
        self.log.write(&Event::Failed {
            what: format!("node {name} {what}; it said: {said:?}"),
        });
    }

    /// Whether the node with this name has ended.
    pub(crate) fn is_dead(&self, name: &str) -> bool {
        self.dead.borrow().contains(name)
    }

    /// The names of the nodes that live.
    pub(crate) fn living(&self) -> Vec<String> {
        let name = |slot: &RefCell<Slot>| Some(slot.borrow().life.as_ref()?.name.clone());
        self.slots.iter().filter_map(name).collect()
    }
}

impl Life {
    fn start(setup: Setup) -> Self {
        let stderr = File::create(setup.folder.join(format!("{}.stderr", setup.name)))
            .expect("a file can be made");
        let program = std::env::current_exe().expect("this program has a path");
        // The kernel kills it when the thread that starts it is gone, which is the test's, and so it cannot outlive a
        // test that is killed, not even while it stands still.
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["--exact", crate::TEST, "--nocapture", "--test-threads=1"])
            .envs([setup.environment()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("setpriv starts (Debian's package is `util-linux`)");
        Self {
            name: setup.name,
            stdin: process.stdin.take(),
            process,
            paused: false,
        }
    }

    fn signal(&self, signal: Signal) {
        // Its id is its own until it has been waited for, so nobody else can be hit.
        kill_process(Pid::from_child(&self.process), signal).expect("a child can be signalled");
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // Killing what has been waited for already does nothing, and nothing else can fail with one's own child.
        drop(self.process.kill().and_then(|()| self.process.wait()));
    }
}
