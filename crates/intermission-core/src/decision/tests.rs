mod scopes;

use std::time::Duration;

use std::sync::Arc;

use super::*;
use crate::record::{Record, Settings};
use crate::scope::ScopeName;
use crate::{AllowChange, AllowList, Change, ClientAddress, Outcome, Pass, ScopeRecord};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn snapshot(phase: Phase, level: Level) -> Snapshot {
    let allow = AllowList::parse(["192.0.2.0/24"]).unwrap();
    let mut record = Record {
        allow,
        ..Record::default()
    };
    if phase.is_on() {
        record.begin(
            Settings {
                level,
                ..Default::default()
            },
            "ana".into(),
            NOW,
        );
    }
    if phase == Phase::Activated {
        record.activation.as_mut().unwrap().completion = Some(crate::Completion {
            at: NOW,
            forced: false,
            state_lost_at: None,
            unconfirmed: Vec::new(),
        });
    }
    Snapshot::new(Arc::new(record))
}

fn visitors() -> Vec<Visitor<'static>> {
    let mut all = Vec::new();
    for method in ["GET", "HEAD", "POST", "get", "PURGE", "OPTIONS"] {
        for access in [
            RouteAccess::Ordinary,
            RouteAccess::Always,
            RouteAccess::StartsExecution,
        ] {
            for permission in [false, true] {
                for ip in [None, Some([192, 0, 2, 7]), Some([198, 51, 100, 7])] {
                    let visitor = Visitor::new(method, "/")
                        .with_access(access)
                        .with_permission(permission)
                        .with_address(ClientAddress::from(ip.map(std::net::IpAddr::from)));
                    all.push(visitor);
                }
            }
        }
    }
    all
}

/// The rules of the design once more, in the plainest words, for every combination.
#[test]
fn agrees_with_the_rules_as_they_are_written() {
    for phase in [Phase::Deactivated, Phase::Activating, Phase::Activated] {
        for level in Level::ALL {
            let snapshot = snapshot(phase, level);
            for visitor in visitors() {
                let starts = visitor.access == RouteAccess::StartsExecution;
                let safe = ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&visitor.method);
                let listed = visitor.address.ip() == Some(std::net::IpAddr::from([192, 0, 2, 7]));
                let expected = if visitor.access == RouteAccess::Always {
                    Decision::Admit(AdmitReason::RouteAlways)
                } else if phase == Phase::Deactivated {
                    Decision::Admit(AdmitReason::Deactivated)
                } else if phase == Phase::Activating && !starts {
                    Decision::Admit(AdmitReason::Draining)
                } else if level == Level::ReadOnly && safe && !starts {
                    Decision::Admit(AdmitReason::ReadOnly)
                } else if level == Level::Exclusive {
                    Decision::Refuse(RefuseReason::Exclusive)
                } else if visitor.permission {
                    Decision::Admit(AdmitReason::Permission)
                } else if listed {
                    Decision::Admit(AdmitReason::AllowedAddress)
                } else if phase == Phase::Activating {
                    Decision::Refuse(RefuseReason::Activating)
                } else {
                    Decision::Refuse(RefuseReason::Maintenance)
                };
                let policy = Policy::default();
                assert_eq!(
                    decide(&snapshot, &policy, &visitor, NOW),
                    expected,
                    "{phase} {level} {visitor:?}"
                );
                let explanation = explain(&snapshot, &policy, &visitor, NOW);
                assert_eq!(explanation.decision, expected);
                let deciding = explanation
                    .verdicts
                    .iter()
                    .filter(|v| matches!(v.verdict, Verdict::Decides(_)));
                assert_eq!(deciding.count(), 1);
            }
        }
    }
}

#[test]
fn a_node_that_serves_nobody_lets_nobody_pass() {
    let policy = Policy::default();
    for phase in [Phase::Deactivated, Phase::Activating, Phase::Activated] {
        for level in [Level::ReadOnly, Level::Full, Level::Exclusive] {
            let mut bystander = snapshot(phase, level);
            bystander.hold = Some(Hold::ServesNobody);
            let refused = Decision::Refuse(RefuseReason::Held);
            let visitor = Visitor::new("GET", "/").with_permission(true);
            for access in [RouteAccess::Ordinary, RouteAccess::StartsExecution] {
                let visitor = visitor.clone().with_access(access);
                assert_eq!(decide(&bystander, &policy, &visitor, NOW), refused);
                let explanation = explain(&bystander, &policy, &visitor, NOW);
                assert_eq!(explanation.decision, refused);
            }
            assert_eq!(
                bystander.execution_refusal(),
                Some(RefuseReason::Held),
                "{phase} {level}"
            );
            let always = visitor.with_access(RouteAccess::Always);
            assert!(decide(&bystander, &policy, &always, NOW).is_admit());
        }
    }
}

