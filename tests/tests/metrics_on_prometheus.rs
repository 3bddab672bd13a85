//! What a real recorder says of real gates, scraped through a real socket.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, helpers included"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Method;
use intermission::{
    Activate, Actor, Admission, Change, Deactivate, Departure, ExecutionInfo, Gate, HistoryEntry,
    Level, MaintenanceState, MemoryState, NodeId, NodeReport, OperateReply, Operation, Operator,
    OutagePolicy, Record, Revision, RouteAccess, StateError, StateErrorKind, SyncReply, Timing,
    View, Visitor,
};
use intermission_admin::{Admin, AdminRequest, Authorization};
use intermission_file::FileState;
use intermission_tests::{http::send, wait::until};
use metrics_exporter_prometheus::PrometheusBuilder;

/// Where this process is scraped. The exporter lives in a thread of its own, longer than any test's runtime.
fn exporter() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    let install = || {
        for _ in 0..100 {
            // Whoever takes the port in between has us try another.
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let address = free.local_addr().expect("an address");
            drop(free);
            let builder = PrometheusBuilder::new()
                .with_http_listener(address)
                .with_recommended_naming(true);
            if builder.install().is_ok() {
                return address;
            }
        }
        panic!("the exporter finds no port")
    };
    // On a thread without a runtime, or it would end with the first test's.
    *ADDRESS.get_or_init(|| std::thread::spawn(install).join().expect("it is installed"))
}

type Labels = BTreeMap<String, String>;

/// What one scrape said of one node.
#[derive(Debug)]
struct Scrape {
    text: String,
    samples: Vec<(String, Labels, f64)>,
}

impl Scrape {
    async fn of(node: &str) -> Self {
        let answer = send(exporter(), Method::GET, "/metrics", &[]);
        let text = answer.await.expect("it is scraped").body;
        let ours = |(_, labels, _): &(_, Labels, _)| labels["node"] == node;
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(sample).filter(ours).collect();
        Self { text, samples }
    }

    /// The value of the sample with these labels, besides the node's.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |given: &Labels| {
            given.len() == labels.len() + 1
                && labels
                    .iter()
                    .all(|(label, value)| given.get(*label).is_some_and(|given| given == value))
        };
        let mut values = self
            .samples
            .iter()
            .filter(|(given, labels, _)| given == name && fits(labels))
            .map(|(_, _, value)| *value);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} {labels:?} is there once");
        value
    }

    /// The labels' values of the samples of that name that are not 0.
    fn set(&self, name: &str, label: &str) -> Vec<&str> {
        self.samples
            .iter()
            .filter(|(given, _, value)| given == name && *value != 0.0)
            .map(|(_, labels, _)| labels[label].as_str())
            .collect()
    }
}

/// Reads `name{label="value",…} number`. No value here holds a quotation mark.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, number) = line.rsplit_once(' ').expect("a sample");
    let (name, labels) = series.split_once('{').expect("labels");
    let labels = labels
        .strip_suffix('}')
        .expect("the labels' end")
        .split(',');
    let label = |pair: &str| {
        let (label, value) = pair.split_once('=').expect("a label");
        (label.to_owned(), value.trim_matches('"').to_owned())
    };
    (
        name.to_owned(),
        labels.map(label).collect(),
        number.parse().expect("a number"),
    )
}

/// Scrapes until a series has this value.
async fn becomes(node: &str, name: &str, labels: &[(&str, &str)], value: f64) {
    let what = format!("{name} {labels:?} of {node} is {value}");
    let ask = async || {
        let scraped = Scrape::of(node).await.value(name, labels);
        (scraped == Some(value)).then_some(())
    };
    until(&what, ask).await;
}

fn quick() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_millis(400);
    timing.heartbeat = Duration::from_millis(40);
    timing.timeout = Duration::from_millis(100);
    timing.step = Duration::from_millis(20);
    timing.margin = Duration::from_millis(60);
    timing.grace = Duration::from_millis(400);
    timing
}

fn page() -> Visitor<'static> {
    Visitor::new("GET", "/")
}

fn job() -> Visitor<'static> {
    Visitor::new("POST", "/jobs").with_access(RouteAccess::StartsExecution)
}

