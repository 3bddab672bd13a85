//! Scopes as a gate knows them: which of them a request belongs to, and what those get who are refused there.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use intermission_core::reply::{Marker, Notice, Replies, ReplyPolicy};
use intermission_core::{Level, Phase, ScopeClosure, ScopeName, Settings, Snapshot};

use crate::gate::Gate;
use crate::shared::Installed;

/// The scopes that one request belongs to: none, one or several. What an application's mapping of requests to scopes
/// returns.
///
/// ```
/// use intermission::{RequestScopes, ScopeName};
///
/// let billing: ScopeName = "billing".parse()?;
/// assert!(RequestScopes::none().is_empty());
/// assert_eq!(*RequestScopes::from(billing.clone()), [billing.clone()]);
/// assert_eq!(*RequestScopes::from(Some(billing.clone())), [billing.clone()]);
/// assert_eq!(*RequestScopes::from(vec![billing.clone()]), [billing]);
/// # Ok::<(), intermission::BadScopeName>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestScopes(Kind);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    None,
    One(ScopeName),
    Several(Vec<ScopeName>),
}

impl RequestScopes {
    /// Of a request that belongs to no scope.
    #[must_use]
    pub const fn none() -> Self {
        Self(Kind::None)
    }

    /// The scope that a host's name is: in lower case, without the port and without a last dot. None for what cannot be
    /// the name of one, such as an IPv6 address.
    ///
    /// # Security
    ///
    /// `Host` and `:authority` are the visitor's to say. If each host is a tenant, refuse unknown ones elsewhere, or a
    /// visitor of a closed tenant names another one.
    #[must_use]
    pub fn of_host(authority: &str) -> Self {
        let host = authority
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(authority, |(host, _)| host);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        ScopeName::new(&host).ok().into()
    }

    /// The scopes of a request's host: that of its URI's authority, which is `:authority` over HTTP/2, and that of its `Host`,
    /// if there is another one.
    ///
    /// The adapters have a function `scope_of_host` that finds both.
    #[must_use]
    pub fn of_authority(authority: Option<&str>, host: Option<&[u8]>) -> Self {
        let host = host.and_then(|host| std::str::from_utf8(host).ok());
        let mut scopes = authority.map_or(Self::none(), Self::of_host);
        for scope in host.map_or(Self::none(), Self::of_host).iter() {
            if !scopes.contains(scope) {
                scopes = scopes.and(scope.clone());
            }
        }
        scopes
    }

    /// The same, and this scope.
    #[must_use]
    pub fn and(mut self, scope: ScopeName) -> Self {
        self.0 = match self.0 {
            Kind::None => Kind::One(scope),
            Kind::One(first) => Kind::Several(vec![first, scope]),
            Kind::Several(mut scopes) => {
                scopes.push(scope);
                Kind::Several(scopes)
            }
        };
        self
    }
}

impl std::ops::Deref for RequestScopes {
    type Target = [ScopeName];

    fn deref(&self) -> &[ScopeName] {
        match &self.0 {
            Kind::None => &[],
            Kind::One(scope) => std::slice::from_ref(scope),
            Kind::Several(scopes) => scopes,
        }
    }
}

impl From<ScopeName> for RequestScopes {
    fn from(scope: ScopeName) -> Self {
        Self(Kind::One(scope))
    }
}

impl From<Option<ScopeName>> for RequestScopes {
    fn from(scope: Option<ScopeName>) -> Self {
        scope.map_or(Self::none(), Self::from)
    }
}

impl From<Vec<ScopeName>> for RequestScopes {
    fn from(scopes: Vec<ScopeName>) -> Self {
        Self(Kind::Several(scopes))
    }
}

impl From<&[ScopeName]> for RequestScopes {
    fn from(scopes: &[ScopeName]) -> Self {
        scopes.iter().cloned().collect()
    }
}

impl FromIterator<ScopeName> for RequestScopes {
    fn from_iter<I: IntoIterator<Item = ScopeName>>(iter: I) -> Self {
        iter.into_iter().fold(Self::none(), Self::and)
    }
}

