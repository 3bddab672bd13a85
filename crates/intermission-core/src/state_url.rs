//! The name of a state, as a person types it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of a state, as a person types it.
///
/// | text | state |
/// |---|---|
/// | `memory:` | this process alone |
/// | `file:/var/lib/app/maintenance` | a directory shared by the processes of a machine |
/// | `magento:/srv/shop/var` | Magento's flag files in its `var` directory, shared by Magento and the processes of a machine |
/// | `redis://host:6379/0` | a Redis server, shared by a fleet |
/// | `redis+sentinel://h1:26379,h2:26379/mymaster` | Redis behind Sentinel; `/mymaster/1` for database 1 |
/// | `redis+cluster://h1:7000,h2:7001` | a Redis Cluster |
///
/// Each but Magento's, which has one flag, may end in `?site=NAME`, for many sites on one store. Redis over TLS is `rediss://`, `rediss+sentinel://`,
/// `rediss+cluster://`. A user and a password stand before the hosts, percent-encoded: `redis://user:pass%2Fword@host`.
///
/// # Security
///
/// A Redis URL may hold a password. `Display`, `Debug` and the errors replace it by `***`; only
/// [`StateLocation::Redis`] has it.
///
/// # Examples
///
/// ```
/// use intermission_core::{StateLocation, StateUrl};
///
/// let url: StateUrl = "file:/var/lib/app/maintenance?site=shop".parse()?;
/// assert_eq!(url.site(), Some("shop"));
/// assert!(matches!(url.location(), StateLocation::File(path) if path.ends_with("maintenance")));
///
/// let secret: StateUrl = "redis://ops:hunter2@cache:6379/0".parse()?;
/// assert_eq!(secret.to_string(), "redis://ops:***@cache:6379/0");
/// # Ok::<(), intermission_core::BadStateUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StateUrl {
    location: StateLocation,
    site: Option<String>,
}

/// Where a state is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateLocation {
    /// In this process alone.
    Memory,
    /// In this directory.
    File(PathBuf),
    /// In Magento's flag files in this directory.
    Magento(PathBuf),
    /// In Redis, by this URL, which may hold a password.
    Redis(String),
}

impl StateUrl {
    /// A directory shared by the processes of a machine.
    #[must_use]
    pub fn file(directory: impl Into<PathBuf>) -> Self {
        Self {
            location: StateLocation::File(directory.into()),
            site: None,
        }
    }

    /// Magento's flag files in its `var` directory.
    #[must_use]
    pub fn magento(directory: impl Into<PathBuf>) -> Self {
        Self {
            location: StateLocation::Magento(directory.into()),
            site: None,
        }
    }

    /// Where the state is.
    #[must_use]
    pub const fn location(&self) -> &StateLocation {
        &self.location
    }

    /// Which of the sites on one store; `None` for the only one.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    /// The same store, another site.
    ///
    /// # Errors
    ///
    /// The name is not one that every store can keep, or the store has one site only.
    pub fn with_site(mut self, site: &str) -> Result<Self, BadStateUrl> {
        check_site(site)?;
        if matches!(self.location, StateLocation::Magento(_)) {
            return Err(BadStateUrl::OneSite {
                shown: self.to_string(),
                site: site.to_owned(),
            });
        }
        self.site = Some(site.to_owned());
        Ok(self)
    }
}

