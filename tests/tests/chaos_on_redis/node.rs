//! A node: this program once more, with a real gate on a real state, requests and executions.
//!
//! It writes down what its gate says and does, and leaves the judgement to the checker. It ends when it is told to on
//! its standard input, or when that is closed.

use std::io::BufRead as _;
use std::panic;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use intermission::{Gate, OutagePolicy, Record, StartPolicy, StateUrl};
use intermission_redis::RedisOptions;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::log::{Event, MILLI, Nanos, Sample, Writer, nanos, now};
use crate::recorded::Recorded;
use crate::setting::{ANSWER, Lost, SITE, timing};
use crate::work;

/// The variable that makes this program a node.
const VARIABLE: &str = "INTERMISSION_CHAOS_NODE";

/// How often a node looks at itself.
const PULSE: Duration = Duration::from_millis(25);
/// What is longer between two looks is worth a line.
const STALL: Nanos = 100 * MILLI;

/// What a node is told by who starts it.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
    pub(crate) lost: Lost,
    /// Whether it turns visitors away when Redis is away for long.
    pub(crate) closes: bool,
    /// How many threads it runs on. With one, nothing happens between a decision and a look at what it was based on.
    pub(crate) threads: usize,
    pub(crate) seed: u64,
}

impl Setup {
    pub(crate) fn environment(&self) -> (&'static str, String) {
        let Self {
            name,
            url,
            folder,
            lost,
            closes,
            threads,
            seed,
        } = self;
        let folder = folder.display();
        let value = format!("{name}\t{url}\t{folder}\t{lost}\t{closes}\t{threads}\t{seed}");
        (VARIABLE, value)
    }

    /// What this process was told, if it is a node.
    pub(crate) fn of_this_process() -> Option<Self> {
        let value = std::env::var(VARIABLE).ok()?;
        let mut parts = value.split('\t');
        let mut next = || parts.next().expect("all that a node is told");
        Some(Self {
            name: next().to_owned(),
            url: next().to_owned(),
            folder: next().into(),
            lost: next().parse().expect("a policy"),
            closes: next().parse().expect("a flag"),
            threads: next().parse().expect("a number"),
            seed: next().parse().expect("a number"),
        })
    }
}

/// What the tasks of a node share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) gate: Gate,
    pub(crate) log: Arc<Writer>,
    pub(crate) setup: Setup,
    pub(crate) stopping: watch::Receiver<bool>,
    /// What the log says that the gate decides by.
    shown: Mutex<Option<Sample>>,
}

impl Node {
    /// What the gate decides by now.
    pub(crate) fn sample(&self) -> Sample {
        sample(&self.gate, &self.log)
    }

    /// Writes down what the gate decides by, if that is news.
    fn show(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = self.sample();
        if shown.is_none_or(|shown| !shown.is_like(&sample)) {
            *shown = Some(sample);
            self.log.write(&Event::Changed { sample });
        }
    }
}

fn sample(gate: &Gate, log: &Writer) -> Sample {
    let status = gate.status();
    log.saw(&status.record);
    let record: &Record = &status.record;
    Sample {
        revision: record.revision().number(),
        phase: record.phase(),
        held: status.hold.is_some(),
        suspended: status.executions_suspended,
        age: status.contact_age.map_or(Nanos::MAX, nanos),
    }
}

/// Runs a node until it is told to stop.
pub(crate) fn run(setup: Setup) {
    // A task that dies is a node that dies: who drives the test notices.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |death| {
        usual(death);
        std::process::abort();
    }));
    let mut runtime = match setup.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime
        .worker_threads(setup.threads)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(live(setup));
}

async fn live(setup: Setup) {
    let (stop, stopping) = watch::channel(false);
    std::thread::spawn(move || listen(&stop));

    let log = Writer::create(&setup.folder, &setup.name);
    let url: StateUrl = setup.url.parse().expect("a URL");
    let state = RedisOptions::from_url(&url)
        .expect("a server")
        .with_site(SITE)
        .expect("a name")
        .with_timing(timing())
        .expect("they fit together")
        .with_timeout(ANSWER)
        .build();
    let outage = if setup.closes {
        OutagePolicy::CloseAfter(timing().lease)
    } else {
        OutagePolicy::KeepLast
    };
    let gate = Gate::builder(Recorded::new(state, &log))
        .with_node_name(setup.name.clone())
        .with_timing(timing())
        .with_lost_contact(setup.lost.policy())
        .with_outage_policy(outage)
        .with_start_policy(StartPolicy::StartClosed)
        .start()
        .await
        .expect("a node starts closed whatever is wrong with its state");
    log.write(&Event::Started {
        node: gate.status().node.to_string(),
        lost: setup.lost,
        threads: u64::try_from(setup.threads).expect("a few"),
    });
    let node = Arc::new(Node {
        gate,
        log,
        setup,
        stopping,
        shown: Mutex::new(None),
    });
    tokio::spawn(pulse(Arc::clone(&node)));
    tokio::spawn(follow(Arc::clone(&node)));
    for number in 0..2 {
        tokio::spawn(work::ask(Arc::clone(&node), number));
        tokio::spawn(work::execute(Arc::clone(&node), number));
    }
    let mut stopping = node.stopping.clone();
    stopping
        .wait_for(|stop| *stop)
        .await
        .expect("the listener lives as long as the process");
    node.gate.shutdown().await;
    node.log.write(&Event::Left {});
}

/// Hears what the one who drives the test says.
fn listen(stop: &watch::Sender<bool>) {
    let mut word = String::new();
    loop {
        word.clear();
        match std::io::stdin().lock().read_line(&mut word) {
            // Whoever started this process is gone.
            Ok(0) | Err(_) => std::process::abort(),
            Ok(_) => stop.send_replace(word.trim() == "stop"),
        };
    }
}

/// Notices what nothing tells of: that this process stood still, what is wrong with the state, and time that has passed.
async fn pulse(node: Arc<Node>) {
    let mut last = now();
    let mut trouble = "";
    loop {
        sleep(PULSE).await;
        let (before, after) = (last, now());
        last = after;
        if after - before > STALL {
            node.log.write(&Event::Stalled { from: before });
        }
        node.show();
        let status = node.gate.status();
        let kind = status.trouble.map_or("", |kind| kind.as_str());
        if kind != trouble {
            trouble = kind;
            node.log.write(&Event::Trouble {
                kind: kind.to_owned(),
            });
        }
        assert_eq!(status.keeper_restarts, 0, "the keeper has died");
    }
}

async fn follow(node: Arc<Node>) {
    let mut records = node.gate.subscribe();
    node.show();
    while let Some(transition) = records.next().await {
        node.log.saw(&transition.after);
        node.show();
    }
}