impl Gate {
    /// Waits until this node turns ordinary visitors of one of these scopes away, or of the whole site; at once if it
    /// already does. For handlers of connections that would otherwise never end and that belong to scopes; what adapters give
    /// such handlers knows of the whole site only.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is consumed.
    pub async fn closing_in(&self, scopes: &[ScopeName]) {
        let mut published = self.shared().published.subscribe();
        let turns_away = |installed: &Arc<Installed>| {
            let mut closed = scopes
                .iter()
                .filter_map(|scope| installed.snapshot.scope(scope));
            installed.turns_visitors_away()
                || closed.any(|scope| {
                    scope.phase == Phase::Activated && scope.level() != Level::ReadOnly
                })
        };
        if published.wait_for(turns_away).await.is_err() {
            // The keeper publishes for as long as the gate lives, and `self` is the gate.
            std::future::pending::<()>().await;
        }
    }
}

/// Why an execution of these scopes may not start without a bypass; `None` if their scopes are open.
pub(crate) fn execution_refusal(
    snapshot: &Snapshot,
    scopes: &[ScopeName],
) -> Option<intermission_core::RefuseReason> {
    let mut closed = scopes.iter().filter_map(|scope| snapshot.scope(scope));
    closed.next().map(|closure| closure.execution_refusal())
}

/// What those get who are refused in a scope: rendered for the first of them, and kept until the scope changes. A site
/// that closes ten thousand scopes renders nothing.
#[derive(Debug, Default)]
pub(crate) struct ScopeReplies(RwLock<HashMap<ScopeName, Rendered>>);

#[derive(Debug)]
struct Rendered {
    phase: Phase,
    settings: Settings,
    passes: bool,
    replies: Arc<Replies>,
}

impl ScopeReplies {
    pub(crate) fn of(
        &self,
        scope: &ScopeName,
        closure: ScopeClosure<'_>,
        policy: &ReplyPolicy,
    ) -> Arc<Replies> {
        let passes = !closure.passes.is_empty();
        let is_current = |rendered: &&Rendered| {
            (rendered.phase, rendered.passes) == (closure.phase, passes)
                && rendered.settings == *closure.settings
        };
        let rendered = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(rendered) = rendered.get(scope).filter(is_current) {
            return Arc::clone(&rendered.replies);
        }
        drop(rendered);
        let settings = closure.settings;
        let notice = Notice::new(Marker::of(closure.phase, settings.level))
            .with_message(settings.message.as_deref())
            .with_until(settings.ends_at)
            .with_retry_after(settings.retry_after)
            .with_passes(passes);
        let replies = Arc::new(Replies::render(policy, &notice));
        let rendered = Rendered {
            phase: closure.phase,
            settings: settings.clone(),
            passes,
            replies: Arc::clone(&replies),
        };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(scope.clone(), rendered);
        replies
    }

    /// Forgets those of scopes that are open.
    pub(crate) fn keep_closed(&self, snapshot: &Snapshot) {
        let is_empty = || {
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .is_empty()
        };
        if is_empty() {
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|scope, _| snapshot.scope(scope).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_counts_and_so_does_another_host() {
        for (authority, host, scopes) in [
            (None, None, &[][..]),
            (None, Some("a.example:80"), &["a.example"]),
            (Some("a.example"), None, &["a.example"]),
            (Some("a.example:80"), Some("A.example"), &["a.example"]),
            // An application may look at either.
            (
                Some("a.example"),
                Some("b.example"),
                &["a.example", "b.example"],
            ),
        ] {
            let found = RequestScopes::of_authority(authority, host.map(str::as_bytes));
            let found: Vec<&str> = found.iter().map(ScopeName::as_str).collect();
            assert_eq!(found, scopes, "{authority:?} {host:?}");
        }
    }

    #[test]
    fn a_host_is_its_name_alone() {
        for (authority, scope) in [
            ("Shop.Example.org", Some("shop.example.org")),
            ("shop.example.org:8080", Some("shop.example.org")),
            ("shop.example.org.", Some("shop.example.org")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("[2001:db8::1]:80", None),
            ("", None),
            ("a/b", None),
        ] {
            let found = RequestScopes::of_host(authority);
            let found = found.first().map(ScopeName::as_str);
            assert_eq!(found, scope, "{authority}");
        }
    }
}
