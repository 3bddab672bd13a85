//! A site, and an application behind its gate in both of its forms.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use intermission::{
    Activate, Actor, Change, Deactivate, Execution, ExecutionInfo, Gate, MemoryState, Operator,
    Phase,
};
use intermission_axum::{MaintenanceBuilder, MaintenanceRouter, maintenance};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

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

    pub(crate) async fn activate(&self, activate: Activate) {
        self.change(Change::Activate(activate)).await;
        let activated = |record: &intermission::Record| record.phase() == Phase::Activated;
        self.gate.reached(activated).await;
    }

    pub(crate) async fn deactivate(&self) {
        self.change(Change::Deactivate(Deactivate::new())).await;
    }

    /// Begins a drain that lasts until the returned execution is dropped.
    pub(crate) async fn drain(&self) -> Execution {
        let running = self.gate.execution(ExecutionInfo::new("job")).unwrap();
        self.change(Change::Activate(Activate::by("ana"))).await;
        running
    }

    /// Makes a change, and waits until the gate has it.
    pub(crate) async fn change(&self, change: Change) {
        let accepted = self.operator.change(change).await.unwrap();
        let revision = accepted.record.revision();
        self.gate
            .reached(|record| record.revision() >= revision)
            .await;
    }

    pub(crate) fn maintenance(&self) -> MaintenanceBuilder {
        maintenance(self.gate.clone()).with_lockout_accepted()
    }

    /// The routes behind the gate, as a service and as a router.
    pub(crate) fn both(&self, routes: &MaintenanceRouter) -> [App; 2] {
        self.both_with(routes, &self.maintenance())
    }

    pub(crate) fn both_with(
        &self,
        routes: &MaintenanceRouter,
        maintenance: &MaintenanceBuilder,
    ) -> [App; 2] {
        let service = routes.clone().into_service(maintenance.clone()).unwrap();
        let router = routes.clone().into_router(maintenance.clone()).unwrap();
        [
            App("service", BoxCloneSyncService::new(service)),
            App("router", BoxCloneSyncService::new(router)),
        ]
    }

    pub(crate) fn requests(&self) -> u64 {
        self.gate.status().requests
    }

    pub(crate) fn running(&self) -> u64 {
        self.gate.status().running
    }

    pub(crate) async fn nothing_in_flight(&self) {
        while self.requests() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// One form of the application, and its name for messages.
#[derive(Clone)]
pub(crate) struct App(
    pub(crate) &'static str,
    BoxCloneSyncService<Request, Response, Infallible>,
);

impl App {
    pub(crate) async fn ask(&self, method: Method, uri: &str) -> Response {
        let request = Request::builder().method(method).uri(uri);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, uri: &str) -> Response {
        self.ask(Method::GET, uri).await
    }

    pub(crate) async fn send(&self, request: Request) -> Response {
        self.1.clone().oneshot(request).await.unwrap()
    }

    /// Asks by lines such as `GET /health 200`.
    pub(crate) async fn expect(&self, lines: &[&str]) {
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            let [method, uri, status] = words[..] else {
                panic!("`{line}` is not METHOD URI STATUS");
            };
            let status: StatusCode = status.parse().unwrap();
            let response = self.ask(method.parse().unwrap(), uri).await;
            assert_eq!(response.status(), status, "{}: {line}", self.0);
        }
    }
}

pub(crate) async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let mut values = response.headers().get_all(name).iter();
    let value = values.next().map_or("", |value| value.to_str().unwrap());
    assert!(values.next().is_none(), "{name} is set more than once");
    value
}
