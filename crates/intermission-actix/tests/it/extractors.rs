//! What handlers get.

use actix_web::web::Data;
use actix_web::{App, HttpResponse, guard, web};
use intermission::{Execution, Gate};
use intermission_actix::{
    AdmittedBy, LongLived, MaintenanceExt, MaintenanceGate, MaintenanceScope, StartedExecution,
};
use tokio::sync::mpsc;

use crate::server::{ask, get, serve};
use crate::site::Site;

#[actix_web::test]
async fn a_handler_takes_its_execution_over() {
    let site = Site::open().await;
    let (give, mut taken) = mpsc::unbounded_channel::<Execution>();
    let maintenance = site.maintenance().build().unwrap();
    let address = serve!(move || {
        let give = give.clone();
        let start = move |StartedExecution(execution): StartedExecution| {
            give.send(execution).unwrap();
            std::future::ready(HttpResponse::Accepted())
        };
        let jobs = web::resource("/jobs").to(start).starts_execution();
        App::new().service(MaintenanceScope::new("").service(jobs).behind(&maintenance))
    });
    assert_eq!(ask(address, "POST", "/jobs", &[]).await.status, 202);
    let execution = taken.recv().await.unwrap();
    while site.requests() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.running(), 1, "although the response has ended");
    assert!(!execution.is_cancelled() && !execution.is_bypass());
    drop(execution);
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn a_bypassed_execution_is_not_waited_for() {
    let site = Site::activated().await;
    let maintenance = site
        .maintenance()
        .with_permission(|_| true)
        .build()
        .unwrap();
    let address = serve!(move || {
        let start =
            async |StartedExecution(execution): StartedExecution| execution.is_bypass().to_string();
        let jobs = web::resource("/jobs").to(start).starts_execution();
        App::new().service(MaintenanceScope::new("").service(jobs).behind(&maintenance))
    });
    let answer = get(address, "/jobs").await;
    assert_eq!(answer.body, "true");
    assert_eq!(answer.header("maintenance-mode"), "bypassed");
}

#[actix_web::test]
async fn a_route_without_the_flag_has_no_execution_to_give() {
    let site = Site::open().await;
    let maintenance = site.maintenance().build().unwrap();
    let address = serve!(move || {
        let needed = async |_: StartedExecution| "started";
        let optional = async |execution: Option<StartedExecution>| {
            if execution.is_some() { "some" } else { "none" }
        };
        let twice = async |_: StartedExecution, _: StartedExecution| "started";
        let posted = web::resource("/optional").guard(guard::Post()).to(optional);
        let scope = MaintenanceScope::new("")
            .service(web::resource("/needed").to(needed))
            .service(posted.starts_execution())
            .service(web::resource("/optional").to(optional))
            .service(web::resource("/twice").to(twice).starts_execution());
        App::new().service(scope.behind(&maintenance))
    });
    for path in ["/needed", "/twice"] {
        let answer = ask(address, "POST", path, &[]).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.contains("starts_execution()"), "{path}");
    }
    assert_eq!(get(address, "/optional").await.body, "none");
    assert_eq!(ask(address, "POST", "/optional", &[]).await.body, "some");
    site.nothing_in_flight().await;
}

async fn phase(MaintenanceGate(gate): MaintenanceGate) -> String {
    gate.record().phase().to_string()
}

#[actix_web::test]
async fn the_gate_comes_from_the_data() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().build().unwrap();
    let gate: Gate = site.gate.clone();
    let address = serve!(move || {
        let scope =
            MaintenanceScope::new("/scope").service(web::resource("/phase").to(phase).always());
        App::new()
            .service(scope.behind(&maintenance))
            .service(web::resource("/bare").app_data(gate.clone()).to(phase))
            .service(
                web::resource("/data")
                    .app_data(Data::new(gate.clone()))
                    .to(phase),
            )
            .service(web::resource("/none").to(phase))
    });
    for path in ["/scope/phase", "/bare", "/data"] {
        assert_eq!(get(address, path).await.body, "activated", "{path}");
    }
    let none = get(address, "/none").await;
    assert_eq!(none.status, 500);
    assert!(none.body.contains("app_data"), "{}", none.body);
}

#[actix_web::test]
async fn a_handler_can_tell_by_which_rule_its_visitor_came() {
    let site = Site::open().await;
    let operator = |request: &actix_web::HttpRequest| request.headers().contains_key("x-operator");
    let maintenance = site
        .maintenance()
        .with_permission(operator)
        .build()
        .unwrap();
    let address = serve!(move || {
        let rule = async |AdmittedBy(reason): AdmittedBy, connection: LongLived| {
            format!("{reason:?} {:?}", connection.reason())
        };
        let scope = MaintenanceScope::new("")
            .service(web::resource("/").to(rule))
            .service(web::resource("/health").to(rule).always());
        App::new().service(scope.behind(&maintenance))
    });
    assert_eq!(get(address, "/").await.body, "None Deactivated");
    site.activate(intermission::Activate::by("ana")).await;
    let health = get(address, "/health").await;
    assert_eq!(health.body, "Some(RouteAlways) RouteAlways");
    assert_eq!(health.header("maintenance-mode"), "");
    let passed = ask(address, "GET", "/", &["X-Operator: 1"]).await;
    assert_eq!(passed.body, "Some(Permission) Permission");
}
