//! The rules find what breaks them: each of these logs has one thing wrong, or one thing that is excepted.

use intermission::Phase;
use serde_json::{Value, json};

use super::{Report, check};
use crate::log::{Entry, Event, Log, MILLI, Nanos, Sample};
use crate::setting::Lost;

/// Nodes, and what being out of contact means for them. The second one has two threads.
const NODES: [(&str, Lost); 3] = [
    ("1.1", Lost::Wait),
    ("2.1", Lost::Hold),
    ("3.1", Lost::Fence),
];

const ACTIVATE: &str = "000000000000000000000000000000aa";
const DEACTIVATE: &str = "000000000000000000000000000000dd";
const EDIT: &str = "000000000000000000000000000000ee";

/// When the site is closed, drained and opened, in milliseconds. The revisions are the same numbers.
const CLOSED: u64 = 2_000;
const DRAINED: u64 = 3_000;
const OPENED: u64 = 5_000;
const END: u64 = 16_000;

/// A log, made from a day on which nothing goes wrong.
struct Story {
    log: Log,
}

impl Story {
    /// One activation, from [`CLOSED`] to [`OPENED`], and heartbeats.
    fn quiet() -> Self {
        Self::of_state(
            &[
                (0, 0),
                (CLOSED, CLOSED),
                (DRAINED, DRAINED),
                (OPENED, OPENED),
            ],
            &[],
        )
    }

    /// The same with a state that has these revisions from these moments on, and nodes that say nothing in some spans.
    fn of_state(state: &[(u64, u64)], silent: &[(&str, u64, u64)]) -> Self {
        let mut story = Self {
            log: Log::default(),
        };
        story.verb("activate", ACTIVATE, CLOSED, (0, CLOSED));
        story.saw("operator", CLOSED, &on(CLOSED, ACTIVATE, None));
        story.saw(
            "operator",
            DRAINED,
            &on(DRAINED, ACTIVATE, Some(&drained())),
        );
        story.verb("deactivate", DEACTIVATE, OPENED, (DRAINED, OPENED));
        story.saw("operator", OPENED, &off(OPENED, DEACTIVATE));
        let lines = format!("{CLOSED} requested;{DRAINED} activated;{OPENED} deactivated");
        story.at(END, "operator", Event::History { lines });
        for (number, (name, lost)) in NODES.into_iter().enumerate() {
            let threads = 1 + u64::from(number == 1);
            let node = name.to_owned();
            story.at(
                0,
                name,
                Event::Started {
                    node,
                    lost,
                    threads,
                },
            );
            let mut seen = 0;
            for sequence in 1..END / 500 {
                let sent = sequence * 500 + 100;
                if silent
                    .iter()
                    .any(|(who, from, to)| *who == name && (*from..*to).contains(&sent))
                {
                    continue;
                }
                let now = state.iter().rev().find(|(from, _)| *from <= sent);
                let revision = now.map_or(0, |(_, revision)| *revision);
                story.sync(name, sequence, sent, (seen, 0), (revision, 0));
                seen = revision.max(seen);
            }
        }
        story
    }

    fn at(&mut self, at: u64, source: &str, event: Event) {
        let known = self.log.sources.iter().position(|name| name == source);
        let source = known.unwrap_or_else(|| {
            self.log.sources.push(source.to_owned());
            self.log.sources.len() - 1
        });
        let at = ms(at);
        self.log.entries.push(Entry { at, source, event });
    }

    /// One that the state accepts 5 ms after it was asked.
    fn verb(&mut self, verb: &str, operation: &str, sent: u64, (expected, revision): (u64, u64)) {
        let operated = Event::Operated {
            sent: ms(sent),
            operation: operation.to_owned(),
            expected,
            closes: verb == "activate",
            outcome: "stored".to_owned(),
            revision,
        };
        self.at(sent + 5, "operator", operated);
        let verb = Event::Verb {
            from: ms(sent),
            verb: verb.to_owned(),
            outcome: "ok".to_owned(),
        };
        self.at(sent + 5, "operator", verb);
    }

    fn saw(&mut self, source: &str, at: u64, record: &Value) {
        let revision = record["revision"].as_u64().unwrap();
        let record = record.to_string();
        self.at(at, source, Event::Saw { revision, record });
    }

    fn sync(
        &mut self,
        name: &str,
        sequence: u64,
        sent: u64,
        (seen, offered): (u64, u64),
        (revision, grace): (u64, u64),
    ) {
        let synced = Event::Synced {
            sent: ms(sent),
            sequence,
            seen,
            offered,
            outcome: "ok".to_owned(),
            echoed: sequence,
            revision,
            grace: grace * MILLI,
        };
        self.at(sent + 2, name, synced);
    }

