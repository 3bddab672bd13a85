//! What a row works with: a site, its operator, a server, and time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use intermission::{
    Activate, Actor, Change, Clock, Deactivate, Execution, ExecutionInfo, Gate, Goal, Level,
    MemoryState, Operator, Pass, PassId, PassSecret, Phase, Record, SystemClock, Timestamp, Timing,
    Waited,
};
use tokio::sync::{Mutex, mpsc};

use crate::ManualClock;
use crate::failure::{Checked, Failure, ensure};

use super::expected::Expect;
use super::given::Given;
use super::http1::{Received, Request, Wire, in_time};
use super::server::Server;
use super::state::Breakable;
use super::{Route, Site};

/// What a row works with.
pub(crate) struct Stage {
    pub(crate) given: Given,
    pub(crate) gate: Gate,
    pub(crate) clock: ManualClock,
    pub(crate) state: Breakable,
    pub(crate) site: Site,
    pub(crate) operator: Operator,
    pub(crate) shows_decisions: bool,
    address: SocketAddr,
    began: Mutex<mpsc::UnboundedReceiver<Route>>,
    pieces: std::sync::Mutex<Option<mpsc::Sender<Bytes>>>,
    /// What a drain waits for.
    running: std::sync::Mutex<Option<Execution>>,
}

/// A stage, and the server on it.
pub(crate) struct Set<S> {
    pub(crate) stage: Stage,
    pub(crate) server: S,
}

impl<S: Server> Set<S> {
    pub(crate) async fn build(given: Given) -> Checked<Self> {
        let clock = ManualClock::new();
        let (timing, shared_clock): (Timing, Arc<dyn Clock>) = if given.quick {
            (quick(), Arc::new(SystemClock))
        } else {
            (Timing::default(), Arc::new(clock.clone()))
        };
        let memory = MemoryState::with_timing_and_clock(timing, Arc::clone(&shared_clock));
        let state = Breakable::new(memory.clone(), given.start_without_state.is_some());
        let builder = if given.announces {
            Gate::builder(state.clone()).with_scheduled_header()
        } else {
            Gate::builder(state.clone())
        };
        let gate = builder
            .with_clock(Arc::clone(&shared_clock))
            .with_timing(timing)
            .with_policy(given.policy)
            .with_reply_policy(given.reply_policy.clone())
            .with_outage_policy(given.outage)
            .with_start_policy(given.start_without_state.unwrap_or_default())
            .start()
            .await?;
        let (site, strings) = Site::new(gate.clone(), given.settings()?);
        let server = S::serve(site.clone())
            .await
            .map_err(|error| Failure::from(&*error).during("the server did not start"))?;
        let stage = Stage {
            operator: Operator::new(memory, Actor::new("ana", "the table"))
                .with_clock(shared_clock),
            shows_decisions: S::SHOWS_DECISIONS,
            address: server.address(),
            gate,
            clock,
            state,
            site,
            began: Mutex::new(strings.began),
            pieces: std::sync::Mutex::new(Some(strings.pieces)),
            running: std::sync::Mutex::default(),
            given,
        };
        Ok(Self { stage, server })
    }
}

/// Heartbeats of milliseconds, which fit together.
fn quick() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_millis(4_000);
    timing.heartbeat = Duration::from_millis(20);
    timing.timeout = Duration::from_millis(1_000);
    timing.step = Duration::from_millis(100);
    timing.margin = Duration::from_millis(200);
    timing.grace = Duration::from_millis(4_000);
    timing
}

impl Stage {
    /// Brings about the mode that is given.
    pub(crate) async fn set(&self) -> Checked {
        if self.given.phase == Phase::Activating {
            self.hold_a_drain_up()?;
        }
        if let Some(activate) = self.given.activate(self.clock.now())? {
            self.operator.change(Change::Activate(activate)).await?;
            let phase = self.given.phase;
            if self.given.start_without_state.is_none() {
                self.reached("the mode", move |record| record.phase() == phase)
                    .await?;
            }
        }
        self.clock.advance(self.given.lapse());
        Ok(())
    }

    /// An execution runs until [`end_drain`](Self::end_drain).
    fn hold_a_drain_up(&self) -> Checked {
        let running = self.gate.execution(ExecutionInfo::new("job"))?;
        *lock(&self.running) = Some(running);
        Ok(())
    }

    /// What held the drain up has ended, so that the site closes.
    pub(crate) async fn end_drain(&self) -> Checked {
        lock(&self.running).take();
        self.reached("the end of the drain", |record| {
            record.phase() == Phase::Activated
        })
        .await
    }

    /// Makes a change, and waits until the gate has it.
    pub(crate) async fn change(&self, change: Change) -> Checked {
        let accepted = self.operator.change(change).await?;
        let revision = accepted.record.revision();
        self.reached("a change", |record| record.revision() >= revision)
            .await
    }

    pub(crate) async fn close(&self) -> Checked {
        self.close_at(Level::Full).await
    }

    pub(crate) async fn close_at(&self, level: Level) -> Checked {
        let activate = Activate::by("ana").with_level(level);
        self.change(Change::Activate(activate)).await?;
        self.reached("the closure", |record| {
            record.phase() == Phase::Activated && record.level() == level
        })
        .await
    }

    /// Begins a drain, which waits for what the row has going on.
    pub(crate) async fn begin_drain(&self) -> Checked {
        self.change(Change::Activate(Activate::by("ana"))).await?;
        self.reached("a drain", |record| record.phase() == Phase::Activating)
            .await
    }

