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
    ("unknown subcommand", Unsupported, Keep, TOO_OLD),
    ("Error compiling script", Unsupported, Keep, TOO_OLD),
    (
        "user_script",
        Corrupt,
        Keep,
        "what is stored there is not what this version stores: look at the keys, and at the versions of the others who use them",
    ),
];

const TOO_OLD: &str =
    "it does not know what is needed: Intermission needs Redis 7.0 or newer, or Valkey";

const README: &str = "give it the rights that the README of intermission-redis lists";

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
mod tests {
    use super::*;

    const PLACE: &str = "redis://cache:6379/0";

    fn login() -> Login {
        Login {
            user: Some("app".to_owned()),
            password: Some("hunter2".to_owned()),
        }
    }

    /// What becomes of this line from a server.
    fn judged(line: &str) -> (StateErrorKind, Fate, String) {
        let wire = format!("-{line}\r\n");
        let error = redis::parse_redis_value(wire.as_bytes())
            .unwrap()
            .extract_error()
            .unwrap_err();
        let keys = ["{im:a}:record".to_owned(), "{im:a}:meta".to_owned()];
        let failure = Failure::of_redis(PLACE, &login(), &keys, &error);
        let fate = failure.fate();
        let error = failure.at("sync");
        (error.kind(), fate, error.in_full())
    }

