//! A record as JSON: what files and Redis hold.
//!
//! ```json
//! {"v":1,"revision":1795170902113,"phase":"deactivated","activation":null,"plan":null,"allow":["192.0.2.10/32"]}
//! ```
//!
//! Where a part of the site is not plainly open, `scopes` lists it by its name:
//! `{"billing":{"activation":{…},"plan":null}}`.
//!
//! Version 1 may grow fields at the top level; a reader that does not know one keeps it and writes it back. What
//! changes the meaning of a field gets a new version. A record of a newer version is obeyed as far as it is
//! understood, closed where it is not, and never overwritten.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::allow_list::AllowList;
use crate::id::{OperationId, Revision};
use crate::record::{Activation, Completion, DrainPolicy, Plan, Record, Settings};
use crate::scope::Scopes;
use crate::{Phase, Timestamp};

/// A record as this version writes it. Every node of a fleet reads each change, so it is read without a detour.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFields<'a> {
    v: u64,
    revision: Revision,
    operation: Option<OperationId>,
    #[serde(borrow)]
    phase: Cow<'a, str>,
    activation: Option<Activation>,
    plan: Option<Plan>,
    /// As it is written: what it is depends on the list that is known already.
    #[serde(borrow)]
    allow: Option<&'a RawValue>,
    scopes: Option<Scopes>,
}

impl KnownFields<'_> {
    /// The record; `None` if it needs a second look.
    fn into_record(self, known: &AllowList) -> Option<Record> {
        let allow = self
            .allow
            .map(|text| AllowList::from_json_after(text.get(), known));
        let record = Record {
            revision: self.revision,
            operation: self.operation,
            activation: self.activation,
            plan: self.plan,
            allow: allow.transpose().ok()?.unwrap_or_default(),
            scopes: self.scopes.unwrap_or_default(),
            newer: Newer::default(),
        };
        (self.v == Record::VERSION && record.phase().as_str() == self.phase).then_some(record)
    }
}

/// A record's fields, each still as it is written.
type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What this version found in a record and did not write itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Newer {
    version: u64,
    unknown: Map<String, Value>,
    /// The whole text of a record that a newer Intermission wrote: it is handed on as it came.
    text: Option<Box<[u8]>>,
}

impl Newer {
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }
}

impl Default for Newer {
    fn default() -> Self {
        Self {
            version: Record::VERSION,
            unknown: Map::new(),
            text: None,
        }
    }
}

/// A stored text that is not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadRecord {
    /// It is not a JSON object, or was cut off.
    #[error("the record is not a JSON object")]
    Json(#[source] serde_json::Error),
    /// A field is missing or does not have the form that it must have.
    #[error("the record's field `{field}` is missing or malformed")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The phase and the rest of the record contradict each other.
    #[error("the record says `{phase}`, but its activation says otherwise")]
    Contradiction {
        /// The phase that it names.
        phase: String,
    },
}

impl Record {
    /// The wire version that this crate writes.
    pub const VERSION: u64 = 1;

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// The text is not a whole record. That never means "deactivated": whoever reads it reports an unreadable state.
    pub fn from_json(json: &[u8]) -> Result<Self, BadRecord> {
        Self::from_json_after(json, &Self::default())
    }

    /// The same for who has read a record of this site before: the allow list is shared with that, if it is still the
    /// same. So a list of a million networks is not built anew when a message changes.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json).
    pub fn from_json_after(json: &[u8], known: &Self) -> Result<Self, BadRecord> {
        let known = &known.allow;
        if let Ok(fields) = serde_json::from_slice::<KnownFields<'_>>(json)
            && let Some(record) = fields.into_record(known)
        {
            return Ok(record);
        }
        // It is not what this version writes. Slower, it is told why, and what of it can be understood all the same.
        let mut fields: Fields<'_> = serde_json::from_slice(json).map_err(BadRecord::Json)?;
        let version: u64 = take(&mut fields, "v")?;
        if version <= Self::VERSION {
            return Self::from_fields(version, fields, known);
        }
        let understood = Self::from_fields(version, fields.clone(), known);
        let mut record =
            understood.or_else(|_| Self::closed_by_a_newer_version(version, fields))?;
        record.newer.text = Some(json.into());
        Ok(record)
    }

