//! What the log says, put in order for the rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use intermission::Record;

use crate::log::{Event, Log, Nanos, Sample};
use crate::setting::Lost;

/// What the log says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) start: Nanos,
    pub(super) end: Nanos,
    pub(super) lives: Vec<Life>,
    /// Everything that was ever seen, by its revision.
    pub(super) records: BTreeMap<u64, Known>,
    pub(super) operations: HashMap<String, Operation>,
    pub(super) verbs: Vec<Verb>,
    /// What the state answered, in the order in which it was asked.
    pub(super) answers: Vec<Answer>,
    pub(super) losses: Vec<Loss>,
    pub(super) faults: Vec<Fault>,
    pub(super) forgotten: Vec<Forgotten>,
    /// When proxies and servers may have stood still with the process that drives the test.
    pub(super) stalls: Vec<Span>,
    pub(super) history: Option<Vec<(u64, String)>>,
    pub(super) failures: Vec<(Nanos, String)>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Nanos,
    pub(super) to: Nanos,
}

impl Span {
    pub(super) const fn length(self) -> Nanos {
        self.to.saturating_sub(self.from)
    }

    /// What both have in common.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let (from, to) = (self.from.max(other.from), self.to.min(other.to));
        (from < to).then_some(Self { from, to })
    }
}

/// The parts of a span that are in none of the others.
pub(super) fn without(span: Span, others: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut others: Vec<Span> = others.into_iter().collect();
    others.sort_by_key(|other| other.from);
    let mut rest = Vec::new();
    let mut from = span.from;
    for other in others {
        if other.from > from {
            rest.push(Span {
                from,
                to: other.from.min(span.to),
            });
        }
        from = from.max(other.to);
    }
    rest.push(Span { from, to: span.to });
    rest.retain(|part| part.from < part.to);
    rest
}

/// One node, from its start to its end.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) source: usize,
    pub(super) name: String,
    /// Its place in the fleet.
    pub(super) number: String,
    pub(super) node: String,
    pub(super) lost: Option<Lost>,
    pub(super) threads: u64,
    pub(super) began: Nanos,
    /// When it certainly still ran, if it was ended, or the end of the log.
    pub(super) ended: Nanos,
    pub(super) executions: BTreeMap<u64, Execution>,
    /// In the order in which they were sent.
    pub(super) syncs: Vec<Sync>,
    pub(super) looks: Vec<Look>,
    pub(super) questions: Vec<Question>,
    /// What the gate was seen to decide by.
    pub(super) changes: Vec<(Nanos, Sample)>,
    /// When it stood still, as far as anybody knows.
    pub(super) stood_still: Vec<Span>,
}

#[derive(Clone, Debug)]
pub(super) struct Execution {
    pub(super) way: String,
    /// When it certainly ran.
    pub(super) ran: Span,
    /// Whether nobody waited for it at its beginning, and at its end.
    pub(super) bypass: (bool, bool),
}

#[derive(Clone, Debug)]
pub(super) struct Sync {
    pub(super) sent: Nanos,
    pub(super) at: Nanos,
    pub(super) is_ok: bool,
    pub(super) sequence: u64,
    pub(super) echoed: u64,
    pub(super) seen: u64,
    pub(super) revision: u64,
}

/// The gate was looked at some time before and some time after something, in this span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) span: Span,
    pub(super) before: Sample,
    pub(super) after: Sample,
}

/// Something that the gate decided.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) look: Look,
    pub(super) about: About,
}

#[derive(Clone, Debug)]
pub(super) enum About {
    /// A request of a kind, and the decision.
    Request(String, String),
    /// An execution began.
    Began,
    /// An execution was refused, by the rule of that name.
    Denied(String),
}

#[derive(Debug)]
pub(super) struct Known {
    /// One record, if all is well.
    pub(super) records: Vec<Arc<Record>>,
    /// When somebody saw it first.
    pub(super) seen_at: Nanos,
    /// Before this it cannot have been made.
    pub(super) made_after: Nanos,
}

