//! What a flawed store does instead of what it should.
#![expect(
    clippy::expect_used,
    reason = "a flaw that cannot be brought about must fail the test"
)]

use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, Actor, Change, Deactivate, HistoryEntry, Intent, Ledger, LostContact, Moment,
    NodeFacts, NodeId, NodeReport, OperateReply, Operation, OperationId, Outcome, Record, Revision,
    SyncReply, Timestamp, Timing, View,
};
use serde_json::{Map, Value, json};

use crate::flaws::Flaw;
use crate::store::proposal;

pub(crate) fn report(flaw: Flaw, call: u64, current: &Record, report: &mut NodeReport) {
    let present = current.activation();
    match flaw {
        Flaw::AnyDrainCounts if report.drained.is_some() => {
            report.drained = present.map(|on| on.id);
        }
        Flaw::AssumesDrainedScopes => report.undrained.clear(),
        Flaw::AssumesTheDrain => report.drained = present.map(|on| on.id),
        Flaw::AssumesTheQuiet => report.quiet = present.map(|on| on.level_since),
        Flaw::ClosedMeansDrained => report.drained = report.drained.or(report.closed),
        Flaw::CountsReportsTwice => report.sequence = report.sequence.max(1_000 + call),
        Flaw::ForgetsClaims => report.seen = Revision::ZERO,
        Flaw::ForgetsFacts => report.facts = NodeFacts::labelled(report.facts.label.clone()),
        Flaw::GivesUpAtOnce => report.lost_contact = LostContact::Fence(Duration::ZERO),
        Flaw::NobodyLeavesBySilence if report.lost_contact == LostContact::Leave => {
            report.lost_contact = LostContact::Wait(Duration::ZERO);
        }
        Flaw::TakesEveryOffer => {
            let newest = current.revision().number() + 1;
            report.offer = report.offer.take().map(|offer| {
                Arc::new(edited(&offer, |fields| {
                    _ = fields.insert("revision".to_owned(), newest.into());
                }))
            });
        }
        Flaw::TakesNothingBack => report.offer = None,
        Flaw::WaitsForEver => report.lost_contact = LostContact::Hold,
        _ => {}
    }
}

pub(crate) fn sync_reply(flaw: Flaw, said: &NodeReport, reply: &mut SyncReply) {
    match flaw {
        Flaw::CountsEveryClaim => {
            reply.count.closed = u64::from(said.closed.is_some());
            reply.count.drained = u64::from(said.drained.is_some());
        }
        Flaw::CountsReportsTwice => reply.sequence = said.sequence,
        Flaw::HidesGrace => reply.grace = Duration::ZERO,
        Flaw::InventsARecord => _ = reply.record.get_or_insert_default(),
        _ => {}
    }
}

pub(crate) fn operation(flaw: Flaw, call: u64, current: &Record, operation: &mut Operation) {
    match flaw {
        Flaw::ClearsTheList => edit_deactivation(current, operation, |fields| {
            fields.insert("allow".to_owned(), json!([]));
        }),
        Flaw::ComparesNothing => operation.expected = None,
        Flaw::DoesItTwice => {
            operation.id = OperationId::from_bits((0xbad << 64) | u128::from(call));
            operation.expected = None;
        }
        Flaw::EndsByItself => edit_settings(operation, "activation", |settings| {
            let announced = settings.get("ends_at").is_some_and(|end| !end.is_null());
            settings.insert("auto_end".to_owned(), announced.into());
        }),
        Flaw::ForgetsHolders => edit(operation, |fields| {
            if let Some(activation) = fields.get_mut("activation").and_then(Value::as_object_mut) {
                activation.remove("holding");
            }
        }),
        Flaw::ForgetsWhereFrom => operation.actor.origin.clear(),
        Flaw::KeepsThePlan => {
            let plan = json!(current.plan());
            edit(operation, |fields| {
                _ = fields.insert("plan".to_owned(), plan);
            });
        }
        Flaw::StartsAtOnce => edit(operation, |fields| {
            if let Some(plan) = fields.get_mut("plan").and_then(Value::as_object_mut) {
                plan.insert("starts_at".to_owned(), json!(Timestamp::default()));
            }
        }),
        Flaw::TrustsTheOperator => operation.known = Revision::ZERO,
        _ => {}
    }
}

