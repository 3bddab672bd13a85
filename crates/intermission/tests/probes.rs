//! A dependency that fails: when it holds its node, whom that turns away, and what it leaves alone.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, helpers included"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use intermission::reply::{HeaderText, MARKER_HEADER, Marker, ReplyRequest};
use intermission::{
    Activate, Actor, Admission, BadProbe, Change, Deactivate, Decision, DependencyStatus,
    ExecutionInfo, Gate, Hold, MaintenanceState, MemoryState, Operator, Phase, Probe, RefuseReason,
    RouteAccess, StartError, Visitor,
};
use tokio::sync::{mpsc, oneshot};

const SOON: Duration = Duration::from_millis(1);

/// How a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    Fails,
    Hangs,
    Panics,
}
use Outcome::{Fails, Fine, Hangs, Panics};

/// A dependency of which each check waits for the test.
struct Scripted {
    asked: mpsc::UnboundedReceiver<oneshot::Sender<Outcome>>,
    answer: Option<oneshot::Sender<Outcome>>,
}

impl Scripted {
    fn new(name: &str) -> (Self, Probe) {
        let (asking, asked) = mpsc::unbounded_channel();
        let probe = Probe::new(name, move || {
            let (answer, answered) = oneshot::channel();
            // The test may have ended.
            let _ = asking.send(answer);
            async move {
                match answered.await {
                    Ok(Fine) => Ok(()),
                    Ok(Fails) => Err("connection refused"),
                    Ok(Panics) => panic!("a check with a bug"),
                    Ok(Hangs) | Err(_) => std::future::pending().await,
                }
            }
        });
        let scripted = Self {
            asked,
            answer: None,
        };
        (scripted, probe.with_every(SOON))
    }

    /// Waits for the next check; so what the check before it said has been noted.
    async fn asked(&mut self) {
        if self.answer.is_none() {
            self.answer = Some(self.asked.recv().await.unwrap());
        }
    }

    /// Answers the next checks, and waits until all these answers have been noted.
    async fn says(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.asked().await;
            self.answer.take().unwrap().send(*outcome).unwrap();
        }
        self.asked().await;
    }
}

/// Asks until it is so; a test that waits in vain is ended by the runner.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(SOON).await;
    }
}

fn page() -> Visitor<'static> {
    Visitor::new("GET", "/")
}

fn held_by(names: &str) -> Option<Hold> {
    Some(Hold::Dependency(names.to_owned()))
}

fn failing(gate: &Gate) -> Vec<bool> {
    let dependencies = gate.status().dependencies.into_iter();
    dependencies.map(|found| found.failing).collect()
}

async fn start(probe: Probe) -> (MemoryState, Gate) {
    let state = MemoryState::new();
    let starting = Gate::builder(state.clone()).with_probe(probe);
    (state, starting.start().await.unwrap())
}

#[tokio::test]
async fn failures_in_a_row_close_and_successes_in_a_row_open() {
    let (mut database, probe) = Scripted::new("database");
    let (_, gate) = start(probe).await;
    assert!(gate.is_open(), "nothing has failed yet");
    database.says(&[Fails, Fails]).await;
    assert_eq!(failing(&gate), [false]);
    assert!(gate.is_open());
    let DependencyStatus {
        name, last_error, ..
    } = gate.status().dependencies.remove(0);
    assert_eq!(name, "database");
    assert_eq!(last_error.as_deref(), Some("connection refused"));

    database.says(&[Fails]).await;
    assert_eq!(failing(&gate), [true]);
    gate.closing().await;
    assert_eq!(gate.status().hold, held_by("database"));
    assert_eq!(gate.decide(&page()), Decision::Refuse(RefuseReason::Held));
    let refused = gate.execution(ExecutionInfo::new("job")).unwrap_err();
    assert_eq!(refused.reason, RefuseReason::Held);

    database.says(&[Fine]).await;
    assert_eq!(failing(&gate), [true]);
    assert!(!gate.is_open());
    database.says(&[Fine]).await;
    assert_eq!(failing(&gate), [false]);
    until(|| gate.is_open()).await;
    assert_eq!(gate.status().hold, None);
    assert_eq!(gate.status().dependencies.remove(0).last_error, None);
}

#[tokio::test]
async fn what_comes_and_goes_neither_closes_nor_opens() {
    let (mut database, probe) = Scripted::new("database");
    let (_, gate) = start(probe).await;
    for _ in 0..5 {
        database.says(&[Fails, Fails, Fine]).await;
        assert_eq!(failing(&gate), [false]);
    }
    assert!(gate.is_open());
    database.says(&[Fails, Fails, Fails]).await;
    for _ in 0..5 {
        database.says(&[Fine, Fails]).await;
        assert_eq!(failing(&gate), [true]);
    }
    gate.closing().await;
}

#[tokio::test]
async fn a_check_that_hangs_or_panics_has_failed() {
    for (outcome, error) in [
        (Hangs, "no answer within 10ms"),
        (Panics, "the check panicked"),
    ] {
        let (mut database, probe) = Scripted::new("database");
        let patience = Duration::from_millis(10);
        let probe = if outcome == Hangs {
            probe.with_timeout(patience)
        } else {
            probe
        };
        let (_, gate) = start(probe.with_failures(1).with_successes(u32::MAX)).await;
        database.says(&[outcome]).await;
        gate.closing().await;
        let last = gate.status().dependencies.remove(0).last_error;
        assert_eq!(last.as_deref(), Some(error));
    }
}

