//! Server-sent events, as a browser reads them.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wait::PATIENCE;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What to come back with, if it has an id.
    pub id: Option<String>,
    /// What kind of event it is.
    pub event: String,
    /// What it says.
    pub data: String,
}

impl Event {
    /// What it says, if that is JSON.
    ///
    /// # Panics
    ///
    /// It is not.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A stream of events on a connection of its own, which is cut when this is dropped.
#[derive(Debug)]
pub struct Events {
    socket: TcpStream,
    /// The response's head, in small letters.
    pub head: String,
    /// What was read and not looked at, still in chunks.
    unread: Vec<u8>,
    /// Text of which no whole event was made yet.
    text: String,
}

impl Events {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// The server is not there, or answers something else.
    pub async fn listen(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n");
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut events = Self {
            socket,
            head: String::new(),
            unread: Vec::new(),
            text: String::new(),
        };
        loop {
            let line = events.line().await?.context("no answer")?;
            if line.is_empty() {
                break;
            }
            events.head.push_str(&line.to_ascii_lowercase());
            events.head.push('\n');
        }
        ensure!(events.head.starts_with("http/1.1 200 "), "{}", events.head);
        Ok(events)
    }

    /// The next event, which is waited for; `None` if the server has ended the stream in order.
    ///
    /// # Errors
    ///
    /// It does not come, or the connection broke.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        timeout(PATIENCE, self.read_event())
            .await
            .context("no event came")?
    }

    /// The next event of this kind.
    ///
    /// # Panics
    ///
    /// There is none.
    pub async fn until(&mut self, kind: &str) -> Event {
        loop {
            let event = self
                .next()
                .await
                .unwrap_or_else(|error| panic!("{kind}: {error:#}"));
            let event = event.unwrap_or_else(|| panic!("the stream ended before any {kind}"));
            if event.event == kind {
                return event;
            }
        }
    }

    async fn read_event(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if let Some(event) = event {
                    return Ok(Some(event));
                }
            }
            let length = self.line().await?.context("the connection broke off")?;
            let length = usize::from_str_radix(&length, 16).context("this is no chunk")?;
            while self.unread.len() < length + 2 {
                ensure!(
                    self.read_more().await?,
                    "the connection broke off in a chunk"
                );
            }
            let chunk: Vec<u8> = self.unread.drain(..length + 2).collect();
            if length == 0 {
                return Ok(None);
            }
            self.text.push_str(str::from_utf8(&chunk[..length])?);
        }
    }

    /// The next line; `None` at the end of the connection.
    async fn line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                return Ok(Some(str::from_utf8(&line[..at])?.to_owned()));
            }
            if !self.read_more().await? {
                if self.unread.is_empty() {
                    return Ok(None);
                }
                bail!("the connection broke off in a line");
            }
        }
    }

    async fn read_more(&mut self) -> Result<bool> {
        Ok(self.socket.read_buf(&mut self.unread).await? > 0)
    }
}

/// `None` if nothing is said, as by a comment.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut is_said = false;
    for line in block.lines() {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name {
            "id" => event.id = Some(value.to_owned()),
            "event" => event.event = value.to_owned(),
            "data" => {
                is_said = true;
                event.data = value.to_owned();
            }
            _ => {}
        }
    }
    is_said.then_some(event)
}
