//! The Redis servers, groups and faults that other tests rely on do what they say.
#![expect(clippy::expect_used, reason = "a test, helpers included")]

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use intermission_tests::redis::{
    ClockShim, Cluster, Direction, Mode, Proxy, RedisServer, SentinelOptions, Sentinels,
    ServerOptions,
};
use intermission_tests::wait::{PATIENCE, until};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Whether somebody may log in there.
async fn lets_in(url: &str) -> bool {
    let client = redis::Client::open(url).expect("a URL");
    client.get_multiplexed_async_connection().await.is_ok()
}

#[tokio::test]
async fn a_server_keeps_what_it_has_written_and_loses_what_it_is_told_to() {
    let server = ServerOptions::new().with_append_only().start().await;
    let (address, first) = (server.address(), server.pid());
    server.command(&["SET", "colour", "green"]).await;
    server.kill();
    assert_eq!((server.pid(), server.is_running()), (None, false));
    assert!(TcpStream::connect(address).await.is_err());

    server.start_again().await;
    assert_eq!(server.address(), address);
    assert_ne!(server.pid(), first);
    assert_eq!(server.ask::<String>(&["GET", "colour"]).await, "green");

    server.stop().await;
    assert!(server.log().contains("ready to exit"), "{}", server.log());
    server.start_again_empty().await;
    assert_eq!(server.ask::<u32>(&["DBSIZE"]).await, 0);

    let other = RedisServer::start().await;
    other.command(&["SET", "colour", "red"]).await;
    other.kill();
    other.start_again().await;
    assert_eq!(other.ask::<u32>(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn a_paused_server_answers_when_it_goes_on() {
    let server = RedisServer::start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    server.pause();
    assert!(!server.is_running());
    stream.write_all(b"PING\r\n").await.unwrap();
    // As long as one likes; it stands still since `pause` has returned.
    let silence = timeout(Duration::from_millis(100), stream.peek(&mut [0])).await;
    assert!(silence.is_err());
    server.resume();
    assert_eq!(read_some(&mut stream).await, b"+PONG\r\n");
}

#[tokio::test]
async fn a_server_that_loads_its_data_can_be_met() {
    let server = ServerOptions::new()
        // 0.2 s for each key, and a look at the connections after each kilobyte.
        .with_config("key-load-delay 200000")
        .with_config("loading-process-events-interval-bytes 1024")
        .with_config("rdbcompression no")
        .start()
        .await;
    let fill = "for i = 1, 5 do redis.call('SET', i, string.rep('x', 2048)) end";
    server.command(&["EVAL", fill, "0"]).await;
    server.command(&["SAVE"]).await;
    server.kill();
    server.start_again_listening().await;
    let error = server.try_command(&["GET", "1"]).await.unwrap_err();
    assert_eq!(error.code(), Some("LOADING"), "{error}");
    until("it has loaded its data", || async {
        server.try_command(&["PING"]).await.ok()
    })
    .await;
    assert_eq!(server.ask::<u32>(&["DBSIZE"]).await, 5);
}

#[tokio::test]
async fn passwords_and_users_hold_and_do_not_lock_the_test_out() {
    let server = ServerOptions::new()
        .with_password("a/b")
        .with_user("ops on >secret ~app:* +get +hello")
        .start()
        .await;
    assert!(
        server.url().contains("redis://:a%2Fb@127.0.0.1:"),
        "{}",
        server.url()
    );
    assert!(lets_in(&server.url()).await);
    assert!(lets_in(&server.url_as("ops", "secret")).await);
    assert!(!lets_in(&server.url_as("ops", "wrong")).await);
    server.command(&["ACL", "SETUSER", "default", "off"]).await;
    assert!(!lets_in(&server.url()).await);
    server.command(&["PING"]).await;
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let options = ServerOptions::new().with_config("no-such-setting yes");
    let failure = tokio::spawn(async move { options.start().await.port() }).await;
    let panic = failure.unwrap_err().into_panic();
    let story = panic.downcast_ref::<String>().expect("a message");
    assert!(
        story.contains("Bad directive or wrong number of arguments"),
        "{story}"
    );
}

/// One of tokio's threads starts it, and ends long before the test.
#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let run = || tokio::runtime::Runtime::new().expect("a runtime");
    let server = std::thread::spawn(move || run().block_on(RedisServer::start()))
        .join()
        .unwrap();
    // An order of the kernel's that came with the thread's end would have been carried out by now, since a second
    // process has come and gone.
    run().block_on(async { drop(RedisServer::start().await) });
    assert!(server.is_running());
    run().block_on(server.command(&["PING"]));
}

/// This test is its own victim: started again as a process that is killed.
#[tokio::test]
async fn a_server_ends_with_a_test_that_is_killed() {
    const VICTIM: &str = "INTERMISSION_TEST_VICTIM";
    if std::env::var_os(VICTIM).is_some() {
        let server = RedisServer::start().await;
        server.pause();
        println!("\nvictim on {}", server.address());
        std::future::pending::<()>().await;
    }
    // What it leaves behind goes with this.
    let folder = tempfile::tempdir().unwrap();
    let mut victim = tokio::process::Command::from(Command::new(
        std::env::current_exe().expect("a test knows where it is"),
    ))
    .args([
        "--exact",
        "a_server_ends_with_a_test_that_is_killed",
        "--nocapture",
    ])
    .env(VICTIM, "1")
    .env("TMPDIR", folder.path())
    .stdout(Stdio::piped())
    .kill_on_drop(true)
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let address: SocketAddr = loop {
        let line = lines.next_line().await.unwrap().expect("it says where");
        if let Some(address) = line.strip_prefix("victim on ") {
            break address.parse().unwrap();
        }
    };
    assert!(TcpStream::connect(address).await.is_ok());
    victim.kill().await.unwrap();
    until("nobody listens any more", || async {
        TcpStream::connect(address).await.err()
    })
    .await;
}

#[tokio::test]
async fn sentinels_choose_another_master_and_writes_that_no_replica_saw_are_lost() {
    let group = SentinelOptions::new()
        .with_server(ServerOptions::new().with_password("secret"))
        .start()
        .await;
    assert_eq!((group.servers().len(), group.sentinels().len()), (3, 3));
    assert!(
        group
            .url()
            .starts_with("redis+sentinel://:secret@127.0.0.1:"),
        "{}",
        group.url()
    );
    assert!(group.url().ends_with("/mymaster"), "{}", group.url());

    let old = group.master().await;
    old.command(&["SET", "seen", "by all"]).await;
    assert_eq!(old.ask::<u32>(&["WAIT", "2", "10000"]).await, 2);
    let replicas = group.others(old);
    assert_eq!(replicas.len(), 2);
    old.cut_off(&replicas).await;
    old.command(&["SET", "unseen", "by all"]).await;
    old.kill();
    for replica in replicas {
        replica.resume();
    }

    let new = group.wait_for_failover(old).await;
    assert_ne!(new.port(), old.port());
    assert_eq!(group.master().await.port(), new.port());
    let found: Vec<Option<String>> = new.ask(&["MGET", "seen", "unseen"]).await;
    assert_eq!(found, [Some("by all".to_owned()), None]);

    // What comes back is told that it is a replica now.
    old.start_again().await;
    new.wait_for_replicas(2).await;
}

#[tokio::test]
async fn a_master_alone_may_be_told_to_refuse_writes() {
    let lonely = ServerOptions::new()
        .with_config("min-replicas-to-write 1")
        .with_config("min-replicas-max-lag 10");
    let group = SentinelOptions::new()
        .with_server(lonely)
        .with_replicas(1)
        // Nobody fails over in this test.
        .with_down_after(PATIENCE)
        .start()
        .await;
    let master = group.master().await;
    master.command(&["SET", "a", "b"]).await;
    master.cut_off(&group.others(master)).await;
    let error = master.try_command(&["SET", "a", "c"]).await.unwrap_err();
    assert_eq!(error.code(), Some("NOREPLICAS"), "{error}");
}

#[tokio::test]
async fn a_slot_moves_with_its_keys_and_then_fails_over() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.nodes().len(), 6);
    assert_eq!(
        cluster.url().matches("127.0.0.1:").count(),
        6,
        "{}",
        cluster.url()
    );
    let slot = cluster.slot_of("{tag}:colour").await;
    let first = cluster.owner_of(slot).await;
    first.command(&["SET", "{tag}:colour", "green"]).await;
    let second = cluster.owner_of((slot + 8192) % 16384).await;
    assert_ne!(first.port(), second.port());

    let moving = cluster.begin_move(slot, second).await;
    moving.move_keys().await;
    let error = first
        .try_command(&["GET", "{tag}:colour"])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("ASK"), "{error}");
    moving.finish().await;
    assert_eq!(cluster.owner_of(slot).await.port(), second.port());
    assert_eq!(
        second.ask::<String>(&["GET", "{tag}:colour"]).await,
        "green"
    );
    let error = first
        .try_command(&["GET", "{tag}:colour"])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("MOVED"), "{error}");

    assert_eq!(second.ask::<u32>(&["WAIT", "1", "10000"]).await, 1);
    let heirs = cluster.replicas_of(second).await;
    second.kill();
    let third = cluster.wait_for_new_owner(slot, second).await;
    assert_eq!(
        heirs.iter().map(|heir| heir.port()).collect::<Vec<_>>(),
        [third.port()]
    );
    assert_eq!(third.ask::<String>(&["GET", "{tag}:colour"]).await, "green");

    second.start_again().await;
    third.wait_for_replicas(1).await;
    cluster.wait_until_ok().await;
}

