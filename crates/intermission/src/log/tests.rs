use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread::ThreadId;

use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::subscriber::set_global_default;
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Level, message and fields of a line.
type Seen = BTreeSet<(String, String, BTreeSet<String>)>;

/// A subscriber that remembers what may be in a line of its thread, whether it is or not.
#[derive(Clone)]
struct Witness {
    thread: ThreadId,
    seen: Arc<Mutex<Seen>>,
}

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Witness {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "intermission"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if std::thread::current().id() != self.thread {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let names = event.metadata().fields().iter().map(|field| field.name());
        let fields = names.filter(|name| *name != "message").map(str::to_owned);
        let level = event.metadata().level().as_str().to_lowercase();
        let seen = (level, message.0, fields.collect());
        assert!(
            self.seen.lock().unwrap().insert(seen),
            "no two lines are alike"
        );
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The rows of the table in the crate's documentation.
fn documented() -> Seen {
    let text = include_str!("../docs/observability.md");
    let (lines, _) = text.split_once("# Metrics").unwrap();
    let rows = lines.lines().filter_map(|line| line.strip_prefix("| "));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        // What is a link is no field.
        let ticked = cells[2].split('`').collect::<Vec<_>>();
        let fields = ticked.chunks(2).filter_map(|pair| match pair {
            [before, word] if !before.ends_with('[') => Some((*word).to_owned()),
            _ => None,
        });
        (cells[0].to_owned(), cells[1].to_owned(), fields.collect())
    };
    rows.filter(|line| !line.starts_with("level"))
        .map(row)
        .collect()
}

#[test]
fn the_table_in_the_documentation_is_what_is_written() {
    let record = Arc::new(Record::default());
    let error = StateError::new(StateErrorKind::Unavailable, "it is away");
    let refused = std::io::Error::other("the disk is full");
    let hold = Hold::StateUnreachable;
    let condition = |hold, suspended| Line::Condition { hold, suspended };
    let worker = ExecutionInfo::new("consumer").with_label("mails");
    let still = OperatorError::Reconciling {
        after: Duration::ZERO,
    };
    let lines = [
        Line::Remembered(&record),
        Line::Applied {
            before: &record,
            record: &record,
        },
        condition(Some(&hold), true),
        condition(None, true),
        condition(None, false),
        Line::DependencyFails("database", "connection refused"),
        Line::DependencyBack("database"),
        Line::Dropped(1),
        Line::ContactLost(StateErrorKind::Unavailable, "it is away"),
        Line::ContactRestored(Duration::ZERO),
        Line::StateError(&error),
        Line::KeeperDied(1),
        Line::GoodbyeFailed(&error),
        Line::LastKnownUnwritten(Path::new("last-known.json"), &refused),
        Line::WorkerPaused(&worker, RefuseReason::Maintenance),
        Line::WorkerResumed(&worker),
        Line::StillHeld("migration 42", &still),
    ];
    let witness = Witness {
        thread: std::thread::current().id(),
        seen: Arc::default(),
    };
    // For the whole process: what a line's first thread has no use for, `tracing` may believe that nobody has.
    set_global_default(witness.clone()).unwrap();
    lines.iter().for_each(line);
    let written = witness.seen.lock().unwrap();
    assert_eq!(*written, documented());
}
