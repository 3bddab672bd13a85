//! A connection with faults.

mod pump;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::pump::{Link, prepare};
use crate::port::Port;

/// What happens to connections through a [`Proxy`], the present ones and those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a test that handles every fault wants to know of a new one"
)]
pub enum Mode {
    /// All is well.
    Pass,
    /// A black hole: connections are accepted, what is sent is taken, and nothing comes out at the other end.
    ///
    /// Nothing is lost, either, as in a network that stalls: what was sent meanwhile, the end of a connection included,
    /// goes on its way in the next mode. A server may so get a command that its client gave up on long ago.
    Stall,
    /// Everything takes that long, each way; a round trip takes twice as long.
    Delay(Duration),
    /// One direction is closed in order: its receiver sees the end of the stream, and what is sent there is lost. The
    /// other direction passes. Redis hangs up when it sees the end.
    ///
    /// What was closed stays so for that connection, also in another mode.
    HalfClose(Direction),
    /// All connections are reset, and new ones are refused.
    Cut,
    /// After that many more bytes from the server, counted for each connection, the connection is closed. Then the mode
    /// is [`Pass`](Self::Pass) again.
    ///
    /// With 0, nothing of the next reply arrives. What a server pushes is as good as a reply.
    CutDuringReply(usize),
    /// One byte at a time, and that long until the next, each way.
    Trickle(Duration),
}

/// Which way bytes flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Direction {
    /// What the client sends.
    ToServer,
    /// What the server sends.
    ToClient,
}

/// What has gone through a [`Proxy`] since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Bytes forwarded from clients to the server.
    pub bytes_to_server: u64,
    /// Bytes forwarded from the server to clients.
    pub bytes_to_client: u64,
    /// Commands forwarded whole from clients to the server, by their names in upper case (`EVALSHA`).
    pub commands: BTreeMap<String, u64>,
}

impl Counts {
    /// How many commands of that name, in upper case, were forwarded.
    #[must_use]
    pub fn command(&self, name: &str) -> u64 {
        self.commands.get(name).copied().unwrap_or_default()
    }

    /// How many commands were forwarded.
    #[must_use]
    pub fn all_commands(&self) -> u64 {
        self.commands.values().sum()
    }
}

/// A TCP proxy in front of one address, with faults that a test switches on and off. It ends when this is dropped.
///
/// It runs on a thread of its own: what blocks the test does not block it. When [`set`](Self::set) returns, the mode
/// holds: not a byte is forwarded any more by the one before.
///
/// # Examples
///
/// ```no_run
/// # async fn example() {
/// use intermission_tests::redis::{Mode, Proxy, RedisServer};
///
/// let server = RedisServer::start().await;
/// let proxy = Proxy::start(server.address()).await;
/// let url = proxy.url(); // For the client under test.
/// proxy.set(Mode::Stall).await;
/// // …
/// proxy.set(Mode::Pass).await;
/// assert_eq!(proxy.counts().command("EVALSHA"), 1);
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    port: Arc<Port>,
    orders: Option<mpsc::UnboundedSender<Order>>,
    counts: Arc<Mutex<Counts>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    SetMode(Mode, oneshot::Sender<()>),
    SetTarget(SocketAddr, oneshot::Sender<()>),
    Reset(oneshot::Sender<()>),
}

