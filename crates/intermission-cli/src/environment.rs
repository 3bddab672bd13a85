//! The one place where the environment is read.

use std::env;
use std::ffi::OsString;
use std::fs;

use crate::failure::Failure;

/// Names the state if `--state` does not.
pub(crate) const STATE: &str = "INTERMISSION_STATE";
/// Names who asks if `--requested-by` does not.
pub(crate) const USER: &str = "INTERMISSION_USER";

/// What the command takes from its environment. Options on the command line win over it.
///
/// `NO_COLOR` and its relatives belong to [`Output`](crate::Output).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Environment {
    state: Option<OsString>,
    user: Option<OsString>,
    login: Option<String>,
}

impl Environment {
    /// The environment of this process. A variable that is empty counts as absent.
    #[must_use]
    pub fn of_process() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let login = variable("LOGNAME").or_else(|| variable("USER"));
        Self {
            state: variable(STATE),
            user: variable(USER),
            login: login
                .map(|name| name.to_string_lossy().into_owned())
                .or_else(account_name),
        }
    }

    /// The same, with this `INTERMISSION_STATE`.
    #[must_use]
    pub fn with_state(mut self, url: impl Into<OsString>) -> Self {
        self.state = Some(url.into());
        self
    }

    /// The same, with this `INTERMISSION_USER`.
    #[must_use]
    pub fn with_user(mut self, name: impl Into<OsString>) -> Self {
        self.user = Some(name.into());
        self
    }

    pub(crate) fn state(&self) -> Result<Option<&str>, Failure> {
        self.state
            .as_ref()
            .map(|value| utf8(STATE, value))
            .transpose()
    }

    /// Who asks, if nobody says so: never empty.
    pub(crate) fn user(&self) -> Result<String, Failure> {
        match (&self.user, &self.login) {
            (Some(user), _) => Ok(utf8(USER, user)?.to_owned()),
            (None, Some(login)) => Ok(login.clone()),
            (None, None) => Ok(format!("user {}", rustix::process::getuid().as_raw())),
        }
    }
}

fn utf8<'a>(name: &str, value: &'a OsString) -> Result<&'a str, Failure> {
    value.to_str().ok_or_else(|| {
        Failure::usage(format!(
            "the value of {name} is not UTF-8: {}",
            value.display()
        ))
    })
}

/// The name of this process's user in the machine's own list. Containers often set neither `LOGNAME` nor `USER`.
fn account_name() -> Option<String> {
    // Without the list, the number has to do.
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    name_in(&accounts, rustix::process::getuid().as_raw())
}

fn name_in(accounts: &str, id: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let is_this = fields.nth(1)?.parse() == Ok(id);
        is_this.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_always_asks() {
        let nobody = Environment::default();
        assert!(nobody.user().unwrap().starts_with("user "));
        let login = Environment {
            login: Some("ana".into()),
            ..Environment::default()
        };
        assert_eq!(login.user().unwrap(), "ana");
        assert_eq!(login.with_user("deploy").user().unwrap(), "deploy");
    }

    #[test]
    fn accounts_are_found_by_their_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n\n:x:7:7::/:\nbroken\nana:x:1000:1000:Ana:/home/ana:/bin/sh\n";
        assert_eq!(name_in(accounts, 1000).as_deref(), Some("ana"));
        assert_eq!(name_in(accounts, 0).as_deref(), Some("root"));
        assert_eq!(name_in(accounts, 7), None);
        assert_eq!(name_in(accounts, 8), None);
    }
}
