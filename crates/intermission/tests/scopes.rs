//! Scopes of a gate on a memory state: what is decided, what a drain waits for, what is told.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, helpers included"
)]

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use intermission::reply::ReplyRequest;
use intermission::{
    Activate, Activation, Actor, Admission, AdmitReason, Change, Clock, Deactivate, Decision,
    DrainPolicy, Execution, ExecutionInfo, Gate, Level, MemoryState, Operator, Pass, Phase, Record,
    RefuseReason, RouteAccess, RunError, ScopeName, SystemClock, Timestamp, Turn, Visitor,
    WhenClosed,
};

struct Site {
    gate: Gate,
    operator: Operator,
}

fn name(name: &str) -> ScopeName {
    ScopeName::new(name).unwrap()
}

fn billing() -> [ScopeName; 1] {
    [name("billing")]
}

async fn site() -> Site {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    Site { gate, operator }
}

impl Site {
    async fn change(&self, change: Change) {
        assert!(self.operator.change(change).await.unwrap().changed);
    }

    async fn close(&self, scope: &str, activate: Activate) -> Activation {
        self.change(Change::Activate(activate).in_scope(name(scope)))
            .await;
        let record = self
            .gate
            .reached(|record| record.scopes().phase(&name(scope)).is_on())
            .await;
        let scope = record.scopes().get(scope).unwrap();
        scope.activation.clone().unwrap()
    }

    async fn open(&self, scope: &str) {
        self.change(Change::Deactivate(Deactivate::new()).in_scope(name(scope)))
            .await;
        self.gate
            .reached(|record| !record.scopes().phase(&name(scope)).is_on())
            .await;
    }

    async fn activated(&self, scope: &str) {
        self.gate
            .reached(|record| record.scopes().phase(&name(scope)) == Phase::Activated)
            .await;
    }

    fn phase(&self, scope: &str) -> Phase {
        self.gate.record().scopes().phase(&name(scope))
    }

    fn begin(&self, scope: &str) -> Option<Execution> {
        let info = ExecutionInfo::new("job").with_scope(name(scope));
        self.gate.execution(info).ok()
    }
}

fn page(scopes: &[ScopeName]) -> Visitor<'_> {
    Visitor::new("GET", "/").with_scopes(scopes)
}

#[tokio::test]
async fn a_closed_scope_refuses_its_visitors_and_no_others() {
    let site = site().await;
    let (billing, search) = (billing(), [name("search")]);
    assert!(!site.gate.has_closed_scopes());
    site.close("billing", Activate::by("ana")).await;
    site.activated("billing").await;
    assert!(site.gate.has_closed_scopes() && site.gate.is_open());
    assert!(site.gate.is_closed_in(&billing) && !site.gate.is_closed_in(&search));
    let refused = Decision::Refuse(RefuseReason::Maintenance);
    assert_eq!(site.gate.decide(&page(&billing)), refused);
    let deactivated = Decision::Admit(AdmitReason::Deactivated);
    for scopes in [&search[..], &[]] {
        assert_eq!(site.gate.decide(&page(scopes)), deactivated);
        let Admission::Admitted(admitted) = site.gate.admit(&page(scopes)) else {
            panic!("{scopes:?}")
        };
        assert_eq!(admitted.reason, AdmitReason::Deactivated);
    }
    let both = [name("search"), name("billing")];
    let Admission::Refused(refusal) = site.gate.admit(&page(&both)) else {
        panic!("it is closed")
    };
    assert_eq!(refusal.scope(), Some(&name("billing")));
    let always = page(&billing).with_access(RouteAccess::Always);
    assert_eq!(
        site.gate.decide(&always),
        Decision::Admit(AdmitReason::RouteAlways)
    );
    assert!(matches!(site.gate.admit(&always), Admission::Admitted(_)));
    site.open("billing").await;
    assert!(!site.gate.has_closed_scopes());
    assert_eq!(site.gate.decide(&page(&billing)), deactivated);
}

