//! How long a request counts, and that the layer leaves bodies alone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use intermission_tower::MaintenanceBody;
use tower::{Layer, ServiceExt};

use crate::site::{Site, get, post};

type Piece = Result<Frame<Bytes>, &'static str>;

/// A body that gives what it was given.
struct Pieces(VecDeque<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Piece>> {
        Poll::Ready(self.0.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(3);
        hint.set_upper(7);
        hint
    }
}

/// A response with these pieces for a body. There is one, so the application can be called once.
async fn response(site: &Site, pieces: Vec<Piece>) -> Response<MaintenanceBody<Pieces>> {
    let mut pieces = Some(pieces);
    let application = tower::service_fn(move |_: Request<()>| {
        let pieces = pieces.take().unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(Pieces(pieces.into()))))
    });
    site.layer()
        .build()
        .unwrap()
        .layer(application)
        .oneshot(get("/"))
        .await
        .unwrap()
}

fn data(text: &'static str) -> Piece {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test]
async fn a_request_counts_until_its_body_has_ended() {
    let site = Site::open().await;
    let mut response = response(&site, vec![data("one"), data("two")]).await;
    for _ in 0..2 {
        assert!(response.frame().await.unwrap().is_ok());
        assert_eq!(site.requests(), 1);
    }
    assert!(response.frame().await.is_none());
    assert_eq!(site.requests(), 0, "although the response is still there");
    drop(response);
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn a_request_counts_until_its_body_has_failed() {
    let site = Site::open().await;
    let mut response = response(&site, vec![data("one"), Err("broken")]).await;
    assert!(response.frame().await.unwrap().is_ok());
    assert_eq!(response.frame().await.unwrap().unwrap_err(), "broken");
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn a_request_counts_until_its_body_is_dropped() {
    let site = Site::open().await;
    let response = response(&site, vec![data("one")]).await;
    assert_eq!(site.requests(), 1);
    drop(response);
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn a_request_counts_from_the_call_until_its_future_is_dropped_or_fails() {
    let site = Site::open().await;
    let layer = site.layer().build().unwrap();
    let never =
        tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response<Pieces>, ()>>());
    let mut future = Box::pin(layer.layer(never).oneshot(get("/")));
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert_eq!(site.requests(), 1);
    drop(future);
    assert_eq!(site.requests(), 0);
    let failing = tower::service_fn(async |_: Request<()>| Err::<Response<Pieces>, _>("broken"));
    let mut future = pin!(layer.layer(failing).oneshot(get("/")));
    assert_eq!(future.as_mut().await.unwrap_err(), "broken");
    assert_eq!(site.requests(), 0, "although the future is still there");
}

#[tokio::test]
async fn a_call_that_panics_counts_no_longer() {
    let site = Site::open().await;
    let layer = site
        .layer()
        .build()
        .unwrap()
        .for_routes(intermission::RouteAccess::StartsExecution);
    let panics = tower::service_fn(
        |_: Request<()>| -> std::future::Ready<Result<Response<Pieces>, ()>> {
            panic!("in the handler")
        },
    );
    let service = layer.layer(panics);
    let outcome = tokio::spawn(async move { service.oneshot(post("/")).await.map(drop) }).await;
    assert!(outcome.unwrap_err().is_panic());
    assert_eq!((site.requests(), site.running()), (0, 0));
}

#[tokio::test]
async fn frames_trailers_and_size_are_passed_on_as_they_are() {
    let site = Site::open().await;
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "9".parse().unwrap())]);
    let pieces = vec![data("one"), data(""), Ok(Frame::trailers(trailers.clone()))];
    let mut response = response(&site, pieces).await;
    assert_eq!(
        (
            response.body().size_hint().lower(),
            response.body().size_hint().upper()
        ),
        (3, Some(7))
    );
    assert!(!response.body().is_end_stream());
    assert_eq!(
        response
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap(),
        "one"
    );
    assert_eq!(
        response
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap(),
        ""
    );
    assert_eq!(
        response
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .unwrap(),
        trailers
    );
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn a_refusal_has_one_frame_and_an_exact_size() {
    let site = Site::activated().await;
    let mut response = response(&site, Vec::new()).await;
    let size = response.body().size_hint().exact().unwrap();
    assert!(!response.body().is_end_stream());
    let frame = response
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert_eq!(u64::try_from(frame.len()).unwrap(), size);
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
    assert!(response.frame().await.is_none());
    assert_eq!(site.requests(), 0, "who is refused is not in flight");
}

#[tokio::test]
async fn only_a_body_that_counts_for_nothing_is_given_back() {
    let site = Site::open().await;
    let counted = response(&site, vec![data("one")]).await.into_body();
    let counted = counted.into_uncounted().err().unwrap();
    assert_eq!(site.requests(), 1);
    drop(counted);
    let layer = site
        .layer()
        .build()
        .unwrap()
        .for_routes(intermission::RouteAccess::Always);
    let application = tower::service_fn(async |_: Request<()>| {
        Ok::<_, ()>(Response::new(Pieces(VecDeque::new())))
    });
    let open = layer
        .layer(application)
        .oneshot(get("/"))
        .await
        .unwrap()
        .into_body();
    assert!(open.into_uncounted().is_ok());
}

/// A request body that must not be read.
struct Untouchable;

impl Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body of a refused request was read")
    }
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_not_read() {
    let site = Site::activated().await;
    let application = tower::service_fn(async |_: Request<Untouchable>| {
        Ok::<_, ()>(Response::new(Pieces(VecDeque::new())))
    });
    let request = Request::post("/").body(Untouchable).unwrap();
    let response = site
        .layer()
        .build()
        .unwrap()
        .layer(application)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
}