/// It blocks its thread, so that nothing can end it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_check_that_blocks_its_thread_fails_again_and_again_and_is_not_started_twice() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let runs = Arc::new(AtomicBool::new(false));
    let running = Arc::clone(&runs);
    let probe = Probe::new("database", move || {
        let (blocked, running) = (Arc::clone(&blocked), Arc::clone(&running));
        async move {
            assert!(!running.swap(true, Ordering::SeqCst), "one at a time");
            // Until the test lets it go, and at once after that.
            let _ = blocked.lock().unwrap().recv();
            running.store(false, Ordering::SeqCst);
            Ok::<_, String>(())
        }
    });
    let (_, gate) = start(probe.with_every(SOON).with_timeout(SOON * 50)).await;
    gate.closing().await;
    assert!(runs.load(Ordering::SeqCst));
    drop(release);
    until(|| gate.is_open()).await;
}

#[tokio::test]
async fn a_refused_visitor_gets_the_usual_page_and_routes_that_are_always_open_stay_open() {
    let (mut database, probe) = Scripted::new("database");
    let (_, gate) = start(probe).await;
    let Admission::Admitted(before) = gate.admit(&page()) else {
        panic!("it is open")
    };
    database.says(&[Fails, Fails, Fails]).await;
    gate.closing().await;
    assert_eq!(gate.status().requests, 1, "who is in stays in");
    drop(before);

    let Admission::Refused(refusal) = gate.admit(&page()) else {
        panic!("it is held")
    };
    assert_eq!(refusal.reason(), RefuseReason::Held);
    let reply = refusal.reply(ReplyRequest::new("GET"));
    assert_eq!(reply.status(), 503);
    let marker = Marker::of(Phase::Activated, intermission::Level::Full);
    let mut headers = reply.headers();
    assert!(
        headers
            .any(|(name, value)| name == MARKER_HEADER
                && value == HeaderText::Static(marker.as_str()))
    );

    let health = page().with_access(RouteAccess::Always);
    assert!(gate.decide(&health).is_admit());
    let admin = page().with_permission(true);
    assert!(gate.decide(&admin).is_admit(), "who may look, may look");
}

#[tokio::test]
async fn any_of_two_dependencies_holds_and_both_are_named() {
    let (mut database, first) = Scripted::new("database");
    let (mut search, second) = Scripted::new("search");
    let starting = Gate::builder(MemoryState::new())
        .with_probe(first.with_failures(1).with_successes(1))
        .with_probe(second.with_failures(1).with_successes(1));
    let gate = starting.start().await.unwrap();
    search.says(&[Fails]).await;
    until(|| gate.status().hold == held_by("search")).await;
    database.says(&[Fails]).await;
    until(|| gate.status().hold == held_by("database, search")).await;
    search.says(&[Fine]).await;
    until(|| gate.status().hold == held_by("database")).await;
    assert_eq!(failing(&gate), [true, false]);
    database.says(&[Fine]).await;
    until(|| gate.is_open()).await;
}

#[tokio::test]
async fn the_record_stays_as_the_operators_left_it_and_they_see_the_hold() {
    let (mut database, probe) = Scripted::new("database");
    let (state, gate) = start(probe.with_failures(1).with_successes(1)).await;
    let operator = Operator::new(state.clone(), Actor::new("ana", "test"));
    database.says(&[Fails]).await;
    gate.closing().await;
    let shown = async || {
        let view = state.inspect(9).await.unwrap();
        view.nodes.into_iter().next().unwrap().facts.hold
    };
    while shown().await.as_deref() != Some("dependency database fails") {
        tokio::time::sleep(SOON).await;
    }
    assert_eq!(gate.record().phase(), Phase::Deactivated);
    assert_eq!(gate.record().revision(), intermission::Revision::ZERO);

    let activate = Change::Activate(Activate::by("ana"));
    operator.change(activate).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    database.says(&[Fine]).await;
    until(|| gate.status().hold.is_none()).await;
    while shown().await.is_some() {
        tokio::time::sleep(SOON).await;
    }
    assert_eq!(
        gate.decide(&page()),
        Decision::Refuse(RefuseReason::Maintenance)
    );

    database.says(&[Fails]).await;
    until(|| gate.status().hold.is_some()).await;
    let deactivate = Change::Deactivate(Deactivate::new());
    operator.change(deactivate).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Deactivated)
        .await;
    assert_eq!(gate.decide(&page()), Decision::Refuse(RefuseReason::Held));
    database.says(&[Fine]).await;
    until(|| gate.is_open()).await;
}

#[tokio::test]
async fn a_probe_ends_with_its_gate() {
    let (mut database, probe) = Scripted::new("database");
    let (_, gate) = start(probe.with_every(Duration::from_secs(3_600))).await;
    database.asked().await;
    drop(gate);
    // The probe's check, and with it the sender, is dropped with its task.
    assert!(database.asked.recv().await.is_none());
}

#[tokio::test]
async fn a_probe_that_makes_no_sense_is_an_error_at_the_start() {
    let (_, probe) = Scripted::new("");
    let starting = Gate::builder(MemoryState::new()).with_probe(probe);
    let error = starting.start().await.unwrap_err();
    assert!(matches!(error, StartError::Probe(BadProbe::Name { .. })));
    let same = || Scripted::new("database").1;
    let starting = Gate::builder(MemoryState::new())
        .with_probe(same())
        .with_probe(same());
    let error = starting.start().await.unwrap_err();
    let text = "two probes are named \"database\": nobody could tell which of them fails";
    assert_eq!(error.to_string(), text);
}