#[tokio::test]
async fn a_scopes_drain_waits_for_its_executions_alone() {
    let site = site().await;
    let other = site.begin("search").unwrap();
    let unscoped = site.gate.execution(ExecutionInfo::new("job")).unwrap();
    let job = site.begin("billing").unwrap();
    let second = site.begin("billing").unwrap();
    site.close("billing", Activate::by("ana")).await;
    assert!(site.begin("billing").is_none(), "it is closed");
    let more = site.begin("search").unwrap();
    let info = ExecutionInfo::new("job")
        .with_scope(name("search"))
        .with_scope(name("billing"));
    let refused = site.gate.execution(info).unwrap_err();
    assert_eq!(refused.reason, RefuseReason::Activating);
    drop(job);
    // What the node has said since is known by now.
    site.close("other", Activate::by("ana")).await;
    site.activated("other").await;
    assert_eq!(site.phase("billing"), Phase::Activating);
    drop(second);
    site.activated("billing").await;
    let record = site.gate.record();
    let done = record.scopes().get("billing").unwrap();
    let done = done.activation.clone().unwrap().completion.unwrap();
    assert!(!done.forced && done.unconfirmed.is_empty());
    assert_eq!(record.phase(), Phase::Deactivated);
    // The site waits for all of them.
    site.change(Change::Activate(Activate::by("ana"))).await;
    site.gate.reached(|record| record.phase().is_on()).await;
    drop((other, unscoped));
    assert_eq!(site.gate.record().phase(), Phase::Activating);
    drop(more);
    site.gate
        .reached(|record| record.phase() == Phase::Activated)
        .await;
}

#[tokio::test]
async fn what_was_let_in_past_a_closed_scope_is_not_waited_for_there() {
    let site = site().await;
    let job = site.begin("billing").unwrap();
    site.close("billing", Activate::by("ana")).await;
    let billing = billing();
    let starts = page(&billing)
        .with_access(RouteAccess::StartsExecution)
        .with_permission(true);
    let Admission::Admitted(admitted) = site.gate.admit(&starts) else {
        panic!("the permission lets in")
    };
    assert_eq!(admitted.reason, AdmitReason::Permission);
    let execution = admitted.execution.unwrap();
    assert!(!execution.is_bypass(), "the site's drain waits for it");
    drop(job);
    site.activated("billing").await;
    // Its next activation is another.
    site.open("billing").await;
    let id = site.close("billing", Activate::by("ana")).await.id;
    let view = site.operator.inspect(9).await.unwrap();
    assert_eq!(view.nodes[0].facts.executions[0].scopes, billing);
    assert_eq!(site.phase("billing"), Phase::Activating, "{id:?}");
    drop(execution);
    site.activated("billing").await;
    site.change(
        Change::Activate(Activate::by("ana").with_level(Level::Exclusive))
            .in_scope(name("billing")),
    )
    .await;
    site.gate
        .reached(|record| record.scopes().get("billing").unwrap().level() == Level::Exclusive)
        .await;
    let Admission::Refused(refusal) = site.gate.admit(&starts) else {
        panic!("nobody passes")
    };
    assert_eq!(refusal.reason(), RefuseReason::Exclusive);
}

#[tokio::test]
async fn a_forced_scope_drops_what_runs_in_it_and_no_more() {
    let site = site().await;
    let other = site.begin("search").unwrap();
    let job = site.begin("billing").unwrap();
    let run = {
        let gate = site.gate.clone();
        let info = ExecutionInfo::new("import").with_scope(name("billing"));
        tokio::spawn(async move { gate.run(info, std::future::pending::<()>()).await })
    };
    while site.gate.status().running < 3 {
        tokio::task::yield_now().await;
    }
    let force = DrainPolicy::Force(Duration::from_millis(200));
    site.close("billing", Activate::by("ana").with_drain(force))
        .await;
    job.cancelled().await;
    assert_eq!(run.await.unwrap(), Err(RunError::Dropped));
    assert!(job.is_cancelled() && !other.is_cancelled());
    let later = {
        drop(job);
        site.open("billing").await;
        site.begin("billing").unwrap()
    };
    assert!(!later.is_cancelled(), "it was not told");
}

