//! What Redis refuses, in the words of a state.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use intermission_core::{StateError, StateErrorKind};
use redis::{ErrorKind, RedisError};

use crate::address::Login;

use Fate::{AskElsewhere, Keep, Replace};
use StateErrorKind::{Corrupt, Denied, Unavailable, Unsupported};

/// What becomes of the connection on which something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays: it answered properly, and another one would get the same answer.
    Keep,
    /// The next call opens another one.
    Replace,
    /// The next call opens another one, and first asks another Sentinel or node where to.
    AskElsewhere,
}

/// Something failed at one server.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: StateErrorKind,
    fate: Fate,
    /// The server's name, without a password.
    place: String,
    /// What is wrong, and what to do about it.
    problem: String,
    said: Option<Said>,
}

/// The words of a server or of the operating system.
#[derive(Debug)]
struct Said(String);

/// The answers that mean one thing, whatever was asked: code, kind, what becomes of the connection, what to say.
const BY_CODE: &[(&str, StateErrorKind, Fate, &str)] = &[
    (
        "LOADING",
        Unavailable,
        Keep,
        "it is loading its data: try again when it has",
    ),
    (
        "BUSY",
        Unavailable,
        Keep,
        "somebody's script keeps it busy: wait, or end that one with SCRIPT KILL",
    ),
    (
        "OOM",
        Unavailable,
        Keep,
        "its memory is full: raise its maxmemory",
    ),
    (
        "MISCONF",
        Unavailable,
        Keep,
        "it cannot save, and takes no changes therefore: see its log and its disk",
    ),
    (
        "NOREPLICAS",
        Unavailable,
        Keep,
        "too few of its replicas are in contact (min-replicas-to-write): bring them back",
    ),
    (
        "NOSCRIPT",
        Unavailable,
        Keep,
        "somebody flushes its scripts as fast as they are loaded: try again",
    ),
    (
        "MASTERDOWN",
        Unavailable,
        AskElsewhere,
        "it is a replica without contact to its master: name the master, or wait for the failover",
    ),
    (
        "READONLY",
        Unavailable,
        AskElsewhere,
        "it is a replica, which takes no changes: name the master, or wait for the failover",
    ),
    (
        "MOVED",
        Unavailable,
        AskElsewhere,
        "it is a Cluster's node, and the site is on another: try again if the state is named redis+cluster://…, else name it so",
    ),
    (
        "ASK",
        Unavailable,
        AskElsewhere,
        "the site is moving to another node of the Cluster: try again",
    ),
    (
        "TRYAGAIN",
        Unavailable,
        AskElsewhere,
        "the site is moving to another node of the Cluster: try again",
    ),
    (
        "CLUSTERDOWN",
        Unavailable,
        AskElsewhere,
        "its Cluster is down: look at CLUSTER INFO",
    ),
    (
        "NOAUTH",
        Denied,
        Replace,
        "it wants a password: write redis://USER:PASSWORD@HOST",
    ),
    (
        "WRONGPASS",
        Denied,
        Replace,
        "it does not know this user with this password: put them right in the state's URL",
    ),
    (
        "DENIED",
        Denied,
        Replace,
        "it is in protected mode: give it a user with a password, and name both in the state's URL",
    ),
    ("NOPROTO", Unsupported, Replace, TOO_OLD),
    (
        "CROSSSLOT",
        Unsupported,
        Keep,
        "the site's keys lie in several slots: use a key prefix without braces",
    ),
];

/// The answers with the code `ERR`, by a part of their text.
const BY_TEXT: &[(&str, StateErrorKind, Fate, &str)] = &[
    (
        "max number of clients",
        Unavailable,
        Replace,
        "it has no room for another client: raise its maxclients",
    ),
    (
        "without any password configured",
        Denied,
        Replace,
        "it knows no password: leave it away from the state's URL",
    ),
    (
        "cluster support disabled",
        Unsupported,
        Replace,
        "it is no Cluster: write redis://… as the state",
    ),
    (
        "DB index is out of range",
        Unsupported,
        Replace,
        "it has no such database: name another one in the state's URL",
    ),
    (
        "SELECT is not allowed in cluster mode",
        Unsupported,
        Replace,
        "a Cluster has no databases: write redis+cluster://… without one as the state",
    ),
    ("unknown command", Unsupported, Keep, TOO_OLD),
    ("Unknown Redis command", Unsupported, Keep, TOO_OLD),
    ("unknown subcommand", Unsupported, Keep, TOO_OLD),
    ("Error compiling script", Unsupported, Keep, TOO_OLD),
    (
        "Script killed",
        Unavailable,
        Keep,
        "somebody has ended the script with SCRIPT KILL: try again",
    ),
    (
        "user_script",
        Corrupt,
        Keep,
        "what is stored there is not what this version stores: look at the keys, and at the versions of the others who use them",
    ),
];

