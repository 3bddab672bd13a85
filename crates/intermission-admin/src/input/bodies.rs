//! The bodies of changes.

use std::time::Duration;

use intermission::{Activate, AllowChange, AllowList, DrainPolicy, Level, Timestamp};
use serde_json::Value;
use utoipa::ToSchema;

use super::fields::Fields;
use crate::problem::{FieldError, Problem};

/// How to close the site, or how to close it from now on. What is left out, or is `null`, gets its default while the
/// site is open, and stays as it is while it is closed; `ends_at` and `retry_after_s` are taken back by `null`. With a
/// `starts_at` that is ahead, the maintenance is planned, or the plan that is there is changed, and what is left out stays
/// as it was planned.
#[derive(Debug, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivateBody {
    /// What visitors are told. Plain text.
    #[schema(max_length = 2000)]
    message: Option<String>,
    /// How much is closed.
    #[schema(value_type = Option<LevelWord>)]
    level: Option<Level>,
    /// Addresses and networks that pass, in place of those that do now.
    #[schema(value_type = Option<Vec<String>>)]
    allow: Option<AllowList>,
    /// When visitors are to come back if no end is announced. `null` takes back what was said.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 31_536_000)]
    retry_after_s: Option<Duration>,
    #[schema(ignore)]
    no_retry_after: bool,
    /// When it is to start by itself; at once if left out, instead of a plan that is there.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// The announced end. `null` takes it back; the site does not open by itself then, either.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
    #[schema(ignore)]
    no_end: bool,
    /// Whether the site opens by itself at the announced end.
    auto_end: Option<bool>,
    /// How long running executions are waited for.
    #[schema(value_type = Option<DrainBody>)]
    drain: Option<DrainPolicy>,
    /// Closes the site even if nobody could open it again over HTTP.
    lockout_accepted: Option<bool>,
}

/// How much is closed.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is what the schema says of `Level`")]
enum LevelWord {
    Full,
    ReadOnly,
    Exclusive,
}

/// How long running executions are waited for, and what happens then.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is what the schema says of `DrainPolicy`")]
pub(crate) struct DrainBody {
    mode: DrainMode,
    /// Needed by `force` and `abort`, and by them alone.
    #[schema(minimum = 1, maximum = 31_536_000)]
    after_s: Option<u32>,
}

/// What happens to executions that take longer.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is what the schema says of `DrainPolicy`")]
pub(crate) enum DrainMode {
    /// They are waited for.
    Wait,
    /// They are told, and the site is activated with them.
    Force,
    /// The site is opened again.
    Abort,
}

impl ActivateBody {
    const FIELDS: [&str; 9] = [
        "message",
        "level",
        "allow",
        "retry_after_s",
        "starts_at",
        "ends_at",
        "auto_end",
        "drain",
        "lockout_accepted",
    ];

    pub(crate) fn read(mut fields: Fields) -> Result<Self, Problem<'static>> {
        let body = Self {
            message: fields.text("message"),
            level: fields.parsed("level", str::parse),
            allow: allow(&mut fields),
            no_retry_after: fields.is_withdrawn("retry_after_s"),
            retry_after_s: fields.seconds("retry_after_s", 1),
            starts_at: fields.parsed("starts_at", str::parse),
            no_end: fields.is_withdrawn("ends_at"),
            ends_at: fields.parsed("ends_at", str::parse),
            auto_end: fields.truth("auto_end"),
            drain: drain(&mut fields),
            lockout_accepted: fields.truth("lockout_accepted"),
        };
        fields.finish(&Self::FIELDS, body)
    }

    pub(crate) fn is_lockout_accepted(&self) -> bool {
        self.lockout_accepted.unwrap_or(false)
    }

    /// The change that is asked for.
    pub(crate) fn change(self, requested_by: &str) -> Activate {
        let mut activate = Activate::by(requested_by);
        if let Some(message) = self.message {
            activate = activate.with_message(message);
        }
        if let Some(level) = self.level {
            activate = activate.with_level(level);
        }
        if let Some(allow) = self.allow {
            activate = activate.with_allow(AllowChange::Replace(allow));
        }
        if let Some(retry_after) = self.retry_after_s {
            activate = activate.with_retry_after(retry_after);
        } else if self.no_retry_after {
            activate = activate.without_retry_after();
        }
        if let Some(starts_at) = self.starts_at {
            activate = activate.with_starts_at(starts_at);
        }
        if let Some(ends_at) = self.ends_at {
            activate = activate.with_ends_at(ends_at);
        } else if self.no_end {
            activate = activate.without_ends_at();
        }
        if let Some(auto_end) = self.auto_end {
            activate = activate.with_auto_end(auto_end);
        }
        if let Some(drain) = self.drain {
            activate = activate.with_drain(drain);
        }
        activate
    }
}

