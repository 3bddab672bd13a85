//! A site on Redis, its nodes and its operator.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use intermission::{
    Activate, ActivationId, Actor, Change, Deactivate, Gate, GateBuilder, MaintenanceState, NodeId,
    NodeReport, Operator, OperatorError, Phase, Record, StartError, StartPolicy, StateError,
    StateErrorKind, StateUrl, Timing, View,
};
use intermission_redis::{RedisOptions, RedisState};
use intermission_tests::redis::RedisServer;
use intermission_tests::wait::{PATIENCE, until};
use tokio::time::timeout;

/// A password that no message may hold.
pub(crate) const SECRET: &str = "hunter2";

/// What a site keeps.
pub(crate) const KEYS: [&str; 7] = [
    "record", "meta", "nodes", "gone", "reports", "history", "departed",
];

/// How fast a site lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) timing: Timing,
    /// How long Redis may take for one answer.
    pub(crate) timeout: Duration,
}

/// Leases and graces end within a test.
pub(crate) fn quick() -> Pace {
    let mut timing = Timing::default();
    timing.lease = millis(2_000);
    timing.heartbeat = millis(200);
    timing.timeout = millis(1_000);
    timing.step = millis(250);
    timing.margin = millis(300);
    timing.grace = millis(2_000);
    timing.reconcile = millis(400);
    timing.drain_poll = millis(50);
    Pace {
        timing,
        timeout: millis(400),
    }
}

/// Leases outlast whatever a busy machine does to a test, and so does the wait for an answer.
pub(crate) fn patient() -> Pace {
    let mut pace = quick();
    pace.timing.lease = millis(120_000);
    pace.timing.timeout = millis(30_000);
    pace.timing.grace = millis(120_000);
    pace.timeout = millis(10_000);
    pace
}

