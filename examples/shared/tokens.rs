//! Who may pass, and who may administer: a stand-in for the application's own authentication, the same in each example.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intermission_admin::Authorization;
use subtle::{Choice, ConstantTimeEq};

/// The name under which whoever has the administrator's token administers.
const ADMIN: &str = "admin";

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

    /// Drupal's permission `access site in maintenance mode`, by the request's header `Authorization`. Whoever
    /// administers has it, too.
    pub(crate) fn may_bypass(&self, authorization: Option<&[u8]>) -> bool {
        authorization
            .is_some_and(|given| bool::from(self.is_operator(given) | self.is_admin(given)))
    }

    /// Who may administer, by the same header: the administrator, by token or by name and password. An operator is known,
    /// and may not.
    pub(crate) fn authorize(&self, authorization: Option<&[u8]>) -> Authorization {
        let Some(given) = authorization else {
            return Authorization::Unauthenticated;
        };
        if bool::from(self.is_admin(given)) {
            Authorization::granted(ADMIN)
        } else if bool::from(self.is_operator(given)) {
            Authorization::Forbidden
        } else {
            Authorization::Unauthenticated
        }
    }

    fn is_operator(&self, given: &[u8]) -> Choice {
        same(given, &format!("Bearer {}", self.operator))
    }

    fn is_admin(&self, given: &[u8]) -> Choice {
        let password = STANDARD.encode(format!("{ADMIN}:{}", self.admin));
        same(given, &format!("Bearer {}", self.admin)) | same(given, &format!("Basic {password}"))
    }
}

/// Compared in constant time, so that the time that it takes says nothing.
fn same(given: &[u8], known: &str) -> Choice {
    given.ct_eq(known.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_token_of_the_right_kind_counts() {
        let tokens = Tokens {
            operator: "right".to_owned(),
            admin: "other".to_owned(),
        };
        let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
        let admin = || Authorization::granted("admin");
        for (value, may_bypass, authorization) in [
            ("Bearer right", true, Authorization::Forbidden),
            ("Bearer other", true, admin()),
            (&*basic("admin:other"), true, admin()),
        ] {
            let value = Some(value.as_bytes());
            assert_eq!(tokens.may_bypass(value), may_bypass);
            assert_eq!(tokens.authorize(value), authorization);
        }
        for wrong in [
            "right",
            "other",
            "Bearer",
            "Bearer ",
            "Bearer righ",
            "Bearer right ",
            "Bearer Right",
            "Basic right",
            "Basic other",
            &*basic("admin:right"),
            &*basic("ana:other"),
            &*basic("other"),
        ] {
            let value = Some(wrong.as_bytes());
            assert!(!tokens.may_bypass(value), "{wrong}");
            assert_eq!(tokens.authorize(value), Authorization::Unauthenticated);
        }
        assert!(!tokens.may_bypass(None));
        assert_eq!(tokens.authorize(None), Authorization::Unauthenticated);
    }
}