    /// Writes a record. One of a newer version is written as it was read.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        if let Some(text) = &self.newer.text {
            return text.to_vec();
        }
        let mut fields: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
        for (name, value) in &self.newer.unknown {
            fields.insert(name, to_raw(value));
        }
        let mut put = |name, value: Value| fields.insert(name, to_raw(&value));
        put("v", self.newer.version.into());
        put("revision", self.revision.number().into());
        put("operation", self.operation.map(|id| id.to_string()).into());
        put("phase", self.phase().as_str().into());
        put("activation", to_value(&self.activation));
        put("plan", to_value(&self.plan));
        if !self.scopes.is_empty() {
            put("scopes", to_value(&self.scopes));
        }
        // At once, since a list of a million networks is none that is first made a tree of a million strings.
        fields.insert("allow", to_raw(&self.allow));
        serde_json::to_vec(&fields).unwrap_or_default()
    }

    fn from_fields(
        version: u64,
        mut fields: Fields<'_>,
        known: &AllowList,
    ) -> Result<Self, BadRecord> {
        let revision = take(&mut fields, "revision")?;
        let phase: String = take(&mut fields, "phase")?;
        let record = Self {
            revision,
            operation: take_optional(&mut fields, "operation")?,
            activation: take_optional(&mut fields, "activation")?,
            plan: take_optional(&mut fields, "plan")?,
            allow: take_allow(&mut fields, known)?,
            scopes: take_optional(&mut fields, "scopes")?.unwrap_or_default(),
            newer: Newer {
                version,
                unknown: unknown(fields)?,
                text: None,
            },
        };
        if record.phase().as_str() == phase {
            Ok(record)
        } else {
            Err(BadRecord::Contradiction { phase })
        }
    }

    /// What this version cannot understand, it must not hold open: unless the newer record plainly says
    /// `deactivated`, the site is closed, and so is every scope that it lists.
    fn closed_by_a_newer_version(version: u64, mut fields: Fields<'_>) -> Result<Self, BadRecord> {
        let revision: Revision = take(&mut fields, "revision")?;
        let phase: String = take(&mut fields, "phase")?;
        let is_open = phase == Phase::Deactivated.as_str();
        let closed = || Activation {
            id: crate::ActivationId::new(revision),
            level_since: revision,
            settings: Settings::default(),
            requested_by: String::new(),
            requested_at: Timestamp::default(),
            completion: Some(Completion {
                at: Timestamp::default(),
                forced: true,
                state_lost_at: None,
                unconfirmed: Vec::new(),
            }),
            passes: Vec::new(),
            holding: None,
        };
        let scopes = fields.remove("scopes").map_or("null", RawValue::get);
        Ok(Self {
            revision,
            activation: (!is_open).then(closed),
            scopes: Scopes::not_understood(scopes, closed),
            newer: Newer {
                version,
                unknown: unknown(fields)?,
                text: None,
            },
            ..Self::default()
        })
    }
}

impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value =
            serde_json::from_slice(&self.to_json()).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(value.to_string().as_bytes()).map_err(|error| {
            let cause = std::error::Error::source(&error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            serde::de::Error::custom(format!("{error}{cause}"))
        })
    }
}

fn take<T: DeserializeOwned>(fields: &mut Fields<'_>, field: &'static str) -> Result<T, BadRecord> {
    let text = fields.remove(field).map_or("null", RawValue::get);
    serde_json::from_str(text).map_err(|source| BadRecord::Field { field, source })
}

/// What is left.
fn unknown(fields: Fields<'_>) -> Result<Map<String, Value>, BadRecord> {
    let read = |(name, text): (Cow<'_, str>, &RawValue)| {
        Ok((name.into_owned(), serde_json::from_str(text.get())?))
    };
    fields
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(BadRecord::Json)
}

fn take_optional<T: DeserializeOwned>(
    fields: &mut Fields<'_>,
    field: &'static str,
) -> Result<Option<T>, BadRecord> {
    take::<Option<T>>(fields, field)
}

fn take_allow(fields: &mut Fields<'_>, known: &AllowList) -> Result<AllowList, BadRecord> {
    let text = fields.remove("allow").map_or("null", RawValue::get);
    if text == "null" {
        return Ok(AllowList::default());
    }
    let field = "allow";
    AllowList::from_json_after(text, known).map_err(|source| BadRecord::Field { field, source })
}

