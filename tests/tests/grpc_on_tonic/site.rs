//! A tonic server behind the layer, and who closes it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::request::Parts;
use intermission::{
    Activate, Actor, Change, Execution, ExecutionInfo, Gate, MemoryState, Operator, Phase,
};
use intermission_tower::{MaintenanceBuilder, MaintenanceLayer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tonic::transport::{Channel, Endpoint, Server};

use crate::orders::{Client, Orders};

/// What operators announce here.
pub(crate) const MESSAGE: &str = "Zurück um 12";

pub(crate) struct Site {
    pub(crate) gate: Gate,
    pub(crate) orders: Orders,
    operator: Operator,
}

impl Site {
    pub(crate) async fn open() -> Self {
        let state = MemoryState::new();
        Self {
            gate: Gate::builder(state.clone()).start().await.unwrap(),
            orders: Orders::default(),
            operator: Operator::new(state, Actor::new("ana", "test")),
        }
    }

    pub(crate) async fn activated() -> Self {
        let site = Self::open().await;
        site.activate(Activate::by("ana")).await;
        site
    }

    pub(crate) async fn activate(&self, activate: Activate) {
        let change = Change::Activate(activate.with_message(MESSAGE));
        let revision = self
            .operator
            .change(change)
            .await
            .unwrap()
            .record
            .revision();
        self.gate
            .reached(|record| record.revision() >= revision && record.phase() == Phase::Activated)
            .await;
    }

    /// Begins a drain that lasts until the returned execution is dropped.
    pub(crate) async fn drain(&self) -> Execution {
        let running = self.gate.execution(ExecutionInfo::new("job")).unwrap();
        let change = Change::Activate(Activate::by("ana").with_message(MESSAGE));
        self.operator.change(change).await.unwrap();
        self.phase(Phase::Activating).await;
        running
    }

    pub(crate) async fn phase(&self, phase: Phase) {
        self.gate.reached(|record| record.phase() == phase).await;
    }

    /// A layer that knows where tonic keeps the peer's address.
    pub(crate) fn layer(&self) -> MaintenanceBuilder {
        MaintenanceLayer::builder(self.gate.clone())
            .with_peer_address(peer_of)
            .with_lockout_accepted()
    }

    /// Serves the orders and the health service behind that layer.
    pub(crate) async fn serve(&self, layer: MaintenanceBuilder) -> Served {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<Orders>().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder()
            .layer(layer.build().unwrap())
            .add_service(self.orders.clone())
            .add_service(health)
            .serve_with_incoming(TcpIncoming::from(listener));
        let task = tokio::spawn(async move { server.await.unwrap() });
        Served { address, task }
    }

    pub(crate) fn running(&self) -> u64 {
        self.gate.status().running
    }

    pub(crate) fn requests(&self) -> u64 {
        self.gate.status().requests
    }
}

/// What the documentation of `intermission-tower` tells users of tonic to write.
fn peer_of(parts: &Parts) -> Option<IpAddr> {
    let connection = parts.extensions.get::<TcpConnectInfo>()?;
    connection.remote_addr().map(|peer| peer.ip())
}

/// A server, for as long as this lives.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::new(self.channel().await)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}
