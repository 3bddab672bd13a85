//! Every object that `--json` prints, byte for byte.

use std::time::Duration;

use intermission::{
    Acquire, Activate, AllowChange, Change, DrainPolicy, ExecutionView, HolderId, Level, NodeId,
    Pass, ScopeName,
};
use intermission_admin::json::{Changed, Executions, History, Nodes, Passes, Status};
use serde::Serialize;

use crate::render::sample::{Site, allow, at};

fn json(object: &impl Serialize) -> String {
    serde_json::to_string(object).unwrap()
}

#[test]
fn status_has_the_documented_fields_in_their_order() {
    let site = Site::documented();
    assert_eq!(
        json(&Status::of(&site.view(), site.now())),
        concat!(
            r#"{"v":1,"phase":"activated","level":"full","revision":7,"message":"Upgrading the database","#,
            r#""requested_by":"ana","activation_requested_at":"2026-11-20T10:15:00.000Z","#,
            r#""activated_at":"2026-11-20T10:15:02.113Z","quiescent_at":"2026-11-20T10:15:02.409Z","#,
            r#""window":{"starts_at":null,"ends_at":"2026-11-20T10:45:00.000Z","auto_end":false},"#,
            r#""allow":["192.0.2.10/32","2001:db8::/64"],"retry_after_s":null,"#,
            r#""nodes":{"live":12,"behind":0,"out_of_contact":0,"unconfirmed":[]},"#,
            r#""executions":{"running":0},"passes":0,"state_lost_at":null,"#,
            r#""state":{"reconciling_s":null,"behind":false,"lost_at":null},"holding":null,"scope":null,"scopes":[]}"#
        )
    );
}

#[test]
fn what_is_not_known_is_null() {
    let site = Site::new();
    assert_eq!(
        json(&Status::of(&site.view(), site.now())),
        concat!(
            r#"{"v":1,"phase":"deactivated","level":null,"revision":0,"message":null,"requested_by":null,"#,
            r#""activation_requested_at":null,"activated_at":null,"quiescent_at":null,"window":null,"allow":[],"#,
            r#""retry_after_s":null,"nodes":{"live":0,"behind":0,"out_of_contact":0,"unconfirmed":[]},"#,
            r#""executions":{"running":0},"passes":0,"state_lost_at":null,"#,
            r#""state":{"reconciling_s":null,"behind":false,"lost_at":null},"holding":null,"scope":null,"scopes":[]}"#
        )
    );
}