#[tokio::test]
async fn a_server_believes_its_clock() {
    let clock = ClockShim::new();
    let server = ServerOptions::new().with_clock(&clock).start().await;
    let time = async || {
        let (seconds, _): (i64, i64) = server.ask(&["TIME"]).await;
        seconds
    };
    let before = time().await;
    server
        .command(&["SET", "brief", "x", "PX", "1800000"])
        .await;
    clock.shift(3_600_000);
    let ahead = time().await;
    // The hour and less than another.
    assert!(
        (3_600..7_200).contains(&(ahead - before)),
        "{before} {ahead}"
    );
    assert_eq!(server.ask::<u32>(&["EXISTS", "brief"]).await, 0);
    clock.shift(-3_600_900);
    let behind = time().await;
    assert!(
        (-3_602..0).contains(&(behind - before)),
        "{before} {behind}"
    );
    clock.shift(0);
    assert!((0..3_600).contains(&(time().await - before)));
    server.kill();
    server.start_again().await;
}

/// A client, and the server that it reached through the proxy.
async fn pair(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy.address())
        .await
        .expect("it listens");
    let (server, _) = listener.accept().await.expect("it dials");
    (client, server)
}

async fn proxied() -> (Proxy, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let proxy = Proxy::start(listener.local_addr().expect("it listens")).await;
    (proxy, listener)
}

