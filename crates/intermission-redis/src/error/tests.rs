//! Every answer of a server, and what becomes of it.

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
            "ERR Unknown Redis command called from script script: 1a, on @user_script:2.",
            Unsupported,
            Keep,
            "Redis 7.0 or newer",
        ),
        (
            "ERR Script killed by user with SCRIPT KILL. script: 1a, on @user_script:2.",
            Unavailable,
            Keep,
            "try again",
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
        "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'app' 'hunter2hunter2hunter",
        "ERR Protocol error: hunter2 is no command",
        "WRONGPASS not hunter2",
        "NOPERM hunter2 may not",
        "IM-CORRUPT it says hunter2",
        &format!("ERR {long}"),
    ] {
        let (_, _, text) = judged(line);
        assert!(!text.contains("hunter"), "{text}");
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