/// A text that names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadStateUrl {
    /// It begins with no known scheme.
    #[error(
        "the state `{shown}` has an unknown scheme: write memory:, file:DIR, magento:DIR, redis://HOST:PORT/DB, \
         redis+sentinel://…, redis+cluster://…, or rediss instead of redis for TLS"
    )]
    Scheme {
        /// The text, without what might be a password.
        shown: String,
    },
    /// It names no directory.
    #[error(
        "the state `{shown}` names no directory: write for example file:/var/lib/app/maintenance"
    )]
    Directory {
        /// The text.
        shown: String,
    },
    /// It begins like the name of a Redis, and goes on otherwise.
    #[error("the state `{shown}` {problem}")]
    Redis {
        /// The text, without what might be a password.
        shown: String,
        /// What is wrong with it, and how to put it right.
        problem: &'static str,
    },
    /// Its user or password is not percent-encoded, so nobody can tell where it ends. It is not shown, therefore.
    #[error(
        "the state's URL has an `@` after the first `/` or `?`: write these characters as %40, %2F and %3F \
         where they belong to the user or the password"
    )]
    Credentials,
    /// It has parameters other than `site`.
    #[error("the state's parameter `{parameter}` is unknown: only ?site=NAME is possible")]
    Parameter {
        /// The parameter's name.
        parameter: String,
    },
    /// The store has one site only.
    #[error(
        "the state `{shown}` has one flag, and so it cannot be that of a site `{site}` among others: leave the site away"
    )]
    OneSite {
        /// The store.
        shown: String,
        /// The site's name.
        site: String,
    },
    /// The site's name cannot be kept by every store.
    #[error(
        "the site `{site}` must be 1 to 64 of the characters a-z, A-Z, 0-9, `-`, `_` and `.`, and not begin with a dot"
    )]
    Site {
        /// The name.
        site: String,
    },
}

impl FromStr for StateUrl {
    type Err = BadStateUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_redis = REDIS_SCHEMES.iter().any(|scheme| {
            text.strip_prefix(scheme)
                .is_some_and(|rest| rest.starts_with("://"))
        });
        if is_redis {
            check_redis(text)?;
        }
        let (place, query) = match text.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (text, None),
        };
        let (scheme, rest) = place.split_once(':').unwrap_or((place, ""));
        let directory = || {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() {
                Err(BadStateUrl::Directory {
                    shown: text.to_owned(),
                })
            } else {
                Ok(PathBuf::from(path))
            }
        };
        let location = match scheme {
            "memory" if place == "memory:" => StateLocation::Memory,
            "file" => StateLocation::File(directory()?),
            "magento" => StateLocation::Magento(directory()?),
            _ if is_redis => StateLocation::Redis(place.to_owned()),
            _ => {
                return Err(BadStateUrl::Scheme {
                    shown: without_user(text),
                });
            }
        };
        let mut url = Self {
            location,
            site: None,
        };
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            match pair.split_once('=') {
                Some(("site", site)) => url = url.with_site(site)?,
                Some((parameter, _)) => {
                    return Err(BadStateUrl::Parameter {
                        parameter: parameter.to_owned(),
                    });
                }
                None => {
                    return Err(BadStateUrl::Parameter {
                        parameter: pair.to_owned(),
                    });
                }
            }
        }
        Ok(url)
    }
}

/// Each with `://` after it.
const REDIS_SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

/// A site's name becomes part of paths and keys, so it must not be able to leave its place.
fn check_site(site: &str) -> Result<(), BadStateUrl> {
    let fits = (1..=64).contains(&site.len()) && !site.starts_with('.');
    let plain = site
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if fits && plain {
        Ok(())
    } else {
        Err(BadStateUrl::Site {
            site: site.to_owned(),
        })
    }
}