/// Nothing needs to be said to open the site.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeactivateBody {}

impl DeactivateBody {
    pub(crate) fn read(fields: Fields) -> Result<Self, Problem<'static>> {
        fields.finish(&[], Self {})
    }
}

/// Who passes by address.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllowIpsBody {
    /// Addresses and networks.
    #[schema(value_type = Vec<String>)]
    pub(crate) allow: AllowList,
    /// Changes the list even if nobody could open the site again over HTTP.
    #[schema(value_type = Option<bool>)]
    pub(crate) lockout_accepted: bool,
}

impl AllowIpsBody {
    pub(crate) fn read(mut fields: Fields) -> Result<Self, Problem<'static>> {
        if fields.is_absent("allow") {
            fields.bad("allow", "must be a list of addresses and networks");
        }
        let body = Self {
            allow: allow(&mut fields).unwrap_or_default(),
            lockout_accepted: fields.truth("lockout_accepted").unwrap_or(false),
        };
        fields.finish(&["allow", "lockout_accepted"], body)
    }
}

/// A pass for one person.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassBody {
    /// Whom it is for. Shown in lists.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) subject: String,
    /// How long it is good; until the maintenance ends if left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 31_536_000)]
    pub(crate) expires_s: Option<Duration>,
}

impl PassBody {
    /// The longest subject, in characters.
    const SUBJECT_LIMIT: usize = 200;

    pub(crate) fn read(mut fields: Fields) -> Result<Self, Problem<'static>> {
        if fields.is_absent("subject") {
            fields.bad("subject", "must say whom the pass is for");
        }
        let subject = fields.text("subject").unwrap_or_default();
        let length = subject.chars().count();
        if fields.is_fine("subject") && !(1..=Self::SUBJECT_LIMIT).contains(&length) {
            let limit = Self::SUBJECT_LIMIT;
            fields.bad(
                "subject",
                format!("has {length} characters; from 1 to {limit} are possible"),
            );
        }
        let expires_s = fields.seconds("expires_s", 1);
        fields.finish(&["subject", "expires_s"], Self { subject, expires_s })
    }
}

/// A list of networks, of which every bad one is named by its place.
fn allow(fields: &mut Fields) -> Option<AllowList> {
    let entries = match fields.take("allow")? {
        Value::Array(entries) => entries,
        other => return fields.is_no("allow", &other, "a list of addresses and networks"),
    };
    let mut errors = Vec::new();
    let mut texts = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let problem = match entry {
            Value::String(text) => match AllowList::parse([text]) {
                Ok(_) => {
                    texts.push(text);
                    continue;
                }
                Err(error) => error
                    .entries()
                    .first()
                    .map_or_else(|| error.to_string(), ToString::to_string),
            },
            _ => "must be a text".to_owned(),
        };
        errors.push(FieldError {
            field: format!("allow[{place}]"),
            problem,
        });
    }
    for error in errors {
        fields.bad(error.field, error.problem);
    }
    AllowList::parse(texts).ok()
}

fn drain(fields: &mut Fields) -> Option<DrainPolicy> {
    let object = match fields.take("drain")? {
        Value::Object(object) => object,
        other => return fields.is_no("drain", &other, "an object with mode and after_s"),
    };
    let mut inner = Fields::from(object);
    let mode = inner.text("mode");
    let after = inner.seconds("after_s", 1);
    let policy = match (mode.as_deref(), after) {
        (Some("wait"), None) => Some(DrainPolicy::Wait),
        (Some("force"), Some(after)) => Some(DrainPolicy::Force(after)),
        (Some("abort"), Some(after)) => Some(DrainPolicy::Abort(after)),
        (Some("wait"), Some(_)) => {
            inner.bad(
                "after_s",
                "`wait` has no limit: leave it out, or say force or abort",
            );
            None
        }
        (Some("force" | "abort"), None) => {
            if inner.is_fine("after_s") {
                inner.bad("after_s", "is needed: after how many seconds");
            }
            None
        }
        (Some(_) | None, _) => {
            if inner.is_fine("mode") {
                inner.bad("mode", "must be wait, force or abort");
            }
            None
        }
    };
    fields.adopt("drain", inner, &["mode", "after_s"]);
    policy
}