#[test]
fn scopes_that_are_closed_or_planned_are_listed() {
    let mut site = Site::new();
    let on = Activate::by("ana").with_message("Moving");
    let billing: ScopeName = "billing".parse().unwrap();
    site.change(&Change::Activate(on).in_scope(billing.clone()));
    let planned = Activate::by("bob")
        .with_level(Level::ReadOnly)
        .with_starts_at(at("22:00:00"));
    site.change(&Change::Activate(planned).in_scope("search".parse().unwrap()));
    let view = site.view();
    let shown = json(&Status::of(&view, site.now()));
    let scopes = concat!(
        r#""scope":null,"scopes":[{"scope":"billing","phase":"activated","level":"full","message":"Moving","#,
        r#""requested_by":"ana","activated_at":"2026-11-20T10:00:00.000Z","window":null},"#,
        r#"{"scope":"search","phase":"deactivated","level":"read-only","message":null,"requested_by":"bob","#,
        r#""activated_at":null,"window":{"starts_at":"2026-11-20T22:00:00.000Z","ends_at":null,"auto_end":false}}]}"#
    );
    assert!(shown.ends_with(scopes), "{shown}");
    let view = view.of_scope(&billing);
    let shown = json(&Status::of(&view, site.now()).with_scope(Some(billing.as_str())));
    assert!(
        shown.starts_with(r#"{"v":1,"phase":"activated","level":"full""#),
        "{shown}"
    );
    assert!(
        shown.ends_with(r#""scope":"billing","scopes":[]}"#),
        "{shown}"
    );
}

#[test]
fn a_plan_is_a_window_that_has_not_started() {
    let mut site = Site::new();
    site.activate(
        Activate::by("ana")
            .with_starts_at(at("22:00:00"))
            .with_level(Level::Exclusive),
    );
    let shown = json(&Status::of(&site.view(), site.now()));
    assert!(
        shown.contains(
            r#""window":{"starts_at":"2026-11-20T22:00:00.000Z","ends_at":null,"auto_end":false}"#
        ),
        "{shown}"
    );
    assert!(
        shown.contains(r#""phase":"deactivated","level":null"#),
        "{shown}"
    );
}

#[test]
fn who_holds_it_on_is_said() {
    let mut site = Site::new();
    let id = HolderId::from_bits(1);
    let by = Activate::by("ci");
    let acquire = Acquire::new(id, NodeId::from_bits(9), "web-1", "migrate", by);
    site.change(&Change::Acquire(acquire));
    site.change(&Change::NoteFailure(id, "exit status 3".to_owned()));
    let shown = json(&Status::of(&site.view(), site.now()));
    let at = site.now();
    let holding = format!(
        r#""holding":{{"opens_after":true,"holders":[{{"label":"migrate","requested_by":"ci","node":"{}","#,
        NodeId::from_bits(9)
    ) + &format!(
        r#""node_label":"web-1","since":"{at}","in_contact":false,"failure":{{"at":"{at}","reason":"exit status 3"}}}}]}},"scope":null,"scopes":[]}}"#
    );
    assert!(shown.ends_with(&holding), "{shown}");
}

#[test]
fn nodes_executions_and_doubts() {
    let mut site = Site::new();
    let started = site.now();
    site.hear(1, |report| {
        report.facts.label = "web\n1".into();
        report.facts.running = 1;
        report.facts.executions = vec![ExecutionView::new(
            4,
            "import",
            Some("a \"b\"".into()),
            started,
        )];
    });
    site.activate(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::from_secs(1))));
    let view = site.view();
    assert_eq!(
        json(&Nodes::of(&view)),
        format!(
            "{{\"v\":1,\"revision\":{},{}",
            view.record.revision(),
            concat!(
                r#""nodes":[{"id":"00000001000000000000000000000000","label":"web\n1","framework":null,"#,
                r#""revision":0,"heard_at":"2026-11-20T10:00:00.000Z","out_of_contact":false,"closed":false,"#,
                r#""drained":false,"running":1,"bypass_running":0,"requests":0,"hold":null,"#,
                r#""lost_contact":{"policy":"wait","after_s":120},"unconfirmed":false}]}"#
            )
        )
    );
    assert_eq!(
        json(&Executions::of(&view)),
        concat!(
            r#"{"v":1,"running":1,"bypass_running":0,"#,
            r#""executions":[{"node":"00000001000000000000000000000000","node_label":"web\n1","id":4,"#,
            r#""kind":"import","label":"a \"b\"","started_at":"2026-11-20T10:00:00.000Z","bypass":false,"scopes":[]}]}"#
        )
    );
    site.pass_time(2_000);
    let record = site.view().record;
    assert_eq!(
        json(&Changed::of(&record, true)),
        format!(
            "{{\"v\":1,\"changed\":true,\"phase\":\"activated\",\"revision\":{},{}",
            record.revision(),
            concat!(
                r#""unconfirmed":[{"node":"00000001000000000000000000000000","label":"web\n1","#,
                r#""cause":"still-running","running":1,"last_heard_at":"2026-11-20T10:00:00.000Z"}],"#,
                r#""state_lost_at":null}"#
            )
        )
    );
}

#[test]
fn a_state_that_has_lost_its_data_says_so() {
    let mut site = Site::new();
    site.activate(Activate::by("ana"));
    site.lose_all();
    site.hear(1, |report| report.seen = site_revision());
    let shown = json(&Status::of(&site.view(), site.now()));
    let state = concat!(
        r#""state_lost_at":null,"state":{"reconciling_s":15,"behind":true,"#,
        r#""lost_at":"2026-11-20T10:00:00.000Z"},"holding":null,"scope":null,"scopes":[]}"#
    );
    assert!(shown.ends_with(state), "{shown}");
    site.activate(Activate::by("ana"));
    site.pass_time(16_000);
    site.hear_of_activation(1, |_| {});
    let shown = json(&Status::of(&site.view(), site.now()));
    let state = concat!(
        r#""state_lost_at":"2026-11-20T10:00:00.000Z","#,
        r#""state":{"reconciling_s":null,"behind":false,"lost_at":null},"holding":null,"scope":null,"scopes":[]}"#
    );
    assert!(shown.ends_with(state), "{shown}");
    let changed = json(&Changed::of(&site.view().record, true));
    assert!(
        changed.ends_with(r#""unconfirmed":[],"state_lost_at":"2026-11-20T10:00:00.000Z"}"#),
        "{changed}"
    );
}

/// A revision that the state has lost.
fn site_revision() -> intermission::Revision {
    intermission::Revision::new(at("10:00:01").as_millis())
}

#[test]
fn history_and_passes() {
    let mut site = Site::new();
    site.change(&Change::Allow(AllowChange::Add(allow(&["192.0.2.1"]))));
    let history = site.history();
    assert_eq!(
        json(&History::of(&history)),
        format!(
            "{{\"v\":1,\"history\":[{{\"at\":\"2026-11-20T10:00:00.000Z\",\"revision\":{},{}",
            site.view().record.revision(),
            r#""event":"updated","phase":"deactivated","by":"ana","origin":"command","note":"allow list","scope":null}]}"#
        )
    );
    let (pass, _) = Pass::issue("auditor", Some(at("11:00:00"))).unwrap();
    let listed = json(&Passes::of(std::slice::from_ref(&pass), at("11:00:00")));
    let expected = format!(
        r#"{{"v":1,"passes":[{{"id":"{}","subject":"auditor","expires_at":"2026-11-20T11:00:00.000Z","expired":true}}]}}"#,
        pass.id
    );
    assert_eq!(listed, expected);
}
