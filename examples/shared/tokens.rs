//! Who may pass: a stand-in for the application's own authentication, the same in each example.

use subtle::ConstantTimeEq;

/// The tokens that the example knows.
#[derive(Clone)]
pub(crate) struct Tokens {
    operator: String,
    admin: String,
}

impl Tokens {
    /// From `DEMO_OPERATOR_TOKEN` and `DEMO_ADMIN_TOKEN`, or the well-known ones: this is an example.
    pub(crate) fn from_environment() -> Self {
        let token = |variable: &str, known: &str| {
            std::env::var(variable).unwrap_or_else(|_| known.to_owned())
        };
        Self {
            operator: token("DEMO_OPERATOR_TOKEN", "operator-demo"),
            admin: token("DEMO_ADMIN_TOKEN", "admin-demo"),
        }
    }

    /// Drupal's permission `access site in maintenance mode`, by the request's header `Authorization`.
    pub(crate) fn may_bypass(&self, authorization: Option<&[u8]>) -> bool {
        let bearer = authorization.and_then(|value| value.strip_prefix(b"Bearer "));
        // Both are compared, in constant time, so that the time that it takes says nothing.
        bearer
            .is_some_and(|token| bool::from(same(token, &self.operator) | same(token, &self.admin)))
    }
}

fn same(given: &[u8], known: &str) -> subtle::Choice {
    given.ct_eq(known.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_token_of_the_right_kind_passes() {
        let tokens = Tokens {
            operator: "right".to_owned(),
            admin: "other".to_owned(),
        };
        let passes = |value: &str| tokens.may_bypass(Some(value.as_bytes()));
        assert!(passes("Bearer right") && passes("Bearer other"));
        for wrong in [
            "right",
            "Bearer",
            "Bearer ",
            "Bearer righ",
            "Bearer right ",
            "Bearer Right",
            "Basic right",
        ] {
            assert!(!passes(wrong), "{wrong}");
        }
        assert!(!tokens.may_bypass(None));
    }
}
