//! Who may pass, and who may administer: a stand-in for the application's own authentication, the same in each example.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intermission_admin::Authorization;
use intermission_admin::cloudify::{BYPASS_HEADER, TOKEN_HEADER, asks_to_bypass, is_api_path};
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
            let set = std::env::var(variable).ok();
            // An empty one is what a template leaves that was not filled in. Everybody could guess it.
            set.filter(|token| !token.is_empty())
                .unwrap_or_else(|| known.to_owned())
        };
        Self {
            operator: token("DEMO_OPERATOR_TOKEN", "operator-demo"),
            admin: token("DEMO_ADMIN_TOKEN", "admin-demo"),
        }
    }

    /// Drupal's permission `access site in maintenance mode`. Whoever administers has it, too. On Cloudify's paths one must
    /// also ask for it.
    pub(crate) fn may_bypass<'a>(
        &self,
        path: &str,
        header: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> bool {
        let asks = !is_api_path(path) || asks_to_bypass(header(BYPASS_HEADER));
        asks & !matches!(self.authorize(header), Authorization::Unauthenticated)
    }

    /// Who may administer: the administrator, by token or by name and password. An operator is known, and may not.
    pub(crate) fn authorize<'a>(&self, header: impl Fn(&str) -> Option<&'a [u8]>) -> Authorization {
        let given = Given {
            authorization: header("authorization").unwrap_or_default(),
            token: header(TOKEN_HEADER).unwrap_or_default(),
        };
        let (is_admin, is_operator) = (self.is_admin(given), self.is_operator(given));
        if bool::from(is_admin) {
            Authorization::granted(ADMIN)
        } else if bool::from(is_operator) {
            Authorization::Forbidden
        } else {
            Authorization::Unauthenticated
        }
    }

    fn is_operator(&self, given: Given<'_>) -> Choice {
        let bearer = format!("Bearer {}", self.operator);
        same(given.authorization, &bearer) | same(given.token, &self.operator)
    }

    fn is_admin(&self, given: Given<'_>) -> Choice {
        let bearer = format!("Bearer {}", self.admin);
        let basic = format!(
            "Basic {}",
            STANDARD.encode(format!("{ADMIN}:{}", self.admin))
        );
        same(given.authorization, &bearer)
            | same(given.authorization, &basic)
            | same(given.token, &self.admin)
    }
}

/// What a request says of who sends it; what it does not say is empty.
#[derive(Clone, Copy)]
struct Given<'a> {
    authorization: &'a [u8],
    /// As Cloudify's client sends it.
    token: &'a [u8],
}

/// Compared in constant time, so that the time that it takes says nothing. What is empty was not given.
fn same(given: &[u8], known: &str) -> Choice {
    Choice::from(u8::from(!given.is_empty())) & given.ct_eq(known.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_somebody_by_saying_nothing() {
        let empty = Tokens {
            operator: String::new(),
            admin: String::new(),
        };
        for name in ["authorization", "authentication-token"] {
            let header = only(name, "");
            assert_eq!(empty.authorize(&header), Authorization::Unauthenticated);
            assert!(!empty.may_bypass("/", &header));
        }
        assert_eq!(empty.authorize(|_| None), Authorization::Unauthenticated);
    }

    #[test]
    fn only_the_right_token_of_the_right_kind_counts() {
        let tokens = Tokens {
            operator: "right".to_owned(),
            admin: "other".to_owned(),
        };
        let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
        let admin = || Authorization::granted("admin");
        for (name, value, authorization) in [
            ("authorization", "Bearer right", Authorization::Forbidden),
            ("authorization", "Bearer other", admin()),
            ("authorization", &*basic("admin:other"), admin()),
            ("authentication-token", "right", Authorization::Forbidden),
            ("authentication-token", "other", admin()),
        ] {
            let header = only(name, value);
            assert!(tokens.may_bypass("/", &header), "{value}");
            assert_eq!(tokens.authorize(&header), authorization);
            // Cloudify's clients must ask.
            assert!(!tokens.may_bypass("/api/v3.1/blueprints", &header));
            for (asks, passes) in [("true", true), ("True", true), ("false", false)] {
                let header = |asked: &str| match asked {
                    "x-bypass-maintenance" => Some(asks.as_bytes()),
                    other => header(other),
                };
                assert_eq!(tokens.may_bypass("/api/v3/x", header), passes, "{asks}");
            }
        }
        for (name, wrong) in [
            ("authorization", "right"),
            ("authorization", "other"),
            ("authorization", "Bearer"),
            ("authorization", "Bearer "),
            ("authorization", "Bearer righ"),
            ("authorization", "Bearer right "),
            ("authorization", "Bearer Right"),
            ("authorization", "Basic right"),
            ("authorization", "Basic other"),
            ("authorization", &*basic("admin:right")),
            ("authorization", &*basic("ana:other")),
            ("authorization", &*basic("other")),
            ("authentication-token", ""),
            ("authentication-token", "Bearer right"),
            ("authentication-token", "righ"),
            ("x-bypass-maintenance", "true"),
        ] {
            let header = only(name, wrong);
            assert!(!tokens.may_bypass("/", &header), "{wrong}");
            assert_eq!(
                tokens.authorize(&header),
                Authorization::Unauthenticated,
                "{wrong}"
            );
        }
        assert_eq!(tokens.authorize(|_| None), Authorization::Unauthenticated);
    }

    fn only<'a>(name: &'a str, value: &'a str) -> impl Fn(&str) -> Option<&'a [u8]> {
        move |asked| (asked == name).then_some(value.as_bytes())
    }
}