/// A change that an operator asked for, with all tries.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) sent: Nanos,
    pub(super) at: Nanos,
    pub(super) expected: u64,
    pub(super) closes: bool,
    /// Whether the state has said that it is done, and the revision in that answer.
    pub(super) stored: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Verb {
    pub(super) span: Span,
    pub(super) verb: String,
}

/// What the state answered to a report or a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) sent: Nanos,
    pub(super) at: Nanos,
    pub(super) source: usize,
    /// The newest revision that the one who asked said they had seen, and that they offered.
    pub(super) seen: u64,
    pub(super) offered: u64,
    pub(super) revision: u64,
    pub(super) grace: Nanos,
}

/// A fault that may have lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) span: Span,
    pub(super) record: bool,
    pub(super) members: bool,
    pub(super) history: bool,
    /// Only what was written during the fault.
    pub(super) tail: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) kind: String,
    pub(super) scope: String,
}

#[derive(Clone, Debug)]
pub(super) struct Forgotten {
    pub(super) span: Span,
    pub(super) node: String,
    pub(super) alive: bool,
}

impl Facts {
    pub(super) fn of(log: &Log) -> Self {
        let mut facts = Self {
            start: log.entries.first().map_or(0, |entry| entry.at),
            end: log.entries.last().map_or(0, |entry| entry.at),
            ..Self::default()
        };
        let mut lives: BTreeMap<usize, Life> = BTreeMap::new();
        for entry in &log.entries {
            let name = &log.sources[entry.source];
            match (name.as_str(), &entry.event) {
                ("nemesis", Event::Stalled { from }) => facts.stalls.push(Span {
                    from: *from,
                    to: entry.at,
                }),
                ("nemesis" | "operator", _) => {}
                _ => note_life(lives.entry(entry.source).or_default(), name, entry),
            }
            facts.note(entry);
        }
        let by_name: HashMap<String, usize> = lives
            .iter()
            .map(|(source, life)| (life.name.clone(), *source))
            .collect();
        for life in lives.values_mut() {
            life.ended = life.ended.min(facts.end);
        }
        for entry in &log.entries {
            let (Event::Killed { whose, .. }
            | Event::Paused { whose, .. }
            | Event::Resumed { whose, .. }) = &entry.event
            else {
                continue;
            };
            let Some(life) = by_name.get(whose).and_then(|source| lives.get_mut(source)) else {
                continue;
            };
            note_fate(life, entry.at, &entry.event);
        }
        for life in lives.values_mut() {
            life.syncs.sort_by_key(|sync| sync.sent);
            for execution in life.executions.values_mut() {
                execution.ran.to = execution.ran.to.min(life.ended);
            }
        }
        facts.lives = lives.into_values().collect();
        facts.answers.sort_by_key(|answer| answer.sent);
        facts.bound_records();
        facts
    }

