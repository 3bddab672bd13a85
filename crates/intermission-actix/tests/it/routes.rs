//! Flags beside resources and scopes.

use std::net::SocketAddr;

use actix_web::dev::Service;
use actix_web::middleware::NormalizePath;
use actix_web::{App, HttpResponse, guard, web};
use intermission::{Phase, RouteAccess};
use intermission_actix::{MaintenanceExt, MaintenanceScope};

use crate::server::{expect, get, serve};
use crate::site::Site;

async fn ok() -> &'static str {
    "ok"
}

fn jobs() -> MaintenanceScope {
    MaintenanceScope::new("/jobs")
        .service(
            web::resource("")
                .guard(guard::Post())
                .to(ok)
                .starts_execution(),
        )
        .service(web::resource("").to(ok))
        .service(web::resource("/health").to(ok).always())
        .service(web::resource("/{id}").to(ok))
}

fn routes() -> MaintenanceScope {
    let docs = web::scope("/docs")
        .service(web::resource("").to(ok))
        .service(web::resource("/{page}").to(ok));
    let shop = web::scope("/shop").service(web::resource("/orders").to(ok));
    let imports = web::scope("/imports").service(web::resource("/prices").to(ok));
    MaintenanceScope::new("")
        .service(web::resource("/").to(ok))
        .service(web::resource("/health").to(ok).always())
        .service(docs.always())
        .service(shop)
        .service(imports.starts_execution())
        .service(jobs())
}

fn serve_routes(site: &Site) -> SocketAddr {
    let maintenance = site.maintenance().build().unwrap();
    serve!(move || App::new().service(routes().behind(&maintenance)))
}

#[actix_web::test]
async fn each_route_goes_by_its_flag() {
    let site = Site::open().await;
    let address = serve_routes(&site);
    let all = [
        "/",
        "/health",
        "/docs",
        "/docs/a",
        "/shop/orders",
        "/imports/prices",
        "/jobs",
        "/jobs/health",
        "/jobs/7",
    ];
    for uri in all {
        assert_eq!(get(address, uri).await.status, 200, "{uri}");
    }
    let running = site.drain().await;
    expect(
        address,
        &[
            "GET / 200",
            "GET /shop/orders 200",
            "GET /imports/prices 503",
            "POST /jobs 503",
            "GET /jobs 200",
            "GET /jobs/7 200",
            "GET /jobs/health 200",
        ],
    )
    .await;
    drop(running);
    site.gate
        .reached(|record| record.phase() == Phase::Activated)
        .await;
    expect(
        address,
        &[
            "GET / 503",
            "POST / 503",
            "GET /health 200",
            "POST /health 200",
            "GET /docs 200",
            "GET /docs/a 200",
            "GET /shop/orders 503",
            "GET /imports/prices 503",
            "POST /jobs 503",
            "GET /jobs 503",
            "GET /jobs/health 200",
            "GET /jobs/7 503",
        ],
    )
    .await;
    site.nothing_in_flight().await;
}

#[actix_web::test]
async fn a_flag_opens_what_actix_routes_there_and_nothing_else() {
    let site = Site::activated().await;
    let address = serve_routes(&site);
    expect(
        address,
        &[
            "GET /health 200",
            // actix-web decodes before it routes, so this is the flagged resource.
            "GET /%68ealth 200",
            "GET /healthz 503",
            "GET /healthz-admin 503",
            "GET /health/ 503",
            "GET //health 503",
            "GET /HEALTH 503",
            // These are in the scope `/docs`, which is always open and has nothing there.
            "GET /docs/../shop/orders 404",
            "GET /docs/%2e%2e/shop/orders 404",
            "GET /docsx 503",
            "GET /jobs/health/x 503",
        ],
    )
    .await;
}

#[actix_web::test]
async fn tidied_paths_go_by_the_flag_of_where_they_lead() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().build().unwrap();
    let address = serve!(move || {
        App::new()
            .service(routes().behind(&maintenance))
            .wrap(NormalizePath::trim())
    });
    let lines = [
        "GET //health 200",
        "GET /health/ 200",
        "GET //shop//orders 503",
    ];
    expect(address, &lines).await;
}

#[actix_web::test]
async fn a_guard_that_says_no_leads_to_the_flag_of_the_next() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().build().unwrap();
    let address = serve!(move || {
        let public = web::resource("/{page}")
            .guard(guard::Header("x-public", "1"))
            .to(ok);
        let scope = MaintenanceScope::new("")
            .service(public.always())
            .service(web::resource("/secret").to(ok));
        App::new().service(scope.behind(&maintenance))
    });
    // The resource map names `/{page}` for it, which is always open.
    expect(address, &["GET /secret 503"]).await;
}

#[actix_web::test]
async fn before_routing_the_resource_map_only_guesses() {
    let address = serve!(|| {
        App::new()
            .service(
                web::resource("/{page}")
                    .guard(guard::Header("x-public", "1"))
                    .to(ok),
            )
            .service(web::resource("/secret").to(HttpResponse::Ok))
            .wrap_fn(|request, service| {
                let before = request.match_pattern();
                let response = service.call(request);
                async move {
                    let response = response.await?;
                    let after = response.request().match_pattern();
                    let said = format!("{before:?} {after:?}");
                    let (request, _) = response.into_parts();
                    let body = HttpResponse::Ok().body(said);
                    Ok(actix_web::dev::ServiceResponse::new(request, body))
                }
            })
    });
    let answer = get(address, "/secret").await;
    assert_eq!(answer.body, r#"Some("/{page}") Some("/secret")"#);
}

#[actix_web::test]
async fn one_resource_can_be_wrapped_by_itself() {
    let site = Site::activated().await;
    let maintenance = site.maintenance().build().unwrap();
    let address = serve!(move || {
        let jobs = maintenance.for_routes(RouteAccess::StartsExecution);
        App::new()
            .service(web::resource("/jobs").to(ok).wrap(jobs))
            .service(web::resource("/").to(ok))
    });
    expect(address, &["GET /jobs 503", "GET / 200"]).await;
}

#[actix_web::test]
async fn data_and_guards_of_a_scope_are_its_services() {
    let site = Site::open().await;
    let maintenance = site.maintenance().build().unwrap();
    let address = serve!(move || {
        let say = async |word: web::Data<&'static str>| *word.get_ref();
        let scope = MaintenanceScope::new("/a")
            .app_data(web::Data::new("word"))
            .guard(guard::Get())
            .service(web::resource("").to(say));
        App::new().service(scope.behind(&maintenance))
    });
    assert_eq!(get(address, "/a").await.body, "word");
    expect(address, &["POST /a 404"]).await;
}
