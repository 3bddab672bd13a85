//! One connection through the proxy, and its two directions.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::resp::CommandReader;
use super::{Counts, Direction, Mode, lock};

/// How much is taken from a sender that nobody listens to, before it must wait.
const ROOM: usize = 8 << 20;

const PIECE: usize = 16 << 10;

/// A client's connection, and the server's that belongs to it.
pub(super) struct Link {
    pub(super) modes: Arc<watch::Sender<Mode>>,
    pub(super) counts: Arc<Mutex<Counts>>,
    pub(super) target: SocketAddr,
}

/// Takes a connection off the count, however it ends.
struct Open<'a>(&'a Mutex<Counts>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        lock(self.0).open -= 1;
    }
}

impl Link {
    /// Runs until both directions have ended in order, or one has failed.
    pub(super) async fn run(self, client: TcpStream) {
        let _open = Open(&self.counts);
        // An error is the end of a connection, which is all that its two ends are to see of it.
        drop(self.forward(client).await);
    }

    async fn forward(&self, mut client: TcpStream) -> io::Result<()> {
        // A black hole does not dial. The kernel takes what the client sends meanwhile.
        let mut modes = self.modes.subscribe();
        let dialled = modes.wait_for(|mode| *mode != Mode::Stall).await;
        drop(dialled.map_err(io::Error::other)?);
        let socket = if self.target.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // While it dials, too, it can be reset.
        socket.set_zero_linger()?;
        let mut server = socket.connect(self.target).await?;
        prepare(&server)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = Pump::new(self, Direction::ToServer, from_client, to_server);
        let replies = Pump::new(self, Direction::ToClient, from_server, to_client);
        tokio::try_join!(requests.run(), replies.run())?;
        Ok(())
    }
}

/// Small pieces go out at once, and a connection that is dropped before it has ended in order is reset.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_zero_linger()
}

/// One direction.
struct Pump<'a> {
    link: &'a Link,
    direction: Direction,
    modes: watch::Receiver<Mode>,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    queue: VecDeque<Piece>,
    queued: usize,
    /// The sender has ended its stream.
    read_to_end: bool,
    /// The receiver has been told that the stream has ended.
    closed: bool,
    not_before: Instant,
    /// What of `CutDuringReply` is left.
    until_cut: Option<usize>,
    commands: CommandReader,
}

struct Piece {
    due: Instant,
    content: Content,
}

enum Content {
    Bytes(Vec<u8>),
    End,
}

impl<'a> Pump<'a> {
    fn new(link: &'a Link, direction: Direction, from: ReadHalf<'a>, to: WriteHalf<'a>) -> Self {
        let mut modes = link.modes.subscribe();
        modes.mark_changed();
        Self {
            link,
            direction,
            modes,
            from,
            to,
            queue: VecDeque::new(),
            queued: 0,
            read_to_end: false,
            closed: false,
            not_before: Instant::now(),
            until_cut: None,
            commands: CommandReader::default(),
        }
    }

    /// Runs until the receiver has been told of the end of the stream.
    async fn run(mut self) -> io::Result<()> {
        let mut mode = Mode::Pass;
        while !(self.closed && self.read_to_end) {
            if self.modes.has_changed().map_err(io::Error::other)? {
                mode = *self.modes.borrow_and_update();
                self.until_cut = match mode {
                    Mode::CutDuringReply(bytes) if self.direction == Direction::ToClient => {
                        Some(bytes)
                    }
                    _ => None,
                };
            }
            if mode == Mode::HalfClose(self.direction) && !self.closed {
                self.close().await?;
            }
            let due = self.queue.front().map(|piece| piece.due);
            let due = due.filter(|_| mode != Mode::Stall);
            tokio::select! {
                biased;
                changed = self.modes.changed() => {
                    changed.map_err(io::Error::other)?;
                    self.modes.mark_changed();
                }
                ready = writable_at(&self.to, due.map(|due| due.max(self.not_before))) => {
                    ready?;
                    // Since this was asked for, nothing else has run: the mode is what it was, see `proxy::run`.
                    if !self.modes.has_changed().map_err(io::Error::other)? {
                        self.write(mode).await?;
                    }
                }
                readable = self.from.readable(), if !self.read_to_end && self.queued < ROOM => {
                    readable?;
                    self.read(mode)?;
                }
            }
        }
        Ok(())
    }

    /// Takes what is there into the queue.
    fn read(&mut self, mode: Mode) -> io::Result<()> {
        let mut bytes = vec![0; PIECE];
        let count = match self.from.try_read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            result => result?,
        };
        bytes.truncate(count);
        self.read_to_end = count == 0;
        if self.closed {
            return Ok(());
        }
        let content = if self.read_to_end {
            Content::End
        } else {
            Content::Bytes(bytes)
        };
        let due = match mode {
            Mode::Delay(time) => Instant::now() + time,
            _ => Instant::now(),
        };
        self.queued += count;
        self.queue.push_back(Piece { due, content });
        Ok(())
    }

    /// Sends what is at the head of the queue, as much as may go at once.
    async fn write(&mut self, mode: Mode) -> io::Result<()> {
        let Some(Piece { due, content }) = self.queue.pop_front() else {
            return Ok(());
        };
        let Content::Bytes(mut bytes) = content else {
            return self.close().await;
        };
        let mut limit = bytes.len();
        if matches!(mode, Mode::Trickle(_)) {
            limit = limit.min(1);
        }
        if let Some(left) = self.until_cut {
            limit = limit.min(left);
        }
        let sent = match self.to.try_write(bytes.get(..limit).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            result => result?,
        };
        if let Mode::Trickle(pause) = mode {
            self.not_before = Instant::now() + pause;
        }
        self.count(bytes.get(..sent).unwrap_or_default());
        self.queued -= sent;
        bytes.drain(..sent);
        if !bytes.is_empty() {
            self.queue.push_front(Piece {
                due,
                content: Content::Bytes(bytes),
            });
        }
        if let Some(left) = &mut self.until_cut {
            *left -= sent;
            if *left == 0 {
                // For one connection only, whichever was first.
                self.link.modes.send_replace(Mode::Pass);
                self.to.shutdown().await?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }

    fn count(&mut self, sent: &[u8]) {
        let bytes = u64::try_from(sent.len()).expect("a length fits");
        let mut counts = lock(&self.link.counts);
        match self.direction {
            Direction::ToServer => {
                counts.bytes_to_server += bytes;
                for name in self.commands.read(sent) {
                    *counts.commands.entry(name).or_default() += 1;
                }
            }
            Direction::ToClient => counts.bytes_to_client += bytes,
        }
    }

    /// Tells the receiver that the stream has ended.
    async fn close(&mut self) -> io::Result<()> {
        self.closed = true;
        self.queue.clear();
        self.queued = 0;
        self.to.shutdown().await
    }
}

/// Returns when it is that time and there is room for something; never without a time.
async fn writable_at(to: &WriteHalf<'_>, due: Option<Instant>) -> io::Result<()> {
    match due {
        Some(due) => {
            sleep_until(due).await;
            to.writable().await
        }
        None => std::future::pending().await,
    }
}
