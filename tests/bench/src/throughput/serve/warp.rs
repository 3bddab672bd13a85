//! warp, with the guard around all filters, and with the layer around `warp::service`.

use anyhow::Result;
use intermission::RouteAccess;
use intermission_warp::{guard, maintenance};
use tower::Layer;
use warp::{Filter, Rejection, Reply};

use super::hyper::{connections, known, layer};
use super::{BODY, Mode, gate_in, listen};

pub(super) async fn serve(mode: Mode) -> Result<()> {
    let listener = listen().await?;
    if mode == Mode::Bare {
        warp::serve(routes()).incoming(listener).run().await;
    } else {
        let maintenance = maintenance(gate_in(mode).await?)
            .with_permission(|request| super::is_staff(request.headers.get("x-staff")))
            .with_always("/health")
            .with_route("/imports", RouteAccess::StartsExecution)
            .build()?;
        let app = guard(&maintenance, routes());
        warp::serve(app).incoming(listener).run().await;
    }
    Ok(())
}

pub(super) async fn serve_service(mode: Mode) -> Result<()> {
    let listener = listen().await?;
    if mode == Mode::Bare {
        let app = warp::service(routes());
        connections(listener, move |_| app.clone()).await
    } else {
        let app = layer(mode).await?.layer(warp::service(routes()));
        connections(listener, move |peer| known(app.clone(), peer)).await
    }
}

fn routes()
-> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + Send + Sync + use<> {
    let hello = warp::path!("hello").and(warp::get());
    let health = warp::path!("health").and(warp::get());
    let imports = warp::path!("imports").and(warp::post());
    hello.or(health).unify().or(imports).unify().map(|| BODY)
}
