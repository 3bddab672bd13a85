//! Which state the command works on, and how it is reached.

use std::borrow::Cow;

use intermission::{ScopeName, SharedState, StateError, StateErrorKind, StateLocation, StateUrl};
use intermission_file::{FileOptions, FileState};
use intermission_redis::{RedisOptions, RedisState};

use crate::environment::{self, Environment};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::text::printable;

/// Where the state is if nobody says so.
pub(crate) const DEFAULT_DIRECTORY: &str = "./.intermission";

/// Which state the command works on.
#[derive(Debug)]
pub(crate) struct Place {
    url: StateUrl,
    named_by: NamedBy,
    /// The site, if the option names it.
    site: Option<String>,
    /// The part of the site, if one is named.
    scope: Option<ScopeName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedBy {
    Option,
    Environment,
    Nobody,
}

impl Place {
    /// The place that the option names, or the environment, or the default.
    ///
    /// The option is not parsed with the rest of the command line, since that would repeat a password in its
    /// complaint.
    pub(crate) fn choose(
        option: Option<&str>,
        site: Option<&str>,
        scope: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let (site, scope) = part(site, scope)?;
        let (url, named_by) = match (option, environment.state()?) {
            (Some(url), _) => (url.parse().map_err(Failure::from)?, NamedBy::Option),
            (None, Some(url)) => {
                let from_environment = |error| {
                    Failure::from(error).with_hint(format!("it comes from {}", environment::STATE))
                };
                (url.parse().map_err(from_environment)?, NamedBy::Environment)
            }
            (None, None) => (StateUrl::file(DEFAULT_DIRECTORY), NamedBy::Nobody),
        };
        let url = match site {
            Some(site) => url.with_site(site)?,
            None => url,
        };
        Ok(Self {
            url,
            named_by,
            site: site.map(str::to_owned),
            scope,
        })
    }

    /// The part of the site that is meant; `None` for the whole.
    pub(crate) const fn scope(&self) -> Option<&ScopeName> {
        self.scope.as_ref()
    }

    pub(crate) const fn url(&self) -> &StateUrl {
        &self.url
    }

    /// How a command line begins that reaches the same state, for whoever is told what to type next. What comes from
    /// the environment is not repeated, and a password never is.
    pub(crate) fn invocation(&self) -> String {
        let url = self.url.to_string();
        let site = || match &self.site {
            // Names of sites need no quotes.
            Some(site) => format!(" --site {site}"),
            None => String::new(),
        };
        let begin = match self.named_by {
            NamedBy::Option if url.contains("***") => format!("intermission --state …{}", site()),
            NamedBy::Option => format!("intermission --state {}", quoted(&url)),
            NamedBy::Environment | NamedBy::Nobody => format!("intermission{}", site()),
        };
        match &self.scope {
            Some(scope) => format!("{begin} --scope {scope}"),
            None => begin,
        }
    }

    /// Whether the state is on a server of its own, which may fail apart from the services.
    pub(crate) const fn is_remote(&self) -> bool {
        matches!(self.url.location(), StateLocation::Redis(_))
    }

    /// Reaches a state that is there.
    pub(crate) fn open(&self) -> Result<Reached, Failure> {
        self.reach(FileOptions::open)
    }

    /// Reaches a state, and makes the place for it if there is none.
    pub(crate) fn open_or_create(&self) -> Result<Reached, Failure> {
        self.reach(FileOptions::open_or_create)
    }

    fn reach(
        &self,
        open: impl FnOnce(FileOptions) -> Result<FileState, StateError>,
    ) -> Result<Reached, Failure> {
        match self.url.location() {
            StateLocation::File(_) | StateLocation::Magento(_) => {
                let opened = FileOptions::from_url(&self.url).and_then(open);
                let state = opened.map_err(|error| self.unreached(error))?;
                Ok(Reached {
                    warning: ignored(&state),
                    state: SharedState::new(state),
                    redis: None,
                })
            }
            StateLocation::Redis(_) => RedisOptions::from_url(&self.url)
                .map(|options| {
                    let state = options.clone().build();
                    Reached {
                        warning: None,
                        state: SharedState::new(state.clone()),
                        redis: Some((options, state)),
                    }
                })
                .map_err(needs_tls),
            StateLocation::Memory => Err(Failure::new(
                ExitCode::Failed,
                "the state memory: is within one process, so no command can share it: name a state that the service \
                 shares, as in file:/var/lib/app/maintenance",
            )),
            _ => Err(Failure::new(
                ExitCode::Failed,
                format!(
                    "this build has no support for the state {}: name a directory, as in \
                     file:/var/lib/app/maintenance, or a Redis, as in redis://cache:6379/0",
                    self.url
                ),
            )),
        }
    }