    fn execution(
        &mut self,
        name: &str,
        execution: u64,
        (from, to): (u64, u64),
        bypass: (bool, bool),
    ) {
        // What a request begins is decided about with the request, which is not what these tests are about.
        let sample = sample(0, Phase::Deactivated);
        let began = Event::Began {
            from: ms(from),
            execution,
            way: "request".to_owned(),
            bypass: bypass.0,
            before: sample,
            after: sample,
        };
        self.at(from, name, began);
        let ended = Event::Ended {
            execution,
            bypass: bypass.1,
            how: "done".to_owned(),
        };
        self.at(to, name, ended);
    }

    fn fault(&mut self, (from, to): (u64, u64), scope: &str, loses: &str) {
        let fault = Event::Fault {
            from: ms(from),
            kind: "Test".to_owned(),
            scope: scope.to_owned(),
            loses: loses.to_owned(),
        };
        self.at(to, "nemesis", fault);
    }

    fn ask(
        &mut self,
        name: &str,
        at: u64,
        request: &str,
        decision: &str,
        (before, after): (Sample, Sample),
    ) {
        let asked = Event::Asked {
            from: ms(at),
            request: request.to_owned(),
            decision: decision.to_owned(),
            before,
            after,
        };
        self.at(at + 1, name, asked);
    }

    fn check(mut self) -> Report {
        self.log.entries.sort_by_key(|entry| entry.at);
        check(&self.log)
    }

    /// Exactly one rule is broken, and it is this one.
    fn breaks(self, rule: &str, what: &str) {
        let report = self.check();
        let all: Vec<_> = report.violations.iter().collect();
        assert!(!all.is_empty(), "nothing was found: {report}");
        for violation in all {
            assert!(violation.rule.contains(rule), "{violation:?}");
            assert!(violation.what.contains(what), "{violation:?}");
        }
    }

    /// No rule is broken, and this exception was taken.
    fn takes(self, exception: &str) {
        let report = self.check();
        assert!(report.violations.is_empty(), "{:?}", report.violations);
        let taken: Vec<_> = report.exceptions.keys().collect();
        assert!(
            taken.iter().any(|name| name.contains(exception)),
            "{taken:?}"
        );
    }

    /// No rule is broken, and nothing had to be excepted.
    fn passes(self) {
        let report = self.check();
        assert!(report.violations.is_empty(), "{:?}", report.violations);
        assert!(report.exceptions.is_empty(), "{:?}", report.exceptions);
    }
}

fn ms(millis: u64) -> Nanos {
    // The log begins some time after the machine.
    (1_000_000 + millis) * MILLI
}

fn sample(revision: u64, phase: Phase) -> Sample {
    Sample {
        revision,
        phase,
        held: false,
        suspended: false,
        age: 0,
    }
}

fn off(revision: u64, operation: &str) -> Value {
    json!({"v": 1, "revision": revision, "operation": operation, "phase": "deactivated", "activation": null, "plan": null,
        "allow": []})
}

fn on(revision: u64, operation: &str, completion: Option<&Value>) -> Value {
    activation((CLOSED, revision), operation, "wait", completion)
}

fn activation(
    (id, revision): (u64, u64),
    operation: &str,
    drain: &str,
    completion: Option<&Value>,
) -> Value {
    let phase = if completion.is_some() {
        "activated"
    } else {
        "activating"
    };
    let after = if drain == "wait" {
        Value::Null
    } else {
        json!(500)
    };
    let settings = json!({"level": "full", "message": null, "ends_at": null, "auto_end": false, "retry_after_ms": null,
        "drain": {"mode": drain, "after_ms": after}});
    json!({"v": 1, "revision": revision, "operation": operation, "phase": phase, "plan": null, "allow": [], "activation":
        {"id": id, "level_since": id, "settings": settings, "requested_by": "test", "requested_at":
        "2026-11-20T10:15:00.000Z", "completion": completion, "passes": []}})
}

fn drained() -> Value {
    json!({"at": "2026-11-20T10:15:00.000Z", "forced": false, "state_lost_at": null, "unconfirmed": []})
}

mod decisions;
mod drained;
mod state;

#[test]
fn a_quiet_day_breaks_nothing() {
    let mut story = Story::quiet();
    story.execution("1.1", 1, (1_000, 2_900), (false, false));
    story.execution("1.1", 2, (5_050, 5_900), (false, false));
    story.passes();
}

#[test]
fn what_the_driver_of_the_test_has_seen_counts() {
    let mut story = Story::quiet();
    let what = "a node has died".to_owned();
    story.at(1_000, "nemesis", Event::Failed { what });
    story.breaks("the run", "a node has died");
}
