//! A site to put the layer in front of, and what is asked of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use intermission::{
    Activate, Actor, Change, Deactivate, ExecutionInfo, Gate, Level, MemoryState, Operator, Phase,
};
use intermission_tower::{MaintenanceBody, MaintenanceBuilder, MaintenanceLayer};
use tower::{Layer, Service, ServiceExt};

pub(crate) struct Site {
    pub(crate) gate: Gate,
    pub(crate) operator: Operator,
}

impl Site {
    pub(crate) async fn open() -> Self {
        let state = MemoryState::new();
        let gate = Gate::builder(state.clone()).start().await.unwrap();
        let operator = Operator::new(state, Actor::new("ana", "test"));
        Self { gate, operator }
    }

    pub(crate) async fn activated() -> Self {
        let site = Self::open().await;
        site.activate(Activate::by("ana")).await;
        site
    }

    pub(crate) async fn at_level(level: Level) -> Self {
        let site = Self::open().await;
        site.activate(Activate::by("ana").with_level(level)).await;
        site
    }

    pub(crate) async fn activate(&self, activate: Activate) {
        self.change(Change::Activate(activate)).await;
        self.gate
            .reached(|record| record.phase() == Phase::Activated)
            .await;
    }

    pub(crate) async fn deactivate(&self) {
        self.change(Change::Deactivate(Deactivate::new())).await;
        self.gate.reached(|record| !record.phase().is_on()).await;
    }

    /// Begins a drain that lasts until the returned execution is dropped.
    pub(crate) async fn drain(&self) -> intermission::Execution {
        let running = self.gate.execution(ExecutionInfo::new("job")).unwrap();
        self.change(Change::Activate(Activate::by("ana"))).await;
        self.gate
            .reached(|record| record.phase() == Phase::Activating)
            .await;
        running
    }

    /// Makes a change, and waits until the gate has it.
    pub(crate) async fn change(&self, change: Change) {
        let revision = self
            .operator
            .change(change)
            .await
            .unwrap()
            .record
            .revision();
        self.gate
            .reached(|record| record.revision() >= revision)
            .await;
    }

    pub(crate) fn layer(&self) -> MaintenanceBuilder {
        MaintenanceLayer::builder(self.gate.clone()).with_lockout_accepted()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.gate.status().requests
    }

    pub(crate) fn running(&self) -> u64 {
        self.gate.status().running
    }
}

/// How often the application was called.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Asks an application that says `hello`, behind this layer, and counts its calls.
pub(crate) async fn ask<B>(
    layer: &MaintenanceLayer,
    calls: &Calls,
    request: Request<B>,
) -> Response<Full<Bytes>> {
    let count = Arc::clone(&calls.0);
    let application = tower::service_fn(move |_: Request<B>| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok::<_, Infallible>(hello()))
    });
    whole(layer.layer(application).oneshot(request).await.unwrap()).await
}

/// The same, where only the answer matters.
pub(crate) async fn answer<B>(
    layer: &MaintenanceLayer,
    request: Request<B>,
) -> Response<Full<Bytes>> {
    ask(layer, &Calls::default(), request).await
}

/// An application that says `hello`, and lets everybody cache it.
pub(crate) fn hello() -> Response<Full<Bytes>> {
    Response::builder()
        .header("cache-control", "public, max-age=600")
        .body(Full::from("hello"))
        .unwrap()
}

/// Reads the whole body.
pub(crate) async fn whole(
    response: Response<MaintenanceBody<Full<Bytes>>>,
) -> Response<Full<Bytes>> {
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes().into())
}

pub(crate) async fn text(response: Response<Full<Bytes>>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

pub(crate) fn post(uri: &str) -> Request<()> {
    Request::post(uri).body(()).unwrap()
}

pub(crate) fn header<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    let mut values = response.headers().get_all(name).iter();
    let value = values.next().map_or("", |value| value.to_str().unwrap());
    assert!(values.next().is_none(), "{name} is set more than once");
    value
}

/// What a service must be for frameworks to take it.
pub(crate) fn assert_usable<S, B>(_: &S)
where
    S: Service<Request<()>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
{
}