/// What comes next; empty at the end of the stream.
async fn read_some(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    let read = timeout(PATIENCE, stream.read(&mut bytes)).await;
    let count = read.expect("something comes").expect("the stream is whole");
    bytes.truncate(count);
    bytes
}

async fn read_exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let read = timeout(PATIENCE, stream.read_exact(&mut bytes)).await;
    read.expect("it comes").expect("the stream is whole");
    bytes
}

#[tokio::test]
async fn a_black_hole_swallows_and_a_stall_that_ends_loses_nothing() {
    let (proxy, listener) = proxied().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    client.write_all(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
    assert_eq!(read_exactly(&mut server, 14).await, b"*1\r\n$4\r\nPING\r\n");

    proxy.set(Mode::Stall).await;
    client.write_all(b"*1\r\n$4\r\nEXEC\r\n").await.unwrap();
    server.write_all(b"+PONG\r\n").await.unwrap();
    let mut late = TcpStream::connect(proxy.address()).await.unwrap();
    late.write_all(b"*1\r\n$4\r\nQUIT\r\n").await.unwrap();
    late.shutdown().await.unwrap();
    until("it is taken", || async {
        (proxy.counts().accepted == 2).then_some(())
    })
    .await;
    for stream in [&client, &server, &late] {
        let silence = timeout(Duration::from_millis(50), stream.peek(&mut [0])).await;
        assert!(silence.is_err());
    }
    let counts = proxy.counts();
    assert_eq!(
        (counts.open, counts.bytes_to_server, counts.bytes_to_client),
        (2, 14, 0)
    );
    assert_eq!((counts.command("PING"), counts.all_commands()), (1, 1));

    proxy.set(Mode::Pass).await;
    assert_eq!(read_exactly(&mut server, 14).await, b"*1\r\n$4\r\nEXEC\r\n");
    assert_eq!(read_exactly(&mut client, 7).await, b"+PONG\r\n");
    let (mut late_server, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    late_server.read_to_end(&mut request).await.unwrap();
    assert_eq!(request, b"*1\r\n$4\r\nQUIT\r\n");
}

#[tokio::test]
async fn a_cut_connection_is_reset_and_nobody_gets_in_until_it_is_over() {
    let (proxy, listener) = proxied().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    proxy.set(Mode::Cut).await;
    for stream in [&mut client, &mut server] {
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(proxy.counts().open, 0);

    proxy.set(Mode::Pass).await;
    let (mut client, _server) = pair(&proxy, &listener).await;
    proxy.reset().await;
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let _pair = pair(&proxy, &listener).await;
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.open), (3, 1));
}

#[tokio::test]
async fn a_reply_breaks_off_once() {
    let (proxy, listener) = proxied().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    proxy.set(Mode::CutDuringReply(8)).await;
    server.write_all(b"+OK\r\n").await.unwrap();
    assert_eq!(read_exactly(&mut client, 5).await, b"+OK\r\n");
    server.write_all(b"$5\r\nhello\r\n").await.unwrap();
    assert_eq!(read_exactly(&mut client, 3).await, b"$5\r");
    let end = client.read_u8().await.unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);

    let (mut client, mut server) = pair(&proxy, &listener).await;
    server.write_all(b"$5\r\nhello\r\n").await.unwrap();
    assert_eq!(read_exactly(&mut client, 11).await, b"$5\r\nhello\r\n");
}