pub(crate) fn operate(
    flaw: Flaw,
    ledger: &mut Ledger,
    operation: &Operation,
    now: Moment,
) -> OperateReply {
    let stays_on = ledger.current().phase().is_on()
        && proposal(operation).is_some_and(|next| next.phase().is_on());
    match flaw {
        Flaw::AbsentMeansLost if ledger.record().is_none() && operation.intent != Intent::Init => {
            OperateReply::Reconciling(Duration::from_secs(1))
        }
        Flaw::BeginsAnew if stays_on => {
            let current = ledger.current();
            let off = applied(&current, &Change::Deactivate(Deactivate::new()));
            let id = OperationId::from_bits(operation.id.bits() ^ 1);
            ledger.operate(
                &Operation::replace(id, &current, off, operation.actor.clone()),
                now,
            );
            let mut anew = operation.clone();
            anew.expected = None;
            ledger.operate(&anew, now)
        }
        Flaw::CompletesWithTheNextCall => {
            let nobody = NodeId::from_bits(7);
            ledger.leave(nobody, &intermission_core::Departure::Died, now);
            ledger.sync(&NodeReport::new(nobody, 1), now);
            ledger.operate(operation, now)
        }
        Flaw::IsNoLedger => {
            let record =
                proposal(operation).map_or_else(|| ledger.current(), |next| Arc::new(next.clone()));
            let history: Vec<HistoryEntry> = ledger.kept_history().cloned().collect();
            *ledger = Ledger::restored(
                Timing::default(),
                Some(Arc::clone(&record)),
                history,
                ledger.members().clone(),
            );
            OperateReply::Stored(record)
        }
        Flaw::NeedsAnExpectation
            if operation.expected.is_none() && operation.intent != Intent::Init =>
        {
            OperateReply::Conflict(ledger.current())
        }
        Flaw::NoticesNoRepetition => {
            let mut unlike = operation.clone();
            let present = u128::from(ledger.current().revision().number());
            unlike.id = OperationId::from_bits(operation.id.bits() ^ (present << 70));
            ledger.operate(&unlike, now)
        }
        Flaw::StoresWhatIsSo => {
            // A file that is written again is a change to whoever looks at its time.
            let reply = ledger.operate(operation, now);
            if let OperateReply::Unchanged(_) = reply {
                let current = ledger.current();
                let again = applied(
                    &current,
                    &Change::Activate(Activate::by("nobody").with_message("again")),
                );
                ledger.operate(
                    &Operation::replace(operation.id, &current, again, Actor::new("", "")),
                    now,
                )
            } else {
                reply
            }
        }
        _ => ledger.operate(operation, now),
    }
}

pub(crate) fn written(flaw: Flaw, record: &Record) -> Vec<u8> {
    const KNOWN: [&str; 8] = [
        "v",
        "revision",
        "operation",
        "phase",
        "activation",
        "plan",
        "allow",
        "scopes",
    ];
    let edited = match flaw {
        Flaw::CutsLongTexts => edited(record, |fields| {
            if let Some(Value::Array(networks)) = fields.get_mut("allow") {
                networks.truncate(256);
            }
            if let Some(settings) = settings_of(fields, "activation")
                && let Some(Value::String(message)) = settings.get_mut("message")
            {
                *message = message.chars().take(1_000).collect();
            }
        }),
        Flaw::DropsScopes => edited(record, |fields| {
            fields.remove("scopes");
        }),
        Flaw::DropsMilliseconds => edited(record, |fields| {
            if let Some(settings) = settings_of(fields, "activation")
                && let Some(millis) = settings.get("retry_after_ms").and_then(Value::as_u64)
            {
                settings.insert("retry_after_ms".to_owned(), (millis / 1_000 * 1_000).into());
            }
        }),
        Flaw::DropsUnknownFields => edited(record, |fields| {
            fields.retain(|name, _| KNOWN.contains(&name.as_str()));
        }),
        Flaw::EscapesNothing => edited(record, |fields| {
            if let Some(settings) = settings_of(fields, "activation")
                && let Some(Value::String(message)) = settings.get_mut("message")
            {
                message.retain(|letter| !letter.is_control() && letter != '"');
            }
        }),
        Flaw::ForcesEveryDrain => edited(record, |fields| {
            let limit = settings_of(fields, "activation")
                .and_then(|settings| settings.get("drain")?.get("after_ms").cloned());
            let completion = fields
                .get_mut("activation")
                .and_then(|on| on.get_mut("completion")?.as_object_mut());
            if let Some(completion) = completion {
                completion.insert(
                    "forced".to_owned(),
                    limit.is_some_and(|limit| !limit.is_null()).into(),
                );
            }
        }),
        _ => return record.to_json(),
    };
    edited.to_json()
}

