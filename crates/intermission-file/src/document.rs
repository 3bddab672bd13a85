//! `record.json`: the record and its history, in one document.
//!
//! ```json
//! {
//!   "v": 1,
//!   "edition": 7,
//!   "history": [
//!     {"at":"2026-11-20T10:15:00.000Z","by":"ana","event":"requested",…}
//!   ],
//!   "record": {
//!     …
//!   }
//! }
//! ```
//!
//! It is written to be read by people, too: the record comes last, where a terminal shows it, and each line of the
//! history is one line. The *edition* counts how often the file was written, which tells whether `members.json`
//! belongs to it (see `step.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use intermission_core::{BadRecord, HistoryEntry, Record};
use serde_json::Value;
use serde_json::value::RawValue;

/// The version of the document. The record in it has its own.
const VERSION: u64 = 1;

/// What `record.json` holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) edition: u64,
    pub(crate) record: Option<Arc<Record>>,
    pub(crate) history: Vec<HistoryEntry>,
    /// Lines of the history that only a newer Intermission understands. They are kept.
    foreign_history: Vec<Value>,
    /// Fields that only a newer Intermission understands. They are kept.
    foreign: BTreeMap<String, Box<RawValue>>,
}

/// A text that is not such a document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadDocument {
    #[error("it is empty")]
    Empty,
    #[error("it is not a whole JSON object")]
    Json(#[source] serde_json::Error),
    #[error("its field `{field}` is missing or malformed")]
    Field {
        field: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("its field `{field}` is missing")]
    Missing { field: &'static str },
    #[error("it has version {version}, and this Intermission knows {VERSION}: upgrade it")]
    Version { version: u64 },
    #[error("it holds no record")]
    Record(#[source] BadRecord),
}

impl Document {
    /// Reads it.
    pub(crate) fn from_json(json: &[u8]) -> Result<Self, BadDocument> {
        Self::from_json_after(json, &Record::default())
    }

    /// The same for who knows an earlier record: what has not changed is shared with that.
    pub(crate) fn from_json_after(json: &[u8], known: &Record) -> Result<Self, BadDocument> {
        if json.is_empty() {
            return Err(BadDocument::Empty);
        }
        let mut fields: BTreeMap<String, &RawValue> =
            serde_json::from_slice(json).map_err(BadDocument::Json)?;
        let mut take = |field| fields.remove(field).ok_or(BadDocument::Missing { field });
        let version: u64 = parsed("v", take("v")?)?;
        if version != VERSION {
            return Err(BadDocument::Version { version });
        }
        let record = take("record")?;
        // A person who puts a record back by hand knows of no edition, and may leave out the history.
        let edition = take("edition").map_or(Ok(0), |raw| parsed("edition", raw))?;
        let lines: Vec<BTreeMap<String, Value>> =
            take("history").map_or_else(|_| Ok(Vec::new()), |raw| parsed("history", raw))?;
        let record = match record.get() {
            "null" => None,
            json => Some(Arc::new(
                Record::from_json_after(json.as_bytes(), known).map_err(BadDocument::Record)?,
            )),
        };
        let mut document = Self {
            edition,
            record,
            foreign: fields
                .into_iter()
                .map(|(name, raw)| (name, raw.to_owned()))
                .collect(),
            ..Self::default()
        };
        for line in lines {
            let line = Value::Object(line.into_iter().collect());
            match serde_json::from_value(line.clone()) {
                Ok(entry) => document.history.push(entry),
                Err(_) => document.foreign_history.push(line),
            }
        }
        Ok(document)
    }

    /// The next edition, with what the ledger holds now.
    pub(crate) fn succeeded_by(
        &self,
        edition: u64,
        record: Option<Arc<Record>>,
        history: Vec<HistoryEntry>,
    ) -> Self {
        let Self {
            foreign_history,
            foreign,
            ..
        } = self.clone();
        Self {
            edition,
            record,
            history,
            foreign_history,
            foreign,
        }
    }

    /// Writes it.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut fields = vec![
            format!("\"v\": {VERSION}"),
            format!("\"edition\": {}", self.edition),
        ];
        fields.extend(
            self.foreign
                .iter()
                .map(|(name, value)| format!("{}: {value}", Value::from(name.as_str()))),
        );
        let lines = self.all_history()?;
        let history = if lines.is_empty() {
            String::new()
        } else {
            format!("\n    {}\n  ", lines.join(",\n    "))
        };
        fields.push(format!("\"history\": [{history}]"));
        // No text in JSON holds a line break, so these are all between its parts.
        let record = serde_json::to_string_pretty(&self.record.as_deref())?.replace('\n', "\n  ");
        fields.push(format!("\"record\": {record}"));
        Ok(format!("{{\n  {}\n}}\n", fields.join(",\n  ")).into_bytes())
    }

    /// The lines that are understood, and the others where they belong by their time.
    fn all_history(&self) -> Result<Vec<String>, serde_json::Error> {
        let mut foreign = self.foreign_history.iter().peekable();
        let mut lines = Vec::with_capacity(self.history.len() + self.foreign_history.len());
        for entry in &self.history {
            let at = entry.at.to_string();
            while let Some(line) = foreign.next_if(|line| time_of(line) < Some(at.as_str())) {
                lines.push(line.to_string());
            }
            lines.push(serde_json::to_string(entry)?);
        }
        lines.extend(foreign.map(Value::to_string));
        Ok(lines)
    }
}