    fn note(&mut self, entry: &crate::log::Entry) {
        let (at, source) = (entry.at, entry.source);
        match &entry.event {
            Event::Saw { revision, record } => self.note_record(*revision, record, at),
            Event::Synced {
                sent,
                outcome,
                seen,
                offered,
                revision,
                grace,
                ..
            } if outcome == "ok" => self.answers.push(Answer {
                sent: *sent,
                at,
                source,
                seen: *seen,
                offered: *offered,
                revision: *revision,
                grace: *grace,
            }),
            Event::Looked {
                sent,
                revision,
                grace,
                ..
            } => self.answers.push(Answer {
                sent: *sent,
                at,
                source,
                seen: 0,
                offered: 0,
                revision: *revision,
                grace: *grace,
            }),
            Event::Operated {
                sent,
                operation,
                expected,
                closes,
                outcome,
                revision,
            } => {
                let done = matches!(outcome.as_str(), "stored" | "duplicate");
                let known = self
                    .operations
                    .entry(operation.clone())
                    .or_insert(Operation {
                        sent: *sent,
                        at,
                        expected: *expected,
                        closes: *closes,
                        stored: None,
                    });
                // A later try is computed on a newer record; an earlier one may have been done all the same.
                if known.stored.is_none() {
                    (known.expected, known.closes, known.at) = (*expected, *closes, at);
                    known.stored = done.then_some(*revision);
                }
            }
            Event::Verb { from, verb, .. } => self.verbs.push(Verb {
                span: Span {
                    from: *from,
                    to: at,
                },
                verb: verb.clone(),
            }),
            Event::Forgot {
                sent, node, alive, ..
            } => self.forgotten.push(Forgotten {
                // What has failed may have been done all the same.
                span: Span {
                    from: *sent,
                    to: at,
                },
                node: node.clone(),
                alive: *alive,
            }),
            Event::History { lines } => {
                let line = |line: &str| {
                    let (revision, event) = line.split_once(' ')?;
                    Some((revision.parse().ok()?, event.to_owned()))
                };
                self.history = Some(lines.split(';').filter_map(line).collect());
            }
            Event::Fault {
                from,
                kind,
                scope,
                loses,
            } => {
                let span = Span {
                    from: *from,
                    to: at,
                };
                let is = |words: &[&str]| words.contains(&loses.as_str());
                if !is(&["nothing"]) {
                    self.losses.push(Loss {
                        span,
                        record: is(&["record", "all", "tail"]),
                        members: is(&["members", "all", "tail"]),
                        history: is(&["history", "all", "tail"]),
                        tail: is(&["tail"]),
                    });
                }
                self.faults.push(Fault {
                    span,
                    kind: kind.clone(),
                    scope: scope.clone(),
                });
            }
            Event::Failed { what } => self.failures.push((at, what.clone())),
            _ => {}
        }
    }

    fn note_record(&mut self, revision: u64, json: &str, at: Nanos) {
        let record = Record::from_json(json.as_bytes()).expect("a record that was logged is one");
        let known = self.records.entry(revision).or_insert(Known {
            records: Vec::new(),
            seen_at: at,
            made_after: 0,
        });
        known.seen_at = known.seen_at.min(at);
        if !known.records.iter().any(|other| **other == record) {
            known.records.push(Arc::new(record));
        }
    }

    /// An operator's change cannot have been made before it was asked for, nor what followed from it.
    fn bound_records(&mut self) {
        for known in self.records.values_mut() {
            let asked = known.records.iter().filter_map(|record| {
                let id = record.operation()?.to_string();
                Some(self.operations.get(&id)?.sent)
            });
            known.made_after = asked.min().unwrap_or(0);
        }
    }

    /// The record with this revision.
    pub(super) fn record(&self, revision: u64) -> Option<&Arc<Record>> {
        self.records.get(&revision)?.records.first()
    }

    /// The activation that the record with this revision belongs to.
    pub(super) fn activation(&self, revision: u64) -> Option<u64> {
        let activation = self.record(revision)?.activation()?;
        Some(activation.id.began().number())
    }

    /// What the operator was doing then.
    pub(super) fn verb_at(&self, at: Nanos) -> Option<&str> {
        let verb = self
            .verbs
            .iter()
            .find(|verb| verb.span.from <= at && at <= verb.span.to)?;
        Some(&verb.verb)
    }

    /// The latest loss of a record, as of `before`, by which something that was made after `made_after` may be gone.
    pub(super) fn loss_of_record(&self, made_after: Nanos, before: Nanos) -> Option<&Loss> {
        self.losses
            .iter()
            .filter(|loss| loss.record && loss.span.from <= before && loss.span.to >= made_after)
            .max_by_key(|loss| loss.span.to)
    }

    /// The end of the latest loss of any kind, as of `before`: what the state was told until then may be gone.
    pub(super) fn forgets_until(&self, before: Nanos) -> Nanos {
        let ends = self
            .losses
            .iter()
            .filter(|loss| loss.span.from <= before)
            .map(|loss| loss.span.to);
        ends.max().unwrap_or(0)
    }

    /// Whether the state was told, after `since` and before `by`, that there is such a revision or a newer one.
    pub(super) fn was_told(&self, revision: u64, since: Nanos, by: Nanos) -> bool {
        self.between(since, by)
            .any(|answer| answer.seen >= revision)
    }

