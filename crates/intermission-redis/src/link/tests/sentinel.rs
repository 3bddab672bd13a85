//! Behind Sentinel.

use intermission_core::StateErrorKind;

use super::fake::fake;
use super::server::{Server, free_port, until};
use super::{PLENTY, Tested};

/// A master, its replica, and a Sentinel that knows both.
struct Group {
    master: Server,
    replica: Server,
    sentinel: Server,
}

impl Group {
    async fn start() -> Self {
        let master = Server::start_with(&["--repl-diskless-sync-delay", "0"]);
        let port = master.port.to_string();
        let replica = Server::start_with(&["--replicaof", "127.0.0.1", &port]);
        // A Sentinel looks at replicas every ten seconds, and this one sees what it needs at the first look.
        until("the replica has a copy", async || {
            let info: String = replica.ask(&["INFO", "replication"]);
            info.contains("master_link_status:up")
        })
        .await;
        let sentinel = Server::start_sentinel(&[
            format!("sentinel monitor mymaster 127.0.0.1 {port} 1"),
            "sentinel down-after-milliseconds mymaster 1000".to_owned(),
            "sentinel failover-timeout mymaster 10000".to_owned(),
        ]);
        let group = Self {
            master,
            replica,
            sentinel,
        };
        until("the Sentinel knows the replica", async || {
            let replicas: Vec<Vec<String>> =
                group.sentinel.ask(&["SENTINEL", "REPLICAS", "mymaster"]);
            replicas
                .iter()
                .flatten()
                .any(|word| word == "master-link-status")
                && replicas.iter().flatten().any(|word| word == "ok")
        })
        .await;
        group
    }

    fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/mymaster", self.sentinel.port)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_master_is_found_after_a_failover() {
    let mut group = Group::start().await;
    // One Sentinel is down, and is asked first.
    let dead = free_port();
    let url = format!(
        "redis+sentinel://127.0.0.1:{dead},127.0.0.1:{}/mymaster",
        group.sentinel.port
    );
    let tested = Tested::new(&url, PLENTY);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    assert_eq!(group.replica.links().len(), 0);
    group.master.kill();
    until("the Sentinel has a replica to promote", async || {
        let answer = group
            .sentinel
            .try_ask::<()>(&["SENTINEL", "FAILOVER", "mymaster"]);
        answer.is_ok()
    })
    .await;
    until("the new master is found", async || {
        match tested.say("b").await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
                false
            }
        }
    })
    .await;
    assert_eq!(tested.losses(), 1);
    until("the new master has the link", async || {
        group.replica.links().len() == 1
    })
    .await;
    assert_eq!(tested.say("c").await.unwrap(), "c");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_that_names_a_replica_is_passed_over() {
    let group = Group::start().await;
    let replica = group.replica.port.to_string();
    let behind = fake(move |words| {
        Some(match words[0].as_str() {
            "HELLO" => "%0\r\n".to_owned(),
            _ => format!(
                "*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{replica}\r\n",
                replica.len()
            ),
        })
    });
    let alone = Tested::new(
        &format!("redis+sentinel://127.0.0.1:{behind}/mymaster"),
        PLENTY,
    );
    let error = alone.say("a").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    assert!(error.to_string().contains("but it is a replica"), "{error}");
    assert_eq!(alone.losses(), 0);
    let url = format!(
        "redis+sentinel://127.0.0.1:{behind},127.0.0.1:{}/mymaster",
        group.sentinel.port
    );
    let tested = Tested::new(&url, PLENTY);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    assert_eq!(tested.losses(), 0);
    until("only the master has a link", async || {
        (group.master.links().len(), group.replica.links().len()) == (1, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_gets_a_password_only_if_it_wants_one() {
    let group = Group::start().await;
    for server in [&group.master, &group.replica] {
        server.tell(&[
            "ACL", "SETUSER", "app", "on", ">hunter2", "~*", "&*", "+@all",
        ]);
    }
    let url = format!(
        "redis+sentinel://app:hunter2@127.0.0.1:{}/mymaster",
        group.sentinel.port
    );
    let tested = Tested::new(&url, PLENTY);
    // The Sentinel has no such user, and would have refused it.
    assert_eq!(tested.say("a").await.unwrap(), "a");
    group.sentinel.tell(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">hunter2",
        "+@all",
        "allchannels",
    ]);
    group.sentinel.tell(&["ACL", "SETUSER", "default", "off"]);
    let tested = Tested::new(&url, PLENTY);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    let wrong = url.replace("hunter2", "xhunter2x");
    let error = Tested::new(&wrong, PLENTY).say("a").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Denied, "{error}");
    let text = error.in_full();
    assert!(
        text.contains("the Sentinel 127.0.0.1:") && !text.contains("hunter2"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_names_is_said() {
    let group = Group::start().await;
    for (url, words) in [
        (
            group.url().replace("mymaster", "other"),
            "no master `other`",
        ),
        (
            format!("redis+sentinel://127.0.0.1:{}/mymaster", group.master.port),
            "it is no Sentinel: write redis://",
        ),
        (
            format!("redis://127.0.0.1:{}", group.sentinel.port),
            "does not know",
        ),
    ] {
        let error = Tested::new(&url, PLENTY).say("a").await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Unsupported, "{error}");
        assert!(error.in_full().contains(words), "{}", error.in_full());
    }
    let (one, other) = (free_port(), free_port());
    let url = format!("redis+sentinel://127.0.0.1:{one},127.0.0.1:{other}/mymaster");
    let error = Tested::new(&url, PLENTY).say("a").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    for words in [
        format!("127.0.0.1:{one}: it cannot"),
        format!("127.0.0.1:{other}: it cannot"),
    ] {
        assert!(text.contains(&words), "{text}");
    }
}
