//! Maintenance for as long as a piece of work takes, and what is left of it when that goes wrong.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test, helpers included"
)]

use std::time::Duration;

use intermission::{
    Activate, Actor, Change, Deactivate, DrainPolicy, During, DuringError, ExecutionInfo, Gate,
    Goal, Level, MemoryState, OnFailure, Operator, Phase, Record, ScopeName,
};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

struct Site {
    gate: Gate,
    operator: Operator,
}

impl Site {
    async fn new() -> Self {
        let state = MemoryState::new();
        Self {
            gate: Gate::builder(state.clone()).start().await.unwrap(),
            operator: Operator::new(state, Actor::new("ana", "test")),
        }
    }

    async fn record(&self) -> Record {
        (*self.operator.inspect(0).await.unwrap().record).clone()
    }

    async fn reached(&self, is_reached: impl Fn(&Record) -> bool) -> Record {
        let mut record = self.operator.inspect(0).await.unwrap().record;
        let reached = async {
            while !is_reached(&record) {
                record = self.operator.changed(&record).await.unwrap();
            }
        };
        timeout(LIMIT, reached).await.expect("it is never reached");
        (*record).clone()
    }
}

fn migration() -> During {
    During::new("migration 42", Activate::by("deploy"))
}

#[tokio::test]
async fn the_work_meets_no_execution_and_the_site_opens_after_it() {
    let site = Site::new().await;
    let execution = site.gate.execution(ExecutionInfo::new("job")).unwrap();
    let during = site
        .gate
        .during(migration(), async { Ok::<_, ()>(site.record().await) });
    let ended = async {
        site.reached(|record| record.phase() == Phase::Activating)
            .await;
        drop(execution);
    };
    let (met, ()) = tokio::join!(during, ended);
    let met = met.unwrap();
    assert_eq!(met.phase(), Phase::Activated);
    let holder = &met.holders()[0];
    let told = (
        holder.label.as_str(),
        holder.requested_by.as_str(),
        holder.node,
    );
    assert_eq!(told, ("migration 42", "deploy", site.gate.status().node));
    assert_eq!(site.record().await.activation(), None);
}

#[tokio::test]
async fn one_inside_of_another_ends_nothing() {
    let site = Site::new().await;
    let backup = During::new("backup", Activate::by("b").with_level(Level::Exclusive));
    let outer = site.gate.during(migration(), async {
        site.gate
            .during(backup, async {
                assert_eq!(site.record().await.level(), Level::Exclusive);
                Ok::<_, ()>(())
            })
            .await
            .unwrap();
        let record = site.record().await;
        assert_eq!(
            (record.phase(), record.level()),
            (Phase::Activated, Level::Full)
        );
        Ok::<_, ()>(())
    });
    outer.await.unwrap();
    assert!(!site.record().await.phase().is_on());
}

#[tokio::test]
async fn work_that_fails_keeps_the_site_closed_or_not_as_asked_for() {
    for (on_failure, stays) in [(OnFailure::Keep, true), (OnFailure::Lift, false)] {
        let site = Site::new().await;
        let during = migration().with_on_failure(on_failure);
        let failed = site
            .gate
            .during(during, async { Err::<(), _>("no such table") });
        match failed.await.unwrap_err() {
            DuringError::Failed {
                error,
                stays_closed,
            } => {
                assert_eq!((error, stays_closed), ("no such table", stays));
            }
            other => panic!("{other:?}"),
        }
        let record = site.record().await;
        assert_eq!(record.phase().is_on(), stays);
        assert_eq!(
            record
                .holders()
                .iter()
                .filter(|holder| holder.failure.is_some())
                .count(),
            usize::from(stays)
        );
        // Whoever wants it open says so.
        site.operator
            .change(Change::Deactivate(Deactivate::new()))
            .await
            .unwrap();
        assert!(!site.record().await.phase().is_on());
    }
}

#[tokio::test]
async fn a_panic_is_a_failure_and_says_so() {
    let site = Site::new().await;
    let gate = site.gate.clone();
    let work = async { panic!("on purpose") as Result<(), ()> };
    let task = tokio::spawn(async move { gate.during(migration(), work).await });
    assert!(task.await.unwrap_err().is_panic());
    let kept = site
        .reached(|record| {
            record
                .holders()
                .iter()
                .any(|holder| holder.failure.is_some())
        })
        .await;
    assert!(kept.phase().is_on());
    assert_eq!(
        kept.holders()[0].failure.as_ref().unwrap().reason,
        "it panicked"
    );
}