/// The types of a record have string keys and no failing `Serialize`, so there is always a value.
fn to_value<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or(Value::Null)
}

/// The same, as it is written.
fn to_raw<T: Serialize>(part: &T) -> Box<RawValue> {
    to_raw_value(part).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// How a drain policy is written: `{"mode":"force","after_ms":30000}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireDrain {
    mode: String,
    #[serde(with = "optional_millis", default)]
    after_ms: Option<Duration>,
}

impl From<DrainPolicy> for WireDrain {
    fn from(policy: DrainPolicy) -> Self {
        let mode = match policy {
            DrainPolicy::Wait => "wait",
            DrainPolicy::Force(_) => "force",
            DrainPolicy::Abort(_) => "abort",
        };
        Self {
            mode: mode.to_owned(),
            after_ms: policy.limit(),
        }
    }
}

impl TryFrom<WireDrain> for DrainPolicy {
    type Error = String;

    fn try_from(wire: WireDrain) -> Result<Self, Self::Error> {
        match (wire.mode.as_str(), wire.after_ms) {
            ("wait", None) => Ok(Self::Wait),
            ("force", Some(after)) => Ok(Self::Force(after)),
            ("abort", Some(after)) => Ok(Self::Abort(after)),
            (mode, after) => Err(format!(
                "no drain policy has the mode `{mode}` and the limit {after:?}"
            )),
        }
    }
}