fn job_info() -> ExecutionInfo {
    ExecutionInfo::new("job")
}

async fn activate(operator: &Operator, level: Level) {
    let activate = Activate::by("ana").with_level(level);
    operator.change(Change::Activate(activate)).await.unwrap();
}

async fn deactivate(operator: &Operator) {
    let change = Change::Deactivate(Deactivate::new());
    operator.change(change).await.unwrap();
}

const PHASE: &str = "intermission_phase";
const DECISIONS: &str = "intermission_decisions_total";
const EXECUTIONS: &str = "intermission_executions";
const REQUESTS: &str = "intermission_requests_in_flight";
const TRANSITIONS: &str = "intermission_transitions_total";
const STATE_ERRORS: &str = "intermission_state_errors_total";
const LAST_CONTACT: &str = "intermission_last_contact_timestamp_seconds";

async fn decided(node: &str, decision: &str, reason: &str, times: f64) {
    let labels = [("decision", decision), ("reason", reason)];
    becomes(node, DECISIONS, &labels, times).await;
}

#[tokio::test]
async fn a_node_shows_the_mode_and_what_it_does_to_visitors() {
    exporter();
    let node = "shows-the-mode";
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).with_node_name(node);
    let gate = gate.start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));

    // Everything is there from the start, and so is what each means.
    becomes(node, PHASE, &[("phase", "deactivated")], 1.0).await;
    decided(node, "refuse", "maintenance", 0.0).await;
    becomes(node, "intermission_keeper_restarts_total", &[], 0.0).await;
    let scrape = Scrape::of(node).await;
    assert!(scrape.text.contains("# TYPE intermission_phase gauge"));
    assert!(scrape.text.contains("# HELP intermission_decisions_total "));
    assert_eq!(scrape.set("intermission_level", "level"), [""; 0]);
    assert_eq!(scrape.set(DECISIONS, "reason"), [""; 0]);

    // Nobody counts whom nothing was asked.
    for _ in 0..100 {
        assert!(gate.admit_open("GET", RouteAccess::Ordinary).is_some());
        assert!(matches!(gate.admit(&job()), Admission::Admitted(_)));
    }
    let request = gate.admit_open("GET", RouteAccess::Ordinary);
    let running = gate.execution(job_info()).unwrap();
    becomes(node, REQUESTS, &[], 1.0).await;
    becomes(node, EXECUTIONS, &[("bypass", "false")], 1.0).await;

    activate(&operator, Level::Full).await;
    becomes(node, PHASE, &[("phase", "activating")], 1.0).await;
    for _ in 0..3 {
        assert!(matches!(gate.admit(&job()), Admission::Refused(_)));
    }
    assert!(matches!(gate.admit(&page()), Admission::Admitted(_)));
    let Admission::Admitted(staff) = gate.admit(&job().with_permission(true)) else {
        panic!("staff may start something while it drains");
    };
    decided(node, "refuse", "activating", 3.0).await;
    decided(node, "admit", "draining", 1.0).await;
    decided(node, "admit", "permission", 1.0).await;
    becomes(node, EXECUTIONS, &[("bypass", "true")], 1.0).await;
    becomes(node, REQUESTS, &[], 2.0).await;

    drop(running);
    becomes(node, PHASE, &[("phase", "activated")], 1.0).await;
    for _ in 0..5 {
        assert!(matches!(gate.admit(&page()), Admission::Refused(_)));
        assert!(
            !gate.decide(&page()).is_admit(),
            "a question counts nothing"
        );
    }
    decided(node, "refuse", "maintenance", 5.0).await;
    let scrape = Scrape::of(node).await;
    assert_eq!(scrape.set(PHASE, "phase"), ["activated"]);
    assert_eq!(scrape.set("intermission_level", "level"), ["full"]);
    let revision = gate.record().revision().number() as f64;
    assert_eq!(scrape.value("intermission_revision", &[]), Some(revision));
    assert_eq!(scrape.value(EXECUTIONS, &[("bypass", "false")]), Some(0.0));

    drop((staff, request));
    deactivate(&operator).await;
    becomes(node, PHASE, &[("phase", "deactivated")], 1.0).await;
    becomes(node, REQUESTS, &[], 0.0).await;
    becomes(node, EXECUTIONS, &[("bypass", "true")], 0.0).await;
    let scrape = Scrape::of(node).await;
    for phase in ["activating", "activated", "deactivated"] {
        let times = scrape.value(TRANSITIONS, &[("phase", phase)]);
        assert_eq!(times, Some(1.0), "{phase}");
    }
    for reason in ["deactivated", "route-always"] {
        let labels = [("decision", "admit"), ("reason", reason)];
        assert_eq!(scrape.value(DECISIONS, &labels), None);
    }
}