#[tokio::test]
async fn a_dropped_call_restores_before_the_work_and_keeps_after() {
    let site = Site::new().await;
    let execution = site.gate.execution(ExecutionInfo::new("job")).unwrap();
    let never_begun = site.gate.during(migration(), async {
        panic!("it is not drained") as Result<(), ()>
    });
    tokio::select! {
        ended = never_begun => panic!("{ended:?}"),
        _ = site.reached(|record| record.phase().is_on()) => {}
    }
    site.reached(|record| !record.phase().is_on()).await;
    drop(execution);

    let (begun, has_begun) = oneshot::channel();
    let work = async {
        begun.send(()).unwrap();
        std::future::pending::<Result<(), ()>>().await
    };
    tokio::select! {
        ended = site.gate.during(migration(), work) => panic!("{ended:?}"),
        begun = has_begun => begun.unwrap(),
    }
    let kept = site
        .reached(|record| {
            record
                .holders()
                .iter()
                .any(|holder| holder.failure.is_some())
        })
        .await;
    assert!(kept.phase().is_on());
}

#[tokio::test]
async fn a_drain_that_takes_too_long_begins_nothing_and_restores() {
    let site = Site::new().await;
    let _execution = site.gate.execution(ExecutionInfo::new("job")).unwrap();
    let limit = Duration::from_millis(50);
    let during = migration().with_drain_at_most(limit);
    let refused = site.gate.during(during, async {
        panic!("it is not drained") as Result<(), ()>
    });
    assert!(matches!(refused.await, Err(DuringError::DrainTooLong(over)) if over == limit));
    site.reached(|record| !record.phase().is_on()).await;
}

#[tokio::test]
async fn whoever_opens_meanwhile_is_obeyed_and_told_of() {
    let site = Site::new().await;
    let open = || site.operator.change(Change::Deactivate(Deactivate::new()));
    let worked = site.gate.during(migration(), async {
        open().await.unwrap();
        Ok::<_, ()>(7)
    });
    assert!(matches!(worked.await, Err(DuringError::OpenedMeanwhile(7))));

    let _execution = site
        .gate
        .execution_when_open(ExecutionInfo::new("job"))
        .await;
    let refused = site.gate.during(migration(), async {
        panic!("it is open") as Result<(), ()>
    });
    let opened = async {
        site.reached(|record| record.phase().is_on()).await;
        open().await.unwrap();
    };
    let (refused, ()) = tokio::join!(refused, opened);
    assert!(matches!(refused, Err(DuringError::OpenedBefore)));
}

#[tokio::test]
async fn whoever_activates_meanwhile_is_obeyed() {
    let site = Site::new().await;
    let work = async {
        let activate = Activate::by("ana").with_message("it takes longer");
        site.operator
            .change(Change::Activate(activate))
            .await
            .unwrap();
        Ok::<_, ()>(())
    };
    site.gate.during(migration(), work).await.unwrap();
    let record = site.record().await;
    assert_eq!(
        (record.phase(), record.message()),
        (Phase::Activated, Some("it takes longer"))
    );
    assert!(record.holders().is_empty());
}

#[tokio::test]
async fn work_may_wait_for_the_last_request() {
    let site = Site::new().await;
    let request = site.gate.count_open("GET").unwrap();
    let during = migration().with_goal(Goal::Quiescent);
    let work = site.gate.during(during, async {
        Ok::<_, ()>(site.operator.inspect(0).await.unwrap().quiescent_at)
    });
    let ended = async {
        site.reached(|record| record.phase() == Phase::Activated)
            .await;
        drop(request);
    };
    let (quiescent_at, ()) = tokio::join!(work, ended);
    assert!(quiescent_at.unwrap().is_some());
}

#[tokio::test]
async fn what_has_a_time_of_its_own_is_refused() {
    let site = Site::new().await;
    let later = intermission::Clock::now(&intermission::SystemClock).saturating_add(LIMIT);
    let planned = During::new("migrate", Activate::by("deploy").with_starts_at(later));
    let refused = site
        .gate
        .during(planned, async { panic!("it is refused") as Result<(), ()> });
    assert!(matches!(refused.await, Err(DuringError::NotClosed(_))));
    assert_eq!(site.record().await.activation(), None);
}

#[tokio::test]
async fn work_that_must_meet_nobody_is_not_begun_after_a_forced_drain() {
    let site = Site::new().await;
    let _execution = site.gate.execution(ExecutionInfo::new("job")).unwrap();
    let forced = Activate::by("backup").with_drain(DrainPolicy::Force(Duration::from_millis(50)));
    let during = During::new("backup", forced);
    let quiescent = during.clone().with_goal(Goal::Quiescent);
    let refused = site.gate.during(quiescent, async {
        panic!("visitors may be there") as Result<(), ()>
    });
    assert!(matches!(refused.await, Err(DuringError::NotQuiescent)));
    site.reached(|record| !record.phase().is_on()).await;
    // What only needs it to be activated gets what it has asked for.
    site.gate
        .during(during, async { Ok::<_, ()>(()) })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_part_of_the_site_may_be_held_alone() {
    let site = Site::new().await;
    let scope: ScopeName = "billing".parse().unwrap();
    let work = async {
        let record = site.record().await;
        Ok::<_, ()>((record.phase(), record.of_scope(&scope).phase()))
    };
    let during = migration().with_scope(scope.clone());
    let met = site.gate.during(during, work).await.unwrap();
    assert_eq!(met, (Phase::Deactivated, Phase::Activated));
    assert!(site.record().await.scopes().is_empty());
}
