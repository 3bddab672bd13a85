//! One line for each change of state, and none for a request.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level as LogLevel, Metadata, Subscriber};

use super::*;

thread_local! {
    /// The log of the test of this thread, on which its keeper lives, too.
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// What was written by this test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Line>>>);

/// Writes into the log of the thread, if it has one.
///
/// One for the whole process: what a line's first thread has no use for, `tracing` may believe that nobody has.
struct ToThread;

#[derive(Clone, Debug)]
struct Line {
    level: LogLevel,
    message: String,
    fields: BTreeMap<&'static str, String>,
}

impl Log {
    /// Writes down what this thread says from now on.
    fn begin() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| set_global_default(ToThread).unwrap());
        let log = Self::default();
        LOG.set(Some(log.clone()));
        log
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap()
    }

    /// Takes what was written so far: level and message, without what is for finding bugs.
    fn take(&self) -> Vec<(LogLevel, String)> {
        let lines = self.take_lines().into_iter();
        lines.map(|line| (line.level, line.message)).collect()
    }

    fn take_lines(&self) -> Vec<Line> {
        let mut lines = std::mem::take(&mut *self.lines());
        lines.retain(|line| line.level != LogLevel::DEBUG);
        lines
    }
}

impl Subscriber for ToThread {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("intermission")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        assert_eq!(event.metadata().target(), "intermission");
        let mut line = Line {
            level: *event.metadata().level(),
            message: String::new(),
            fields: BTreeMap::new(),
        };
        event.record(&mut line);
        LOG.with_borrow(|log| {
            if let Some(log) = log {
                log.lines().push(line);
            }
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.insert(field.name(), value);
        }
    }
}

fn info(message: &str) -> (LogLevel, String) {
    (LogLevel::INFO, message.to_owned())
}

fn warn(message: &str) -> (LogLevel, String) {
    (LogLevel::WARN, message.to_owned())
}

const CHANGED: &str = "maintenance mode changed";
const AWAY: &str = "the maintenance state is out of reach";
const BACK: &str = "the maintenance state is in reach again";
const HELD: &str = "this node is held: it turns visitors away";
const IDLE: &str = "this node starts no executions";
const FREE: &str = "this node is no longer held";

/// A change of the mode, and a field of its line for each word.
fn change_of_mode(line: &Line, words: &[&str]) -> Vec<String> {
    assert_eq!(
        (line.level, line.message.as_str()),
        (LogLevel::INFO, CHANGED)
    );
    let word = |name: &&str| line.fields.get(name).cloned().unwrap_or_default();
    words.iter().map(word).collect()
}

#[tokio::test]
async fn each_change_of_the_mode_is_one_line() {
    let log = Log::begin();
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let operator = Operator::new(state.clone(), Actor::new("ana", "test"));
    assert_eq!(log.take(), [], "an open site starts without a word");

    let job = gate.execution(ExecutionInfo::new("job")).unwrap();
    let activate = Change::Activate(Activate::by("ana"));
    operator.change(activate).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activating)
        .await;
    drop(job);
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    let deactivate = Change::Deactivate(Deactivate::new());
    operator.change(deactivate).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Deactivated)
        .await;
    let lines = log.take_lines();
    let words = [
        "from",
        "phase",
        "level",
        "requested_by",
        "forced",
        "unconfirmed",
    ];
    let [activating, activated, deactivated] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(
        change_of_mode(activating, &words),
        ["deactivated", "activating", "full", "ana", "", ""]
    );
    assert_eq!(
        change_of_mode(activated, &words),
        ["activating", "activated", "full", "ana", "false", "0"]
    );
    assert_eq!(
        change_of_mode(deactivated, &words),
        ["activated", "deactivated", "full", "", "", ""]
    );
    assert_eq!(
        deactivated.fields["revision"],
        gate.record().revision().number().to_string()
    );

    // A node that starts on a closed site says so.
    let activate = Change::Activate(Activate::by("ana"));
    operator.change(activate).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    log.take();
    let late = Gate::builder(state).start().await.unwrap();
    assert_eq!(log.take(), [info(CHANGED)]);
    gate.shutdown().await;
    late.shutdown().await;
    assert_eq!(log.take(), [], "a goodbye is no change of state");
}

#[tokio::test]
async fn a_plan_is_a_line_when_it_is_made_and_one_for_each_phase_that_it_brings() {
    let log = Log::begin();
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    let job = gate.execution(ExecutionInfo::new("job")).unwrap();
    let soon = intermission::SystemClock
        .now()
        .saturating_add(Duration::from_millis(50));
    let plan = Change::Activate(Activate::by("ana").with_starts_at(soon));
    operator.change(plan).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activating)
        .await;
    drop(job);
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    let lines = log.take_lines();
    let phases: Vec<_> = lines
        .iter()
        .map(|line| change_of_mode(line, &["from", "phase"]).join(" "))
        .collect();
    let expected = [
        "deactivated deactivated",
        "deactivated activating",
        "activating activated",
    ];
    assert_eq!(phases, expected);
}

