//! What a builder refuses, and why.

use intermission::{
    Activate, AllowChange, AllowList, Change, Gate, MemoryState, Pass, Phase, RouteAccess,
    RouteTable,
};
use intermission_tower::{ConfigError, MaintenanceBuilder, MaintenanceLayer};

use crate::site::{Site, answer, get};

async fn fresh() -> MaintenanceBuilder {
    let gate = Gate::builder(MemoryState::new()).start().await.unwrap();
    MaintenanceLayer::builder(gate)
}

#[tokio::test]
async fn a_layer_that_nobody_could_pass_is_refused() {
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

#[tokio::test]
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
    let layer = || MaintenanceLayer::builder(site.gate.clone());
    let allow = AllowChange::Replace(AllowList::parse(["192.0.2.1"]).unwrap());
    site.change(Change::Allow(allow)).await;
    assert!(layer().build().is_ok());
    let clear = AllowChange::Replace(AllowList::default());
    site.activate(Activate::by("ana").with_allow(clear)).await;
    assert_eq!(layer().build().unwrap_err(), ConfigError::Lockout);
    site.change(Change::IssuePass(Pass::issue("ben", None).unwrap().0))
        .await;
    assert!(layer().build().is_ok());
}

#[tokio::test]
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

#[tokio::test]
async fn rows_are_added_to_the_table_in_either_order() {
    let table = RouteTable::new()
        .with("/a", RouteAccess::StartsExecution)
        .unwrap();
    let site = Site::open().await;
    let before = site.layer().with_always("/b").with_routes(table.clone());
    let after = site.layer().with_routes(table).with_always("/b");
    let running = site.drain().await;
    for layer in [before.build().unwrap(), after.build().unwrap()] {
        assert_eq!(answer(&layer, get("/a")).await.status(), 503);
        assert_eq!(answer(&layer, get("/")).await.status(), 200);
    }
    drop(running);
    site.gate
        .reached(|record| record.phase() == Phase::Activated)
        .await;
    for builder in [
        site.layer()
            .with_always("/b")
            .with_routes(RouteTable::new()),
        site.layer()
            .with_routes(RouteTable::new())
            .with_always("/b"),
    ] {
        let layer = builder.build().unwrap();
        assert_eq!(answer(&layer, get("/b")).await.status(), 200);
        assert_eq!(answer(&layer, get("/")).await.status(), 503);
    }
}