    /// Waits until no visitor's request runs any more, as a backup would.
    pub(crate) async fn quiescent(&self) -> Checked {
        let record = self.gate.record();
        let activation = record
            .activation()
            .ok_or_else(|| Failure::new("maintenance is not on"))?;
        in_time("quiescence", async {
            let waiting = self.operator.wait(activation.id, Goal::Quiescent, |_| {});
            match waiting.await? {
                Waited::Reached(_) => Ok(()),
                other => Err(Failure::new(format!("it ended otherwise: {other:?}"))),
            }
        })
        .await
    }

    pub(crate) async fn open(&self) -> Checked {
        self.change(Change::Deactivate(Deactivate::new())).await?;
        self.reached("the opening", |record| !record.phase().is_on())
            .await
    }

    pub(crate) async fn issue_pass(
        &self,
        expires_in: Option<Duration>,
    ) -> Checked<(PassId, PassSecret)> {
        let end = expires_in.map(|time| self.now().saturating_add(time));
        let (pass, secret) = Pass::issue("ben", end)?;
        let id = pass.id;
        self.change(Change::IssuePass(pass)).await?;
        Ok((id, secret))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn reached(&self, what: &str, is_reached: impl FnMut(&Record) -> bool + Send) -> Checked {
        in_time(what, async {
            self.gate.reached(is_reached).await;
            Ok(())
        })
        .await
    }

    pub(crate) async fn wire(&self) -> Checked<Wire> {
        in_time("a connection", Wire::open(self.address)).await
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks on a connection of its own.
    pub(crate) async fn ask(&self, request: &Request) -> Checked<Received> {
        let mut wire = self.wire().await?;
        wire.send(&request.bytes("close")).await?;
        let received = wire.answer(request.is_head()).await?;
        let rest = wire.rest().await?;
        ensure(rest.is_empty(), || {
            let rest = String::from_utf8_lossy(&rest);
            format!("after the answer {received:?} comes {rest:?}")
        })?;
        Ok(received)
    }

    /// Asks on a connection of its own, and compares.
    pub(crate) async fn expect(&self, request: &Request, expect: &Expect) -> Checked {
        let calls_before = self.site.calls();
        let received = self.ask(request).await?;
        expect.check(self, request, &received, calls_before)
    }

    /// The next route whose handler begins.
    pub(crate) async fn began(&self) -> Checked<Route> {
        let mut began = self.began.lock().await;
        in_time("a call of a handler", async {
            let route = began.recv().await;
            route.ok_or_else(|| Failure::new("the application is gone"))
        })
        .await
    }

    /// Gives the stream another piece.
    pub(crate) async fn feed(&self, piece: &'static str) -> Checked {
        let pieces = lock(&self.pieces).clone();
        in_time("the stream's taking a piece", async {
            let pieces = pieces.ok_or_else(|| Failure::new("the stream has ended"))?;
            Ok(pieces.send(Bytes::from_static(piece.as_bytes())).await?)
        })
        .await
    }

    /// Gives the stream pieces until it is dropped. Some servers see only then that nobody reads.
    pub(crate) async fn feed_until_dropped(&self) -> Checked {
        let pieces = lock(&self.pieces).take();
        in_time("the end of a stream that nobody reads", async {
            if let Some(pieces) = pieces {
                // Long ones, since a client of HTTP/2 takes a flood of short frames for an attack.
                let piece = Bytes::from_static(&[b'x'; 1_024]);
                while pieces.send(piece.clone()).await.is_ok() {}
            }
            Ok(())
        })
        .await
    }

    /// Ends the stream.
    pub(crate) fn end_stream(&self) {
        lock(&self.pieces).take();
    }

    pub(crate) fn requests(&self) -> u64 {
        self.gate.status().requests
    }

    pub(crate) fn running(&self) -> u64 {
        self.gate.status().running
    }

    /// Waits until nothing is counted any more.
    pub(crate) async fn nothing_in_flight(&self) -> Checked {
        let counted = self.until("the end of all requests and executions", || {
            self.requests() == 0 && self.running() == 0
        });
        counted.await.map_err(|failure| {
            let (requests, running) = (self.requests(), self.running());
            failure.during(&format!("requests: {requests}, executions: {running}"))
        })
    }

    /// Waits until so many requests are counted.
    pub(crate) async fn counted(&self, requests: u64) -> Checked {
        self.until(&format!("a count of {requests}"), || {
            self.requests() == requests
        })
        .await
    }

    /// Waits until no request is counted any more; executions may be.
    pub(crate) async fn no_request_in_flight(&self) -> Checked {
        self.counted(0).await
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool + Sync) -> Checked {
        in_time(what, async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        })
        .await
    }

    /// Asks until the answer has this status.
    pub(crate) async fn until_status(&self, request: &Request, status: u16) -> Checked<Received> {
        in_time("an answer with the status", async {
            loop {
                let received = self.ask(request).await?;
                if received.status == status {
                    return Ok(received);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .map_err(|failure| failure.during(&format!("{status}")))
    }

    /// The site and the server are as a row has to leave them.
    pub(crate) async fn clear(&self) -> Checked {
        self.end_stream();
        self.site.end_slow_answers();
        self.site.end_taken_executions();
        lock(&self.running).take();
        self.nothing_in_flight().await
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