/// Leases outlast all that happens, and faults are noticed quickly.
pub(crate) fn steady() -> Pace {
    let mut pace = quick();
    pace.timing.lease = millis(60_000);
    pace.timing.margin = millis(600);
    pace.timing.grace = millis(60_000);
    pace
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A site, and its operator, who has a connection that no proxy stands in.
pub(crate) struct Site {
    url: StateUrl,
    pace: Pace,
    state: RedisState,
    operator: Operator,
}

impl Site {
    /// A new site on that server, past its first grace: whoever joins may begin executions at once.
    pub(crate) async fn on(server: &RedisServer, pace: Pace) -> Self {
        Self::at(&server.url(), pace).await
    }

    /// The same, by a URL.
    pub(crate) async fn at(url: &str, pace: Pace) -> Self {
        let site = Self::untouched(url, pace);
        site.settle().await;
        site
    }

    /// One of which Redis knows nothing yet.
    pub(crate) fn untouched(url: &str, pace: Pace) -> Self {
        let url: StateUrl = url.parse().expect("a state's URL");
        let state = unhurried(&url, pace);
        Self {
            operator: Operator::new(state.clone(), Actor::new("ana", "test")),
            url,
            pace,
            state,
        }
    }

    /// The same server, another site.
    pub(crate) async fn named(server: &RedisServer, name: &str, pace: Pace) -> Self {
        Self::at(&format!("{}?site={name}", server.url()), pace).await
    }

    /// Whoever looks first decides how long the first grace is, until somebody joins.
    async fn settle(&self) {
        let mut pace = self.pace;
        let brief = millis(1);
        (pace.timing.step, pace.timing.margin) = (brief, brief * 2);
        (pace.timing.heartbeat, pace.timing.timeout) = (brief, brief);
        (pace.timing.lease, pace.timing.grace) = (brief * 10, brief * 10);
        pace.timing.reconcile = brief;
        let state = unhurried(&self.url, pace);
        until("the first grace is over", || async {
            state
                .inspect(0)
                .await
                .ok()
                .filter(|view| view.grace.is_zero())
        })
        .await;
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) fn url(&self) -> &StateUrl {
        &self.url
    }

    pub(crate) fn key(&self, suffix: &str) -> String {
        let name = self.url.site().unwrap_or("default");
        format!("{{intermission:{name}}}:{suffix}")
    }

    /// A connection of one's own, as a node has it.
    pub(crate) fn state(&self) -> RedisState {
        options(&self.url, self.pace).build()
    }

    /// The same for a person, who has time and no lease to lose: what is said of a server, it has said itself.
    pub(crate) fn hand(&self) -> RedisState {
        unhurried(&self.url, self.pace)
    }

    pub(crate) fn operator(&self) -> &Operator {
        &self.operator
    }

    pub(crate) fn builder(&self, name: &str) -> GateBuilder {
        self.builder_on(self.state(), name)
    }

    /// A node that reaches the site by another way, such as a proxy.
    pub(crate) fn builder_by(&self, way: &str, name: &str) -> GateBuilder {
        let mut url: StateUrl = way.parse().expect("a state's URL");
        if let Some(site) = self.url.site() {
            url = url.with_site(site).expect("a site's name");
        }
        self.builder_on(options(&url, self.pace).build(), name)
    }

    pub(crate) fn builder_on(&self, state: RedisState, name: &str) -> GateBuilder {
        Gate::builder(state)
            .with_node_name(name)
            .with_timing(self.pace.timing)
    }

    pub(crate) async fn node(&self, name: &str) -> Gate {
        started(self.builder(name)).await
    }

    /// Asks for maintenance. The drain may still go on when this returns.
    pub(crate) async fn close(&self) -> ActivationId {
        let change = Change::Activate(Activate::by("ana").with_message("Upgrading"));
        let accepted = self.operator.change(change).await.expect("it can close");
        assert!(accepted.changed, "{:?}", accepted.record);
        accepted.record.activation().expect("it is on").id
    }

    /// Asks for maintenance, and waits until it is on here.
    pub(crate) async fn close_all(&self, nodes: &[&Gate]) -> ActivationId {
        let activation = self.close().await;
        for node in nodes {
            let reached = node.reached(|record| record.phase() == Phase::Activated);
            if timeout(PATIENCE, reached).await.is_err() {
                let view = self.view().await;
                panic!("waited in vain until {node:?} is closed: {view:#?}");
            }
        }
        activation
    }

    /// Opens the site. A state that lost something hears its nodes first.
    pub(crate) async fn open(&self) {
        let accepted = until("the operator may open", || async {
            let change = Change::Deactivate(Deactivate::new());
            match self.operator.change(change).await {
                Ok(accepted) => Some(accepted),
                Err(OperatorError::Reconciling { .. }) => None,
                Err(error) => panic!("{error:?}"),
            }
        });
        let accepted = accepted.await;
        assert!(accepted.changed, "{:?}", accepted.record);
    }

    /// Opens the site, and waits until it is open here and executions start again.
    pub(crate) async fn open_all(&self, nodes: &[&Gate]) {
        self.open().await;
        for node in nodes {
            is_open(node).await;
            assert_eq!(node.status().keeper_restarts, 0);
        }
    }

    /// The state, as soon as it can be read.
    pub(crate) async fn view(&self) -> View {
        until("the state can be read", || async {
            self.state.inspect(usize::MAX).await.ok()
        })
        .await
    }

    /// The state, as soon as it is like this.
    pub(crate) async fn view_when(&self, what: &str, is_so: impl Fn(&View) -> bool) -> View {
        until(what, || async { Some(self.view().await).filter(&is_so) }).await
    }

    /// The state when the last loss is over and done: nobody waits for anybody any more.
    pub(crate) async fn view_after_grace(&self) -> View {
        self.view_when("the grace is over", |view| view.grace.is_zero())
            .await
    }

    /// A node that says something once, and never again.
    pub(crate) async fn phantom(&self, report: impl FnOnce(&mut NodeReport)) -> NodeId {
        let node = NodeId::random().expect("randomness");
        let mut said = NodeReport::new(node, 1);
        said.facts.label = "phantom".to_owned();
        report(&mut said);
        self.state.sync(said).await.expect("it is heard");
        node
    }

    /// Waits until each of these nodes was heard that many times more.
    pub(crate) async fn heard(&self, server: &RedisServer, nodes: &[&Gate], times: u64) {
        let before = self.sequences(server).await;
        until("the nodes were heard again", || async {
            let now = self.sequences(server).await;
            let is_ahead = |node: &&Gate| {
                let id = node.status().node.to_string();
                let then = before.get(&id).copied().unwrap_or_default();
                now.get(&id).is_some_and(|now| *now >= then + times)
            };
            nodes.iter().all(is_ahead).then_some(())
        })
        .await;
    }

    /// The number of each node's newest report.
    async fn sequences(&self, server: &RedisServer) -> HashMap<String, u64> {
        let reports: HashMap<String, String> = server.ask(&["HGETALL", &self.key("reports")]).await;
        let number = |report: &str| report.split(' ').next()?.parse().ok();
        reports
            .into_iter()
            .filter_map(|(node, report)| Some((node, number(&report)?)))
            .collect()
    }

    /// What kind of value is kept under each key, and which.
    pub(crate) async fn contents(
        &self,
        server: &RedisServer,
    ) -> BTreeMap<&'static str, (String, Vec<u8>)> {
        let mut contents = BTreeMap::new();
        for suffix in KEYS {
            let key = self.key(suffix);
            let kind: String = server.ask(&["TYPE", &key]).await;
            let value: Option<Vec<u8>> = server.ask(&["DUMP", &key]).await;
            contents.insert(suffix, (kind, value.unwrap_or_default()));
        }
        contents
    }

    /// A field of what Redis keeps, `None` if it is not there.
    pub(crate) async fn kept(
        &self,
        server: &RedisServer,
        key: &str,
        field: &str,
    ) -> Option<String> {
        server.ask(&["HGET", &self.key(key), field]).await
    }
}

