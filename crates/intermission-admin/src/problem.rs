//! Errors, as `application/problem+json` (RFC 9457), with every bad field.

use std::error::Error;

use intermission::{ChangeError, OperatorError, StateError, StateErrorKind, Timestamp, View};
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::Status;
use crate::reply::AdminReply;

/// An error, as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    /// The HTTP status.
    status: u16,
    /// What kind of error.
    title: &'static str,
    /// What is wrong, and how to put it right.
    detail: String,
    /// Every bad field, if the input was bad.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// How the site is, if that is why the change was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Box<Status<'a>>>,
    /// What to send to have it done in spite of this, if there is such a thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    override_with: Option<&'static str>,
}

/// One bad field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where it is: the field of the body, or the parameter of the query.
    pub(crate) field: String,
    /// What is wrong with it, and how to put it right.
    pub(crate) problem: String,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: title(status),
            detail: detail.into(),
            errors: Vec::new(),
            current: None,
            override_with: None,
        }
    }

    /// Something that this server cannot do now, and that is no trouble of the state.
    pub(crate) fn busy(title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            title,
            ..Self::new(503, detail)
        }
    }

    /// Bad fields: all of them.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.problem),
            several => format!("{} fields are wrong; nothing was changed", several.len()),
        };
        Self {
            errors,
            ..Self::new(422, detail)
        }
    }

    /// Somebody else was faster.
    pub(crate) fn conflict(detail: impl Into<String>, current: &'a View, now: Timestamp) -> Self {
        Self {
            current: Some(Box::new(Status::of(current, now))),
            ..Self::new(409, detail)
        }
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) const fn with_override(mut self, field: &'static str) -> Self {
        self.override_with = Some(field);
        self
    }

    pub(crate) fn reply(&self) -> AdminReply {
        let reply = AdminReply::of_type(self.status, "application/problem+json", self);
        // What a state cannot do now it can do soon, or somebody must look after it.
        if self.status == 503 {
            reply.with_header("retry-after", "5")
        } else {
            reply
        }
    }
}

impl From<&StateError> for Problem<'_> {
    fn from(error: &StateError) -> Self {
        let status = match error.kind() {
            StateErrorKind::Conflict => 409,
            _ => 503,
        };
        Self::new(status, in_full(error))
    }
}

impl From<&OperatorError> for Problem<'_> {
    fn from(error: &OperatorError) -> Self {
        match error {
            OperatorError::Change(error) => error.into(),
            OperatorError::State(error) => error.into(),
            other => Self::new(503, in_full(other)),
        }
    }
}

impl From<&ChangeError> for Problem<'_> {
    fn from(error: &ChangeError) -> Self {
        let field = |field: &str| {
            Self::fields(vec![FieldError {
                field: field.to_owned(),
                problem: error.to_string(),
            }])
        };
        match error {
            ChangeError::EndBeforeStart { .. } => field("ends_at"),
            ChangeError::AutoEndWithoutEnd => field("auto_end"),
            ChangeError::MessageTooLong { .. } => field("message"),
            ChangeError::AlreadyOn { .. } => field("starts_at"),
            ChangeError::NotInScope { .. } => field("allow"),
            ChangeError::UnknownPass { .. } => Self::new(404, error.to_string()),
            other => Self::new(409, other.to_string()),
        }
    }
}

const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad request",
        401 => "Not signed in",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Method not allowed",
        409 => "Conflict",
        413 => "Body too large",
        415 => "Not JSON",
        422 => "Bad input",
        _ => "The maintenance state cannot be used",
    }
}

/// The message with all its causes, on one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