/// What can be known to be wrong without asking a Redis: a typing error is then found at the start of a service, and
/// by the command before it does anything.
fn check_redis(text: &str) -> Result<(), BadStateUrl> {
    let place = text.split_once('?').map_or(text, |(place, _)| place);
    let (scheme, rest) = place.split_once("://").unwrap_or((place, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let behind = text.len() - scheme.len() - "://".len() - authority.len();
    if text.bytes().rev().take(behind).any(|byte| byte == b'@') {
        return Err(BadStateUrl::Credentials);
    }
    let wrong = |problem| {
        Err(BadStateUrl::Redis {
            shown: without_password(place),
            problem,
        })
    };
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    if user.is_some_and(|user| !user.contains(':')) {
        return wrong("names a user without a password: write USER:PASSWORD@, or :PASSWORD@");
    }
    let mut path = path.split('/').filter(|segment| !segment.is_empty());
    let is_database = |segment: &str| segment.parse::<u32>().is_ok();
    let count = hosts.split(',').count();
    match scheme.split_once('+').map(|(_, kind)| kind) {
        None if count > 1 => {
            return wrong(
                "names several hosts: write redis+sentinel://… or redis+cluster://…, or name one",
            );
        }
        None if !path.next().is_none_or(is_database) => {
            return wrong("names no database: write a number, as in redis://HOST:PORT/0");
        }
        Some("sentinel") if path.next().is_none() => {
            return wrong("names no master: write redis+sentinel://HOST:PORT/MASTER");
        }
        Some("sentinel") if !path.next().is_none_or(is_database) => {
            return wrong(
                "names no database: write a number, as in redis+sentinel://HOST:PORT/MASTER/0",
            );
        }
        Some("cluster") if path.next().is_some_and(|segment| segment != "0") => {
            return wrong("names a database, but a Cluster has none but 0: leave it away");
        }
        _ => {}
    }
    if path.next().is_some() {
        return wrong("has too many parts after the hosts: leave the last one away");
    }
    if !hosts.split(',').all(is_host) {
        return wrong(
            "has a host that is none: write HOST or HOST:PORT, and [ADDRESS]:PORT for IPv6, with commas between them",
        );
    }
    Ok(())
}

fn is_host(text: &str) -> bool {
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
    };
    if let Some(bracketed) = text.strip_prefix('[') {
        return match bracketed.split_once(']') {
            Some((address, "")) => address.contains(':'),
            Some((address, port)) => {
                address.contains(':') && port.strip_prefix(':').is_some_and(is_port)
            }
            None => false,
        };
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_name = |name: &str| {
        !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    is_name(name) && port.is_none_or(is_port)
}

/// Without the password, where it is known which part that is. A lone word before the `@` may be one, too.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (rest, None),
    };
    let Some((user, hosts)) = authority.rsplit_once('@') else {
        return url.to_owned();
    };
    let user = user.split_once(':').map_or("", |(name, _)| name);
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    format!("{scheme}://{user}:***@{hosts}{path}")
}

/// Without anything that might be a password, where nothing is known of the text.
fn without_user(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    let slashes = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{slashes}***@{after}")
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn directory(f: &mut fmt::Formatter<'_>, scheme: &str, path: &Path) -> fmt::Result {
            write!(f, "{scheme}:{}", path.display())
        }
        match &self.location {
            StateLocation::Memory => f.write_str("memory:"),
            StateLocation::File(path) => directory(f, "file", path),
            StateLocation::Magento(path) => directory(f, "magento", path),
            StateLocation::Redis(url) => f.write_str(&without_password(url)),
        }?;
        self.site
            .iter()
            .try_for_each(|site| write!(f, "?site={site}"))
    }
}

impl fmt::Debug for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateUrl({self})")
    }
}

