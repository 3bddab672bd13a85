//! A site in this process, and requests of somebody who may administer it.

use std::time::Duration;

use intermission::{Gate, MemoryState, Phase};
use intermission_admin::{Admin, AdminBody, AdminReply, AdminRequest, Authorization, EventStream};
use serde_json::Value;

pub(crate) struct Site {
    pub(crate) gate: Gate,
    pub(crate) admin: Admin,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(
            found.next().is_none(),
            "{name} is there twice: {:?}",
            self.headers
        );
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(|admin| admin).await
    }

    pub(crate) async fn with(set_up: impl FnOnce(Admin) -> Admin) -> Self {
        let gate = Gate::builder(MemoryState::new())
            .with_node_name("web-1")
            .with_framework("none")
            .start()
            .await
            .unwrap();
        let access = intermission::RouteAccess::Always;
        let admin = set_up(Admin::new(gate.clone()).with_route_access(access));
        Self { gate, admin }
    }

    pub(crate) async fn send(&self, request: AdminRequest, body: &str) -> Answer {
        let body = body.as_bytes().to_vec();
        let reply = self
            .admin
            .answer(request, |_limit| async { Ok(body) })
            .await;
        answer(reply)
    }

    /// Sends what ana, who may administer, sends with a program.
    pub(crate) async fn ana(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(by_ana(method, path), body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.ana("GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub(crate) async fn listen(&self, request: AdminRequest) -> EventStream {
        let reply = self
            .admin
            .answer(request, |_limit| async { Ok(Vec::new()) })
            .await;
        assert_eq!(reply.status(), 200);
        match reply.into_body() {
            AdminBody::Events(events) => *events,
            AdminBody::Full(body) => panic!("no events: {body:?}"),
        }
    }

    pub(crate) async fn reached(&self, phase: Phase) {
        self.gate.reached(|record| record.phase() == phase).await;
    }
}

pub(crate) fn by_ana(method: &str, path: &str) -> AdminRequest {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    AdminRequest::new(method, path, Authorization::granted("ana"))
        .with_mount("/admin/maintenance")
        .with_query(query)
        .with_header("Host", "shop.example")
        .with_header("Content-Type", "application/json")
        .with_peer(Some([192, 0, 2, 7].into()))
}

fn answer(reply: AdminReply) -> Answer {
    let headers = reply.headers();
    let headers = headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let status = reply.status();
    let body = match reply.into_body() {
        AdminBody::Full(body) => body.to_vec(),
        AdminBody::Events(_) => b"events".to_vec(),
    };
    Answer {
        status,
        headers,
        body,
    }
}

/// Fails instead of hanging for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it takes no half minute")
}
