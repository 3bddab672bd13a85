//! A record in the pieces in which Redis keeps it.
//!
//! The scripts put the pieces together again, and replace single ones when the ledger does something by itself. They
//! never write a table as JSON, because Lua's numbers lose digits and its empty lists become objects.

use std::collections::BTreeMap;

use intermission_core::{
    Completion, Plan, Record, ScopeName, ScopeRecord, Scopes, StateError, StateErrorKind,
};
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
            "scopes",
            if is_newer {
                String::new()
            } else {
                scopes(record.scopes())?
            },
        ),
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

/// The scopes as the JSON that a record has of them, a line for each. What the scripts look for in a line stands between
/// tabs, and in a completion or a plan between carriage returns: white space that no text in JSON contains.
fn scopes(scopes: &Scopes) -> Result<String, StateError> {
    let lines: Result<Vec<String>, StateError> = scopes.iter().map(line).collect();
    Ok(lines?.join(",\n"))
}

fn line((name, scope): (&ScopeName, &ScopeRecord)) -> Result<String, StateError> {
    let plan = scope.plan.as_ref().map_or(Ok("null".to_owned()), plan)?;
    let Some(on) = &scope.activation else {
        return Ok(format!(
            "\"{name}\":{{\"activation\":null,\"plan\":\t{plan}\t}}"
        ));
    };
    let completion = on.completion.as_ref();
    Ok(format!(
        "\"{name}\":{{\"activation\":{{\"id\":\t{}\t,\"level_since\":\t{}\t,\"settings\":\t{}\t,\"requested_by\":\t{}\t,\
         \"requested_at\":\t{}\t,\"completion\":\t{}\t,\"passes\":\t{}\t,\"holding\":\t{}\t}},\"plan\":\t{plan}\t}}",
        json(&on.id)?,
        json(&on.level_since)?,
        json(&on.settings)?,
        json(&on.requested_by)?,
        json(&on.requested_at)?,
        completion.map_or(Ok("null".to_owned()), completed)?,
        json(&on.passes)?,
        json(&on.holding)?,
    ))
}

fn completed(done: &Completion) -> Result<String, StateError> {
    let unconfirmed: Result<Vec<String>, StateError> = done.unconfirmed.iter().map(json).collect();
    let mut unconfirmed = unconfirmed?.join("\r,\r");
    if !unconfirmed.is_empty() {
        unconfirmed = format!("\r{unconfirmed}\r");
    }
    Ok(format!(
        "{{\"at\":\r{}\r,\"forced\":\r{}\r,\"state_lost_at\":\r{}\r,\"unconfirmed\":[{unconfirmed}]}}",
        json(&done.at)?,
        json(&done.forced)?,
        json(&done.state_lost_at)?,
    ))
}

fn plan(plan: &Plan) -> Result<String, StateError> {
    Ok(format!(
        "{{\"starts_at\":\r{}\r,\"settings\":\r{}\r,\"requested_by\":\r{}\r,\"requested_at\":\r{}\r}}",
        json(&plan.starts_at)?,
        json(&plan.settings)?,
        json(&plan.requested_by)?,
        json(&plan.requested_at)?,
    ))
}

/// Fields at the top level that this version does not know, and keeps.
fn unknown_fields(record: &Record) -> Result<String, StateError> {
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
    fn scopes_are_the_json_of_the_record_in_lines() {
        let text = br#"{"v":1,"revision":7,"phase":"deactivated","scopes":{"a":{"activation":null,"plan":{"starts_at":
            "2027-01-15T08:00:00.000Z","settings":{"level":"full","message":"a\tb","ends_at":null,"auto_end":false,
            "retry_after_ms":null,"drain":{"mode":"wait","after_ms":null}},"requested_by":"ana","requested_at":
            "2027-01-15T07:00:00.000Z"}},"b.example":{"activation":{"id":7,"level_since":7,"settings":{"level":"full",
            "message":null,"ends_at":null,"auto_end":false,"retry_after_ms":null,"drain":{"mode":"wait","after_ms":null}},
            "requested_by":"ana","requested_at":"2027-01-15T07:00:00.000Z","completion":null,"passes":[]},"plan":null}}}"#;
        let record = Record::from_json(text).unwrap();
        let scopes = piece_of(&record, "scopes");
        assert_eq!(scopes.lines().count(), 2);
        let again =
            format!(r#"{{"v":1,"revision":7,"phase":"deactivated","scopes":{{{scopes}}}}}"#);
        assert_eq!(Record::from_json(again.as_bytes()).unwrap(), record);
        assert_eq!(piece_of(&record, "other"), "");
        assert_eq!(piece_of(&Record::default(), "scopes"), "");
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
