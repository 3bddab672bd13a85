//! A service as `tonic-build` would generate it, written by hand, so that no test needs `protoc`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::stream::{self, Stream};
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::Service;

/// Gives one order.
pub(crate) const GET: &str = "/shop.v1.Orders/Get";
/// Streams orders, and fails after the second.
pub(crate) const LIST: &str = "/shop.v1.Orders/List";
/// Streams what the test feeds.
pub(crate) const IMPORT: &str = "/shop.v1.Orders/Import";

/// The only message.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Order {
    #[prost(string, tag = "1")]
    pub(crate) title: String,
}

pub(crate) fn order(title: &str) -> Order {
    Order {
        title: title.to_owned(),
    }
}

/// The server's side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    imported: Arc<Mutex<Option<mpsc::Receiver<Order>>>>,
}

impl Orders {
    /// What is sent here is what the next import streams. The import ends when this is dropped.
    pub(crate) fn feed(&self) -> mpsc::Sender<Order> {
        let (sender, receiver) = mpsc::channel(1);
        *self.imported.lock().unwrap() = Some(receiver);
        sender
    }
}

impl NamedService for Orders {
    const NAME: &'static str = "shop.v1.Orders";
}

impl Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: http::Request<Body>) -> Self::Future {
        let imported = Arc::clone(&self.imported);
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(match req.uri().path() {
                GET => grpc.unary(tower::service_fn(get), req).await,
                LIST => grpc.server_streaming(tower::service_fn(list), req).await,
                IMPORT => {
                    let import = tower::service_fn(|_: Request<Order>| {
                        let pieces = imported.lock().unwrap().take().unwrap();
                        std::future::ready(Ok::<_, Status>(Response::new(stream_of(pieces))))
                    });
                    grpc.server_streaming(import, req).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

async fn get(request: Request<Order>) -> Result<Response<Order>, Status> {
    Ok(Response::new(request.into_inner()))
}

async fn list(
    _: Request<Order>,
) -> Result<Response<impl Stream<Item = Result<Order, Status>>>, Status> {
    let mut details = MetadataMap::new();
    details.insert("x-lost", "9".parse().unwrap());
    let end = Status::with_metadata(Code::DataLoss, "nine are lost", details);
    Ok(Response::new(stream::iter([
        Ok(order("one")),
        Ok(order("two")),
        Err(end),
    ])))
}

fn stream_of(
    mut pieces: mpsc::Receiver<Order>,
) -> impl Stream<Item = Result<Order, Status>> + Send + 'static {
    stream::poll_fn(move |cx| pieces.poll_recv(cx).map(|piece| piece.map(Ok)))
}

/// The client's side.
#[derive(Clone, Debug)]
pub(crate) struct Client(tonic::client::Grpc<Channel>);

impl Client {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(tonic::client::Grpc::new(channel))
    }

    /// Calls a method that gives one message.
    pub(crate) async fn unary(
        &mut self,
        path: &'static str,
        request: Request<Order>,
    ) -> Result<Response<Order>, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static(path);
        self.0.unary(request, path, ProstCodec::default()).await
    }

    /// Calls a method that gives a stream.
    pub(crate) async fn stream(&mut self, path: &'static str) -> Result<Streaming<Order>, Status> {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static(path);
        let request = Request::new(order("all"));
        let codec = ProstCodec::default();
        let response = self.0.server_streaming(request, path, codec).await?;
        Ok(response.into_inner())
    }

    /// Gets one order, whatever it is.
    pub(crate) async fn get(&mut self) -> Result<Response<Order>, Status> {
        self.unary(GET, Request::new(order("one"))).await
    }
}