/// Times are written so that the texts have the same order.
fn time_of(line: &Value) -> Option<&str> {
    line.get("at").and_then(Value::as_str)
}

fn parsed<T: serde::de::DeserializeOwned>(
    field: &'static str,
    raw: &RawValue,
) -> Result<T, BadDocument> {
    serde_json::from_str(raw.get()).map_err(|source| BadDocument::Field { field, source })
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::time::Duration;

    use intermission_core::{
        Activate, Actor, AllowChange, AllowList, Change, Ledger, Members, Moment, Operation,
        OperationId, Outcome, Phase, Timestamp, Timing,
    };

    use super::*;

    fn document() -> Document {
        let moment = |second: u64| {
            Moment::new(
                Timestamp::from_millis(1_800_000_000_000 + second * 1_000),
                Duration::ZERO,
            )
        };
        let mut ledger = Ledger::restored(Timing::default(), None, [], Members::default());
        let changes = [
            Change::Activate(
                Activate::by("ana").with_message("two\nlines, a \"quote\" and \u{2028}"),
            ),
            Change::Allow(AllowChange::Replace(
                AllowList::parse(["192.0.2.1", "2001:db8::/64"]).unwrap(),
            )),
        ];
        for (second, change) in (0..).zip(&changes) {
            let Outcome::Changed(next) = ledger
                .current()
                .apply(change, moment(second).calendar)
                .unwrap()
            else {
                panic!("{change:?} changed nothing")
            };
            let id = OperationId::from_bits(u128::from(second));
            let operation =
                Operation::replace(id, &ledger.current(), next, Actor::new("ana", "command"));
            ledger.operate(&operation, moment(second));
        }
        Document::default().succeeded_by(
            7,
            ledger.record().cloned(),
            ledger.kept_history().cloned().collect(),
        )
    }

    #[test]
    fn round_trips() {
        for document in [Document::default(), document()] {
            let read = Document::from_json(&document.to_json().unwrap()).unwrap();
            assert_eq!(
                (read.edition, read.record, read.history),
                (document.edition, document.record, document.history)
            );
        }
    }

    #[test]
    fn a_list_that_stays_the_same_is_shared_with_the_record_before() {
        let document = document();
        let known = document.record.clone().unwrap();
        let read = Document::from_json_after(&document.to_json().unwrap(), &known).unwrap();
        let record = read.record.unwrap();
        assert!(!record.allow().is_empty());
        assert!(record.allow().is_shared_with(known.allow()));
    }

    #[test]
    fn a_person_can_read_it_and_the_record_comes_last() {
        let text = String::from_utf8(document().to_json().unwrap()).unwrap();
        let line_of = |part: &str| {
            text.lines()
                .position(|line| line.trim_start().starts_with(part))
        };
        assert_eq!(line_of("\"v\""), Some(1));
        assert!(line_of("\"history\"") < line_of("\"record\""), "{text}");
        assert_eq!(
            text.lines()
                .filter(|line| line.contains("\"event\""))
                .count(),
            3,
            "{text}"
        );
        assert!(
            text.lines()
                .any(|line| line == r#"    "phase": "activated","#),
            "{text}"
        );
        assert!(text.ends_with("  }\n}\n"), "{text}");
    }

    #[test]
    fn what_is_torn_is_no_document() {
        let whole = document().to_json().unwrap();
        // Without its last line break it is still whole.
        for length in 0..whole.len() - 1 {
            assert!(
                Document::from_json(&whole[..length]).is_err(),
                "cut at {length}"
            );
        }
    }

    #[test]
    fn what_is_something_else_is_no_document() {
        for text in [
            "null",
            "[]",
            "{}",
            "\0\0\0\0",
            "maintenance=off",
            r#"{"v":1}"#,
            r#"{"v":2,"edition":1,"history":[],"record":null}"#,
            r#"{"edition":1,"history":[],"record":null}"#,
            r#"{"v":1,"edition":-1,"history":[],"record":null}"#,
            r#"{"v":1,"edition":1,"history":{},"record":null}"#,
            r#"{"v":1,"edition":1,"history":["x"],"record":null}"#,
            r#"{"v":1,"edition":1,"history":[],"record":{}}"#,
            r#"{"v":1,"edition":1,"history":[],"record":{"v":1,"revision":1,"phase":"activated"}}"#,
            r#"{"v":1,"revision":1,"phase":"deactivated","activation":null,"plan":null,"allow":[]}"#,
        ] {
            assert!(Document::from_json(text.as_bytes()).is_err(), "{text}");
        }
        let error = Document::from_json(br#"{"v":9,"record":null}"#).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
        let error = Document::from_json(br#"{"v":1,"record":{"v":1}}"#).unwrap_err();
        assert!(
            error.source().unwrap().to_string().contains("revision"),
            "{error:?}"
        );
    }

    #[test]
    fn a_record_put_back_by_hand_needs_no_edition_and_no_history() {
        let text = br#"{"v":1,"record":{"v":1,"revision":7,"phase":"deactivated"}}"#;
        let read = Document::from_json(text).unwrap();
        assert_eq!((read.edition, read.history.len()), (0, 0));
        assert_eq!(read.record.unwrap().phase(), Phase::Deactivated);
    }

    #[test]
    fn what_a_newer_version_added_is_written_back() {
        let known = document();
        let mut text = String::from_utf8(known.to_json().unwrap()).unwrap();
        let at = known.history[1].at;
        let foreign = format!(r#"{{"at":"{at}","event":"teleported","revision":"far"}}"#);
        text = text.replacen(
            "\"history\": [",
            &format!("\"colour\": {{\"deep\": [1]}},\n\"history\": [{foreign},"),
            1,
        );
        let read = Document::from_json(text.as_bytes()).unwrap();
        assert_eq!(read.history, known.history);
        let next = read.succeeded_by(8, read.record.clone(), read.history.clone());
        let written: Value = serde_json::from_slice(&next.to_json().unwrap()).unwrap();
        assert_eq!(written["colour"]["deep"][0], 1);
        let events: Vec<&str> = written["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["event"].as_str().unwrap())
            .collect();
        assert_eq!(events, ["requested", "activated", "teleported", "updated"]);
    }
}
