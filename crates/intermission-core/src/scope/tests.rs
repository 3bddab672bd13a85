use std::time::Duration;

use super::*;
use crate::{Activate, AllowChange, AllowList, Deactivate, DrainPolicy, Pass};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn name(name: &str) -> ScopeName {
    ScopeName::new(name).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

#[expect(clippy::needless_pass_by_value, reason = "made where it is asked for")]
fn changed(record: &Record, change: Change) -> Record {
    match record.apply(&change, NOW).unwrap() {
        Outcome::Changed(next) => next,
        Outcome::Unchanged => panic!("nothing changed by {change:?}"),
    }
}

fn closing(scope: &str) -> Change {
    Change::Activate(Activate::by("ana").with_message("one")).in_scope(name(scope))
}

#[test]
fn names_are_strict() {
    let long = "x".repeat(ScopeName::LENGTH_LIMIT);
    for fits in ["billing", "shop-2.example.org", "A_b", &long] {
        assert_eq!(ScopeName::new(fits).unwrap().as_str(), fits);
    }
    let longer = format!("{long}x");
    for bad in [
        "", "a/b", "..", ".", "a b", "é", "a\nb", "a:b", "*", &longer,
    ] {
        let error = ScopeName::new(bad).unwrap_err();
        assert!(error.to_string().contains("no name of a scope"), "{error}");
    }
}

#[test]
fn a_scope_is_closed_and_opened_by_itself() {
    let record = changed(&Record::default(), closing("billing"));
    assert_eq!(record.phase(), Phase::Deactivated);
    assert_eq!(record.scopes().phase(&name("billing")), Phase::Activating);
    assert_eq!(record.scopes().phase(&name("search")), Phase::Deactivated);
    let scope = record.scopes().get("billing").unwrap();
    assert_eq!(scope.settings().unwrap().message.as_deref(), Some("one"));
    assert_eq!(
        record.apply(&closing("billing"), at(60)),
        Ok(Outcome::Unchanged)
    );

    let both = changed(&record, closing("search"));
    assert_eq!((both.scopes().len(), both.scopes().closed()), (2, 2));
    let open = Change::Deactivate(Deactivate::new());
    let one = changed(&both, open.clone().in_scope(name("billing")));
    assert_eq!(one.scopes().len(), 1);
    assert_eq!(
        one.apply(&open.clone().in_scope(name("billing")), NOW),
        Ok(Outcome::Unchanged)
    );
    // The site has a mode of its own.
    assert_eq!(one.apply(&open, NOW), Ok(Outcome::Unchanged));
    let site = changed(&one, Change::Activate(Activate::by("bob")));
    let site = changed(&site, open);
    assert_eq!(site.scopes(), one.scopes());
}

#[test]
fn plans_and_passes_are_a_scopes_own() {
    let (pass, _) = Pass::issue("ana", None).unwrap();
    let issue = Change::IssuePass(pass).in_scope(name("billing"));
    let error = Record::default().apply(&issue, NOW).unwrap_err();
    assert_eq!(error, ChangeError::NotOn);
    let record = changed(&changed(&Record::default(), closing("billing")), issue);
    assert!(record.passes().is_empty());
    assert_eq!(record.scopes().get("billing").unwrap().passes().len(), 1);

    let plan = Change::Activate(Activate::by("ana").with_starts_at(at(20)));
    let planned = changed(&record, plan.in_scope(name("search")));
    assert_eq!(planned.scopes().due(), Some(at(20)));
    assert_eq!((planned.scopes().len(), planned.scopes().closed()), (2, 1));
    assert!(planned.plan().is_none());
}

#[test]
fn the_allow_list_is_the_sites() {
    let list = AllowList::parse(["192.0.2.1"]).unwrap();
    let allow = || AllowChange::Replace(list.clone());
    for change in [
        Change::Allow(allow()),
        Change::Activate(Activate::by("ana").with_allow(allow())),
        Change::Deactivate(Deactivate::new().with_allow(allow())),
        closing("search"),
    ] {
        let error = Record::default()
            .apply(&change.in_scope(name("billing")), NOW)
            .unwrap_err();
        assert_eq!(
            error,
            ChangeError::NotInScope {
                scope: name("billing")
            }
        );
    }
}

#[test]
fn so_many_and_no_more_are_listed() {
    let mut record = Record::default();
    let on = changed(&record, closing("billing"));
    let scope = on.scopes().get("billing").unwrap();
    let all = (0..Scopes::LIMIT).map(|tenant| (name(&format!("t{tenant}")), scope.clone()));
    record.scopes.set_all(all);
    let error = record.apply(&closing("billing"), NOW).unwrap_err();
    let limit = Scopes::LIMIT;
    assert_eq!(error, ChangeError::TooManyScopes { limit });
    assert!(error.to_string().starts_with("10000 scopes are closed"));
    // Those that are listed can be changed, and the rest of the site, too.
    let exclusive = Change::Activate(Activate::by("ana").with_level(Level::Exclusive));
    changed(&record, exclusive.clone().in_scope(name("t7")));
    changed(&record, exclusive);
    let read = Record::from_json(&record.to_json()).unwrap();
    assert_eq!(read, record);
}

#[test]
fn round_trips_and_is_absent_where_all_are_open() {
    let open = String::from_utf8(Record::default().to_json()).unwrap();
    assert!(!open.contains("scopes"), "{open}");
    let forced = Change::Activate(
        Activate::by("ana")
            .with_drain(DrainPolicy::Force(Duration::from_secs(3)))
            .with_ends_at(at(60))
            .with_auto_end(true),
    );
    let record = changed(&Record::default(), forced.in_scope(name("a.example.org")));
    let record = changed(&record, closing("billing"));
    let json = record.to_json();
    assert_eq!(Record::from_json(&json).unwrap(), record);
    for length in 0..json.len() {
        assert!(
            Record::from_json(&json[..length]).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn a_bad_name_is_no_record() {
    let bad = br#"{"v":1,"revision":1,"phase":"deactivated","scopes":{"a/b":{"plan":null}}}"#;
    let error = Record::from_json(bad).unwrap_err();
    assert!(error.to_string().contains("`scopes`"), "{error}");
    let nothing = br#"{"v":1,"revision":1,"phase":"deactivated","scopes":{"a":{}}}"#;
    assert!(Record::from_json(nothing).unwrap().scopes().is_empty());
}

#[test]
fn what_a_newer_version_lists_and_nobody_understands_is_closed() {
    let json = br#"{"v":2,"revision":9,"phase":"deactivated","scopes":{"billing":{"activation":"on mondays"}}}"#;
    let record = Record::from_json(json).unwrap();
    assert_eq!(record.phase(), Phase::Deactivated);
    assert_eq!(record.scopes().phase(&name("billing")), Phase::Activated);
}

#[test]
fn a_push_may_close_and_never_open() {
    let open = Record::default();
    let billing = changed(&open, closing("billing"));
    let both = changed(&billing, closing("search"));
    let search = changed(
        &both,
        Change::Deactivate(Deactivate::new()).in_scope(name("billing")),
    );
    let site = changed(&open, Change::Activate(Activate::by("ana")));
    let (both_and_site, billing_and_site) = (
        changed(&both, Change::Activate(Activate::by("ana"))),
        changed(&billing, Change::Activate(Activate::by("ana"))),
    );
    for (before, pushed, may) in [
        (&open, &billing, true),
        (&billing, &both, true),
        (&both, &billing, false),
        (&billing, &search, false),
        (&open, &open, false),
        (&open, &site, true),
        (&site, &billing, false),
        (&billing, &site, false),
        (&site, &site, true),
        (&billing_and_site, &both_and_site, true),
        (&both_and_site, &billing_and_site, false),
    ] {
        assert_eq!(pushed.only_closes(before), may, "{before:?} {pushed:?}");
    }
}
