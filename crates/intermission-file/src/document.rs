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
        if json.is_empty() {
            return Err(BadDocument::Empty);
        }
        let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(json).map_err(BadDocument::Json)?;
        let mut take = |field| fields.remove(field).ok_or(BadDocument::Missing { field });
        let version: u64 = parsed("v", &take("v")?)?;
        if version != VERSION {
            return Err(BadDocument::Version { version });
        }
        let record = take("record")?;
        // A person who puts a record back by hand knows of no edition, and may leave out the history.
        let edition = take("edition").map_or(Ok(0), |raw| parsed("edition", &raw))?;
        let lines: Vec<BTreeMap<String, Value>> =
            take("history").map_or_else(|_| Ok(Vec::new()), |raw| parsed("history", &raw))?;
        let record = match record.get() {
            "null" => None,
            json => Some(Arc::new(Record::from_json(json.as_bytes()).map_err(BadDocument::Record)?)),
        };
        let mut document = Self { edition, record, foreign: fields, ..Self::default() };
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
        let Self { foreign_history, foreign, .. } = self.clone();
        Self { edition, record, history, foreign_history, foreign }
    }

    /// Writes it.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = format!("{{\n  \"v\": {VERSION},\n  \"edition\": {},\n", self.edition);
        for (name, value) in &self.foreign {
            text.push_str(&format!("  {}: {value},\n", Value::from(name.as_str())));
        }
        let lines = self.all_history()?;
        let history = if lines.is_empty() { String::new() } else { format!("\n    {}\n  ", lines.join(",\n    ")) };
        let record = serde_json::to_string_pretty(&self.record)?.replace('\n', "\n  ");
        text.push_str(&format!("  \"history\": [{history}],\n  \"record\": {record}\n}}\n"));
        Ok(text.into_bytes())
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

fn parsed<T: serde::de::DeserializeOwned>(field: &'static str, raw: &RawValue) -> Result<T, BadDocument> {
    serde_json::from_str(raw.get()).map_err(|source| BadDocument::Field { field, source })
}