#[test]
fn a_hold_closes_and_never_opens() {
    let visitor = Visitor::new("GET", "/");
    let policy = Policy::default();
    let mut held = snapshot(Phase::Deactivated, Level::Full);
    held.hold = Some(Hold::Dependency("database".into()));
    assert_eq!(
        decide(&held, &policy, &visitor, NOW),
        Decision::Refuse(RefuseReason::Held)
    );
    let always = visitor.clone().with_access(RouteAccess::Always);
    assert!(decide(&held, &policy, &always, NOW).is_admit());
    assert!(decide(&held, &policy, &visitor.clone().with_permission(true), NOW).is_admit());
    let mut exclusive = snapshot(Phase::Activated, Level::Exclusive);
    exclusive.hold = Some(Hold::StateUnreachable);
    let refused = decide(
        &exclusive,
        &policy,
        &visitor.clone().with_permission(true),
        NOW,
    );
    assert_eq!(refused, Decision::Refuse(RefuseReason::Exclusive));
    let mut read_only = snapshot(Phase::Activated, Level::ReadOnly);
    read_only.hold = Some(Hold::StateUnreachable);
    assert_eq!(
        decide(&read_only, &policy, &visitor, NOW),
        Decision::Refuse(RefuseReason::Held)
    );
}

#[test]
fn a_suspended_node_serves_pages_and_starts_nothing() {
    let mut snapshot = snapshot(Phase::Deactivated, Level::Full);
    snapshot.executions_suspended = true;
    let policy = Policy::default();
    let page = Visitor::new("GET", "/");
    assert!(decide(&snapshot, &policy, &page, NOW).is_admit());
    let job = page.with_access(RouteAccess::StartsExecution);
    assert_eq!(
        decide(&snapshot, &policy, &job, NOW),
        Decision::Refuse(RefuseReason::OutOfContact)
    );
}

#[test]
fn preflight_is_a_setting() {
    let snapshot = snapshot(Phase::Activated, Level::Full);
    let preflight = Visitor::new("OPTIONS", "/").with_preflight(true);
    assert!(decide(&snapshot, &Policy::default(), &preflight, NOW).is_admit());
    assert!(
        !decide(
            &snapshot,
            &Policy::default().with_preflight(false),
            &preflight,
            NOW
        )
        .is_admit()
    );
    assert!(
        !decide(
            &snapshot,
            &Policy::default(),
            &Visitor::new("OPTIONS", "/"),
            NOW
        )
        .is_admit()
    );
}

#[test]
fn a_pass_opens_until_it_ends() {
    let end = NOW.saturating_add(Duration::from_secs(60));
    let (pass, secret) = Pass::issue("auditor", Some(end)).unwrap();
    let snapshot = snapshot(Phase::Activated, Level::Full);
    let change = Change::IssuePass(pass);
    let Outcome::Changed(record) = snapshot.record.apply(&change, NOW).unwrap() else {
        panic!("a new pass")
    };
    let snapshot = Snapshot::new(Arc::new(record));
    let visitor = Visitor::new("GET", "/").with_pass(Some(secret));
    assert_eq!(
        decide(&snapshot, &Policy::default(), &visitor, NOW),
        Decision::Admit(AdmitReason::Pass)
    );
    assert!(!decide(&snapshot, &Policy::default(), &visitor, end).is_admit());
}

#[test]
fn explanations_name_what_mattered() {
    let snapshot = snapshot(Phase::Activated, Level::Full);
    let clear = AllowChange::Replace(AllowList::default());
    let Outcome::Changed(record) = snapshot.record.apply(&Change::Allow(clear), NOW).unwrap()
    else {
        panic!("the list was not empty")
    };
    let visitor =
        Visitor::new("GET", "/x").with_address(ClientAddress::from(Some([10, 1, 2, 3].into())));
    let explanation = explain(
        &Snapshot::new(Arc::new(record)),
        &Policy::default(),
        &visitor,
        NOW,
    );
    let line = explanation
        .verdicts
        .iter()
        .find(|verdict| verdict.rule == Rule::AllowedAddress)
        .unwrap();
    assert_eq!(
        line.because,
        "10.1.2.3 is not in the allow list of 0 entries"
    );
}