impl Proxy {
    /// Starts one that forwards to that address. While nobody listens there, clients are accepted and then reset.
    ///
    /// # Panics
    ///
    /// No port can be listened on.
    pub async fn start(target: SocketAddr) -> Self {
        let (port, listener) = listen_anywhere().await;
        let port = Arc::new(port);
        let counts = Arc::<Mutex<Counts>>::default();
        let (orders, incoming) = mpsc::unbounded_channel();
        let hub = Hub {
            port: Arc::clone(&port),
            target,
            modes: Arc::new(watch::Sender::new(Mode::Pass)),
            counts: Arc::clone(&counts),
            links: JoinSet::new(),
        };
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || run(hub, listener, incoming))
            .expect("a thread starts");
        Self {
            port,
            orders: Some(orders),
            counts,
            thread: Some(thread),
        }
    }

    /// Where it listens. The same for as long as it lives.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The URL of the Redis server behind it; see [`RedisServer::url_at`](super::RedisServer::url_at) for one with a
    /// password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Switches to another mode, and returns when it holds.
    ///
    /// # Panics
    ///
    /// The proxy has failed.
    pub async fn set(&self, mode: Mode) {
        self.order(|done| Order::SetMode(mode, done)).await;
    }

    /// Forwards new connections to another address. The present ones stay where they are.
    ///
    /// # Panics
    ///
    /// The proxy has failed.
    pub async fn set_target(&self, target: SocketAddr) {
        self.order(|done| Order::SetTarget(target, done)).await;
    }

    /// Resets all present connections, and returns when they are gone. New ones are accepted as before.
    ///
    /// # Panics
    ///
    /// The proxy has failed.
    pub async fn reset(&self) {
        self.order(Order::Reset).await;
    }

    /// What has gone through so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, answer) = oneshot::channel();
        if let Some(orders) = &self.orders {
            // If nobody takes the order, nobody answers it.
            drop(orders.send(order(done)));
        }
        assert!(answer.await.is_ok(), "the proxy has failed");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed, and was seen by the next order.
            drop(thread.join());
        }
    }
}

/// What the proxy's thread knows.
struct Hub {
    port: Arc<Port>,
    target: SocketAddr,
    modes: Arc<watch::Sender<Mode>>,
    counts: Arc<Mutex<Counts>>,
    links: JoinSet<()>,
}

fn run(mut hub: Hub, listener: std::net::TcpListener, mut orders: mpsc::UnboundedReceiver<Order>) {
    // INVARIANT: one thread. A link that looks at the mode and then writes, without waiting in between, cannot be
    // overtaken by an order.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let mut listener =
            Some(TcpListener::from_std(listener).expect("a listener can be registered"));
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => hub.obey(order, &mut listener).await,
                    None => return,
                },
                Some(ended) = hub.links.join_next() => ended.expect("a link does not panic"),
                client = accept(listener.as_ref()) => hub.open(client),
            }
        }
    });
}

impl Hub {
    async fn obey(&mut self, order: Order, listener: &mut Option<TcpListener>) {
        let done = match order {
            Order::SetMode(mode, done) => {
                self.modes.send_replace(mode);
                if mode == Mode::Cut {
                    if let Some(listener) = listener.take() {
                        // Closing would not do: a process that is being started has a copy until it runs its program.
                        shutdown(&listener, Shutdown::Both).expect("a listener can be shut down");
                    }
                    self.links.shutdown().await;
                } else if listener.is_none() {
                    let bound = TcpListener::bind(self.port.address()).await;
                    *listener = Some(bound.expect("the port is still its own"));
                }
                done
            }
            Order::SetTarget(target, done) => {
                self.target = target;
                done
            }
            Order::Reset(done) => {
                self.links.shutdown().await;
                done
            }
        };
        // The one who asked may have been cancelled.
        let _ = done.send(());
    }

    fn open(&mut self, client: TcpStream) {
        {
            let mut counts = lock(&self.counts);
            counts.accepted += 1;
            counts.open += 1;
        }
        // Before anything is waited for, so that it can be reset at any time.
        drop(prepare(&client));
        let link = Link {
            modes: Arc::clone(&self.modes),
            counts: Arc::clone(&self.counts),
            target: self.target,
        };
        self.links.spawn(link.run(client));
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            // The client has gone already.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => panic!("the proxy cannot accept: {error}"),
        }
    }
}

async fn listen_anywhere() -> (Port, std::net::TcpListener) {
    for _ in 0..50 {
        let port = Port::claim();
        if let Ok(listener) = TcpListener::bind(port.address()).await {
            let listener = listener.into_std().expect("a listener can be unregistered");
            return (port, listener);
        }
    }
    panic!("50 ports in a row were taken by others");
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
