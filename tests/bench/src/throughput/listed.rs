//! A closed service that lets in whoever asks, by a list of a hundred networks: one request through the tower layer, in
//! this process, as the peers that keep a list are counted.

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Result, bail};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper::body::Bytes;
use intermission_tower::{MaintenanceLayer, PeerAddress};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::serve::{closed, gate};
use crate::cases::Case;

/// The case of this name, if it is one of these.
pub(super) async fn prepare(name: &str) -> Result<Option<Case>> {
    Ok(Some(match name {
        "tower-known" => requests(service_fn(hello)),
        "tower-listed-100" => {
            let networks: Vec<String> = (0..100).map(|at| format!("10.0.{at}.0/24")).collect();
            let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
            let gate = gate(Some(closed("Back at noon.", &networks)?)).await?;
            let layer = MaintenanceLayer::builder(gate)
                .with_lockout_accepted()
                .build()?;
            requests(layer.layer(service_fn(hello)))
        }
        _ => return Ok(None),
    }))
}

async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

fn requests<S, B>(app: S) -> Case
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    // In the last of the networks.
    let peer = PeerAddress(SocketAddr::from(([10, 0, 99, 1], 40_000)));
    Box::new(move |times| {
        for _ in 0..times {
            let mut request = Request::builder().uri("/hello").body(Empty::new())?;
            request.extensions_mut().insert(peer);
            let call = pin!(app.clone().oneshot(black_box(request)));
            let Poll::Ready(answered) = call.poll(&mut Context::from_waker(Waker::noop())) else {
                bail!("hello is not ready at once");
            };
            let Ok(response) = answered;
            if response.status() != http::StatusCode::OK {
                bail!("who is on the list is not let in");
            }
            drop(black_box(response));
        }
        Ok(())
    })
}