const TOO_OLD: &str =
    "it does not know what is needed: Intermission needs Redis 7.0 or newer, or Valkey";

const README: &str = "give it the rights that the README lists for fleets";

/// The most of a server's words that an error repeats.
const SAID_MAX: usize = 240;

impl Failure {
    /// The client's error, from this server, for somebody who asked with these keys.
    pub(crate) fn of_redis(
        place: &str,
        login: &Login,
        keys: &[String],
        error: &RedisError,
    ) -> Self {
        let code = error.code().unwrap_or_default();
        let detail = said(error.detail().unwrap_or_default(), login);
        let failure = |kind, fate, problem: &str| Self {
            kind,
            fate,
            place: place.to_owned(),
            problem: problem.to_owned(),
            said: Some(Said(format!("{code} {detail}"))).filter(|_| !code.is_empty()),
        };
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => {}
            ErrorKind::RESP3NotSupported => return failure(Unsupported, Replace, TOO_OLD),
            ErrorKind::AuthenticationFailed => {
                let problem = "it does not know this user with this password: put them right in the state's URL";
                return failure(Denied, Replace, problem);
            }
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
                let problem =
                    "it does not speak Redis's language: look at host and port in the state's URL";
                return Self {
                    said: None,
                    ..failure(Unsupported, Replace, problem)
                };
            }
            _ => {
                let problem = "it cannot be reached: look whether it runs there, and whether a firewall is between";
                return Self {
                    said: Some(Said(said(&error.to_string(), login))),
                    ..failure(Unavailable, Replace, problem)
                };
            }
        }
        let own = |problem: &str| Self {
            said: None,
            ..failure(Corrupt, Keep, problem)
        };
        match code {
            // What our own scripts find.
            "IM-CORRUPT" => return own(without_trace(&detail)),
            "IM-UNSUPPORTED" => {
                return Self {
                    kind: Unsupported,
                    ..own(without_trace(&detail))
                };
            }
            "WRONGTYPE" => {
                let problem = format!(
                    "somebody else keeps something under one of {}: find it with TYPE, and rename or delete it, or use another key prefix",
                    keys.join(", ")
                );
                return failure(Corrupt, Keep, &problem);
            }
            _ => {}
        }
        if let Some(missing) = missing_right(code, &detail) {
            let problem = format!("the user `{}` {missing}: {README}", login.user());
            return failure(Denied, Keep, &problem);
        }
        let by_code = BY_CODE.iter().find(|(known, ..)| *known == code);
        let by_text = || {
            BY_TEXT
                .iter()
                .find(|(part, ..)| code == "ERR" && detail.contains(part))
        };
        match by_code.or_else(by_text) {
            Some((_, kind, fate, problem)) => failure(*kind, *fate, problem),
            None => failure(
                Unsupported,
                Keep,
                "it answers with an error that is unknown here",
            ),
        }
    }

    /// It has not answered in time.
    pub(crate) fn timed_out(place: &str, limit: Duration) -> Self {
        let problem =
            format!("no answer within {limit:?}: look whether it is up, and how busy it is");
        Self::unavailable(place, problem, Replace)
    }

    /// The connection ended while it was in use.
    pub(crate) fn lost(place: &str) -> Self {
        let problem = "the connection was lost: try again".to_owned();
        Self::unavailable(place, problem, Replace)
    }

    /// Its answer belongs to another question.
    pub(crate) fn misplaced(place: &str) -> Self {
        let problem = "its answer is not the one to this question: try again".to_owned();
        Self::unavailable(place, problem, Replace)
    }

    /// It is not the one to talk to.
    pub(crate) fn elsewhere(place: &str, problem: impl Into<String>) -> Self {
        Self::unavailable(place, problem.into(), AskElsewhere)
    }

    /// It is not what the state's URL says.
    pub(crate) fn unsupported(place: &str, problem: impl Into<String>) -> Self {
        Self {
            kind: Unsupported,
            ..Self::unavailable(place, problem.into(), Replace)
        }
    }

    /// None of several servers helped.
    pub(crate) fn of_all(place: String, failures: Vec<Self>) -> Self {
        let mut failures = failures;
        if failures.len() == 1
            && let Some(only) = failures.pop()
        {
            return only;
        }
        // Servers that are down are no news while others say what is wrong.
        let kind = failures
            .iter()
            .map(|failure| failure.kind)
            .find(|kind| *kind != Unavailable)
            .unwrap_or(Unavailable);
        let each: Vec<_> = failures.iter().map(Self::in_short).collect();
        Self {
            kind,
            fate: Replace,
            place,
            problem: format!("none of its servers helped: {}", each.join("; ")),
            said: None,
        }
    }

    pub(crate) const fn fate(&self) -> Fate {
        self.fate
    }

    /// Whether the server has answered that it does not have the script.
    pub(crate) fn is_for_want_of_script(&self) -> bool {
        self.has_code("NOSCRIPT")
    }

    /// Whether the server has answered that it wants to know who we are.
    pub(crate) fn is_for_want_of_login(&self) -> bool {
        self.has_code("NOAUTH")
    }

    /// Whether the server has answered with these words.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.said
            .as_ref()
            .is_some_and(|said| said.0.contains(words))
    }

    fn has_code(&self, code: &str) -> bool {
        let said = self.said.as_ref();
        said.and_then(|said| said.0.split(' ').next()) == Some(code)
    }

    /// What the caller of this operation gets.
    pub(crate) fn at(self, operation: &str) -> StateError {
        let verb = if self.kind == Denied {
            "refuses"
        } else {
            "fails at"
        };
        let message = format!("{} {verb} {operation}: {}", self.place, self.problem);
        let error = StateError::new(self.kind, message);
        match self.said {
            Some(said) => error.with_source(said),
            None => error,
        }
    }

    fn in_short(&self) -> String {
        match &self.said {
            Some(said) => format!("{}: {} ({said})", self.place, self.problem),
            None => format!("{}: {}", self.place, self.problem),
        }
    }

    fn unavailable(place: &str, problem: String, fate: Fate) -> Self {
        Self {
            kind: Unavailable,
            fate,
            place: place.to_owned(),
            problem,
            said: None,
        }
    }
}

