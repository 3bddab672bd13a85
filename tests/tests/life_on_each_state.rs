//! What the library does around the mode, on each state: workers, executions that wait, probes, subscriptions, work that
//! holds a site closed, and scopes. Two
//! nodes, each with a handle of its own on the state, as if they were processes.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test, helpers included"
)]

mod new_site;
mod states;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use intermission::{
    Activate, Actor, Change, Deactivate, During, DuringError, ExecutionInfo, Gate, Hold, Level,
    MaintenanceState as _, MemoryState, Operator, Phase, Probe, Record, RefuseReason, ScopeName,
    SharedState, StateLocation, StateUrl, Turn, WhenClosed,
};
use intermission_file::FileOptions;
use intermission_redis::RedisOptions;
use intermission_tests::wait::{PATIENCE, until};
use tokio::time::timeout;

use states::Site;

/// A site with two nodes, and somebody who may close it.
struct Fleet {
    states: [SharedState; 2],
    /// What lies behind the states.
    _site: Option<Site>,
}

impl Fleet {
    fn in_memory() -> Self {
        let state = SharedState::new(MemoryState::new());
        Self {
            states: [state.clone(), state],
            _site: None,
        }
    }

    fn on(site: Site) -> Self {
        let url: StateUrl = site.url.parse().expect("a state's URL");
        Self {
            states: [handle(&url), handle(&url)],
            _site: Some(site),
        }
    }

    async fn gate(&self, index: usize) -> Gate {
        let gate = Gate::builder(self.states[index].clone()).start().await;
        gate.expect("it joins")
    }

    fn operator(&self) -> Operator {
        Operator::new(self.states[1].clone(), Actor::new("ana", "test"))
    }

    /// Closes the site, and waits until this node has heard that all is drained.
    async fn close(&self, gate: &Gate, level: Level) {
        let activate = Change::Activate(Activate::by("ana").with_level(level));
        self.operator().change(activate).await.expect("it closes");
        let is_closed =
            gate.reached(|record| record.phase() == Phase::Activated && record.level() == level);
        in_time(is_closed).await;
    }

    async fn open(&self, gate: &Gate) {
        let deactivate = Change::Deactivate(Deactivate::new());
        self.operator().change(deactivate).await.expect("it opens");
        in_time(gate.reached(|record| record.phase() == Phase::Deactivated)).await;
    }
}

