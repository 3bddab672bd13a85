//! A gate on a memory state: the whole way of a change, and of what it waits for.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::time::Duration;

use intermission::{
    Activate, Actor, Admission, AllowChange, AllowList, Change, ClientAddress, Deactivate,
    Decision, DrainPolicy, Execution, ExecutionInfo, Gate, Goal, HistoryEvent, Level, MemoryState,
    Operator, Phase, RefuseReason, RouteAccess, RunError, Visitor, Waited,
};

struct Site {
    state: MemoryState,
    gate: Gate,
    operator: Operator,
}

async fn site() -> Site {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone())
        .with_node_name("one")
        .start()
        .await
        .unwrap();
    let operator = Operator::new(state.clone(), Actor::new("ana", "test"));
    Site {
        state,
        gate,
        operator,
    }
}

impl Site {
    async fn activate(&self, activate: Activate) {
        assert!(
            self.operator
                .change(Change::Activate(activate))
                .await
                .unwrap()
                .changed
        );
        self.gate.reached(|record| record.phase().is_on()).await;
    }

    async fn deactivate(&self) {
        self.operator
            .change(Change::Deactivate(Deactivate::new()))
            .await
            .unwrap();
        self.gate.reached(|record| !record.phase().is_on()).await;
    }

    async fn activated(&self) {
        self.gate
            .reached(|record| record.phase() == Phase::Activated)
            .await;
    }
}

fn job() -> ExecutionInfo {
    ExecutionInfo::new("job").with_label("7")
}

fn page() -> Visitor<'static> {
    Visitor::new("GET", "/")
}

#[tokio::test]
async fn an_idle_site_is_activated_at_once_and_opens_again() {
    let site = site().await;
    assert!(site.gate.is_open());
    site.activate(Activate::by("ana")).await;
    site.activated().await;
    assert_eq!(
        site.gate.decide(&page()),
        Decision::Refuse(RefuseReason::Maintenance)
    );
    assert!(matches!(site.gate.admit(&page()), Admission::Refused(_)));
    assert!(site.gate.admit_open("GET", RouteAccess::Ordinary).is_none());
    site.deactivate().await;
    assert!(site.gate.is_open() && site.gate.decide(&page()).is_admit());
    assert!(site.gate.execution(job()).is_ok());
}

#[tokio::test]
async fn activated_waits_for_the_last_execution_of_every_node() {
    let site = site().await;
    let other = Gate::builder(site.state.clone())
        .with_node_name("two")
        .start()
        .await
        .unwrap();
    let here = site.gate.execution(job()).unwrap();
    let there = other.execution(job()).unwrap();
    site.activate(Activate::by("ana")).await;
    other.reached(|record| record.phase().is_on()).await;
    assert!(site.gate.execution(job()).is_err() && other.execution(job()).is_err());
    assert!(
        site.gate.decide(&page()).is_admit(),
        "pages are served while the drain goes on"
    );
    let job_route = page().with_access(RouteAccess::StartsExecution);
    assert_eq!(
        site.gate.decide(&job_route),
        Decision::Refuse(RefuseReason::Activating)
    );
    drop(here);
    let view = site.operator.inspect(9).await.unwrap();
    assert_eq!(view.record.phase(), Phase::Activating);
    drop(there);
    site.activated().await;
    let events: Vec<_> = site
        .operator
        .history(9)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.event)
        .collect();
    assert_eq!(events, [HistoryEvent::Activated, HistoryEvent::Requested]);
}

#[tokio::test]
async fn a_bypassed_visitor_starts_executions_that_nobody_waits_for() {
    let site = site().await;
    let running = site.gate.execution(job()).unwrap();
    site.activate(Activate::by("ana")).await;
    let visitor = Visitor::new("POST", "/jobs")
        .with_access(RouteAccess::StartsExecution)
        .with_permission(true);
    let Admission::Admitted(admitted) = site.gate.admit(&visitor) else {
        panic!("the permission lets in")
    };
    assert!(
        admitted
            .execution
            .as_ref()
            .is_some_and(Execution::is_bypass)
    );
    drop(running);
    site.activated().await;
    let status = site.gate.status();
    assert_eq!((status.running, status.requests), (0, 1));
    drop(admitted);
    assert_eq!(site.gate.status().requests, 0);
}

