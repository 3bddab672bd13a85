//! A node in a process of its own, which can be killed and stopped.
//!
//! It is this very program, started with `node` as its first argument. It does what it reads, line by line, and answers
//! each line with one; it ends with its input.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intermission::{Execution, ExecutionInfo, Gate, LostContact, NodeId, StateUrl};
use intermission_tests::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::fleet::{Pace, millis, options, quick, started};
use crate::visitors::page;

/// At which pace these nodes live.
pub(crate) fn pace() -> Pace {
    quick()
}

/// A running node. It is killed when this is dropped, and by the kernel if the test is killed.
pub(crate) struct NodeProcess {
    pub(crate) id: NodeId,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// How a node is.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) phase: String,
    pub(crate) admits: bool,
    /// Whether the held execution was told to end.
    pub(crate) cancelled: bool,
    /// Whether what can be dropped was dropped.
    pub(crate) dropped: bool,
    /// When it last began to begin an execution that then began, by [`boot_millis`].
    pub(crate) last_begun: u64,
    /// How many it has tried to begin.
    pub(crate) tried: u64,
}

impl NodeProcess {
    /// Starts one, and waits until it has joined.
    pub(crate) async fn start(url: &StateUrl, name: &str, policy: &str) -> Self {
        let own = std::env::current_exe().expect("a test knows where it is");
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(own)
            .args(["node", &url.to_string(), name, policy])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let input = child.stdin.take().expect("its input is piped");
        let output = child.stdout.take().expect("its output is piped");
        let mut node = Self {
            id: NodeId::from_bits(0),
            child,
            input,
            output: BufReader::new(output).lines(),
        };
        let id = node.ask("id").await;
        node.id = text(&id, "id").parse().expect("a node's id");
        node
    }

    /// Begins an execution, as soon as it may, and holds it.
    pub(crate) async fn begin(&mut self) {
        for _ in 0..3_000 {
            if flag(&self.ask("begin").await, "begun") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain until it may begin an execution");
    }

    /// Ends the execution that it holds.
    pub(crate) async fn end(&mut self) {
        self.ask("end").await;
    }

    /// Begins an execution that can be dropped, and goes on for ever.
    pub(crate) async fn run_on(&mut self) {
        self.ask("run").await;
    }

    pub(crate) async fn said(&mut self) -> Said {
        let said = self.ask("say").await;
        Said {
            phase: text(&said, "phase").to_owned(),
            admits: flag(&said, "admits"),
            cancelled: flag(&said, "cancelled"),
            dropped: flag(&said, "dropped"),
            last_begun: number(&said, "last_begun"),
            tried: number(&said, "tried"),
        }
    }

    /// Waits until it is like this.
    pub(crate) async fn is(&mut self, what: &str, is_so: impl Fn(&Said) -> bool) -> Said {
        let mut last = None;
        for _ in 0..3_000 {
            let said = self.said().await;
            if is_so(&said) {
                return said;
            }
            last = Some(said);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain until {what}: {last:?}");
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Stops it, and returns when all of it stands still.
    pub(crate) async fn pause(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid().as_raw_nonzero());
        until("the process stands still", || async {
            let stands = |task: std::io::Result<std::fs::DirEntry>| {
                let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
                let (_, rest) = stat.rsplit_once(") ")?;
                rest.starts_with('T').then_some(())
            };
            let mut all = std::fs::read_dir(&tasks).ok()?;
            all.all(|task| stands(task).is_some()).then_some(())
        })
        .await;
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child can be signalled");
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().expect("it runs");
        Pid::from_raw(i32::try_from(id).expect("an id fits")).expect("no process has number 0")
    }

    async fn ask(&mut self, word: &str) -> Value {
        self.input
            .write_all(format!("{word}\n").as_bytes())
            .await
            .expect("it listens");
        let line = self.output.next_line().await.expect("it speaks");
        serde_json::from_str(&line.expect("it goes on")).expect("it speaks JSON")
    }
}

fn text<'a>(said: &'a Value, field: &str) -> &'a str {
    said[field].as_str().expect("a text")
}

