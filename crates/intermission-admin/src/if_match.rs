//! `If-Match: "REVISION"`: a change of exactly what somebody has looked at.

use intermission::Revision;

use crate::problem::Problem;
use crate::request::AdminRequest;

/// Which revisions a change may be made to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    Any,
    OneOf(Vec<Revision>),
}

impl IfMatch {
    /// # Errors
    ///
    /// There is a header and it makes no sense. Ignoring it would change what somebody has not looked at.
    pub(crate) fn of(request: &AdminRequest) -> Result<Self, Problem<'static>> {
        if !request.has("if-match") {
            return Ok(Self::Any);
        }
        let bad = || {
            Problem::new(
                400,
                "If-Match must be a revision in quotes, such as \"7\", as `ETag` says it",
            )
        };
        let line = request.header("if-match").ok_or_else(bad)?;
        if line == "*" {
            return Ok(Self::Any);
        }
        let revision = |tag: &str| {
            // A shell eats the quotes of whoever forgets to quote them, and a number can mean nothing else.
            let tag = tag.trim();
            let number = match tag.strip_prefix('"') {
                Some(rest) => rest.strip_suffix('"')?,
                None => tag,
            };
            let number: u64 = number.parse().ok()?;
            Revision::try_from(number).ok()
        };
        let revisions: Option<Vec<Revision>> = line.split(',').map(revision).collect();
        revisions.map(Self::OneOf).ok_or_else(bad)
    }

    pub(crate) fn is_met_by(&self, revision: Revision) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(revisions) => revisions.contains(&revision),
        }
    }

    pub(crate) const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization::Authorization;

    #[test]
    fn what_cannot_be_understood_is_not_ignored() {
        let of = |value: &str| {
            let request = AdminRequest::new("POST", "/api/activate", Authorization::Forbidden);
            IfMatch::of(&request.with_header("If-Match", value))
        };
        let one_of = |numbers: &[u64]| {
            IfMatch::OneOf(
                numbers
                    .iter()
                    .map(|number| Revision::new(*number))
                    .collect(),
            )
        };
        assert_eq!(of("*").unwrap(), IfMatch::Any);
        assert_eq!(of("\"7\"").unwrap(), one_of(&[7]));
        assert_eq!(of("7").unwrap(), one_of(&[7]));
        assert_eq!(of("\"7\", \"8\"").unwrap(), one_of(&[7, 8]));
        for bad in ["", "W/\"7\"", "\"x\"", "\"7\",", "\"9007199254740992\""] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