/// Durations as whole milliseconds.
pub(crate) mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(
        clippy::ref_option,
        reason = "serde hands over a reference to the field"
    )]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let millis =
            duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        millis.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activate, Change, Outcome};

    fn activated() -> Record {
        let change = Change::Activate(
            Activate::by("ana")
                .with_message("Upgrading")
                .with_drain(DrainPolicy::Force(Duration::from_millis(1_500))),
        );
        match Record::default()
            .apply(&change, Timestamp::from_millis(5))
            .unwrap()
        {
            Outcome::Changed(record) => record,
            Outcome::Unchanged => panic!("it was off"),
        }
    }

    #[test]
    fn round_trips() {
        for record in [Record::default(), activated()] {
            assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
        }
    }

    #[test]
    fn version_1_stays_readable() {
        let golden = include_bytes!("golden/record-v1.json");
        let record = Record::from_json(golden).unwrap();
        assert_eq!(record.phase(), Phase::Activated);
        assert_eq!(record.activation().unwrap().requested_by, "ana");
        let value = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap();
        assert_eq!(value(&record.to_json()), value(golden));
    }

    #[test]
    fn unknown_fields_survive_a_write_back() {
        let json = br#"{"v":1,"revision":7,"phase":"deactivated","colour":{"deep":[1,2]}}"#;
        let record = Record::from_json(json).unwrap();
        let Outcome::Changed(next) = record
            .apply(&Change::Activate(Activate::by("a")), Timestamp::default())
            .unwrap()
        else {
            panic!("it was off")
        };
        let value: Value = serde_json::from_slice(&next.to_json()).unwrap();
        assert_eq!(value["colour"]["deep"][1], 2);
    }

    #[test]
    fn what_is_torn_or_contradicts_itself_is_an_error() {
        let whole = activated().to_json();
        for length in 0..whole.len() {
            assert!(
                Record::from_json(&whole[..length]).is_err(),
                "cut at {length}"
            );
        }
        for json in [
            r#"{"v":1,"revision":1,"phase":"activated"}"#,
            r#"{"v":1,"revision":1,"phase":"off"}"#,
            r#"{"v":1,"phase":"deactivated"}"#,
            r#"{"v":1,"revision":-1,"phase":"deactivated"}"#,
            r#"{"v":1,"revision":1,"phase":"deactivated","allow":["nonsense"]}"#,
            r#"{"revision":1,"phase":"deactivated"}"#,
            "null",
        ] {
            assert!(Record::from_json(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_newer_version_is_obeyed_closed_when_not_understood_and_never_changed() {
        let open = Record::from_json(
            br#"{"v":2,"revision":9,"phase":"deactivated","plan":"every monday"}"#,
        )
        .unwrap();
        assert_eq!(open.phase(), Phase::Deactivated);
        let closed =
            Record::from_json(br#"{"v":2,"revision":9,"phase":"half-open","activation":3}"#)
                .unwrap();
        assert_eq!(closed.phase(), Phase::Activated);
        let error = closed
            .apply(
                &Change::Deactivate(crate::Deactivate::new()),
                Timestamp::default(),
            )
            .unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn a_newer_version_is_handed_on_as_it_came() {
        let text =
            br#"{"v":2,"revision":9,"phase":"deactivated","plan":{"starts_at":1,"deep":[1,2]}}"#;
        let record = Record::from_json(text).unwrap();
        assert_eq!(record.to_json(), text);
    }

    #[test]
    fn a_list_that_stays_the_same_is_shared_with_the_record_before() {
        let mut before = activated();
        before.allow = AllowList::parse(["192.0.2.10", "2001:db8::/64"]).unwrap();
        let said = Change::Activate(Activate::by("ana").with_message("Back at nine"));
        let Outcome::Changed(next) = before.apply(&said, Timestamp::default()).unwrap() else {
            panic!("another message")
        };
        assert!(next.allow().is_shared_with(before.allow()));

        let read = Record::from_json_after(&next.to_json(), &before).unwrap();
        assert_eq!(read, next);
        assert!(read.allow().is_shared_with(before.allow()));
        // Also by who has to look twice, for a field of a newer version.
        let text = String::from_utf8(next.to_json()).unwrap();
        for newer in [
            text.replacen('{', r#"{"colour":1,"#, 1),
            text.replacen(r#""v":1"#, r#""v":2"#, 1),
        ] {
            let read = Record::from_json_after(newer.as_bytes(), &before).unwrap();
            assert!(read.allow().is_shared_with(before.allow()), "{newer}");
        }

        let another = Record::from_json_after(&Record::default().to_json(), &before).unwrap();
        assert_eq!(another, Record::default());
    }

    #[test]
    fn what_is_known_changes_nothing_of_what_is_read() {
        let known = Record {
            allow: AllowList::parse(["192.0.2.10", "2001:db8::/64"]).unwrap(),
            ..Record::default()
        };
        let seen = |read: Result<Record, BadRecord>| {
            let wrong = |error: &BadRecord| {
                use std::error::Error as _;
                (error.to_string(), error.source().map(ToString::to_string))
            };
            read.map(|record| record.to_json())
                .map_err(|error| wrong(&error))
        };
        let record = |version: u64, allow: &str| {
            format!(r#"{{"v":{version},"revision":3,"phase":"deactivated"{allow}}}"#)
        };
        let same = r#","allow":["192.0.2.10","2001:db8::/64"]"#;
        for allow in [
            "",
            same,
            r#","allow":null"#,
            r#","allow":[]"#,
            r#","allow":["2001:db8::/64","192.0.2.10"]"#,
            r#","allow":["192.0.2.10","192.0.2.10","2001:db8::/64"]"#,
            r#","allow":["192.0.2.10"]"#,
            r#","allow":["192.0.2.10","2001:db8::/64",null]"#,
            r#","allow":["192.0.2.10","x"]"#,
            r#","allow":{"192.0.2.10":1}"#,
            r#","allow":"null""#,
            r#","allow":5"#,
            &format!(r#"{same},"allow":["::1"]"#),
            &format!(r#"{same},"colour":{{"allow":[]}}"#),
        ] {
            for version in [1, 2] {
                let text = record(version, allow);
                let after = Record::from_json_after(text.as_bytes(), &known);
                assert_eq!(
                    seen(after),
                    seen(Record::from_json(text.as_bytes())),
                    "{text}"
                );
            }
        }
        let broken = record(1, r#","allow":["192.0.2.10","x"]"#);
        assert!(Record::from_json_after(broken.as_bytes(), &known).is_err());
    }

    #[test]
    fn a_revision_that_not_everybody_can_count_is_refused() {
        for (revision, fits) in [("9007199254740991", true), ("9007199254740992", false)] {
            let json = format!(r#"{{"v":1,"revision":{revision},"phase":"deactivated"}}"#);
            assert_eq!(
                Record::from_json(json.as_bytes()).is_ok(),
                fits,
                "{revision}"
            );
        }
    }
}
