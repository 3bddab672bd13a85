//! Those with whom the nodes are compared: subscribers that do nothing with what they hear.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, Value,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the bare subscribers of the client library are subscribed to.
pub(super) const CLIENT_CHANNEL: &str = "bench:client";
/// What the bare sockets are subscribed to.
pub(super) const SOCKET_CHANNEL: &str = "bench:socket";

/// Somebody who hears what is published and does no more than to remember which it was.
pub(super) struct Listener {
    heard: Arc<AtomicU64>,
    /// It listens for as long as this lives.
    _connection: Option<MultiplexedConnection>,
}

impl Listener {
    /// How many messages it has heard, or which was the last: the same, unless it came late.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Whether it has heard the how-manieth message.
    pub(super) fn has_heard(&self, message: u64) -> bool {
        self.heard() >= message
    }

    /// One by the same client library as the nodes use, with the same settings of the socket.
    pub(super) async fn by_client(url: &str) -> Result<Self> {
        let heard = Arc::new(AtomicU64::new(0));
        let hears = Arc::clone(&heard);
        let hear = move |push: PushInfo| {
            if let (PushKind::Message, [_, Value::BulkString(message)]) =
                (&push.kind, push.data.as_slice())
                && let Some(number) = number_of(message)
            {
                hears.store(number, Ordering::Release);
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let mut connection =
            connection(url, AsyncConnectionConfig::new().set_push_sender(hear)).await?;
        connection.subscribe(CLIENT_CHANNEL).await?;
        Ok(Self {
            heard,
            _connection: Some(connection),
        })
    }

    /// One that reads the socket and parses nothing: it counts the bytes, of which each message has the same number.
    pub(super) async fn by_socket(server: SocketAddr, payload: usize) -> Result<Self> {
        let mut socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        let command = format!(
            "*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{SOCKET_CHANNEL}\r\n",
            SOCKET_CHANNEL.len()
        );
        socket.write_all(command.as_bytes()).await?;
        let expected = format!(
            "*3\r\n$9\r\nsubscribe\r\n${}\r\n{SOCKET_CHANNEL}\r\n:1\r\n",
            SOCKET_CHANNEL.len()
        );
        let mut answer = vec![0; expected.len()];
        socket.read_exact(&mut answer).await?;
        ensure!(
            answer == expected.as_bytes(),
            "SUBSCRIBE was answered with `{}`",
            answer.escape_ascii()
        );
        let frame = format!(
            "*3\r\n$7\r\nmessage\r\n${}\r\n{SOCKET_CHANNEL}\r\n${payload}\r\n\r\n",
            SOCKET_CHANNEL.len()
        );
        let frame = u64::try_from(frame.len() + payload)?;
        let heard = Arc::new(AtomicU64::new(0));
        let hears = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            let mut bytes = 0;
            // It ends with the server.
            while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                bytes += u64::try_from(read).unwrap_or_default();
                hears.store(bytes / frame, Ordering::Release);
            }
        });
        Ok(Self {
            heard,
            _connection: None,
        })
    }
}

/// A connection with the settings that the nodes' connections have.
pub(super) async fn connection(
    url: &str,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection> {
    let info = url.into_connection_info()?;
    let greeting = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    let info = info
        .set_redis_settings(greeting)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let config = config.set_response_timeout(None);
    let client = Client::open(info)?;
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    connection.await.context("redis-server takes no connection")
}

/// The how-manieth message of that many bytes.
pub(super) fn message(number: u64, bytes: usize) -> Vec<u8> {
    let mut message = number.to_le_bytes().to_vec();
    message.resize(bytes.max(message.len()), b'.');
    message
}

fn number_of(message: &[u8]) -> Option<u64> {
    message.first_chunk().copied().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_number() {
        for number in [1, u64::MAX] {
            let message = message(number, 300);
            assert_eq!((message.len(), number_of(&message)), (300, Some(number)));
        }
        assert_eq!(number_of(b"short"), None);
    }
}
