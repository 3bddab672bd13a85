//! HTTP/2, without an upgrade and without TLS.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, SendRequest};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::failure::{Checked, Failure};

use super::http1::{Received, Request, in_time};

/// A connection on which many requests are under way at once.
pub(crate) struct Http2 {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    pub(crate) async fn open(address: SocketAddr) -> Checked<Self> {
        in_time("a connection of HTTP/2", async {
            let socket = TcpStream::connect(address).await?;
            let (requests, connection) = client::handshake(socket).await?;
            let connection = tokio::spawn(connection);
            Ok(Self {
                requests,
                connection,
            })
        })
        .await
    }

    pub(crate) async fn ask(&self, request: &Request) -> Checked<Received> {
        in_time("the answer", self.send(request)).await
    }

    async fn send(&self, request: &Request) -> Checked<Received> {
        let (mut received, mut body) = self.head(request).await?;
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            received.body.extend_from_slice(&piece);
        }
        Ok(received)
    }

    /// Asks, and gives the body with its first piece read.
    pub(crate) async fn begin(&self, request: &Request) -> Checked<RecvStream> {
        in_time("the first piece", async {
            let (_, mut body) = self.head(request).await?;
            match body.data().await {
                Some(Ok(_)) => Ok(body),
                other => Err(Failure::new(format!("{other:?} came instead of a piece"))),
            }
        })
        .await
    }

    async fn head(&self, request: &Request) -> Checked<(Received, RecvStream)> {
        let mut made = http::Request::builder()
            .method(request.method)
            .uri(format!("http://site.example{}", request.target));
        for (name, value) in &request.headers {
            made = made.header(*name, value);
        }
        let mut requests = self.requests.clone().ready().await?;
        let (response, _) = requests.send_request(made.body(())?, true)?;
        let response = response.await?;
        let headers = response.headers().iter();
        let received = Received {
            interim: Vec::new(),
            status: response.status().as_u16(),
            headers: headers
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    (name.as_str().to_owned(), value.into_owned())
                })
                .collect(),
            body: Vec::new(),
            ended_with_headers: Some(response.body().is_end_stream()),
        };
        Ok((received, response.into_body()))
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