#[tokio::test]
async fn what_a_forced_scope_left_running_is_named_until_it_ends() {
    let site = site().await;
    let job = site.begin("billing").unwrap();
    let force = DrainPolicy::Force(Duration::from_millis(10));
    site.close("billing", Activate::by("ana").with_drain(force))
        .await;
    site.activated("billing").await;
    job.cancelled().await;
    let unconfirmed = |record: &Record| {
        let scope = record.scopes().get("billing").unwrap();
        let done = scope.activation.as_ref().unwrap().completion.as_ref();
        done.unwrap().unconfirmed.len()
    };
    // What the node has said since is known by now.
    site.close("other", Activate::by("ana")).await;
    site.activated("other").await;
    assert_eq!(unconfirmed(&site.gate.record()), 1);
    drop(job);
    site.gate.reached(|record| unconfirmed(record) == 0).await;
}

#[tokio::test]
async fn a_worker_of_a_scope_pauses_with_it() {
    let site = site().await;
    let info = ExecutionInfo::new("consumer").with_scope(name("billing"));
    let mut worker = site.gate.worker(info.clone(), WhenClosed::Wait);
    let Turn::Work(first) = worker.turn().await else {
        panic!("it is open")
    };
    site.close("billing", Activate::by("ana")).await;
    drop(first);
    site.activated("billing").await;
    let mut skips = site.gate.worker(info.clone(), WhenClosed::Skip);
    assert!(matches!(
        skips.turn().await,
        Turn::Skip(RefuseReason::Maintenance)
    ));
    let waits = tokio::spawn(async move { matches!(worker.turn().await, Turn::Work(_)) });
    let begun = {
        let gate = site.gate.clone();
        tokio::spawn(async move { gate.execution_when_open(info).await })
    };
    tokio::task::yield_now().await;
    assert!(!waits.is_finished() && !begun.is_finished());
    site.open("billing").await;
    assert!(waits.await.unwrap());
    drop(begun.await.unwrap());
}

#[tokio::test]
async fn each_scope_has_words_of_its_own() {
    let site = site().await;
    let said = |scope: &str| {
        let scopes = [name(scope)];
        let Admission::Refused(refusal) = site.gate.admit(&page(&scopes)) else {
            panic!("{scope} is closed")
        };
        let plain: [&[u8]; 1] = [b"text/plain"];
        let reply = refusal.reply(ReplyRequest::new("GET").with_accept(plain));
        (
            reply.retry_after_s(),
            String::from_utf8(reply.into_body().to_vec()).unwrap(),
        )
    };
    let closing = |message: &str, seconds| {
        Activate::by("ana")
            .with_message(message)
            .with_retry_after(Duration::from_secs(seconds))
    };
    site.close("billing", closing("The invoices move", 77))
        .await;
    site.close("search", closing("The index is built", 99))
        .await;
    site.activated("search").await;
    site.activated("billing").await;
    for _ in 0..2 {
        let (seconds, body) = said("billing");
        assert!(
            seconds == 77 && body.contains("The invoices move"),
            "{body}"
        );
        let (seconds, body) = said("search");
        assert!(
            seconds == 99 && body.contains("The index is built"),
            "{body}"
        );
    }
    site.change(Change::Activate(closing("Nearly done", 11)).in_scope(name("billing")))
        .await;
    site.gate
        .reached(|record| {
            let settings = record.scopes().get("billing").unwrap().settings();
            settings.unwrap().message.as_deref() == Some("Nearly done")
        })
        .await;
    let (seconds, body) = said("billing");
    assert!(seconds == 11 && body.contains("Nearly done"), "{body}");
}

#[tokio::test]
async fn connections_of_a_scope_are_told_when_it_closes() {
    let site = site().await;
    let waits = |scopes: [ScopeName; 1]| {
        let gate = site.gate.clone();
        tokio::spawn(async move { gate.closing_in(&scopes).await })
    };
    let (billing, search) = (waits(billing()), waits([name("search")]));
    let job = site.begin("billing").unwrap();
    let read_only = Activate::by("ana").with_level(Level::ReadOnly);
    site.close("search", read_only).await;
    site.close("billing", Activate::by("ana")).await;
    assert!(!billing.is_finished(), "it drains");
    drop(job);
    billing.await.unwrap();
    assert!(!search.is_finished(), "it may be read");
    site.change(Change::Activate(Activate::by("ana"))).await;
    search.await.unwrap();
}

