use super::*;
use crate::{Activate, Deactivate, PassSecret};

fn name(name: &str) -> ScopeName {
    ScopeName::new(name).unwrap()
}

fn after(record: &Record, change: &Change) -> Record {
    match record.apply(change, NOW).unwrap() {
        Outcome::Changed(next) => next,
        Outcome::Unchanged => panic!("{change:?}"),
    }
}

/// The snapshot of a site in this phase and level, with its scope `s` in that.
fn scoped(site: (Phase, Level), scope: (Phase, Level)) -> Snapshot {
    let mut record = (*snapshot(site.0, site.1).record).clone();
    let part = snapshot(scope.0, scope.1);
    let scope = ScopeRecord {
        activation: part.record.activation().cloned(),
        plan: None,
    };
    record.scopes.set(&name("s"), scope);
    Snapshot::new(Arc::new(record))
}

fn ways() -> Vec<(Phase, Level)> {
    let on = [Phase::Activating, Phase::Activated];
    let on = on
        .into_iter()
        .flat_map(|phase| Level::ALL.map(|level| (phase, level)));
    [(Phase::Deactivated, Level::Full)]
        .into_iter()
        .chain(on)
        .collect()
}

#[test]
fn the_strictest_of_site_and_scope_counts() {
    let scopes = [name("open"), name("s")];
    for site in ways() {
        for scope in ways() {
            let both = scoped(site, scope);
            let (alone, part) = (snapshot(site.0, site.1), snapshot(scope.0, scope.1));
            for visitor in visitors() {
                let decided =
                    |snapshot, visitor| decide(snapshot, &Policy::default(), visitor, NOW);
                let (of_site, of_scope) = (decided(&alone, &visitor), decided(&part, &visitor));
                let in_scope = visitor.clone().with_scopes(&scopes);
                let found = decided(&both, &in_scope);
                let case = format!("{site:?} {scope:?} {in_scope:?}");
                assert_eq!(
                    found.is_admit(),
                    of_site.is_admit() && of_scope.is_admit(),
                    "{case}"
                );
                assert!(found == of_site || found == of_scope, "{case}: {found}");
                assert_eq!(
                    decided(&both, &visitor),
                    of_site,
                    "without the scope: {case}"
                );
                let elsewhere = visitor.clone().with_scopes(&scopes[..1]);
                assert_eq!(decided(&both, &elsewhere), of_site, "in another: {case}");
                let explained = explain(&both, &Policy::default(), &in_scope, NOW);
                assert_eq!(explained.decision, found, "{case}");
            }
        }
    }
}

#[test]
fn a_hold_of_the_node_is_the_sites_answer() {
    let mut held = scoped(
        (Phase::Deactivated, Level::Full),
        (Phase::Activated, Level::ReadOnly),
    );
    let scopes = [name("s")];
    let visitor = Visitor::new("GET", "/").with_scopes(&scopes);
    let ask = |snapshot: &Snapshot| decide(snapshot, &Policy::default(), &visitor, NOW);
    assert_eq!(ask(&held), Decision::Admit(AdmitReason::ReadOnly));
    held.hold = Some(Hold::StateUnreachable);
    assert_eq!(ask(&held), Decision::Refuse(RefuseReason::Held));
}

#[test]
fn a_pass_passes_where_it_was_issued() {
    let (pass, secret) = Pass::issue("ana", None).unwrap();
    let on = |scope| Change::Activate(Activate::by("ana")).in_scope(name(scope));
    let record = after(&Record::default(), &on("a"));
    let record = after(&record, &on("b"));
    let record = after(&record, &Change::IssuePass(pass).in_scope(name("a")));
    let snapshot = Snapshot::new(Arc::new(record));
    let ask = |scopes: &[ScopeName], secret: &PassSecret| {
        let visitor = Visitor::new("POST", "/")
            .with_access(RouteAccess::StartsExecution)
            .with_pass(Some(secret.clone()))
            .with_scopes(scopes);
        decide(&snapshot, &Policy::default(), &visitor, NOW)
    };
    let (a, b) = (name("a"), name("b"));
    let admitted = Decision::Admit(AdmitReason::Pass);
    assert_eq!(ask(std::slice::from_ref(&a), &secret), admitted);
    let refused = Decision::Refuse(RefuseReason::Activating);
    assert_eq!(ask(std::slice::from_ref(&b), &secret), refused);
    assert_eq!(ask(&[a, b], &secret), refused);
}

#[test]
fn explain_names_the_scope() {
    let both = scoped(
        (Phase::Deactivated, Level::Full),
        (Phase::Activated, Level::Full),
    );
    let scopes = [name("open"), name("s")];
    let visitor = Visitor::new("GET", "/").with_scopes(&scopes);
    let explained = explain(&both, &Policy::default(), &visitor, NOW);
    let refused = Decision::Refuse(RefuseReason::Maintenance);
    assert_eq!(explained.decision, refused);
    let decides: Vec<&RuleVerdict> = explained
        .verdicts
        .iter()
        .filter(|said| matches!(said.verdict, Verdict::Decides(_)))
        .collect();
    assert_eq!(decides.len(), 1);
    assert_eq!(
        (decides[0].rule, decides[0].verdict),
        (Rule::Scope, Verdict::Decides(refused))
    );
    assert_eq!(
        decides[0].because,
        "scope s says refuse (maintenance), by default: nothing lets the visitor in"
    );
    let open = explained
        .verdicts
        .iter()
        .find(|said| said.because == "the scope open is open");
    assert_eq!(open.unwrap().verdict, Verdict::Passes);
}

#[test]
fn a_plan_that_began_unheard_closes_its_scope() {
    let plan = Activate::by("ana")
        .with_starts_at(NOW.saturating_add(Duration::from_secs(9)))
        .with_level(Level::ReadOnly);
    let record = after(
        &Record::default(),
        &Change::Activate(plan).in_scope(name("s")),
    );
    let mut snapshot = Snapshot::new(Arc::new(record));
    let scopes = [name("s")];
    let ask = |snapshot: &Snapshot, method| {
        let visitor = Visitor::new(method, "/").with_scopes(&scopes);
        decide(snapshot, &Policy::default(), &visitor, NOW)
    };
    assert!(snapshot.all_scopes_open());
    assert_eq!(
        ask(&snapshot, "POST"),
        Decision::Admit(AdmitReason::Deactivated)
    );
    snapshot.scopes_begun = vec![name("s")];
    assert!(!snapshot.all_scopes_open());
    assert_eq!(
        ask(&snapshot, "POST"),
        Decision::Refuse(RefuseReason::Maintenance)
    );
    assert_eq!(
        ask(&snapshot, "GET"),
        Decision::Admit(AdmitReason::ReadOnly)
    );
    let cancelled = Change::Deactivate(Deactivate::new()).in_scope(name("s"));
    snapshot.record = Arc::new(after(&snapshot.record, &cancelled));
    assert_eq!(
        ask(&snapshot, "POST"),
        Decision::Admit(AdmitReason::Deactivated)
    );
}