/// What a user may not do. Redis says it in a script's error without the code, up to version 7.0.
fn missing_right(code: &str, detail: &str) -> Option<String> {
    let in_script = detail.contains("The user executing the script can't")
        || detail.contains("ACL failure in script");
    // The answer to SELECT reaches us without its code.
    let is_refusal = code == "NOPERM" || in_script || detail.contains("has no permissions to run");
    if !is_refusal {
        return None;
    }
    let command = detail
        .split_once("to run the '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(command, _)| command.to_ascii_uppercase());
    Some(match command {
        Some(command) => format!("may not run {command}"),
        None if detail.contains("channel") => "may not use the site's channel".to_owned(),
        None if detail.contains("key") => "may not use the site's keys".to_owned(),
        None => "may not run a command that the scripts need".to_owned(),
    })
}

/// Redis adds to a script's error where it was raised.
fn without_trace(detail: &str) -> &str {
    detail
        .split_once(" script: ")
        .map_or(detail, |(text, _)| text)
}

/// A server's words, on one line, and without what it repeats of ours: before version 6, it is the password.
fn said(words: &str, login: &Login) -> String {
    let words = words
        .split_once(", with args beginning with")
        .map_or(words, |(words, _)| words);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let words: String = login.scrub(words).chars().map(plain).collect();
    let words = words.trim();
    match words.char_indices().nth(SAID_MAX) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words.to_owned(),
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Said {}

#[cfg(test)]
mod tests;
