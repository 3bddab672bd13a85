//! What servers refuse.

use intermission_core::{StateError, StateErrorKind};

use super::fake::fake;
use super::server::{Server, until};
use super::{PLENTY, Tested};

/// All that a node needs on a single server, but for the commands of its scripts.
const RIGHTS: [&str; 7] = [
    "on",
    ">hunter2",
    "~{im:*",
    "&{im:*",
    "+evalsha",
    "+script|load",
    "+ssubscribe",
];

fn give(server: &Server, rights: &[&str]) {
    server.tell(&[&["ACL", "SETUSER", "app", "reset"], rights].concat());
}

fn as_app(server: &Server) -> Tested {
    Tested::new(
        &format!("redis://app:hunter2@127.0.0.1:{}", server.port),
        PLENTY,
    )
}

fn check(error: &StateError, kind: StateErrorKind, words: &str) {
    let text = error.in_full();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(words), "{text}");
    assert!(!format!("{text} {error:?}").contains("hunter2"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_rights_are_enough() {
    let server = Server::start();
    give(&server, &[&RIGHTS[..], &["+spublish"]].concat());
    let tested = as_app(&server);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    assert_eq!(tested.publish("b").await.unwrap(), "b");
    until("the message has come", async || tested.messages() == ["b"]).await;
    // Nothing was tried that was refused.
    let refused: Vec<redis::Value> = server.ask(&["ACL", "LOG"]);
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named_and_keeps_the_connection() {
    let server = Server::start();
    let tested = as_app(&server);
    give(&server, &[&RIGHTS[..], &["-evalsha"]].concat());
    let error = tested.say("a").await.unwrap_err();
    check(
        &error,
        StateErrorKind::Denied,
        "refuses sync: the user `app` may not run EVALSHA: give it",
    );
    give(&server, &[&RIGHTS[..], &["-script"]].concat());
    check(
        &tested.say("a").await.unwrap_err(),
        StateErrorKind::Denied,
        "SCRIPT|LOAD",
    );
    give(&server, &RIGHTS);
    tested.say("a").await.unwrap();
    check(
        &tested.publish("a").await.unwrap_err(),
        StateErrorKind::Denied,
        "may not run",
    );
    give(
        &server,
        &[&RIGHTS[..], &["+spublish", "resetkeys"]].concat(),
    );
    check(
        &tested.say("a").await.unwrap_err(),
        StateErrorKind::Denied,
        "the site's keys",
    );
    assert_eq!(tested.losses(), 0);
    // Who may no longer listen is thrown out.
    give(
        &server,
        &[&RIGHTS[..], &["+spublish", "resetchannels"]].concat(),
    );
    until("the loss is noticed", async || tested.losses() == 1).await;
    check(
        &tested.say("a").await.unwrap_err(),
        StateErrorKind::Denied,
        "the site's channel",
    );
    check(
        &tested.publish("a").await.unwrap_err(),
        StateErrorKind::Denied,
        "the site's channel",
    );
    give(&server, &RIGHTS);
    assert_eq!(tested.say("b").await.unwrap(), "b");
    assert_eq!(tested.losses(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changes_is_refused_until_it_is_right_again() {
    let server = Server::start();
    give(&server, &RIGHTS);
    let tested = as_app(&server);
    tested.say("a").await.unwrap();
    server.tell(&["ACL", "SETUSER", "app", "resetpass", ">other"]);
    // Who is in stays in.
    tested.say("b").await.unwrap();
    server.tell(&["CLIENT", "KILL", "USER", "app"]);
    until("the loss is noticed", async || tested.losses() == 1).await;
    let error = tested.say("c").await.unwrap_err();
    check(&error, StateErrorKind::Denied, "put them right");
    server.tell(&["ACL", "SETUSER", "app", ">hunter2"]);
    assert_eq!(tested.say("d").await.unwrap(), "d");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_password_says_so() {
    let server = Server::start();
    server.tell(&["ACL", "SETUSER", "default", ">hunter2"]);
    let error = Tested::to(server.port).say("a").await.unwrap_err();
    check(&error, StateErrorKind::Denied, "it wants a password");
    let wrong = format!("redis://:xhunter2x@127.0.0.1:{}", server.port);
    let error = Tested::new(&wrong, PLENTY).say("a").await.unwrap_err();
    check(&error, StateErrorKind::Denied, "put them right");
    let right = format!("redis://:hunter%32@127.0.0.1:{}", server.port);
    assert_eq!(Tested::new(&right, PLENTY).say("a").await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_kept_apart_and_must_be_there() {
    let server = Server::start();
    let set = "redis.call('SET', KEYS[1], ARGV[2]) return {ARGV[1], ARGV[2], KEYS[1]}";
    let get = "return {ARGV[1], redis.call('GET', KEYS[1]) or 'none', KEYS[1]}";
    let at = |database: u32| {
        Tested::new(
            &format!("redis://127.0.0.1:{}/{database}", server.port),
            PLENTY,
        )
    };
    at(3).run(set, "a", false).await.unwrap();
    assert_eq!(at(3).run(get, "", false).await.unwrap(), "a");
    assert_eq!(at(0).run(get, "", false).await.unwrap(), "none");
    let error = at(99).say("a").await.unwrap_err();
    check(&error, StateErrorKind::Unsupported, "no such database");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_server_from_answering_keeps_the_connection() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    tested.say("a").await.unwrap();
    let write = "redis.call('SET', KEYS[1], ARGV[2]) return {ARGV[1], ARGV[2], KEYS[1]}";
    server.tell(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let error = tested.run(write, "b", false).await.unwrap_err();
    check(&error, StateErrorKind::Unavailable, "min-replicas-to-write");
    server.tell(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    tested.run(write, "b", false).await.unwrap();
    // Ours go on when the memory is full.
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(tested.run(write, "c", false).await.unwrap(), "c");
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    server.tell(&["DEL", "{im:site}:key"]);
    server.tell(&["LPUSH", "{im:site}:key", "somebody else's"]);
    let read = "return {ARGV[1], redis.call('GET', KEYS[1]), KEYS[1]}";
    let error = tested.run(read, "d", false).await.unwrap_err();
    check(
        &error,
        StateErrorKind::Corrupt,
        "under one of {im:site}:key: find it",
    );
    for (script, kind, words) in [
        (
            "return redis.error_reply('IM-CORRUPT no record')",
            StateErrorKind::Corrupt,
            "fails at sync: no record",
        ),
        (
            "return redis.error_reply('IM-UNSUPPORTED too new')",
            StateErrorKind::Unsupported,
            "fails at sync: too new",
        ),
        (
            "return nil .. 1",
            StateErrorKind::Corrupt,
            "what is stored there",
        ),
        (
            "syntax error",
            StateErrorKind::Unsupported,
            "Redis 7.0 or newer",
        ),
    ] {
        check(
            &tested.run(script, "e", false).await.unwrap_err(),
            kind,
            words,
        );
    }
    assert_eq!(tested.losses(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_named_and_asked_anew() {
    let (master, replica) = (Server::start(), Server::start());
    replica.tell(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    let tested = Tested::to(replica.port);
    let write = "redis.call('SET', KEYS[1], ARGV[2]) return {ARGV[1], ARGV[2], KEYS[1]}";
    let error = tested.run(write, "a", false).await.unwrap_err();
    check(&error, StateErrorKind::Unavailable, "name the master");
    assert_eq!(tested.losses(), 1);
    replica.tell(&["REPLICAOF", "NO", "ONE"]);
    tested.run(write, "a", false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_greeted_is_named() {
    for (greeting, kind, words) in [
        (
            "-ERR max number of clients reached\r\n",
            StateErrorKind::Unavailable,
            "maxclients",
        ),
        (
            "-LOADING Redis is loading the dataset in memory\r\n",
            StateErrorKind::Unavailable,
            "loading",
        ),
        (
            "-DENIED Redis is running in protected mode\r\n",
            StateErrorKind::Denied,
            "protected mode",
        ),
        (
            "-NOPROTO unsupported protocol version\r\n",
            StateErrorKind::Unsupported,
            "Redis 7.0 or newer",
        ),
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            StateErrorKind::Unsupported,
            "does not speak Redis's language",
        ),
        // Before version 6, servers repeat what they do not know.
        (
            "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `app`, `hunter2`, \r\n",
            StateErrorKind::Unsupported,
            "Redis 7.0 or newer",
        ),
        (
            "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'app' 'hunter2' \r\n",
            StateErrorKind::Unsupported,
            "Redis 7.0 or newer",
        ),
        (
            "-ERR I do not like hunter2\r\n",
            StateErrorKind::Unsupported,
            "I do not like ***",
        ),
    ] {
        let port = fake(move |_| Some(greeting.to_owned()));
        let tested = Tested::new(&format!("redis://app:hunter2@127.0.0.1:{port}"), PLENTY);
        check(&tested.say("a").await.unwrap_err(), kind, words);
    }
    let closes = fake(|_| None);
    let error = Tested::to(closes).say("a").await.unwrap_err();
    check(&error, StateErrorKind::Unavailable, "it cannot be reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_is_named() {
    let server = Server::start();
    let first = Tested::to(server.port);
    first.say("a").await.unwrap();
    server.tell(&["CONFIG", "SET", "maxclients", "1"]);
    let error = Tested::to(server.port).say("b").await.unwrap_err();
    // The system may throw the words away when the server has closed the connection.
    check(&error, StateErrorKind::Unavailable, " fails at sync: it ");
    assert_eq!(first.say("c").await.unwrap(), "c");
}
