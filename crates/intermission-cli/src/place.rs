//! Which state the command works on, and how it is reached.

use intermission::{SharedState, StateError, StateErrorKind, StateLocation, StateUrl};
use intermission_file::{FileOptions, FileState};

use crate::environment::{self, Environment};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Where the state is if nobody says so.
pub(crate) const DEFAULT_DIRECTORY: &str = "./.intermission";

/// Which state the command works on.
#[derive(Debug)]
pub(crate) struct Place {
    url: StateUrl,
    named_by: NamedBy,
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
        environment: &Environment,
    ) -> Result<Self, Failure> {
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
        Ok(Self { url, named_by })
    }

    pub(crate) const fn url(&self) -> &StateUrl {
        &self.url
    }

    /// Reaches a state that is there.
    pub(crate) fn open(&self) -> Result<SharedState, Failure> {
        self.reach(FileOptions::open)
    }

    /// Reaches a state, and makes the place for it if there is none.
    pub(crate) fn open_or_create(&self) -> Result<SharedState, Failure> {
        self.reach(FileOptions::open_or_create)
    }

    fn reach(
        &self,
        open: impl FnOnce(FileOptions) -> Result<FileState, StateError>,
    ) -> Result<SharedState, Failure> {
        match self.url.location() {
            StateLocation::File(_) => {
                let opened = FileOptions::from_url(&self.url).and_then(open);
                opened
                    .map(SharedState::new)
                    .map_err(|error| self.unreached(error))
            }
            StateLocation::Memory => Err(Failure::new(
                ExitCode::Failed,
                "the state memory: is within one process, where no command reaches it: name a state that the service \
                 shares, as in file:/var/lib/app/maintenance",
            )),
            _ => Err(Failure::new(
                ExitCode::Failed,
                format!(
                    "this build has no support for the state {}: name a directory, as in file:/var/lib/app/maintenance",
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