#[tokio::test]
async fn a_gate_that_is_asked_tells_at_once_and_one_that_ends_tells_all() {
    exporter();
    let node = "tells-at-once";
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).with_node_name(node);
    let gate = gate.start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    activate(&operator, Level::Exclusive).await;
    gate.reached(|record| record.phase() == intermission::Phase::Activated)
        .await;
    let refused = async || {
        let labels = [("decision", "refuse"), ("reason", "exclusive")];
        Scrape::of(node).await.value(DECISIONS, &labels)
    };
    let refuse = || assert!(matches!(gate.admit(&page()), Admission::Refused(_)));
    for times in [1.0, 2.0, 3.0] {
        refuse();
        gate.publish_metrics();
        assert_eq!(refused().await, Some(times));
    }
    refuse();
    gate.shutdown().await;
    assert_eq!(refused().await, Some(4.0));
}

const FINE: u8 = 0;
const FAILS: u8 = 1;
const PANICS: u8 = 2;

/// A memory state that does to nodes what it is told to.
#[derive(Clone, Default)]
struct Ailing {
    inner: MemoryState,
    ailment: Arc<AtomicU8>,
}

impl Ailing {
    fn becomes(&self, ailment: u8) {
        self.ailment.store(ailment, Ordering::SeqCst);
    }

    fn ail(&self) -> Result<(), StateError> {
        match self.ailment.load(Ordering::SeqCst) {
            FAILS => Err(StateError::new(StateErrorKind::Unavailable, "it is away")),
            PANICS => {
                self.becomes(FINE);
                panic!("a backend with a bug")
            }
            _ => Ok(()),
        }
    }
}

impl MaintenanceState for Ailing {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.ail()?;
        self.inner.sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.inner.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.inner.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        self.inner.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.inner.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.ail()?;
        self.inner.watch(seen).await
    }
}

#[tokio::test]
async fn a_state_that_fails_and_a_keeper_that_dies_are_seen() {
    exporter();
    let node = "falls-ill";
    let state = Ailing::default();
    let gate = Gate::builder(state.clone())
        .with_node_name(node)
        .with_timing(quick())
        .with_outage_policy(OutagePolicy::CloseAfter(Duration::from_millis(50)));
    let gate = gate.start().await.unwrap();
    let contact = async || Scrape::of(node).await.value(LAST_CONTACT, &[]);
    until("the node shows its last contact", || async {
        contact().await.filter(|at| *at > 0.0)
    })
    .await;

    state.becomes(FAILS);
    let held = [("kind", "state-unreachable")];
    becomes(node, "intermission_hold", &held, 1.0).await;
    assert!(matches!(gate.admit(&page()), Admission::Refused(_)));
    decided(node, "refuse", "held", 1.0).await;
    let unavailable = [("kind", "unavailable")];
    let errors = async || Scrape::of(node).await.value(STATE_ERRORS, &unavailable);
    until("more calls fail", || async {
        errors().await.filter(|failed| *failed >= 3.0)
    })
    .await;
    // A timestamp, not an age: it stands still.
    let at = contact().await.unwrap();
    until("yet more calls fail", || async {
        errors().await.filter(|failed| *failed >= 20.0)
    })
    .await;
    assert_eq!(contact().await, Some(at));
    let scrape = Scrape::of(node).await;
    assert_eq!(scrape.set(PHASE, "phase"), ["deactivated"]);

    state.becomes(FINE);
    becomes(node, "intermission_hold", &held, 0.0).await;
    until("the contact is new", || async {
        contact().await.filter(|new| *new > at)
    })
    .await;

    state.becomes(PANICS);
    becomes(node, "intermission_keeper_restarts_total", &[], 1.0).await;
    until("the new keeper has been answered", || async {
        gate.status().trouble.is_none().then_some(())
    })
    .await;
    becomes(node, "intermission_executions_suspended", &[], 0.0).await;
}

