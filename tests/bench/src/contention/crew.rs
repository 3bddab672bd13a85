//! Threads that do the same thing at the same time, each on its processor.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::clock::now;
use crate::statistics::Sample;

/// No stint takes as long, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(30);

/// An operation that threads do.
pub(super) struct Work {
    pub(super) name: &'static str,
    /// Does it that many times.
    pub(super) run: Arc<dyn Fn(u64) + Send + Sync>,
}

/// Threads, numbered from 0. The first is on the first processor that this process may use, the second on the second,
/// and so on in turns.
pub(super) struct Crew {
    members: Vec<Member>,
}

struct Member {
    orders: Option<Sender<Order>>,
    done: Receiver<Stint>,
    thread: Option<JoinHandle<()>>,
}

/// When a member began and ended, and for how long a processor was its own.
struct Stint {
    began: Duration,
    ended: Duration,
    processor: Duration,
}

/// What members took for something that they did together, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    /// From the begin of the first to the end of the last.
    pub(super) all: f64,
    /// For how long each was on a processor, on average: what others of this machine do is not among it.
    pub(super) processor: f64,
}

struct Order {
    work: Arc<dyn Fn(u64) + Send + Sync>,
    times: u64,
    together: Arc<Barrier>,
}

impl Crew {
    /// Starts them, one after the other, and has each do everything once: so threads are numbered, and given their
    /// shards, in the order in which a runtime starts its workers.
    pub(super) fn start(count: usize, works: &[Work]) -> Result<Self> {
        let allowed = sched_getaffinity(None).context("the system does not say its processors")?;
        let processors: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|processor| allowed.is_set(*processor))
            .collect();
        ensure!(
            processors.len() >= 2,
            "two threads on one processor say nothing of contention: run this where at least two may be used"
        );
        let mut crew = Self {
            members: Vec::with_capacity(count),
        };
        for (number, processor) in (0..count).zip(processors.iter().cycle()) {
            crew.members.push(Member::start(*processor)?);
            for work in works {
                crew.work(&work.run, 1, &[number])?;
            }
        }
        Ok(crew)
    }

    /// How often one thread can do it in that many seconds.
    pub(super) fn times_for(&self, work: &Work, stint: f64) -> Result<u64> {
        let mut times = 64;
        loop {
            let took = Sample::new(
                (0..3)
                    .map(|_| Ok(self.work(&work.run, times, &[0])?.all))
                    .collect::<Result<_>>()?,
            );
            let took = took.median();
            if took >= stint / 2.0 || times > 1 << 30 {
                return Ok(times);
            }
            times *= 2;
        }
    }

    /// Has these members do it that many times each, begun together, and says what that took.
    pub(super) fn work(
        &self,
        work: &Arc<dyn Fn(u64) + Send + Sync>,
        times: u64,
        members: &[usize],
    ) -> Result<Took> {
        let together = Arc::new(Barrier::new(members.len()));
        let members: Vec<&Member> = members
            .iter()
            .map(|number| self.members.get(*number).context("there is no such thread"))
            .collect::<Result<_>>()?;
        for member in &members {
            let order = Order {
                work: Arc::clone(work),
                times,
                together: Arc::clone(&together),
            };
            let orders = member.orders.as_ref().context("the threads have ended")?;
            orders.send(order).ok().context("a thread has ended")?;
        }
        let mut span: Option<(Duration, Duration)> = None;
        let mut processors = 0.0;
        for member in &members {
            let stint = match member.done.recv_timeout(PATIENCE) {
                Ok(stint) => stint,
                Err(RecvTimeoutError::Timeout) => bail!("a stint takes longer than {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("a thread has ended"),
            };
            let Stint { began, ended, .. } = stint;
            processors += stint.processor.as_secs_f64();
            span = Some(span.map_or((began, ended), |(first, last)| {
                (first.min(began), last.max(ended))
            }));
        }
        let (first, last) = span.context("somebody works")?;
        let count = u32::try_from(members.len())?;
        Ok(Took {
            all: last.saturating_sub(first).as_secs_f64(),
            processor: processors / f64::from(count),
        })
    }
}

impl Member {
    fn start(processor: usize) -> Result<Self> {
        let (orders, incoming) = channel::<Order>();
        let (outgoing, done) = channel();
        let mut own = CpuSet::new();
        own.set(processor);
        let (pinned, is_pinned) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("bench on {processor}"))
            .spawn(move || {
                // Nobody listens any more if the bench has failed elsewhere.
                let _ = pinned.send(sched_setaffinity(None, &own));
                for order in incoming {
                    order.together.wait();
                    let (began, used) = (now(), processor_time());
                    (order.work)(order.times);
                    let stint = Stint {
                        processor: processor_time().saturating_sub(used),
                        ended: now(),
                        began,
                    };
                    let _ = outgoing.send(stint);
                }
            })?;
        let member = Self {
            orders: Some(orders),
            done,
            thread: Some(thread),
        };
        is_pinned
            .recv()
            .context("a thread has ended")?
            .with_context(|| format!("a thread cannot be kept on processor {processor}"))?;
        Ok(member)
    }
}

/// For how long a processor has been this thread's own.
fn processor_time() -> Duration {
    // The system's times are never negative.
    clock_gettime(ClockId::ThreadCPUTime)
        .try_into()
        .unwrap_or_default()
}

impl Drop for Member {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing left to say.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn each_member_does_its_share() {
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let work = Work {
            name: "count",
            run: Arc::new(move |times| {
                counted.fetch_add(times, Ordering::Relaxed);
            }),
        };
        let crew = Crew::start(3, std::slice::from_ref(&work)).unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 3, "each has done it once");
        crew.work(&work.run, 10, &[0, 2]).unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 23);
        assert!(crew.work(&work.run, 10, &[3]).is_err());
    }
}