    #[test]
    fn each_answer_has_its_kind_and_its_fate_and_says_what_to_do() {
        for (line, kind, fate, advice) in [
            (
                "LOADING Redis is loading the dataset in memory",
                Unavailable,
                Keep,
                "loading its data",
            ),
            (
                "BUSY Redis is busy running a script.",
                Unavailable,
                Keep,
                "SCRIPT KILL",
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'. script: 1a, on @user_script:2.",
                Unavailable,
                Keep,
                "maxmemory",
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots",
                Unavailable,
                Keep,
                "its disk",
            ),
            (
                "NOREPLICAS Not enough good replicas to write.",
                Unavailable,
                Keep,
                "min-replicas-to-write",
            ),
            (
                "NOSCRIPT No matching script. Please use EVAL.",
                Unavailable,
                Keep,
                "try again",
            ),
            (
                "MASTERDOWN Link with MASTER is down",
                Unavailable,
                AskElsewhere,
                "name the master",
            ),
            (
                "READONLY You can't write against a read only replica.",
                Unavailable,
                AskElsewhere,
                "name the master",
            ),
            (
                "MOVED 866 10.0.0.5:7001",
                Unavailable,
                AskElsewhere,
                "redis+cluster://",
            ),
            (
                "ASK 866 10.0.0.5:7001",
                Unavailable,
                AskElsewhere,
                "try again",
            ),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Unavailable,
                AskElsewhere,
                "try again",
            ),
            (
                "CLUSTERDOWN Hash slot not served",
                Unavailable,
                AskElsewhere,
                "CLUSTER INFO",
            ),
            (
                "ERR max number of clients reached",
                Unavailable,
                Replace,
                "maxclients",
            ),
            (
                "NOAUTH Authentication required.",
                Denied,
                Replace,
                "redis://USER:PASSWORD@HOST",
            ),
            (
                "WRONGPASS invalid username-password pair or user is disabled.",
                Denied,
                Replace,
                "put them right",
            ),
            (
                "DENIED Redis is running in protected mode because",
                Denied,
                Replace,
                "protected mode",
            ),
            (
                "ERR AUTH <password> called without any password configured for the default user.",
                Denied,
                Replace,
                "leave it away",
            ),
            (
                "NOPERM this user has no permissions to run the 'evalsha' command",
                Denied,
                Keep,
                "the user `app` may not run EVALSHA: give it",
            ),
            (
                "NOPERM User app has no permissions to run the 'script|load' command",
                Denied,
                Keep,
                "may not run SCRIPT|LOAD",
            ),
            (
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                Denied,
                Keep,
                "may not use the site's keys",
            ),
            (
                "NOPERM No permissions to access a channel",
                Denied,
                Keep,
                "may not use the site's channel",
            ),
            (
                "ERR The user executing the script can't run this command or subcommand script: 1a, on @user_script:2.",
                Denied,
                Keep,
                "may not run a command",
            ),
            (
                "ERR The user executing the script can't publish to the channel mentioned in the command script: 1a",
                Denied,
                Keep,
                "channel",
            ),
            (
                "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: 1a",
                Denied,
                Keep,
                "keys",
            ),
            (
                "NOPERM ACL failure in script: User app has no permissions to run the 'time' command script: 1a",
                Denied,
                Keep,
                "may not run TIME",
            ),
            (
                "NOPROTO unsupported protocol version",
                Unsupported,
                Replace,
                "Redis 7.0 or newer",
            ),
            (
                "ERR unknown command `SSUBSCRIBE`, with args beginning with: `x`, ",
                Unsupported,
                Keep,
                "Redis 7.0 or newer",
            ),
            (
                "ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'",
                Unsupported,
                Keep,
                "Redis 7.0 or newer",
            ),
            (
                "ERR This instance has cluster support disabled",
                Unsupported,
                Replace,
                "write redis://",
            ),
            (
                "ERR DB index is out of range",
                Unsupported,
                Replace,
                "no such database",
            ),
            (
                "CROSSSLOT Keys in request don't hash to the same slot",
                Unsupported,
                Keep,
                "prefix without braces",
            ),
            (
                "ERR something new",
                Unsupported,
                Keep,
                "unknown here: ERR something new",
            ),
            (
                "SOMETHING new",
                Unsupported,
                Keep,
                "unknown here: SOMETHING new",
            ),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                Corrupt,
                Keep,
                "{im:a}:record, {im:a}:meta",
            ),
            (
                "ERR user_script:7: attempt to concatenate a nil value script: 1a, on @user_script:7.",
                Corrupt,
                Keep,
                "the versions of the others",
            ),
            (
                "IM-CORRUPT the key {im:a}:record holds no record",
                Corrupt,
                Keep,
                "fails at sync: the key {im:a}:record holds no record",
            ),
            (
                "IM-CORRUPT no record script: 1a, on @user_script:7.",
                Corrupt,
                Keep,
                "fails at sync: no record",
            ),
            (
                "IM-UNSUPPORTED the record is of version 9: update this service",
                Unsupported,
                Keep,
                "at sync: the record is of version 9",
            ),
        ] {
            let (found_kind, found_fate, text) = judged(line);
            assert_eq!((found_kind, found_fate), (kind, fate), "{line}: {text}");
            assert!(text.contains(advice), "{line}: {text}");
            let verb = if kind == Denied {
                "refuses sync: "
            } else {
                "fails at sync: "
            };
            assert!(text.starts_with(&format!("{PLACE} {verb}")), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn every_row_of_the_tables_is_reached_by_some_answer() {
        for (code, kind, fate, problem) in BY_CODE {
            let (found_kind, found_fate, text) = judged(&format!("{code} some words"));
            assert_eq!((found_kind, found_fate), (*kind, *fate), "{code}");
            assert!(text.contains(problem), "{text}");
        }
        for (part, kind, fate, problem) in BY_TEXT {
            let (found_kind, found_fate, text) = judged(&format!("ERR some {part} words"));
            assert_eq!((found_kind, found_fate), (*kind, *fate), "{part}");
            assert!(text.contains(problem), "{text}");
        }
    }

    #[test]
    fn servers_words_are_one_short_line_without_our_password() {
        let long = "x".repeat(2 * SAID_MAX);
        for line in [
            "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'app' 'hunter2'",
            "ERR Protocol error: hunter2 is no command",
            "WRONGPASS not hunter2",
            "NOPERM hunter2 may not",
            "IM-CORRUPT it says hunter2",
            &format!("ERR {long}"),
        ] {
            let (_, _, text) = judged(line);
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.len() < 2 * SAID_MAX, "{text}");
        }
        let io = RedisError::from(std::io::Error::other("no hunter2\nhere"));
        let failure = Failure::of_redis(PLACE, &login(), &[], &io);
        assert_eq!(failure.fate(), Replace);
        let error = failure.at("sync");
        assert_eq!(error.kind(), Unavailable);
        assert!(
            error.in_full().ends_with(": no *** here"),
            "{}",
            error.in_full()
        );
    }

    #[test]
    fn several_servers_are_one_failure_of_the_most_telling_kind() {
        let down = || Failure::timed_out("redis://a:1/0", Duration::from_secs(1));
        let only = Failure::of_all("redis+cluster://a:1".to_owned(), vec![down()]).at("sync");
        assert!(
            only.to_string()
                .starts_with("redis://a:1/0 fails at sync: no answer within 1s"),
            "{only}"
        );
        let all = Failure::of_all(
            "redis+cluster://a:1,b:1".to_owned(),
            vec![
                down(),
                Failure::unsupported("redis://b:1/0", "it is no Cluster"),
            ],
        );
        let error = all.at("sync");
        assert_eq!(error.kind(), Unsupported);
        let text = error.to_string();
        assert!(
            text.starts_with("redis+cluster://a:1,b:1 fails at sync: "),
            "{text}"
        );
        assert!(
            text.contains("redis://a:1/0: no answer") && text.contains("redis://b:1/0: it is no"),
            "{text}"
        );
    }
}
