use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Mutex as StdMutex;

use metrics::{Counter, Gauge, Histogram, KeyName, SharedString, Unit, with_local_recorder};

use super::*;
use crate::metrics::catalogue::Kind;
use crate::{MemoryState, Probe};

/// Type and labels of each name.
type Seen = BTreeMap<String, (&'static str, BTreeSet<String>)>;

/// A recorder that remembers what it was asked for.
#[derive(Default)]
struct Witness {
    emitted: StdMutex<Seen>,
    described: StdMutex<BTreeSet<(String, &'static str)>>,
}

impl Witness {
    fn emitted(&self, key: &Key, kind: &'static str) {
        let labels: BTreeSet<_> = key.labels().map(|label| label.key().to_owned()).collect();
        let mut emitted = self.emitted.lock().unwrap();
        let seen = emitted.insert(key.name().to_owned(), (kind, labels.clone()));
        assert!(
            seen.is_none_or(|seen| seen == (kind, labels)),
            "{} has the same type and labels each time",
            key.name()
        );
    }

    fn described(&self, key: &KeyName, kind: &'static str) {
        let described = (key.as_str().to_owned(), kind);
        self.described.lock().unwrap().insert(described);
    }
}

impl Recorder for Witness {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        self.described(&key, "counter");
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        self.described(&key, "gauge");
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("there is no histogram {key:?}");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.emitted(key, "counter");
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.emitted(key, "gauge");
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("there is no histogram {key:?}");
    }
}

/// The rows of the table in the crate's documentation.
fn documented() -> Seen {
    let text = include_str!("../../docs/observability.md");
    let (_, metrics) = text.split_once("# Metrics").unwrap();
    let rows = metrics
        .lines()
        .filter(|line| line.starts_with("| `intermission_"));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let word = |cell: &str| cell.trim_matches('`').to_owned();
        let kind = match cells[2] {
            "counter" => "counter",
            "gauge" => "gauge",
            other => panic!("{other} is no type"),
        };
        (
            word(cells[1]),
            (kind, cells[3].split(", ").map(word).collect()),
        )
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn the_table_in_the_documentation_is_what_is_emitted() {
    let probe = Probe::new("database", || async { Ok::<_, Infallible>(()) });
    let starting = Gate::builder(MemoryState::new()).with_probe(probe);
    let gate = starting.start().await.unwrap();
    let witness = Witness::default();
    with_local_recorder(&witness, || gate.publish_metrics());
    let emitted = witness.emitted.into_inner().unwrap();
    assert_eq!(documented(), emitted);
    let kinds: BTreeSet<_> = emitted
        .iter()
        .map(|(name, (kind, _))| (name.clone(), *kind))
        .collect();
    assert_eq!(
        witness.described.into_inner().unwrap(),
        kinds,
        "all are described"
    );
}

/// A recorder that cannot even be told what there is.
struct Broken;

impl Recorder for Broken {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("a recorder with a bug, at {key:?}");
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// The gate's own task tells this recorder, too: a test has one thread.
#[tokio::test]
async fn a_recorder_that_panics_harms_nobody() {
    let _guard = metrics::set_default_local_recorder(&Broken);
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    gate.publish_metrics();
    let operator = crate::Operator::new(state, crate::Actor::new("ana", "test"));
    let activate = crate::Change::Activate(crate::Activate::by("ana"));
    operator.change(activate).await.unwrap();
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    assert!(!gate.decide(&crate::Visitor::new("GET", "/")).is_admit());
    gate.shutdown().await;
}

/// As Prometheus advises.
#[test]
fn names_say_what_they_count() {
    for metric in catalogue::ALL {
        let name = metric.name;
        assert!(name.starts_with("intermission_"), "{name}");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{name}"
        );
    }
    assert!(
        catalogue::ALL.is_sorted_by_key(|metric| metric.name),
        "found at once"
    );
}

#[test]
fn what_is_counted_has_a_place_of_its_own() {
    use crate::metrics::Tally;

    let tally = Tally::new();
    let admitted = AdmitReason::ALL.iter().copied().map(Counted::Admitted);
    let refused = RefuseReason::ALL.iter().copied().map(Counted::Refused);
    let errors = StateErrorKind::ALL.iter().copied().map(Counted::StateError);
    let transitions = Phase::ALL.into_iter().map(Counted::Transition);
    let all = admitted.chain(refused).chain(errors).chain(transitions);
    for counted in all.clone() {
        tally.count(counted);
    }
    for counted in all {
        assert_eq!(tally.of(counted), 1, "{counted:?}");
    }
}