#[tokio::test]
async fn one_direction_closes_and_the_other_does_not() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (proxy, listener) = proxied().await;
        let (mut client, mut server) = pair(&proxy, &listener).await;
        proxy.set(Mode::HalfClose(direction)).await;
        let (deaf, hearing) = match direction {
            Direction::ToServer => (&mut server, &mut client),
            Direction::ToClient => (&mut client, &mut server),
        };
        assert_eq!(read_some(deaf).await, b"");
        hearing.write_all(b"lost").await.unwrap();
        deaf.write_all(b"kept").await.unwrap();
        assert_eq!(read_exactly(hearing, 4).await, b"kept");
    }
}

#[tokio::test]
async fn what_is_slow_arrives_late_and_in_order() {
    let (proxy, listener) = proxied().await;
    let (mut client, mut server) = pair(&proxy, &listener).await;
    let delay = Duration::from_millis(40);
    proxy.set(Mode::Delay(delay)).await;
    let start = Instant::now();
    for piece in [b"one", b"two"] {
        client.write_all(piece).await.unwrap();
    }
    assert_eq!(read_exactly(&mut server, 6).await, b"onetwo");
    server.write_all(b"!").await.unwrap();
    assert_eq!(read_exactly(&mut client, 1).await, b"!");
    // It can take longer, but not less.
    assert!(start.elapsed() >= 2 * delay);

    proxy.set(Mode::Trickle(Duration::from_millis(5))).await;
    let start = Instant::now();
    server.write_all(b"0123456789").await.unwrap();
    assert_eq!(read_exactly(&mut client, 10).await, b"0123456789");
    assert!(start.elapsed() >= Duration::from_millis(9 * 5));
}

#[tokio::test]
async fn a_proxy_counts_commands_and_may_lead_elsewhere() {
    let (first, second) = (RedisServer::start().await, RedisServer::start().await);
    let proxy = Proxy::start(first.address()).await;
    let client = redis::Client::open(first.url_at(proxy.address())).unwrap();
    assert_eq!(first.url_at(proxy.address()), proxy.url());
    let ask = async || {
        let mut connection = client
            .get_multiplexed_async_connection()
            .await
            .expect("it leads on");
        let id = redis::cmd("INCR")
            .arg("count")
            .query_async::<i64>(&mut connection)
            .await;
        id.expect("it answers")
    };
    assert_eq!(ask().await, 1);
    proxy.set_target(second.address()).await;
    assert_eq!(ask().await, 1);
    assert_eq!(proxy.counts().command("INCR"), 2);
    assert_eq!(second.ask::<i64>(&["GET", "count"]).await, 1);
}

#[tokio::test]
async fn groups_live_side_by_side() {
    let (one, two) = tokio::join!(Sentinels::start(), Sentinels::start());
    assert_ne!(one.master().await.port(), two.master().await.port());
}