impl fmt::Debug for StateLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = StateUrl {
            location: self.clone(),
            site: None,
        };
        write!(f, "StateLocation({url})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_parses_again() {
        for text in [
            "memory:",
            "file:/a/b",
            "file:relative",
            "magento:/srv/var",
            "redis://h:1/0",
            "file:/a?site=x",
        ] {
            let url: StateUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text);
        }
        assert_eq!("file:///a/b".parse(), Ok(StateUrl::file("/a/b")));
        assert_eq!("magento:///a/b".parse(), Ok(StateUrl::magento("/a/b")));
    }

    #[test]
    fn nonsense_is_named() {
        for text in [
            "",
            "/var/lib/x",
            "memory",
            "memory:x",
            "mysql://h",
            "redis:h",
            "file:",
            "file:/a?size=1",
            "file:/a?x",
            "magento:",
        ] {
            assert!(text.parse::<StateUrl>().is_err(), "{text}");
        }
        for site in ["", "../x", ".x", "a/b", "a b", "é"] {
            assert!(StateUrl::file("/a").with_site(site).is_err(), "{site}");
        }
    }

    #[test]
    fn magento_has_one_flag_and_so_one_site() {
        let url: StateUrl = "magento:/srv/shop/var".parse().unwrap();
        assert_eq!(url, StateUrl::magento("/srv/shop/var"));
        for refused in [
            "magento:/srv/shop/var?site=shop".parse(),
            url.with_site("shop"),
        ] {
            let Err(error @ BadStateUrl::OneSite { .. }) = refused else {
                panic!("{refused:?}")
            };
            assert!(
                error
                    .to_string()
                    .contains("`magento:/srv/shop/var` has one flag"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_redis_has_hosts_and_perhaps_a_user_and_a_database() {
        for text in [
            "redis://h",
            "redis://h/",
            "redis://h:6379/15",
            "redis://10.0.0.7",
            "redis://[::1]:6379/0",
            "redis://[fe80::1%eth0]",
            "rediss://u:p%40%2F%3F@h/1",
            "redis://:p@h",
            "redis+sentinel://a,b:26379/mymaster",
            "rediss+sentinel://a/mymaster/3",
            "redis+cluster://a:7000,[::1]:7001",
            "rediss+cluster://a/0",
        ] {
            assert!(
                matches!(text.parse::<StateUrl>(), Ok(url) if *url.location() == StateLocation::Redis(text.to_owned())),
                "{text}"
            );
        }
        for (text, problem) in [
            ("redis://", "host that is none"),
            ("redis:///0", "host that is none"),
            ("redis://h:", "host that is none"),
            ("redis://h:0", "host that is none"),
            ("redis://h:+1", "host that is none"),
            ("redis://h:65536", "host that is none"),
            ("redis://::1/0", "host that is none"),
            ("redis://[::1/0", "host that is none"),
            ("redis://[h]/0", "host that is none"),
            ("redis://[::1]6379/0", "host that is none"),
            ("redis://my host", "host that is none"),
            ("redis+cluster://a,,b", "host that is none"),
            ("redis://a,b", "several hosts"),
            ("redis://h/main", "no database"),
            ("redis://h/-1", "no database"),
            ("redis://h/0/1", "too many parts"),
            ("redis+sentinel://h", "no master"),
            ("redis+sentinel://h/", "no master"),
            ("redis+sentinel://h/m/x", "no database"),
            ("redis+cluster://h/1", "none but 0"),
            ("redis://hunter2@h", "without a password"),
        ] {
            match text.parse::<StateUrl>() {
                Err(error @ BadStateUrl::Redis { .. }) => {
                    let message = error.to_string();
                    assert!(message.contains(problem), "{text}: {message}");
                    assert!(!message.contains("hunter2"), "{message}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in [
            "redis:h",
            "redis+foo://h",
            "Redis://h",
            "redis+sentinels://h/m",
        ] {
            let scheme = matches!(text.parse::<StateUrl>(), Err(BadStateUrl::Scheme { .. }));
            assert!(scheme, "{text}");
        }
    }

    #[test]
    fn no_password_is_ever_printed() {
        for text in [
            "redis://:hunter2@h:1/0",
            "rediss://u:hunter2@h",
            "redis+sentinel://u:hunter2@a:1,b:2/m?site=x",
            "rediss+cluster://u:a@hunter2@a:1,b:2",
        ] {
            let url: StateUrl = text.parse().unwrap();
            assert!(!format!("{url} {url:?} {:?}", url.location()).contains("hunter2"));
        }
        for text in [
            "postgres://u:hunter2@h",
            "postgres://u:hunter2/x@h",
            "redis:u:hunter2@h",
            "u:hunter2@h",
            "redis://:hunter2@h:x/0",
            "redis://:hunter2/x@h/0",
            "redis://:hunter2?x@h/0",
            "redis://:x?hunter2@h/0",
            "redis://:x?hunter2=1@h/0",
            "redis://u:x/hunter2?@h",
            "redis://hunter2@h/0",
        ] {
            let error = text.parse::<StateUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
