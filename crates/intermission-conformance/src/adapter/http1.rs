//! HTTP/1.1, written and read byte by byte.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::{Checked, Failure};

/// When a row gives up on what must come. Nothing is judged by it: it ends rows that would hang.
const PATIENCE: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// Another patience, for rows that are expected to fail.
    pub(crate) static IMPATIENCE: Duration;
}

/// Fails if it does not come.
pub(crate) async fn in_time<T>(
    what: &str,
    future: impl Future<Output = Checked<T>> + Send,
) -> Checked<T> {
    let patience = IMPATIENCE
        .try_with(|patience| *patience)
        .unwrap_or(PATIENCE);
    let waited = || format!("{what} did not come within {patience:?}");
    tokio::time::timeout(patience, future)
        .await
        .unwrap_or_else(|_| Err(Failure::new(waited())))
}

/// One request, as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Another line; of one name there may be several.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn operator(self) -> Self {
        self.with("x-operator", "yes")
    }

    /// The values of this header, as a server reads them.
    pub(crate) fn lines(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        let lines = self.headers.iter().filter(move |(known, _)| *known == name);
        lines.map(|(_, value)| value.as_bytes().trim_ascii())
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// What goes over the wire.
    pub(crate) fn bytes(&self, connection: &str) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: site.example\r\n",
            self.method, self.target
        );
        if !connection.is_empty() {
            head.push_str("connection: ");
            head.push_str(connection);
            head.push_str("\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        if let Some(body) = &self.body {
            head.push_str("content-length: ");
            head.push_str(&body.len().to_string());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

pub(crate) fn get(target: impl Into<String>) -> Request {
    Request::new("GET", target)
}

pub(crate) fn post(target: impl Into<String>) -> Request {
    Request::new("POST", target)
}

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The statuses of what came before, such as 100.
    pub(crate) interim: Vec<u16>,
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the response ended with its headers, which only HTTP/2 knows.
    pub(crate) ended_with_headers: Option<bool>,
}

impl Received {
    /// The values of all lines of this name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter();
        lines
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value of the one line of this name.
    pub(crate) fn one(&self, name: &str) -> Checked<&str> {
        match self.values(name)[..] {
            [value] => Ok(value),
            ref values => Err(Failure::new(format!(
                "`{name}` should have one line and has {values:?} in {self:?}"
            ))),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for status in &self.interim {
            write!(f, "{status}, then ")?;
        }
        let body: String = self.text().chars().take(200).collect();
        write!(f, "{} {:?} {body:?}", self.status, self.headers)
    }
}

/// A connection, and what was read of it and not looked at.
pub(crate) struct Wire {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Checked<Self> {
        let socket = TcpStream::connect(address).await?;
        // Pieces are to go out as they are written.
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            unread: Vec::new(),
        })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Checked {
        in_time("the server's taking what was written", async {
            Ok(self.socket.write_all(bytes).await?)
        })
        .await
    }

    /// Sends as much of it as the server takes, which may have answered and closed.
    pub(crate) async fn send_what_is_taken(&mut self, bytes: &[u8]) -> Checked {
        in_time("the end of what is written", async {
            // The answer tells more than the error.
            let _ = self.socket.write_all(bytes).await;
            Ok(())
        })
        .await
    }

    /// Says that nothing more is written.
    pub(crate) async fn finish(&mut self) -> Checked {
        Ok(self.socket.shutdown().await?)
    }

    /// Reads one response, as a whole.
    pub(crate) async fn answer(&mut self, is_head: bool) -> Checked<Received> {
        in_time("the answer", async {
            let mut received = self.read_head().await?;
            if !is_head && !matches!(received.status, 101 | 204 | 304) {
                self.read_body(&mut received).await?;
            }
            Ok(received)
        })
        .await
    }

    /// Reads a response up to the end of its headers.
    pub(crate) async fn head(&mut self) -> Checked<Received> {
        in_time("the answer's headers", self.read_head()).await
    }

    /// Reads until this has come.
    pub(crate) async fn wait_for(&mut self, bytes: &[u8]) -> Checked {
        in_time("a piece of the body", async {
            loop {
                let found = self
                    .unread
                    .windows(bytes.len())
                    .position(|window| window == bytes);
                if let Some(at) = found {
                    self.unread.drain(..at + bytes.len());
                    return Ok(());
                }
                self.read_more().await?;
            }
        })
        .await
    }

    /// Reads exactly so much.
    pub(crate) async fn take(&mut self, length: usize) -> Checked<Vec<u8>> {
        in_time("so many bytes", self.read_exactly(length)).await
    }

    /// Reads until the server closes, which it may do by a reset.
    pub(crate) async fn rest(&mut self) -> Checked<Vec<u8>> {
        in_time("the end of the connection", async {
            while self.read_some().await.unwrap_or(0) > 0 {}
            Ok(std::mem::take(&mut self.unread))
        })
        .await
    }

    async fn read_some(&mut self) -> std::io::Result<usize> {
        self.socket.read_buf(&mut self.unread).await
    }

    async fn read_more(&mut self) -> Checked {
        if self.read_some().await? == 0 {
            let unread = String::from_utf8_lossy(&self.unread);
            return Err(Failure::new(format!(
                "the server closed the connection after {unread:?}"
            )));
        }
        Ok(())
    }

    async fn read_exactly(&mut self, length: usize) -> Checked<Vec<u8>> {
        while self.unread.len() < length {
            self.read_more().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn read_line(&mut self) -> Checked<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                let text = line.strip_suffix(b"\r\n").unwrap_or(&line);
                return Ok(String::from_utf8_lossy(text).into_owned());
            }
            self.read_more().await?;
        }
    }

    async fn read_head(&mut self) -> Checked<Received> {
        let mut interim = Vec::new();
        loop {
            let line = self.read_line().await?;
            let status = status_of(&line)?;
            let mut headers = Vec::new();
            loop {
                let line = self.read_line().await?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line
                    .split_once(':')
                    .ok_or_else(|| Failure::new(format!("{line:?} is no header")))?;
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
                continue;
            }
            return Ok(Received {
                interim,
                status,
                headers,
                body: Vec::new(),
                ended_with_headers: None,
            });
        }
    }

    async fn read_body(&mut self, received: &mut Received) -> Checked {
        if received.values("transfer-encoding") == ["chunked"] {
            loop {
                let line = self.read_line().await?;
                let length = usize::from_str_radix(line.trim(), 16)?;
                let piece = self.read_exactly(length).await?;
                self.read_line().await?;
                if length == 0 {
                    return Ok(());
                }
                received.body.extend(piece);
            }
        }
        if let [length] = received.values("content-length")[..] {
            let length = length.parse()?;
            received.body = self.read_exactly(length).await?;
            return Ok(());
        }
        received.body = self.rest().await?;
        Ok(())
    }
}

fn status_of(line: &str) -> Checked<u16> {
    let mut words = line.split(' ');
    let status = match (words.next(), words.next()) {
        (Some("HTTP/1.1" | "HTTP/1.0"), Some(status)) => status.parse().ok(),
        _ => None,
    };
    status.ok_or_else(|| Failure::new(format!("{line:?} is no status line")))
}
