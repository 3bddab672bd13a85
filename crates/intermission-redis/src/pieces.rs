//! A record in the pieces in which Redis keeps it.
//!
//! The scripts put the pieces together again, and replace single ones when the ledger does something by itself. They
//! never write a table as JSON, because Lua's numbers lose digits and its empty lists become objects.

use std::collections::BTreeMap;

use intermission_core::{Record, StateError, StateErrorKind};
use serde::Serialize;
use serde_json::value::RawValue;

/// A record as names and values, in the order of the scripts. What it does not have is empty.
pub(crate) fn pieces(record: &Record) -> Result<Vec<(&'static str, String)>, StateError> {
    let is_newer = record.version() > Record::VERSION;
    let activation = record.activation();
    let completion = activation.and_then(|on| on.completion.as_ref());
    let unconfirmed: Result<Vec<String>, StateError> = completion
        .map(|done| done.unconfirmed.iter().map(json).collect())
        .unwrap_or(Ok(Vec::new()));
    let plan = record.plan();
    let operation = record.operation();
    Ok(vec![
        ("version", record.version().to_string()),
        ("revision", record.revision().to_string()),
        (
            "operation",
            operation.map(|id| id.to_string()).unwrap_or_default(),
        ),
        ("phase", record.phase().as_str().to_owned()),
        ("id", piece(activation.map(|on| on.id))?),
        ("level_since", piece(activation.map(|on| on.level_since))?),
        ("settings", piece(activation.map(|on| &on.settings))?),
        (
            "requested_by",
            piece(activation.map(|on| &on.requested_by))?,
        ),
        ("requested_at", piece(activation.map(|on| on.requested_at))?),
        ("completed_at", piece(completion.map(|done| done.at))?),
        ("forced", piece(completion.map(|done| done.forced))?),
        (
            "state_lost_at",
            piece(completion.map(|done| done.state_lost_at))?,
        ),
        ("unconfirmed", unconfirmed?.join("\n")),
        ("plan_starts_at", piece(plan.map(|plan| plan.starts_at))?),
        ("plan_settings", piece(plan.map(|plan| &plan.settings))?),
        (
            "plan_requested_by",
            piece(plan.map(|plan| &plan.requested_by))?,
        ),
        (
            "plan_requested_at",
            piece(plan.map(|plan| plan.requested_at))?,
        ),
        ("passes", piece(activation.map(|on| &on.passes))?),
        (
            "holding",
            piece(activation.and_then(|on| on.holding.as_ref()))?,
        ),
        ("allow", json(record.allow())?),
        (
            "other",
            if is_newer {
                String::new()
            } else {
                unknown_fields(record)?
            },
        ),
        (
            "text",
            if is_newer {
                String::from_utf8_lossy(&record.to_json()).into_owned()
            } else {
                String::new()
            },
        ),
    ])
}

/// Fields at the top level that this version does not know, and keeps.
fn unknown_fields(record: &Record) -> Result<String, StateError> {
    const KNOWN: [&str; 7] = [
        "v",
        "revision",
        "operation",
        "phase",
        "activation",
        "plan",
        "allow",
    ];
    let fields: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(&record.to_json()).map_err(unwritable)?;
    let unknown = fields
        .iter()
        .filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    let written: Result<Vec<String>, StateError> = unknown
        .map(|(name, value)| Ok(format!("{}:{}", json(name)?, value.get())))
        .collect();
    Ok(written?.join(","))
}

fn piece<T: Serialize>(part: Option<T>) -> Result<String, StateError> {
    part.map_or(Ok(String::new()), |part| json(&part))
}

pub(crate) fn json<T: Serialize + ?Sized>(part: &T) -> Result<String, StateError> {
    serde_json::to_string(part).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> StateError {
    StateError::new(
        StateErrorKind::Unsupported,
        "this cannot be written as JSON",
    )
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece_of(record: &Record, name: &str) -> String {
        let all = pieces(record).unwrap();
        all.into_iter().find(|(other, _)| *other == name).unwrap().1
    }

    #[test]
    fn a_new_site_has_no_activation_and_no_plan() {
        let record = Record::default();
        for (name, value) in [
            ("version", "1"),
            ("revision", "0"),
            ("operation", ""),
            ("phase", "deactivated"),
            ("id", ""),
            ("unconfirmed", ""),
            ("plan_starts_at", ""),
            ("allow", "[]"),
            ("other", ""),
        ] {
            assert_eq!(piece_of(&record, name), value, "{name}");
        }
    }

    #[test]
    fn what_is_unknown_is_kept() {
        let json = br#"{"v":1,"revision":7,"phase":"deactivated","b":{"deep":[1,2]},"a":null}"#;
        let record = Record::from_json(json).unwrap();
        assert_eq!(piece_of(&record, "other"), r#""a":null,"b":{"deep":[1,2]}"#);
        let json = br#"{"v":2,"revision":7,"phase":"deactivated","b":1}"#;
        let record = Record::from_json(json).unwrap();
        assert_eq!(piece_of(&record, "text").as_bytes(), json);
        assert_eq!(piece_of(&record, "other"), "");
    }
}