pub(crate) fn options(url: &StateUrl, pace: Pace) -> RedisOptions {
    RedisOptions::from_url(url)
        .expect("a URL of Redis")
        .with_timing(pace.timing)
        .expect("they fit together")
        .with_timeout(pace.timeout)
}

fn unhurried(url: &StateUrl, pace: Pace) -> RedisState {
    options(url, pace).with_timeout(millis(10_000)).build()
}

/// Why a node does not start; it is asked until it says this.
pub(crate) async fn refuses_to_start(builder: GateBuilder, advice: &str) -> StateError {
    until(&format!("the node says `{advice}`"), || async {
        match builder.clone().start().await {
            Err(StartError::State(error)) => {
                Some(error).filter(|error| error.in_full().contains(advice))
            }
            outcome => panic!("it is the state's fault: {outcome:?}"),
        }
    })
    .await
}

/// Starts a node, and waits until it has joined.
///
/// A busy machine may take longer than a node's patience, which is no fault of the state's. It is not started anew for
/// that: the state may have heard the one that gave up.
pub(crate) async fn started(builder: GateBuilder) -> Gate {
    let builder = builder.with_start_policy(StartPolicy::StartClosed);
    let node = builder.start().await.expect("it starts in any case");
    until(&format!("{node:?} has joined"), || async {
        node.status().contact_age.map(drop)
    })
    .await;
    node
}

/// Waits until this node has applied a record in that phase.
pub(crate) async fn reaches(node: &Gate, phase: Phase) -> std::sync::Arc<Record> {
    let reached = node.reached(|record| record.phase() == phase);
    match timeout(PATIENCE, reached).await {
        Ok(record) => record,
        Err(_) => panic!(
            "waited in vain until {node:?} is {phase:?}: {:?}",
            node.status()
        ),
    }
}

/// Waits until visitors and executions get in here.
pub(crate) async fn is_open(node: &Gate) {
    until(&format!("{node:?} is open"), || async {
        node.is_open().then_some(())
    })
    .await;
}

/// Waits until this node has noticed trouble of that kind.
pub(crate) async fn notices(node: &Gate, kind: StateErrorKind) {
    until(&format!("{node:?} notices {kind:?}"), || async {
        (node.status().trouble == Some(kind)).then_some(())
    })
    .await;
}

/// Waits until this node has no trouble.
pub(crate) async fn recovers(node: &Gate) {
    until(&format!("{node:?} recovers"), || async {
        node.status().trouble.is_none().then_some(())
    })
    .await;
}

/// An error says where, at what, and what to do, on one line and without a password.
pub(crate) fn check(
    error: &StateError,
    kind: StateErrorKind,
    place: &str,
    operation: &str,
    advice: &str,
) {
    let text = error.in_full();
    assert_eq!(error.kind(), kind, "{text}");
    for part in [place, operation, advice] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
    assert!(!text.contains('\n'), "{text}");
    assert!(!format!("{error:?} {text}").contains(SECRET), "{text}");
}
