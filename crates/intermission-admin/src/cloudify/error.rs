//! Errors, as Cloudify's client reads them.

use intermission::{OperatorError, StateError, StateErrorKind};
use serde::Serialize;

use crate::problem::in_full;
use crate::reply::AdminReply;

/// What every error of Cloudify looks like. The client goes by `error_code`.
#[derive(Debug, Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) message: &'a str,
    pub(super) error_code: &'a str,
    server_traceback: &'static str,
}

impl<'a> Envelope<'a> {
    pub(super) const fn new(message: &'a str, error_code: &'a str) -> Self {
        Self {
            message,
            error_code,
            server_traceback: "",
        }
    }
}

/// An error that is answered.
#[derive(Debug)]
pub(super) struct Error {
    status: u16,
    code: &'static str,
    message: String,
    header: Option<(&'static str, String)>,
}

impl Error {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            header: None,
        }
    }

    fn with_header(self, name: &'static str, value: impl Into<String>) -> Self {
        Self {
            header: Some((name, value.into())),
            ..self
        }
    }

    pub(super) fn unauthorized(challenge: &str) -> Self {
        Self::new(
            401,
            "unauthorized_error",
            "sign in first: nobody knows who you are",
        )
        .with_header("www-authenticate", challenge)
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(403, "forbidden_error", message)
    }

    pub(super) fn action(action: &str) -> Self {
        let message = format!(
            "Invalid action: {action}, Valid action values are: ['activate', 'deactivate']"
        );
        Self::new(400, "bad_parameters_error", message)
    }

    pub(super) fn nothing() -> Self {
        Self::new(404, "not_found_error", "there is nothing here")
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let message = format!("this can be asked with {allow} only");
        Self::new(405, "method_not_allowed_error", message).with_header("allow", allow)
    }

    pub(super) fn content_type() -> Self {
        let message = "send no body, or JSON";
        Self::new(415, "unsupported_content_type_error", message)
    }

    pub(super) fn state_hidden() -> Self {
        Self::state("the maintenance state cannot be read at present")
    }

    /// What a state cannot do now it can do soon, or somebody must look after it.
    fn state(message: impl Into<String>) -> Self {
        Self::new(503, "internal_server_error", message).with_header("retry-after", "5")
    }

    pub(super) fn reply(self) -> AdminReply {
        let body = Envelope::new(&self.message, self.code);
        let reply = AdminReply::json(self.status, &body);
        match self.header {
            Some((name, value)) => reply.with_header(name, value),
            None => reply,
        }
    }
}

impl From<&StateError> for Error {
    fn from(error: &StateError) -> Self {
        match error.kind() {
            StateErrorKind::Conflict => Self::new(409, "conflict_error", in_full(error)),
            _ => Self::state(in_full(error)),
        }
    }
}

impl From<&OperatorError> for Error {
    fn from(error: &OperatorError) -> Self {
        match error {
            OperatorError::State(error) => error.into(),
            OperatorError::Change(error) => {
                Self::new(400, "bad_parameters_error", error.to_string())
            }
            other => Self::state(in_full(other)),
        }
    }
}