#[tokio::test]
async fn a_forced_drain_tells_and_drops_what_still_runs_and_names_the_node() {
    let site = site().await;
    let told = site.gate.execution(job()).unwrap();
    let gate = site.gate.clone();
    let dropped = tokio::spawn(async move { gate.run(job(), std::future::pending::<()>()).await });
    while site.gate.status().running < 2 {
        tokio::task::yield_now().await;
    }
    site.activate(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::from_millis(30))))
        .await;
    told.cancelled().await;
    assert!(told.is_cancelled());
    assert_eq!(dropped.await.unwrap(), Err(RunError::Dropped));
    let record = site.gate.record();
    let completion = record.activation().unwrap().completion.as_ref().unwrap();
    assert!(completion.forced);
    assert_eq!(completion.unconfirmed[0].label, "one");
    drop(told);
    let confirmed = |record: &intermission::Record| {
        record
            .activation()
            .and_then(|on| on.completion.as_ref())
            .is_some_and(|done| done.unconfirmed.is_empty())
    };
    site.gate.reached(confirmed).await;
}

#[tokio::test]
async fn an_aborted_drain_opens_again_and_lets_the_work_go_on() {
    let site = site().await;
    let running = site.gate.execution(job()).unwrap();
    site.activate(Activate::by("ana").with_drain(DrainPolicy::Abort(Duration::from_millis(30))))
        .await;
    site.gate.reached(|record| !record.phase().is_on()).await;
    assert!(!running.is_cancelled());
    assert_eq!(
        site.operator.history(1).await.unwrap()[0].event,
        HistoryEvent::Aborted
    );
}

#[tokio::test]
async fn quiescence_waits_for_requests_that_the_level_closes_out() {
    let site = site().await;
    let reading = site.gate.admit_open("GET", RouteAccess::Ordinary).unwrap();
    let writing = site.gate.admit_open("POST", RouteAccess::Ordinary).unwrap();
    let health = site.gate.admit_open("GET", RouteAccess::Always).unwrap();
    site.activate(Activate::by("ana").with_level(Level::ReadOnly))
        .await;
    site.activated().await;
    assert_eq!(site.operator.inspect(9).await.unwrap().quiescent_at, None);
    drop(writing);
    let activation = site.gate.record().activation().unwrap().id;
    assert!(matches!(
        site.operator
            .wait(activation, Goal::Quiescent, |_| {})
            .await,
        Ok(Waited::Reached(_))
    ));
    // A stricter level closes the reader out, too.
    site.operator
        .change(Change::Activate(
            Activate::by("ana").with_level(Level::Full),
        ))
        .await
        .unwrap();
    assert_eq!(site.operator.inspect(9).await.unwrap().quiescent_at, None);
    drop(reading);
    assert!(matches!(
        site.operator
            .wait(activation, Goal::Quiescent, |_| {})
            .await,
        Ok(Waited::Reached(_))
    ));
    drop(health);
}

#[tokio::test]
async fn workers_pause_and_resume_by_themselves() {
    let site = site().await;
    site.activate(Activate::by("ana")).await;
    let gate = site.gate.clone();
    let worker = tokio::spawn(async move { gate.execution_when_open(job()).await.id() });
    site.activated().await;
    assert!(!worker.is_finished());
    site.deactivate().await;
    assert!(worker.await.unwrap() > 0);
}

#[tokio::test]
async fn subscribers_see_each_change_after_it_and_nothing_else() {
    let site = site().await;
    let mut changes = site.gate.subscribe();
    site.activate(Activate::by("ana").with_message("one")).await;
    site.activated().await;
    let first = changes.next().await.unwrap();
    assert_eq!(first.before.phase(), Phase::Deactivated);
    assert!(
        !site
            .operator
            .change(Change::Activate(Activate::by("ana")))
            .await
            .unwrap()
            .changed
    );
    site.deactivate().await;
    let mut last = first;
    while last.after.phase().is_on() {
        let next = changes.next().await.unwrap();
        assert_eq!(next.before, last.after);
        last = next;
    }
}