#[tokio::test]
async fn refused_requests_and_executions_write_nothing() {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    let activate = Change::Activate(Activate::by("ana"));
    operator.change(activate).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    let log = Log::begin();
    let job = page().with_access(RouteAccess::StartsExecution);
    for _ in 0..1_000 {
        assert!(matches!(gate.admit(&page()), Admission::Refused(_)));
        assert!(matches!(gate.admit(&job), Admission::Refused(_)));
        assert!(gate.execution(ExecutionInfo::new("job")).is_err());
        let staff = page().with_permission(true);
        assert!(matches!(gate.admit(&staff), Admission::Admitted(_)));
    }
    assert!(log.lines().is_empty(), "{:?}", log.lines());
}

#[tokio::test]
async fn an_outage_is_a_line_when_it_begins_when_it_closes_and_when_each_ends() {
    let log = Log::begin();
    let state = Ailing::new(FINE);
    let gate = builder(&state)
        .with_outage_policy(OutagePolicy::CloseAfter(Duration::from_millis(50)))
        .start()
        .await
        .unwrap();
    for _ in 0..2 {
        state.becomes(FAILS);
        until(|| !gate.is_open()).await;
        // Many calls fail, and each is worth a line to those only who look for a bug.
        let failed = |log: &Log| {
            let lines = log.lines();
            let debug = lines.iter().filter(|line| line.level == LogLevel::DEBUG);
            debug.count()
        };
        until(|| failed(&log) >= 5).await;
        let lines = log.take_lines();
        let [away, held] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!((away.level, away.message.as_str()), (LogLevel::WARN, AWAY));
        assert_eq!(away.fields["kind"], "unavailable");
        assert_eq!(away.fields["error"], "it is away");
        assert_eq!((held.level, held.message.as_str()), (LogLevel::WARN, HELD));
        assert_eq!(held.fields["hold"], "state unreachable");
        state.becomes(FINE);
        until(|| gate.is_open()).await;
        assert_eq!(log.take(), [info(BACK), info(FREE)]);
    }
}

#[tokio::test]
async fn a_node_that_starts_without_its_state_says_so() {
    let log = Log::begin();
    let state = Ailing::new(FAILS);
    let gate = builder(&state)
        .with_start_policy(StartPolicy::StartClosed)
        .start()
        .await
        .unwrap();
    assert_eq!(log.take(), [warn(AWAY), warn(HELD)]);
    state.becomes(FINE);
    until(|| gate.is_open()).await;
    assert_eq!(log.take(), [info(BACK), info(FREE)]);
}

#[tokio::test]
async fn a_fence_is_a_line_and_what_it_drops_is_another() {
    let log = Log::begin();
    let state = Ailing::new(FINE);
    let gate = builder(&state)
        .with_lost_contact(LostContact::Fence(Duration::from_millis(50)))
        .start()
        .await
        .unwrap();
    let worker = gate.clone();
    let work = async move {
        worker
            .run(ExecutionInfo::new("job"), std::future::pending::<()>())
            .await
    };
    let work = tokio::spawn(work);
    until(|| gate.status().running == 1).await;
    state.becomes(FAILS);
    assert!(work.await.unwrap().is_err());
    let dropped = "the executions that still run are dropped, where that is possible";
    assert_eq!(log.take(), [warn(AWAY), warn(IDLE), warn(dropped)]);
    state.becomes(FINE);
    until(|| gate.is_open()).await;
    assert_eq!(log.take(), [info(BACK), info(FREE)]);
}

#[tokio::test]
async fn the_death_of_a_keeper_is_a_line() {
    let log = Log::begin();
    let state = Ailing::new(FINE);
    let gate = builder(&state).start().await.unwrap();
    state.becomes(PANICS);
    until(|| gate.status().keeper_restarts == 1).await;
    until(|| log.lines().iter().any(|line| line.message == BACK)).await;
    let died = "the keeper died and is started again".to_owned();
    assert_eq!(
        log.take(),
        [(LogLevel::ERROR, died), warn(AWAY), info(BACK)]
    );
}

#[tokio::test]
async fn a_node_that_remembers_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last-known.json");
    let state = Ailing::new(FINE);
    let first = builder(&state).with_last_known(&file).start().await;
    let gate = first.unwrap();
    let activate = Change::Activate(Activate::by("ana"));
    state.operator().change(activate).await.unwrap();
    let activated = gate
        .reached(|record| record.phase() == Phase::Activated)
        .await;
    let is_kept = || std::fs::read(&file).is_ok_and(|json| json == activated.to_json());
    until(is_kept).await;
    gate.shutdown().await;

    let log = Log::begin();
    state.becomes(FAILS);
    let again = builder(&state).with_last_known(&file).start().await;
    let gate = again.unwrap();
    assert_eq!(gate.record().phase(), Phase::Activated);
    let remembered = "the last known record is remembered";
    assert_eq!(log.take(), [info(remembered), warn(AWAY), warn(IDLE)]);
}
