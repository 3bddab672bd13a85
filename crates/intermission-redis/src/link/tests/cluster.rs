//! In a Cluster.

use intermission_core::StateErrorKind;

use super::fake::fake;
use super::server::{Server, until};
use super::{PLENTY, TAG, Tested};

/// Two nodes; the slot of the site is on the first.
struct Cluster {
    slot: u16,
    first: Server,
    second: Server,
}

impl Cluster {
    async fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
        let (first, second) = (Server::start_with(&options), Server::start_with(&options));
        let slot: u16 = first.ask(&["CLUSTER", "KEYSLOT", TAG]);
        let cluster = Self {
            slot,
            first,
            second,
        };
        let range = |from: u16, to: u16| {
            [
                "CLUSTER".to_owned(),
                "ADDSLOTSRANGE".to_owned(),
                from.to_string(),
                to.to_string(),
            ]
        };
        cluster.first.ask::<()>(&range(0, slot));
        cluster.second.ask::<()>(&range(slot + 1, 16_383));
        cluster.first.tell(&[
            "CLUSTER",
            "MEET",
            "127.0.0.1",
            &cluster.second.port.to_string(),
        ]);
        until("both nodes know all slots", async || {
            [&cluster.first, &cluster.second].iter().all(|node| {
                let info: String = node.ask(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
            })
        })
        .await;
        cluster
    }

    /// Moves the site's slot, which has no keys, to the second node.
    fn move_slot(&self) {
        let (first, second) = (&self.first, &self.second);
        let [from, to]: [String; 2] = [first, second].map(|node| node.ask(&["CLUSTER", "MYID"]));
        let set = |node: &Server, how: &str, id: &str| {
            node.tell(&["CLUSTER", "SETSLOT", &self.slot.to_string(), how, id]);
        };
        set(second, "IMPORTING", &from);
        set(first, "MIGRATING", &to);
        set(second, "NODE", &to);
        set(first, "NODE", &to);
    }

    /// What was only asked something is closed a moment later.
    async fn has_links(&self, first: usize, second: usize) {
        until("each node has the links it should have", async || {
            (self.first.links().len(), self.second.links().len()) == (first, second)
        })
        .await;
    }

    fn url(&self, seeds: &[&Server]) -> String {
        let seeds: Vec<_> = seeds
            .iter()
            .map(|seed| format!("127.0.0.1:{}", seed.port))
            .collect();
        format!("redis+cluster://{}", seeds.join(","))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_the_slot_is_found_and_found_again() {
    let cluster = Cluster::start().await;
    let tested = Tested::new(&cluster.url(&[&cluster.second]), PLENTY);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    cluster.has_links(1, 0).await;
    cluster.move_slot();
    // The old owner takes the subscription away, unasked.
    until("the loss is noticed", async || tested.losses() == 1).await;
    assert_eq!(tested.say("b").await.unwrap(), "b");
    assert_eq!(tested.publish("c").await.unwrap(), "c");
    until("the message has come", async || tested.messages() == ["c"]).await;
    cluster.has_links(0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_were_learnt_are_asked_when_the_named_ones_are_gone() {
    let mut cluster = Cluster::start().await;
    let tested = Tested::new(&cluster.url(&[&cluster.second]), PLENTY);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    cluster.second.kill();
    cluster.first.tell(&["CLIENT", "KILL", "TYPE", "PUBSUB"]);
    until("the loss is noticed", async || tested.losses() == 1).await;
    assert_eq!(tested.say("b").await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_names_the_wrong_owner_is_asked_last() {
    let cluster = Cluster::start().await;
    let wrong = cluster.second.port;
    let behind = fake(move |words| {
        Some(match words[0].as_str() {
            "HELLO" => "%0\r\n".to_owned(),
            _ => format!("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n_\r\n:{wrong}\r\n$1\r\nx\r\n"),
        })
    });
    let url = format!(
        "redis+cluster://127.0.0.1:{behind},127.0.0.1:{}",
        cluster.first.port
    );
    let tested = Tested::new(&url, PLENTY);
    let error = tested.say("a").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("the site is on another"),
        "{error}"
    );
    assert_eq!(tested.say("b").await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_nobody_owns_ends_the_connection_until_somebody_does() {
    let cluster = Cluster::start().await;
    let tested = Tested::new(&cluster.url(&[&cluster.first]), PLENTY);
    tested.say("a").await.unwrap();
    let slot = cluster.slot.to_string();
    cluster.first.tell(&["CLUSTER", "DELSLOTS", &slot]);
    until("the loss is noticed", async || tested.losses() == 1).await;
    let error = tested.say("b").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
    cluster.first.tell(&["CLUSTER", "ADDSLOTS", &slot]);
    until("the slot is served again", async || {
        match tested.say("c").await {
            Ok(word) => word == "c",
            Err(error) => {
                assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
                false
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_the_right_to_ask_for_the_slots() {
    let cluster = Cluster::start().await;
    let rights = [
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">hunter2",
        "~{im:*",
        "&{im:*",
        "+evalsha",
        "+script|load",
        "+ssubscribe",
    ];
    for node in [&cluster.first, &cluster.second] {
        node.tell(&rights);
    }
    let url = cluster
        .url(&[&cluster.second])
        .replace("://", "://app:hunter2@");
    let tested = Tested::new(&url, PLENTY);
    let error = tested.say("a").await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("CLUSTER|SLOTS"), "{error}");
    for node in [&cluster.first, &cluster.second] {
        node.tell(&["ACL", "SETUSER", "app", "+cluster|slots"]);
    }
    assert_eq!(tested.say("a").await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_scheme_is_named() {
    let cluster = Cluster::start().await;
    let single = Server::start();
    for (url, kind, words) in [
        (
            format!("redis://127.0.0.1:{}", cluster.second.port),
            StateErrorKind::Unavailable,
            "redis+cluster://",
        ),
        (
            format!("redis://127.0.0.1:{}/1", cluster.first.port),
            StateErrorKind::Unsupported,
            "a Cluster has no databases",
        ),
        (
            cluster.url(&[&single]),
            StateErrorKind::Unsupported,
            "it is no Cluster",
        ),
    ] {
        let error = Tested::new(&url, PLENTY).say("a").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
