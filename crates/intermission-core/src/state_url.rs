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
/// | `magento:/srv/shop/var` | Magento's flag files |
/// | `redis://host:6379/0`, `rediss://…` | a Redis server, shared by a fleet |
/// | `redis+sentinel://h1:26379,h2:26379/mymaster` | Redis behind Sentinel |
/// | `redis+cluster://h1:7000,h2:7001` | a Redis Cluster |
///
/// Each may end in `?site=NAME`, for many sites on one store.
///
/// # Security
///
/// A Redis URL may hold a password. `Display` and `Debug` replace it by `***`; only
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
    /// The name is not one that every store can keep.
    pub fn with_site(mut self, site: &str) -> Result<Self, BadStateUrl> {
        check_site(site)?;
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
         rediss://…, redis+sentinel://… or redis+cluster://…"
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
    /// It has parameters other than `site`.
    #[error("the state's parameter `{parameter}` is unknown: only ?site=NAME is possible")]
    Parameter {
        /// The parameter's name.
        parameter: String,
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
            "redis" | "rediss" | "redis+sentinel" | "redis+cluster" if rest.starts_with("//") => {
                StateLocation::Redis(place.to_owned())
            }
            _ => {
                return Err(BadStateUrl::Scheme {
                    shown: without_password(text),
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
        ] {
            assert!(text.parse::<StateUrl>().is_err(), "{text}");
        }
        for site in ["", "../x", ".x", "a/b", "a b", "é"] {
            assert!(StateUrl::file("/a").with_site(site).is_err(), "{site}");
        }
    }

    #[test]
    fn no_password_is_ever_printed() {
        for text in [
            "redis://:hunter2@h:1/0",
            "rediss://u:hunter2@h",
            "redis+sentinel://u:hunter2@a:1,b:2/m?site=x",
        ] {
            let url: StateUrl = text.parse().unwrap();
            assert!(!format!("{url} {url:?} {:?}", url.location()).contains("hunter2"));
        }
        let error = "postgres://u:hunter2@h".parse::<StateUrl>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
