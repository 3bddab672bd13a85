//! One server.

use std::sync::Arc;
use std::time::Duration;

use intermission_core::StateErrorKind;
use redis::Script;

use super::fake::fake;
use super::proxy::Proxy;
use super::server::{Server, until};
use super::{CHANNEL, PLENTY, SHORT, Tested};

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_messages_come() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    // Subscribed by the first call, so nothing was missed since.
    assert!(!tested.link.subscribe().await.unwrap());
    for word in ["b", "c"] {
        assert_eq!(tested.publish(word).await.unwrap(), word);
    }
    server.tell(&["SPUBLISH", "{im:site}:other", "x"]);
    server.tell(&["PUBLISH", CHANNEL, "x"]);
    server.tell(&["SPUBLISH", CHANNEL, "d"]);
    until("all messages have come", async || {
        tested.messages().len() >= 3
    })
    .await;
    assert_eq!(tested.messages(), ["b", "c", "d"]);
    assert_eq!((server.links().len(), tested.losses()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_subscribed_before_somebody_wants_it() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    assert_eq!(tested.publish("a").await.unwrap(), "a");
    assert!(tested.link.subscribe().await.unwrap());
    assert!(!tested.link.subscribe().await.unwrap());
    assert_eq!(tested.publish("b").await.unwrap(), "b");
    until("the message has come", async || {
        !tested.messages().is_empty()
    })
    .await;
    assert_eq!(tested.messages(), ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_their_own_answer() {
    let server = Server::start();
    let tested = Arc::new(Tested::to(server.port));
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let tested = Arc::clone(&tested);
            tokio::spawn(async move {
                let word = number.to_string();
                assert_eq!(tested.say(&word).await.unwrap(), word);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(server.links().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_were_flushed_are_loaded_again() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    for word in ["a", "b"] {
        assert_eq!(tested.say(word).await.unwrap(), word);
        server.tell(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(tested.losses(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_dialled_again() {
    let mut server = Server::start();
    let tested = Tested::to(server.port);
    tested.say("a").await.unwrap();
    server.kill();
    until("the loss is noticed", async || tested.losses() == 1).await;
    let error = tested.say("b").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    let text = error.in_full();
    let start = format!(
        "redis://127.0.0.1:{}/0 fails at sync: it cannot be reached",
        server.port
    );
    assert!(
        text.starts_with(&start) && text.contains("refused"),
        "{text}"
    );
    server.restart();
    assert_eq!(tested.say("c").await.unwrap(), "c");
    // It is a new connection, and it is subscribed.
    assert!(!tested.link.subscribe().await.unwrap());
    assert_eq!(tested.losses(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_swallows_everything_costs_one_time_out() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let tested = Tested::new(&format!("redis://127.0.0.1:{}", proxy.port), SHORT);
    tested.say("a").await.unwrap();
    proxy.swallow_present();
    let error = tested.say("b").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    assert!(error.to_string().contains("no answer within 2s"), "{error}");
    assert_eq!(tested.losses(), 1);
    assert_eq!(tested.say("c").await.unwrap(), "c");
    assert_eq!((proxy.accepted(), tested.losses()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_hears_that_nothing_gets_through() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    proxy.swallow_all();
    let url = format!("redis://127.0.0.1:{}", proxy.port);
    let tested = Arc::new(Tested::new(&url, Duration::from_millis(100)));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let tested = Arc::clone(&tested);
            tokio::spawn(async move { tested.say("a").await.unwrap_err() })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap();
        assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("no answer within"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_somebody_kills_is_replaced_before_it_is_used() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    for losses in 1..=3 {
        tested.say("a").await.unwrap();
        server.tell(&["CLIENT", "KILL", "TYPE", "PUBSUB"]);
        until("the loss is noticed", async || tested.losses() == losses).await;
    }
    assert_eq!(tested.say("b").await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_redials_too() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    tested.link.expect_crowd(1_000, true);
    tested.say("a").await.unwrap();
    server.tell(&["CLIENT", "KILL", "TYPE", "PUBSUB"]);
    until("the loss is noticed", async || tested.losses() == 1).await;
    assert_eq!(tested.say("b").await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_leaves_nobody_the_wrong_answer() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    tested.say("first").await.unwrap();
    for round in 1..=5 {
        server.tell(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        {
            let call = tested.say("gone");
            let is_under_way = until("the command is under way", async || {
                server
                    .links()
                    .iter()
                    .any(|link| link.contains("cmd=evalsha") && link.contains("flags=Pb"))
            });
            tokio::select! {
                answer = call => panic!("the server is paused: {answer:?}"),
                () = is_under_way => {}
            }
        }
        assert_eq!(tested.losses(), round);
        server.tell(&["CLIENT", "UNPAUSE"]);
        for word in ["a", "b", "c"] {
            assert_eq!(tested.say(word).await.unwrap(), word);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_reaches_nobody() {
    let server = Server::start();
    let tested = Tested::new(&format!("redis://127.0.0.1:{}", server.port), SHORT);
    tested.say("first").await.unwrap();
    server.tell(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let error = tested.say("late").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    server.tell(&["CLIENT", "UNPAUSE"]);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    assert_eq!(tested.losses(), 1);
}

/// A server that says this unasked before it answers a word, and everything else as it should be.
fn unasked(word: &'static str, push: &'static str) -> u16 {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    fake(move |words| {
        Some(match words[0].as_str() {
            "HELLO" => "%0\r\n".to_owned(),
            "SSUBSCRIBE" => format!(">3\r\n{}{}:1\r\n", bulk("ssubscribe"), bulk(CHANNEL)),
            _ => {
                let before = if words[5] == word { push } else { "" };
                let [key, echo, said] = [3, 4, 5].map(|index| bulk(&words[index]));
                format!("{before}*3\r\n{echo}{said}{key}")
            }
        })
    })
}

/// In a Cluster, a server says so when a slot moves, and the client takes it for the answer to whatever is in flight:
/// from then on, everybody would get the answer to the question before.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_the_client_takes_for_an_answer_ends_the_connection() {
    for push in [
        ">3\r\n$12\r\nsunsubscribe\r\n$12\r\n{im:site}:ch\r\n:0\r\n",
        ">3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:0\r\n",
        ">3\r\n$12\r\npunsubscribe\r\n$1\r\nx\r\n:0\r\n",
        ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:0\r\n",
        ">3\r\n$10\r\npsubscribe\r\n$1\r\nx\r\n:0\r\n",
        ">3\r\n$10\r\nssubscribe\r\n$12\r\n{im:site}:ch\r\n:2\r\n",
    ] {
        let tested = Tested::to(unasked("hit", push));
        assert_eq!(tested.say("a").await.unwrap(), "a");
        let error = tested.say("hit").await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
        assert_eq!(tested.losses(), 1, "{push}");
        assert_eq!(tested.say("b").await.unwrap(), "b");
        assert_eq!(tested.losses(), 1, "{push}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pushes_are_ignored() {
    for push in [
        ">3\r\n$8\r\nsmessage\r\n$15\r\n{im:site}:other\r\n$1\r\nx\r\n",
        ">3\r\n$7\r\nmessage\r\n$12\r\n{im:site}:ch\r\n$1\r\nx\r\n",
        ">2\r\n$10\r\ninvalidate\r\n*0\r\n",
        ">2\r\n$3\r\nnew\r\n$1\r\nx\r\n",
        ">2\r\n$8\r\nsmessage\r\n$12\r\n{im:site}:ch\r\n",
    ] {
        let tested = Tested::to(unasked("hit", push));
        for word in ["a", "hit", "b"] {
            assert_eq!(tested.say(word).await.unwrap(), word);
        }
        assert_eq!((tested.messages().len(), tested.losses()), (0, 0), "{push}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_question_ends_the_connection() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    for script in [
        "return {ARGV[1] .. '0', ARGV[2], KEYS[1]}",
        "return {}",
        "return ARGV[1]",
        "return {tonumber(ARGV[1])}",
    ] {
        tested.say("a").await.unwrap();
        let losses = tested.losses();
        let error = tested.run(script, "b", false).await.unwrap_err();
        assert!(
            error.to_string().contains("not the one to this question"),
            "{error}"
        );
        assert_eq!(tested.losses(), losses + 1);
    }
    assert_eq!(tested.say("c").await.unwrap(), "c");
}

#[tokio::test]
async fn the_last_one_leaves_no_connection_and_no_task() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    tested.say("a").await.unwrap();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert_eq!((server.links().len(), tasks()), (1, 1));
    let heard = Arc::clone(&tested.heard);
    drop(tested);
    until("the connection is closed", async || {
        server.links().is_empty()
    })
    .await;
    until("the task has ended", async || tasks() == 0).await;
    // Nobody was there any more who could have missed it, and nobody holds what they listened with.
    assert_eq!(heard.losses.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(Arc::strong_count(&heard), 1);
}

#[test]
fn a_link_outlives_its_runtime() {
    let server = Server::start();
    let tested = Tested::to(server.port);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    for losses in 0..3 {
        assert_eq!(tested.losses(), losses);
        // The runtime ends with this line, and the client's task with it.
        assert_eq!(runtime().block_on(tested.say("a")).unwrap(), "a");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_dialled_before_the_first_call() {
    let tested = Tested::new("redis://192.0.2.1:1", PLENTY);
    drop(tested);
    let server = Server::start();
    let tested = Tested::to(server.port);
    assert_eq!(server.links().len(), 0);
    let script = Script::new("return {ARGV[1]}");
    assert!(
        tested
            .link
            .run("look", &script, &[], &[], false)
            .await
            .unwrap()
            .is_empty()
    );
}