fn handle(url: &StateUrl) -> SharedState {
    match url.location() {
        StateLocation::Redis(_) => {
            let options = RedisOptions::from_url(url).expect("a Redis");
            SharedState::new(options.build())
        }
        _ => {
            let options = FileOptions::from_url(url).expect("a directory");
            SharedState::new(options.open().expect("it is there"))
        }
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

fn mails() -> ExecutionInfo {
    ExecutionInfo::new("consumer").with_label("mails")
}

/// On both nodes: one worker of each policy.
async fn workers_do_what_their_policy_says(fleet: &Fleet) {
    let gates = [fleet.gate(0).await, fleet.gate(1).await];
    for gate in &gates {
        for policy in [WhenClosed::Wait, WhenClosed::Skip, WhenClosed::Run] {
            let turn = in_time(gate.worker(mails(), policy).turn()).await;
            assert!(matches!(turn, Turn::Work(_)), "{policy:?}: {turn:?}");
        }
    }
    let mut waiting = Vec::new();
    for gate in &gates {
        fleet.close(gate, Level::Full).await;
        let mut worker = gate.worker(mails(), WhenClosed::Wait);
        waiting.push(tokio::spawn(async move { worker.turn().await }));
        let skipped = in_time(gate.worker(mails(), WhenClosed::Skip).turn()).await;
        assert!(
            matches!(skipped, Turn::Skip(RefuseReason::Maintenance)),
            "{skipped:?}"
        );
        match in_time(gate.worker(mails(), WhenClosed::Run).turn()).await {
            Turn::Work(execution) => assert!(execution.is_bypass()),
            other => panic!("it runs all the same: {other:?}"),
        }
    }
    fleet.close(&gates[0], Level::Exclusive).await;
    let mut exclusive = gates[0].worker(mails(), WhenClosed::Run);
    waiting.push(tokio::spawn(async move { exclusive.turn().await }));
    tokio::task::yield_now().await;
    assert!(waiting.iter().all(|worker| !worker.is_finished()));
    fleet.open(&gates[0]).await;
    for worker in waiting {
        match in_time(worker).await.expect("no panic") {
            Turn::Work(execution) => assert!(!execution.is_bypass()),
            other => panic!("it goes on: {other:?}"),
        }
    }
    for gate in gates {
        in_time(gate.shutdown()).await;
        let ended = in_time(gate.worker(mails(), WhenClosed::Wait).turn()).await;
        assert!(matches!(ended, Turn::End), "{ended:?}");
    }
}

/// A drain waits for what began, on the other node as well, and what waits begins when the site is open.
async fn executions_wait_until_it_is_open(fleet: &Fleet) {
    let gates = [fleet.gate(0).await, fleet.gate(1).await];
    let running = in_time(gates[1].execution_when_open(mails())).await;
    let activate = Change::Activate(Activate::by("ana"));
    let operator = fleet.operator();
    operator.change(activate).await.expect("it is asked for");
    for gate in &gates {
        in_time(gate.reached(|record| record.phase() == Phase::Activating)).await;
        assert!(gate.execution(mails()).is_err());
    }
    let waiting: Vec<_> = gates
        .iter()
        .cloned()
        .map(|gate| tokio::spawn(async move { gate.execution_when_open(mails()).await }))
        .collect();
    drop(running);
    for gate in &gates {
        in_time(gate.reached(|record| record.phase() == Phase::Activated)).await;
    }
    assert!(waiting.iter().all(|execution| !execution.is_finished()));
    fleet.open(&gates[0]).await;
    for execution in waiting {
        let execution = in_time(execution).await.expect("no panic");
        assert!(!execution.is_bypass());
    }
    for gate in gates {
        in_time(gate.shutdown()).await;
    }
}

/// It is a matter of one node, and all who look at the state see it.
async fn a_probe_holds_its_node_alone(fleet: &Fleet) {
    let is_down = Arc::new(AtomicBool::new(false));
    let checked = Arc::clone(&is_down);
    let probe = Probe::new("database", move || {
        let is_down = checked.load(Ordering::SeqCst);
        async move {
            if is_down {
                Err("connection refused")
            } else {
                Ok(())
            }
        }
    });
    let starting = Gate::builder(fleet.states[0].clone())
        .with_node_name("held")
        .with_probe(probe.with_every(Duration::from_millis(10)));
    let held = starting.start().await.expect("it joins");
    let other = fleet.gate(1).await;
    let revision = held.status().record.revision();
    let hold_in_view = || async {
        let view = fleet.states[1].inspect(usize::MAX).await.expect("a view");
        let node = view.nodes.iter().find(|node| node.facts.label == "held");
        node.map(|node| node.facts.hold.clone())
    };
    is_down.store(true, Ordering::SeqCst);
    until("it is held", || async { (!held.is_open()).then_some(()) }).await;
    assert_eq!(
        held.status().hold,
        Some(Hold::Dependency("database".to_owned()))
    );
    until("the state knows", || async {
        hold_in_view()
            .await
            .flatten()
            .filter(|hold| hold.contains("database"))
    })
    .await;
    assert!(other.is_open(), "no other node is held");
    is_down.store(false, Ordering::SeqCst);
    until("it is open again", || async {
        held.is_open().then_some(())
    })
    .await;
    until("the state knows that, too", || async {
        hold_in_view().await.filter(Option::is_none)
    })
    .await;
    assert_eq!(
        held.status().record.revision(),
        revision,
        "nothing was asked for"
    );
    in_time(held.shutdown()).await;
    in_time(other.shutdown()).await;
}

/// A subscriber may miss what lies between, and never the last; nothing comes twice.
async fn subscribers_hear_of_changes(fleet: &Fleet) {
    let gates = [fleet.gate(0).await, fleet.gate(1).await];
    let mut subscriptions = [gates[0].subscribe(), gates[1].subscribe()];
    let mut lasts = gates.each_ref().map(|gate| gate.status().record);
    for wanted in [Phase::Activated, Phase::Deactivated] {
        let change = match wanted {
            Phase::Activated => Change::Activate(Activate::by("ana")),
            _ => Change::Deactivate(Deactivate::new()),
        };
        let accepted = fleet.operator().change(change).await;
        assert!(accepted.expect("it is accepted").changed);
        for (subscription, last) in subscriptions.iter_mut().zip(&mut lasts) {
            while last.phase() != wanted {
                let transition = in_time(subscription.next()).await.expect("it goes on");
                assert_eq!(transition.before, *last, "nothing is left out");
                assert_ne!(transition.after, *last, "nothing comes twice");
                *last = transition.after;
            }
        }
    }
    let [first, second] = gates;
    in_time(first.shutdown()).await;
    in_time(second.shutdown()).await;
}

/// Work meets no execution of another node, and the site is as it was when it is done; what fails keeps it closed.
async fn work_holds_the_site_closed(fleet: &Fleet) {
    let gates = [fleet.gate(0).await, fleet.gate(1).await];
    let execution = gates[1].execution(mails()).expect("it is open");
    let migration = || During::new("migration", Activate::by("deploy"));
    let work = async {
        let closed = gates[1].reached(|record| record.phase() == Phase::Activated);
        let holders = in_time(closed).await.holders().len();
        let refused = gates[1].execution(mails()).is_err();
        Ok::<_, ()>((holders, refused))
    };
    let ended = async {
        in_time(gates[1].reached(|record| record.phase() == Phase::Activating)).await;
        drop(execution);
    };
    let (met, ()) = tokio::join!(in_time(gates[0].during(migration(), work)), ended);
    assert_eq!(met.expect("it is done"), (1, true));
    in_time(gates[1].reached(|record| record.phase() == Phase::Deactivated)).await;

    let failed = gates[0].during(migration(), async { Err::<(), _>("no such table") });
    let failed = in_time(failed).await.expect_err("it fails");
    assert!(
        matches!(
            &failed,
            DuringError::Failed {
                error: "no such table",
                stays_closed: true
            }
        ),
        "{failed:?}"
    );
    let has_failed = |record: &Record| {
        let mut holders = record.holders().iter();
        holders.any(|holder| holder.failure.is_some())
    };
    in_time(gates[1].reached(has_failed)).await;
    fleet.open(&gates[1]).await;
    let [first, second] = gates;
    in_time(first.shutdown()).await;
    in_time(second.shutdown()).await;
}

/// A part of the site drains, closes and opens by itself, on all nodes.
async fn a_scope_is_closed_by_itself(fleet: &Fleet) {
    let gates = [fleet.gate(0).await, fleet.gate(1).await];
    let acme: ScopeName = "acme".parse().expect("a name");
    let of_acme = || mails().with_scope(acme.clone());
    let execution = gates[1].execution(of_acme()).expect("it is open");
    let operator = fleet.operator().for_scope(acme.clone());
    let activate = Change::Activate(Activate::by("ana"));
    operator.change(activate).await.expect("it closes");
    for gate in &gates {
        in_time(gate.reached(|record| record.scopes().phase(&acme) == Phase::Activating)).await;
        assert!(gate.execution(of_acme()).is_err());
        drop(gate.execution(mails()).expect("others go on"));
    }
    drop(execution);
    for gate in &gates {
        in_time(gate.reached(|record| record.scopes().phase(&acme) == Phase::Activated)).await;
    }
    let deactivate = Change::Deactivate(Deactivate::new());
    operator.change(deactivate).await.expect("it opens");
    for gate in &gates {
        in_time(gate.reached(|record| record.scopes().is_empty())).await;
        drop(in_time(gate.execution_when_open(of_acme())).await);
    }
    let [first, second] = gates;
    in_time(first.shutdown()).await;
    in_time(second.shutdown()).await;
}

/// Each case in memory, on files and on Redis.
macro_rules! on_each_state {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use crate::{Fleet, states};

            #[tokio::test(flavor = "multi_thread")]
            async fn in_memory() {
                crate::$case(&Fleet::in_memory()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_files() {
                crate::$case(&Fleet::on(states::files().await)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_redis() {
                crate::$case(&Fleet::on(states::redis().await)).await;
            }
        }
    )*

        /// All cases, one after the other on one site.
        async fn all(site: Site) {
            let fleet = Fleet::on(site);
            $($case(&fleet).await;)*
        }
    };
}

on_each_state![
    workers_do_what_their_policy_says,
    executions_wait_until_it_is_open,
    a_probe_holds_its_node_alone,
    subscribers_hear_of_changes,
    work_holds_the_site_closed,
    a_scope_is_closed_by_itself,
];

#[tokio::test(flavor = "multi_thread")]
async fn all_on_magento() {
    all(states::magento()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_behind_sentinel() {
    all(states::sentinel().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_a_cluster() {
    all(states::cluster().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_with_no_more_rights_than_the_readme_gives() {
    all(states::restricted().await).await;
}