fn flag(said: &Value, field: &str) -> bool {
    said[field].as_bool().expect("a flag")
}

fn number(said: &Value, field: &str) -> u64 {
    said[field].as_u64().expect("a number")
}

/// One clock for all processes of a machine, which does not stop while it sleeps.
pub(crate) fn boot_millis() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).expect("it counts from the start");
    let nanos = u64::try_from(time.tv_nsec).expect("it counts from the start");
    seconds * 1_000 + nanos / 1_000_000
}

/// The node's own side.
pub(crate) async fn run(words: &[String]) -> std::process::ExitCode {
    let [url, name, policy] = words else {
        panic!("node URL NAME POLICY")
    };
    let url: StateUrl = url.parse().expect("a state's URL");
    let gate = Gate::builder(options(&url, pace()).build())
        .with_node_name(name)
        .with_timing(pace().timing)
        .with_lost_contact(policy_of(policy));
    let gate = started(gate).await;
    let attempts = Attempts::at(&gate);
    let mut held: Option<Execution> = None;
    let mut running: Option<JoinHandle<()>> = None;
    // The gate lives on other threads, so this one may wait.
    let mut output = std::io::stdout();
    for line in std::io::stdin().lines() {
        let answer = match line.expect("the test speaks").as_str() {
            "id" => json!({ "id": gate.status().node.to_string() }),
            "begin" => {
                held = gate.execution(ExecutionInfo::new("held")).ok();
                json!({ "begun": held.is_some() })
            }
            "end" => {
                held = None;
                json!({})
            }
            "run" => {
                let gate = gate.clone();
                running = Some(tokio::spawn(async move {
                    let work = std::future::pending::<()>();
                    let end = gate.run(ExecutionInfo::new("droppable"), work).await;
                    end.expect_err("it never ends by itself");
                }));
                json!({})
            }
            "say" => json!({
                "phase": gate.record().phase().as_str(),
                "admits": gate.decide(&page()).is_admit(),
                "cancelled": held.as_ref().is_some_and(Execution::is_cancelled),
                "dropped": running.as_ref().is_some_and(JoinHandle::is_finished),
                "last_begun": attempts.last_begun.load(Ordering::SeqCst),
                "tried": attempts.tried.load(Ordering::SeqCst),
            }),
            other => panic!("unknown: {other}"),
        };
        writeln!(output, "{answer}").expect("the test listens");
    }
    std::process::ExitCode::SUCCESS
}

/// `wait:MILLIS`, `hold` or `fence:MILLIS`.
fn policy_of(text: &str) -> LostContact {
    let (name, more) = text.split_once(':').unwrap_or((text, "0"));
    let more = millis(more.parse().expect("milliseconds"));
    match name {
        "wait" => LostContact::Wait(more),
        "hold" => LostContact::Hold,
        "fence" => LostContact::Fence(more),
        _ => panic!("no policy: {text}"),
    }
}

/// A thread that begins brief executions all the time, if it may: also in the moment in which a stopped process
/// goes on, when nothing else in it has run yet.
#[derive(Debug, Default)]
struct Attempts {
    last_begun: AtomicU64,
    tried: AtomicU64,
}

impl Attempts {
    fn at(gate: &Gate) -> Arc<Self> {
        let attempts = Arc::<Self>::default();
        let (gate, counted) = (gate.clone(), Arc::clone(&attempts));
        std::thread::spawn(move || {
            loop {
                // A process that is stopped between the look at its lease and the start of its work is beyond help,
                // so the time is taken before.
                let now = boot_millis();
                if gate.execution(ExecutionInfo::new("brief")).is_ok() {
                    counted.last_begun.store(now, Ordering::SeqCst);
                }
                counted.tried.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        attempts
    }
}