#[tokio::test]
async fn an_address_list_and_explain_agree() {
    let site = site().await;
    let allow = AllowChange::Replace(AllowList::parse(["192.0.2.0/24"]).unwrap());
    site.activate(Activate::by("ana").with_allow(allow)).await;
    site.activated().await;
    let listed = page().with_address(ClientAddress::from(Some([192, 0, 2, 9].into())));
    assert!(site.gate.decide(&listed).is_admit());
    assert_eq!(
        site.gate.explain(&listed).decision,
        site.gate.decide(&listed)
    );
}

#[tokio::test]
async fn a_node_that_shuts_down_says_goodbye_after_its_work() {
    let site = site().await;
    let running = site.gate.execution(job()).unwrap();
    let gate = site.gate.clone();
    let shutdown = tokio::spawn(async move { gate.shutdown().await });
    tokio::task::yield_now().await;
    assert_eq!(site.operator.inspect(9).await.unwrap().node_count, 1);
    drop(running);
    shutdown.await.unwrap();
    assert_eq!(site.operator.inspect(9).await.unwrap().node_count, 0);
}

#[tokio::test]
async fn dropping_the_last_gate_says_goodbye_too() {
    let Site {
        state: _,
        gate,
        operator,
    } = site().await;
    drop(gate);
    while operator.inspect(9).await.unwrap().node_count > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn closing_tells_long_connections() {
    let site = site().await;
    let gate = site.gate.clone();
    let connection = tokio::spawn(async move { gate.closing().await });
    site.activate(Activate::by("ana")).await;
    connection.await.unwrap();
}

/// Found by a reader: a preflight passes the closed gate by no right of its own, and so cannot begin an execution.
#[tokio::test]
async fn a_preflight_on_a_route_that_starts_an_execution_begins_none() {
    let site = site().await;
    let running = site.gate.execution(job()).unwrap();
    site.activate(Activate::by("ana")).await;
    let preflight = Visitor::new("OPTIONS", "/jobs")
        .with_access(RouteAccess::StartsExecution)
        .with_preflight(true);
    let Admission::Admitted(admitted) = site.gate.admit(&preflight) else {
        panic!("preflights pass")
    };
    assert!(admitted.execution.is_none());
    drop(running);
    site.activated().await;
}

/// What a bypassed visitor began during one maintenance, the next one waits for.
#[tokio::test]
async fn an_execution_begun_past_the_closed_gate_is_waited_for_by_the_next_drain() {
    let site = site().await;
    site.activate(Activate::by("ana")).await;
    site.activated().await;
    let visitor = Visitor::new("POST", "/jobs")
        .with_access(RouteAccess::StartsExecution)
        .with_permission(true);
    let Admission::Admitted(mut admitted) = site.gate.admit(&visitor) else {
        panic!("the permission lets in")
    };
    let import = admitted.execution.take().unwrap();
    drop(admitted);
    site.deactivate().await;
    assert_eq!(site.gate.status().running, 1);
    site.activate(Activate::by("ana")).await;
    let view = site.operator.inspect(9).await.unwrap();
    assert_eq!(
        (view.record.phase(), view.count.drained),
        (Phase::Activating, 0)
    );
    drop(import);
    site.activated().await;
}

/// At level exclusive, a backup must not see the work of those who were let in before, either.
#[tokio::test]
async fn exclusive_is_quiet_only_when_bypassed_work_has_ended() {
    let site = site().await;
    site.activate(Activate::by("ana")).await;
    site.activated().await;
    let visitor = Visitor::new("POST", "/jobs")
        .with_access(RouteAccess::StartsExecution)
        .with_permission(true);
    let Admission::Admitted(mut admitted) = site.gate.admit(&visitor) else {
        panic!("the permission lets in")
    };
    let import = admitted.execution.take().unwrap();
    drop(admitted);
    let activation = site.gate.record().activation().unwrap().id;
    site.operator
        .change(Change::Activate(
            Activate::by("ana").with_level(Level::Exclusive),
        ))
        .await
        .unwrap();
    site.gate
        .reached(|record| record.level() == Level::Exclusive)
        .await;
    assert_eq!(site.operator.inspect(9).await.unwrap().quiescent_at, None);
    drop(import);
    assert!(matches!(
        site.operator
            .wait(activation, Goal::Quiescent, |_| {})
            .await,
        Ok(Waited::Reached(_))
    ));
}
