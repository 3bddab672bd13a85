//! What a node is there for: requests and executions, at random, each written down with what the gate decided by.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use intermission::{Admission, Execution, ExecutionInfo, RunError};
use tokio::time::sleep;

use crate::log::{Event, Writer, now};
use crate::node::Node;
use crate::random::Random;
use crate::setting::Lost;
use crate::visitors::{KINDS, visitor};

/// Numbers the executions of this process.
static EXECUTIONS: AtomicU64 = AtomicU64::new(1);

fn next_execution() -> u64 {
    EXECUTIONS.fetch_add(1, Ordering::Relaxed)
}

/// Mostly short, so that most drains are; sometimes long enough to hold one up.
fn length(random: &mut Random) -> Duration {
    match random.below(100) {
        0..70 => random.millis(5..=150),
        70..94 => random.millis(150..=800),
        _ => random.millis(800..=4_000),
    }
}

/// Sends requests.
pub(crate) async fn ask(node: Arc<Node>, number: u64) {
    let mut random = Random::branch(node.setup.seed, "ask");
    for _ in 0..number {
        random.next();
    }
    while !*node.stopping.borrow() {
        sleep(random.millis(60..=300)).await;
        let kind = random.pick(&KINDS);
        let visitor = visitor(kind).expect("a kind of the list");
        let from = now();
        let before = node.sample();
        // As adapters do: what is not known to be open is asked for.
        let admission = match node.gate.admit_open(visitor.method, visitor.access) {
            Some(admitted) => Admission::Admitted(admitted),
            None => node.gate.admit(&visitor),
        };
        let execution_began = now();
        let after = node.sample();
        let decision = match &admission {
            Admission::Admitted(admitted) => format!("admit ({})", admitted.reason.as_str()),
            Admission::Refused(refusal) => format!("refuse ({})", refusal.reason().as_str()),
        };
        node.log.write(&Event::Asked {
            from,
            request: kind.to_owned(),
            decision,
            before,
            after,
        });
        let Admission::Admitted(mut admitted) = admission else {
            continue;
        };
        if let Some(execution) = admitted.execution.take() {
            let id = next_execution();
            node.log.write_at(
                execution_began,
                &Event::Began {
                    from,
                    execution: id,
                    way: "request".to_owned(),
                    bypass: execution.is_bypass(),
                    before,
                    after,
                },
            );
            let long = length(&mut random);
            let obeys = node.setup.lost == Lost::Fence || random.chance(50);
            let node = Arc::clone(&node);
            tokio::spawn(async move {
                hold(&node, id, execution, long, obeys).await;
                drop(admitted);
            });
        } else {
            let long = random.millis(0..=20);
            tokio::spawn(async move {
                sleep(long).await;
                drop(admitted);
            });
        }
    }
}

/// Runs executions that no request asked for.
pub(crate) async fn execute(node: Arc<Node>, number: u64) {
    let mut random = Random::branch(node.setup.seed, "execute");
    for _ in 0..number {
        random.next();
    }
    while !*node.stopping.borrow() {
        sleep(random.millis(50..=400)).await;
        let long = length(&mut random);
        match random.below(3) {
            0 => drop(tokio::spawn(run(Arc::clone(&node), long))),
            1 => guard(&node, long, &mut random),
            _ => {
                let mut stopping = node.stopping.clone();
                tokio::select! {
                    () = when_open(&node, long) => {}
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
            }
        }
    }
}

/// By [`intermission::Gate::run`], which drops what it runs at a deadline.
async fn run(node: Arc<Node>, long: Duration) {
    let id = next_execution();
    let from = now();
    let before = node.sample();
    let work = async {
        let at = now();
        node.log.write_at(
            at,
            &Event::Began {
                from,
                execution: id,
                way: "run".to_owned(),
                bypass: false,
                before,
                after: node.sample(),
            },
        );
        let mut end = End {
            node: &node,
            execution: id,
            how: "dropped",
        };
        sleep(long).await;
        end.how = "done";
    };
    if let Err(RunError::Refused(refused)) = node.gate.run(ExecutionInfo::new("run"), work).await {
        node.log.write(&Event::Denied {
            from,
            way: "run".to_owned(),
            reason: refused.reason.as_str().to_owned(),
            before,
            after: node.sample(),
        });
    }
}

/// Written when the work ends, however that comes about: the execution ends after it.
struct End<'a> {
    node: &'a Node,
    execution: u64,
    how: &'static str,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.node.log.write(&Event::Ended {
            execution: self.execution,
            bypass: false,
            how: self.how.to_owned(),
        });
    }
}

/// By a bare guard, which can only be told to end.
fn guard(node: &Arc<Node>, long: Duration, random: &mut Random) {
    let from = now();
    let before = node.sample();
    let outcome = node.gate.execution(ExecutionInfo::new("guard"));
    let at = now();
    let after = node.sample();
    let way = "guard".to_owned();
    match outcome {
        Ok(execution) => {
            let id = next_execution();
            node.log.write_at(
                at,
                &Event::Began {
                    from,
                    execution: id,
                    way,
                    bypass: execution.is_bypass(),
                    before,
                    after,
                },
            );
            let obeys = node.setup.lost == Lost::Fence || random.chance(50);
            let node = Arc::clone(node);
            tokio::spawn(async move { hold(&node, id, execution, long, obeys).await });
        }
        Err(refused) => node.log.write(&Event::Denied {
            from,
            way,
            reason: refused.reason.as_str().to_owned(),
            before,
            after,
        }),
    }
}

/// As a worker does, which pauses while the site is closed.
async fn when_open(node: &Arc<Node>, long: Duration) {
    let info = ExecutionInfo::new("worker");
    let execution = node.gate.execution_when_open(info).await;
    let at = now();
    // What it waited for is over; nothing before this moment says anything about it.
    let sample = node.sample();
    let id = next_execution();
    node.log.write_at(
        at,
        &Event::Began {
            from: at,
            execution: id,
            way: "worker".to_owned(),
            bypass: execution.is_bypass(),
            before: sample,
            after: sample,
        },
    );
    hold(node, id, execution, long, true).await;
}

/// Works for that long, or until it is told to end.
fn hold(
    node: &Node,
    id: u64,
    execution: Execution,
    long: Duration,
    obeys: bool,
) -> impl Future<Output = ()> + Send + use<> {
    let held = Held {
        log: Arc::clone(&node.log),
        id,
        execution,
        how: "left",
    };
    async move {
        // As a whole: a part of it that is captured alone would be dropped alone.
        let mut held = held;
        held.how = tokio::select! {
            () = sleep(long) => "done",
            () = held.execution.cancelled(), if obeys => "cancelled",
        };
    }
}

/// An execution whose end is written down first.
struct Held {
    log: Arc<Writer>,
    id: u64,
    execution: Execution,
    how: &'static str,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.log.write(&Event::Ended {
            execution: self.id,
            bypass: self.execution.is_bypass(),
            how: self.how.to_owned(),
        });
    }
}