/// What happens at the second look of a thread at the clock: the one when its execution begins. The first is taken when a
/// pass is decided about.
#[derive(Default)]
struct Meanwhile(Mutex<Option<(ThreadId, u8, Happens)>>);

type Happens = Box<dyn FnOnce() + Send>;

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile(..)")
    }
}

impl Meanwhile {
    fn set(&self, happens: Happens) {
        let this = std::thread::current().id();
        *self.0.lock().unwrap() = Some((this, 2, happens));
    }

    fn has_happened(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

impl Clock for Meanwhile {
    fn now(&self) -> Timestamp {
        let mut set = self.0.lock().unwrap();
        if let Some((thread, left, _)) = set.as_mut()
            && *thread == std::thread::current().id()
        {
            *left -= 1;
            if *left == 0 {
                let (_, _, happens) = set.take().unwrap();
                drop(set);
                happens();
            }
        }
        SystemClock.now()
    }

    fn steady(&self) -> Duration {
        SystemClock.steady()
    }
}

/// A visitor with a pass of what is closed by `closed`, who starts an execution while `closes` comes into force between the
/// decision and the beginning.
async fn closed_meanwhile(closed: Option<&str>, closes: Option<&str>, level: Level) {
    let within = |change: Change, scope: Option<&str>| match scope {
        Some(scope) => change.in_scope(name(scope)),
        None => change,
    };
    let is_on = |record: &Record, scope: Option<&str>| match scope {
        Some(scope) => record.scopes().phase(&name(scope)).is_on(),
        None => record.phase().is_on(),
    };
    let state = MemoryState::new();
    let clock = Arc::new(Meanwhile::default());
    let builder = Gate::builder(state.clone()).with_clock(clock.clone());
    let gate = builder.start().await.unwrap();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    let activate = || Change::Activate(Activate::by("ana"));
    operator.change(within(activate(), closed)).await.unwrap();
    let (pass, secret) = Pass::issue("auditor", None).unwrap();
    let issue = within(Change::IssuePass(pass), closed);
    let issued = operator.change(issue).await.unwrap().record.revision();
    gate.reached(move |record| record.revision() >= issued)
        .await;
    let visit = {
        let (gate, clock) = (gate.clone(), Arc::clone(&clock));
        let (runtime, happens) = (tokio::runtime::Handle::current(), gate.clone());
        let closes = closes.map(str::to_owned);
        let close = Change::Activate(Activate::by("bob").with_level(level));
        let close = within(close, closes.as_deref());
        let is_on = move |record: &Record| match &closes {
            Some(scope) => record.scopes().phase(&name(scope)).is_on(),
            None => record.phase().is_on(),
        };
        tokio::task::spawn_blocking(move || {
            clock.set(Box::new(move || {
                runtime.block_on(async {
                    operator.change(close).await.unwrap();
                    happens.reached(is_on).await;
                });
            }));
            let billing = billing();
            let visitor = Visitor::new("POST", "/import")
                .with_access(RouteAccess::StartsExecution)
                .with_pass(Some(secret))
                .with_scopes(&billing);
            gate.admit(&visitor)
        })
    };
    let admission = visit.await.unwrap();
    assert!(clock.has_happened());
    assert!(is_on(&gate.record(), closes));
    let Admission::Refused(refusal) = admission else {
        panic!("it was let in past {closed:?}, and not past {closes:?} at level {level}")
    };
    assert_eq!(refusal.scope(), closes.map(name).as_ref());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_passes_one_door_passes_no_other_that_closes_meanwhile() {
    for level in [Level::Full, Level::Exclusive] {
        closed_meanwhile(Some("billing"), None, level).await;
        closed_meanwhile(None, Some("billing"), level).await;
    }
}