async fn on_files(state: &FileState, node: &str) -> Gate {
    let gate = Gate::builder(state.clone()).with_node_name(node);
    gate.start().await.unwrap()
}

/// Two gates in one process do not overwrite each other's numbers.
#[tokio::test]
async fn nodes_on_files_show_the_mode_and_a_record_that_cannot_be_read() {
    exporter();
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = ("files-1", "files-2");
    let state = FileState::open_or_create(folder.path()).unwrap();
    let first = on_files(&state, one).await;
    let second = on_files(&state, two).await;
    let operator = Operator::new(state, Actor::new("ana", "test"));

    let running = second.execution(job_info()).unwrap();
    activate(&operator, Level::ReadOnly).await;
    for node in [one, two] {
        becomes(node, PHASE, &[("phase", "activating")], 1.0).await;
    }
    becomes(two, EXECUTIONS, &[("bypass", "false")], 1.0).await;
    becomes(one, EXECUTIONS, &[("bypass", "false")], 0.0).await;
    drop(running);
    for node in [one, two] {
        becomes(node, PHASE, &[("phase", "activated")], 1.0).await;
        becomes(node, "intermission_level", &[("level", "read-only")], 1.0).await;
    }
    assert!(matches!(first.admit(&page()), Admission::Admitted(_)));
    let write = Visitor::new("POST", "/items");
    assert!(matches!(second.admit(&write), Admission::Refused(_)));
    decided(one, "admit", "read-only", 1.0).await;
    decided(two, "admit", "read-only", 0.0).await;
    decided(two, "refuse", "maintenance", 1.0).await;
    decided(one, "refuse", "maintenance", 0.0).await;

    let record = folder.path().join("record.json");
    let good = std::fs::read(&record).unwrap();
    std::fs::write(&record, "not a record").unwrap();
    for node in [one, two] {
        until("the node sees that the record is no record", || async {
            let scrape = Scrape::of(node).await;
            let corrupt = scrape.value(STATE_ERRORS, &[("kind", "corrupt")]);
            assert_eq!(scrape.set(PHASE, "phase"), ["activated"], "it never opens");
            (corrupt > Some(0.0)).then_some(())
        })
        .await;
    }
    std::fs::write(&record, good).unwrap();
    for gate in [&first, &second] {
        until("the node reads it again", || async {
            gate.status().trouble.is_none().then_some(())
        })
        .await;
    }
    deactivate(&operator).await;
    for node in [one, two] {
        becomes(node, PHASE, &[("phase", "deactivated")], 1.0).await;
    }
}

#[tokio::test]
async fn who_tries_to_administer_is_counted() {
    let gate = Gate::builder(MemoryState::new())
        .with_node_name("guarded")
        .start()
        .await
        .unwrap();
    exporter();
    let admin = Admin::new(gate);
    for (authorization, origin) in [
        (Authorization::Unauthenticated, None),
        (Authorization::Unauthenticated, None),
        (Authorization::Forbidden, None),
        (Authorization::granted("ana"), Some("https://evil.example")),
    ] {
        let mut request = AdminRequest::new("POST", "/api/deactivate", authorization);
        if let Some(origin) = origin {
            request = request.with_header("origin", origin);
        }
        let reply = admin.answer(request, |_limit| async { Ok(Vec::new()) });
        assert!([401, 403].contains(&reply.await.status()));
    }
    for (outcome, value) in [
        ("unauthenticated", 2.0),
        ("forbidden", 1.0),
        ("granted", 1.0),
        ("foreign-origin", 1.0),
    ] {
        let name = "intermission_admin_authorizations_total";
        becomes("guarded", name, &[("outcome", outcome)], value).await;
    }
}
