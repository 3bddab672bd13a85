//! What a builder refuses, and why.

use intermission::{
    Activate, AllowChange, AllowList, Change, Gate, MemoryState, Pass, RouteAccess, RouteTable,
};
use intermission_actix::{ConfigError, MaintenanceBuilder, maintenance};

use crate::site::Site;

async fn fresh() -> MaintenanceBuilder {
    let gate = Gate::builder(MemoryState::new()).start().await.unwrap();
    maintenance(gate)
}

#[actix_web::test]
async fn a_middleware_that_nobody_could_pass_is_refused() {
    let error = fresh().await.build().unwrap_err();
    assert_eq!(error, ConfigError::Lockout);
    for way_out in [
        "with_permission",
        "with_always",
        "address",
        "pass",
        "with_lockout_accepted",
    ] {
        assert!(error.to_string().contains(way_out), "{error}");
    }
    let executions = fresh()
        .await
        .with_route("/jobs", RouteAccess::StartsExecution);
    assert_eq!(executions.build().unwrap_err(), ConfigError::Lockout);
}

#[actix_web::test]
async fn each_way_out_will_do() {
    let table = RouteTable::new()
        .with("/login", RouteAccess::Always)
        .unwrap();
    for builder in [
        fresh().await.with_permission(|_| false),
        fresh().await.with_always("/login"),
        fresh().await.with_routes(table),
        fresh().await.with_default_access(RouteAccess::Always),
        fresh().await.with_always_elsewhere(),
        fresh().await.with_lockout_accepted(),
    ] {
        let built = builder.clone().build();
        assert!(built.is_ok(), "{builder:?}: {built:?}");
    }
    let site = Site::open().await;
    let settings = || maintenance(site.gate.clone());
    let allow = AllowChange::Replace(AllowList::parse(["192.0.2.1"]).unwrap());
    site.change(Change::Allow(allow)).await;
    assert!(settings().build().is_ok());
    let clear = AllowChange::Replace(AllowList::default());
    site.activate(Activate::by("ana").with_allow(clear)).await;
    assert_eq!(settings().build().unwrap_err(), ConfigError::Lockout);
    site.change(Change::IssuePass(Pass::issue("ben", None).unwrap().0))
        .await;
    assert!(settings().build().is_ok());
}

#[actix_web::test]
async fn malformed_settings_are_named() {
    let error = fresh().await.with_always("health").build().unwrap_err();
    assert!(
        matches!(&error, ConfigError::Route(_)) && error.to_string().contains("health"),
        "{error}"
    );
    let twice = fresh()
        .await
        .with_always("/a")
        .with_route("/a", RouteAccess::StartsExecution);
    assert!(matches!(twice.build(), Err(ConfigError::Route(_))));
    for name in ["", "a b", "a=b", "pass;", "é", "a\r\n", &"a".repeat(65)] {
        let error = fresh().await.with_pass_name(name).build().unwrap_err();
        assert!(
            matches!(&error, ConfigError::PassName(_)),
            "{name:?}: {error}"
        );
        assert!(!error.to_string().contains('\n'));
    }
}