pub(crate) fn view(flaw: Flaw, ledger: &Ledger, limit: usize, now: Moment) -> View {
    let mut view = ledger.view(
        if flaw == Flaw::ListsTooMuch {
            usize::MAX
        } else {
            limit
        },
        now,
    );
    match flaw {
        Flaw::ClaimsQuiescence => {
            let completion = view
                .record
                .activation()
                .and_then(|on| on.completion.as_ref());
            view.quiescent_at = completion.map(|completion| completion.at);
        }
        Flaw::HidesSilence => view
            .nodes
            .iter_mut()
            .for_each(|node| node.out_of_contact = false),
        Flaw::ListsInAnyOrder => {
            view = ledger.view(usize::MAX, now);
            view.nodes.sort_by_key(|node| node.node);
            view.nodes.truncate(limit);
        }
        _ => {}
    }
    view
}

pub(crate) fn history(flaw: Flaw, ledger: &Ledger, limit: usize) -> Vec<HistoryEntry> {
    match flaw {
        Flaw::CountsOnlyOperators => {
            let mut lines: Vec<HistoryEntry> = ledger.kept_history().cloned().collect();
            let mut counted = Revision::ZERO;
            for line in &mut lines {
                counted = if line.by.is_some() {
                    line.revision
                } else {
                    counted
                };
                line.revision = counted;
            }
            lines.into_iter().rev().take(limit).collect()
        }
        Flaw::ListsTooMuch => ledger.history(usize::MAX).cloned().collect(),
        Flaw::OldestFirst => ledger.kept_history().take(limit).cloned().collect(),
        Flaw::TellsTooMuch => {
            let message = ledger.current().message().map(str::to_owned);
            let told = |entry: &HistoryEntry| {
                let mut entry = entry.clone();
                entry.note.clone_from(&message);
                entry
            };
            ledger.history(limit).map(told).collect()
        }
        _ => ledger.history(limit).cloned().collect(),
    }
}

fn applied(record: &Record, change: &Change) -> Record {
    match record
        .apply(change, Timestamp::default())
        .expect("the change makes sense")
    {
        Outcome::Changed(next) => next,
        Outcome::Unchanged => record.clone(),
    }
}

/// The record with other fields, as somebody writes it who does not know what they mean.
fn edited(record: &Record, edit: impl FnOnce(&mut Map<String, Value>)) -> Record {
    let mut fields = serde_json::from_slice(&record.to_json()).expect("a record is an object");
    edit(&mut fields);
    let json = serde_json::to_vec(&fields).expect("an object can be written");
    Record::from_json(&json).expect("the edit leaves a record")
}

fn edit(operation: &mut Operation, edit: impl FnOnce(&mut Map<String, Value>)) {
    if let Some(next) = proposal(operation) {
        operation.intent = Intent::Put(Box::new(edited(next, edit)));
    }
}

fn edit_deactivation(
    current: &Record,
    operation: &mut Operation,
    change: impl FnOnce(&mut Map<String, Value>),
) {
    if current.phase().is_on() && proposal(operation).is_some_and(|next| !next.phase().is_on()) {
        edit(operation, change);
    }
}

fn edit_settings(
    operation: &mut Operation,
    part: &str,
    change: impl FnOnce(&mut Map<String, Value>),
) {
    edit(operation, |fields| {
        if let Some(settings) = settings_of(fields, part) {
            change(settings);
        }
    });
}

fn settings_of<'a>(
    fields: &'a mut Map<String, Value>,
    part: &str,
) -> Option<&'a mut Map<String, Value>> {
    fields
        .get_mut(part)?
        .as_object_mut()?
        .get_mut("settings")?
        .as_object_mut()
}
