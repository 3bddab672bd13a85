//! A site, a server for filters, and a client that shows what came over the socket.

use std::net::{Ipv4Addr, SocketAddr};

use intermission::{
    Activate, Actor, AllowChange, AllowList, Change, Deactivate, Execution, ExecutionInfo, Gate,
    MemoryState, Operator, Phase,
};
use intermission_warp::{MaintenanceBuilder, MaintenanceLayer, maintenance};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warp::{Filter, Rejection, Reply};

pub(crate) struct Site {
    pub(crate) gate: Gate,
    operator: Operator,
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

    pub(crate) async fn activate_for(&self, network: &str) {
        let allow = AllowChange::Replace(AllowList::parse([network]).unwrap());
        self.activate(Activate::by("ana").with_allow(allow)).await;
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
    async fn change(&self, change: Change) {
        let accepted = self.operator.change(change).await.unwrap();
        let revision = accepted.record.revision();
        self.gate
            .reached(|record| record.revision() >= revision)
            .await;
    }

    pub(crate) fn settings(&self) -> MaintenanceBuilder {
        maintenance(self.gate.clone()).with_lockout_accepted()
    }

    /// Lets visitors pass who send `x-operator`.
    pub(crate) fn maintenance(&self) -> MaintenanceLayer {
        let settings = self.settings();
        let settings = settings.with_permission(|parts| parts.headers.contains_key("x-operator"));
        settings.build().unwrap()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.gate.status().requests
    }

    pub(crate) fn running(&self) -> u64 {
        self.gate.status().running
    }

    pub(crate) async fn nothing_in_flight(&self) {
        while self.requests() > 0 || self.running() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Serves filters with warp's own server until the test ends.
pub(crate) async fn serve<F, R>(filter: F) -> SocketAddr
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    R: Reply,
{
    let (listener, address) = listener().await;
    tokio::spawn(warp::serve(filter).incoming(listener).run());
    address
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What came back, as it was written.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let mut words = self.head.split(' ');
        words.nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is set more than once");
        value
    }
}

/// Sends a request line such as `GET /hello`, with more lines after it.
pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &[&str]) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    read(socket, line).await
}

pub(crate) async fn read(mut socket: TcpStream, line: &str) -> Answer {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        panic!("`{line}` got no answer: {answer}");
    };
    Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Asks by lines such as `GET /health 200`.
pub(crate) async fn expect(address: SocketAddr, lines: &[&str]) {
    for line in lines {
        let (request, status) = line.rsplit_once(' ').unwrap();
        let answer = ask(address, request, &[]).await;
        assert_eq!(answer.status().to_string(), status, "{line}");
    }
}
