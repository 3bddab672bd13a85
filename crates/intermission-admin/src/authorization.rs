//! Who may administer.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What an application says about somebody who comes to the admin API or page.
///
/// Every way to mount them takes a closure that returns this, so there is no way to mount them open by accident.
///
/// # Examples
///
/// ```
/// use intermission_admin::Authorization;
///
/// fn authorize(user: Option<(&str, bool)>) -> Authorization {
///     match user {
///         None => Authorization::Unauthenticated,
///         Some((_, false)) => Authorization::Forbidden,
///         Some((name, true)) => Authorization::granted(name),
///     }
/// }
/// # assert!(matches!(authorize(None), Authorization::Unauthenticated));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "somebody may, may not, or is not known"
)]
pub enum Authorization {
    /// May administer, under this name. The name goes into the history and the record.
    Granted(String),
    /// Nobody knows who this is: `401`.
    Unauthenticated,
    /// Is known, and may not administer: `403`.
    Forbidden,
}

impl Authorization {
    /// May administer, under this name.
    pub fn granted(name: impl Into<String>) -> Self {
        Self::Granted(name.into())
    }

    /// What the closure says. If it panics, nobody may: it is the mount's way to ask it.
    pub fn ask(authorize: impl FnOnce() -> Self) -> Self {
        // What the closure keeps may be broken by its panic. It is asked again for the next request, as any handler.
        catch_unwind(AssertUnwindSafe(authorize)).unwrap_or(Self::Forbidden)
    }

    /// What the closure says, where those may read who are known but may not administer. If it panics, nobody knows who it
    /// is.
    pub fn identify(authorize: impl FnOnce() -> Self) -> Self {
        catch_unwind(AssertUnwindSafe(authorize)).unwrap_or(Self::Unauthenticated)
    }

    /// The word that metrics show.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Granted(_) => "granted",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
        }
    }
}

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_judged_may_not() {
        assert_eq!(
            Authorization::ask(|| panic!("broken")),
            Authorization::Forbidden
        );
        assert_eq!(
            Authorization::identify(|| panic!("broken")),
            Authorization::Unauthenticated
        );
        let granted = Authorization::ask(|| Authorization::granted("ana"));
        assert_eq!(granted, Authorization::Granted("ana".into()));
    }
}