    /// Whether it was given the record with that revision, or a newer one.
    pub(super) fn was_given(&self, revision: u64, since: Nanos, by: Nanos) -> bool {
        self.between(since, by)
            .any(|answer| answer.offered >= revision)
    }

    /// What was asked after `since` and answered before `by`.
    pub(super) fn between(&self, since: Nanos, by: Nanos) -> impl Iterator<Item = &Answer> {
        let first = self.answers.partition_point(|answer| answer.sent <= since);
        self.answers[first..]
            .iter()
            .take_while(move |answer| answer.sent <= by)
            .filter(move |answer| answer.at <= by)
    }
}

impl Life {
    fn ask(&mut self, (from, to, before, after): (Nanos, Nanos, Sample, Sample), about: About) {
        let look = Look {
            span: Span { from, to },
            before,
            after,
        };
        self.looks.push(look);
        self.questions.push(Question { look, about });
    }

    /// Whether the state has heard it after `since`, and said so before `by`.
    pub(super) fn was_heard(&self, since: Nanos, by: Nanos) -> bool {
        self.syncs
            .iter()
            .any(|sync| sync.is_ok && sync.sent > since && sync.at <= by)
    }
}

fn note_life(life: &mut Life, name: &str, entry: &crate::log::Entry) {
    let at = entry.at;
    if life.name.is_empty() {
        life.name = name.to_owned();
        life.number = name
            .split('.')
            .next()
            .and_then(|number| number.parse::<u32>().ok())
            .map_or_else(String::new, |number| number.to_string());
        life.source = entry.source;
        (life.began, life.ended) = (at, Nanos::MAX);
    }
    match &entry.event {
        Event::Started {
            node,
            lost,
            threads,
        } => {
            node.clone_into(&mut life.node);
            (life.lost, life.threads) = (Some(*lost), *threads);
        }
        Event::Synced {
            sent,
            sequence,
            seen,
            outcome,
            echoed,
            revision,
            ..
        } => life.syncs.push(Sync {
            sent: *sent,
            at,
            is_ok: outcome == "ok",
            sequence: *sequence,
            echoed: *echoed,
            seen: *seen,
            revision: *revision,
        }),
        Event::Changed { sample } => life.changes.push((at, *sample)),
        Event::Asked {
            from,
            request,
            decision,
            before,
            after,
        } => life.ask(
            (*from, at, *before, *after),
            About::Request(request.clone(), decision.clone()),
        ),
        Event::Began {
            from,
            execution,
            way,
            bypass,
            before,
            after,
        } => {
            life.executions.insert(
                *execution,
                Execution {
                    way: way.clone(),
                    ran: Span {
                        from: at,
                        to: Nanos::MAX,
                    },
                    bypass: (*bypass, *bypass),
                },
            );
            // What a request began was decided about with the request.
            if way != "request" {
                life.ask((*from, at, *before, *after), About::Began);
            }
        }
        Event::Denied {
            from,
            reason,
            before,
            after,
            ..
        } => life.ask((*from, at, *before, *after), About::Denied(reason.clone())),
        Event::Ended {
            execution, bypass, ..
        } => {
            let ended = life.executions.get_mut(execution);
            let ended = ended.expect("what ends has begun, and that was written first");
            ended.ran.to = at;
            ended.bypass.1 = *bypass;
        }
        Event::Stalled { from } => life.stood_still.push(Span {
            from: *from,
            to: at,
        }),
        Event::Left {} => life.ended = at,
        _ => {}
    }
}

fn note_fate(life: &mut Life, at: Nanos, event: &Event) {
    match event {
        Event::Killed { from, .. } => life.ended = life.ended.min(*from),
        Event::Paused { from, .. } => life.stood_still.push(Span {
            from: *from,
            to: Nanos::MAX,
        }),
        Event::Resumed { .. } => {
            let open = life.stood_still.iter_mut();
            for pause in open.filter(|pause| pause.to == Nanos::MAX) {
                pause.to = at;
            }
        }
        _ => {}
    }
}