    fn unreached(&self, error: StateError) -> Failure {
        let is_absent = error.kind() == StateErrorKind::Unavailable;
        let failure = Failure::from(error);
        if is_absent && self.named_by == NamedBy::Nobody {
            failure.with_hint(format!(
                "no state was named, so this is the default; name it with --state or {}",
                environment::STATE
            ))
        } else {
            failure
        }
    }
}

/// The site and its part that are meant, whichever way they are written: `--scope PART`, `--site SITE/PART`, `--site /PART`.
fn part<'a>(
    site: Option<&'a str>,
    scope: Option<&str>,
) -> Result<(Option<&'a str>, Option<ScopeName>), Failure> {
    let (site, beside) = match site.and_then(|site| site.split_once('/')) {
        Some((site, scope)) => (Some(site).filter(|site| !site.is_empty()), Some(scope)),
        None => (site, None),
    };
    if let (Some(one), Some(other)) = (scope, beside)
        && one != other
    {
        return Err(Failure::usage(format!(
            "two scopes are named, {one} and {other}: name one"
        )));
    }
    let scope = scope.or(beside).map(ScopeName::new).transpose();
    let scope = scope.map_err(|error| Failure::usage(error.to_string()))?;
    Ok((site, scope))
}

/// A state that was reached.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) state: SharedState,
    /// The same, with how it is reached, if it is one whose nodes agree on their periods.
    pub(crate) redis: Option<(RedisOptions, RedisState)>,
    /// What somebody should put right there.
    pub(crate) warning: Option<String>,
}

/// What somebody has written among Magento's addresses and is none. Whoever does not come in for want of it will ask
/// the command why.
fn ignored(state: &FileState) -> Option<String> {
    // If the file cannot be read, the verb says so.
    let ignored = state.ignored_addresses().ok().flatten()?;
    let entries = ignored.entries();
    let mut names: Vec<String> = entries
        .iter()
        .take(NAMED)
        .map(|entry| format!("`{}`", printable(entry.text())))
        .collect();
    if let Some(more) = entries.len().checked_sub(NAMED).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    let file = state.directory().join(".maintenance.ip");
    Some(format!(
        "{} holds what is no address or network, and nobody passes by it: {}",
        file.display(),
        names.join(", ")
    ))
}

/// How many of these are named.
const NAMED: usize = 5;

/// What to do where the command was built without TLS.
fn needs_tls(error: StateError) -> Failure {
    let is_missing = !cfg!(feature = "tls") && error.to_string().contains("needs TLS");
    let failure = Failure::from(error);
    if is_missing {
        failure.with_hint("the command has TLS unless it is built with --no-default-features")
    } else {
        failure
    }
}

/// The word as a shell takes it for one.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_next_reaches_the_same_state_and_repeats_no_password() {
        let shared = Environment::default().with_state("redis://ops:hunter2@cache/0");
        for (option, site, environment, line) in [
            (None, None, &Environment::default(), "intermission"),
            (None, Some("shop"), &shared, "intermission --site shop"),
            (
                Some("redis://cache:6379/0"),
                None,
                &shared,
                "intermission --state redis://cache:6379/0",
            ),
            (
                Some("redis://cache:6379/0"),
                Some("shop"),
                &shared,
                "intermission --state 'redis://cache:6379/0?site=shop'",
            ),
            (
                Some("redis://ops:hunter2@cache/0"),
                Some("shop"),
                &shared,
                "intermission --state … --site shop",
            ),
            (
                Some("file:/srv/it's here"),
                None,
                &shared,
                r"intermission --state 'file:/srv/it'\''s here'",
            ),
        ] {
            let place = Place::choose(option, site, None, environment).unwrap();
            assert_eq!(place.invocation(), line);
        }
    }

    #[test]
    fn a_scope_is_the_same_however_it_is_written() {
        let environment = Environment::default();
        for (site, scope, invocation) in [
            (None, Some("billing"), "intermission --scope billing"),
            (Some("/billing"), None, "intermission --scope billing"),
            (
                Some("shop"),
                Some("billing"),
                "intermission --site shop --scope billing",
            ),
            (
                Some("shop/billing"),
                None,
                "intermission --site shop --scope billing",
            ),
            (
                Some("shop/billing"),
                Some("billing"),
                "intermission --site shop --scope billing",
            ),
        ] {
            let place = Place::choose(None, site, scope, &environment).unwrap();
            assert_eq!(place.scope().unwrap().as_str(), "billing");
            assert_eq!(place.invocation(), invocation);
        }
        for (site, scope) in [
            (Some("shop/billing"), Some("search")),
            (Some("shop/"), None),
            (Some("shop/a/b"), None),
            (None, Some("a b")),
            (None, Some("")),
        ] {
            let place = Place::choose(None, site, scope, &environment);
            assert!(place.is_err(), "{site:?} {scope:?}");
        }
    }
}
