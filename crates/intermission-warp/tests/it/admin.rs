//! What the mount of the admin API does with warp's own. What all mounts do alike is in `tests/tests/admin_mounts`.

use http::request::Parts;
use intermission_warp::admin::{self, Admin, Authorization};
use intermission_warp::{PeerAddress, guard};
use warp::Filter;

use crate::site::{Site, ask, expect, serve};

/// Whoever comes from this machine may administer.
fn authorize(request: &Parts) -> Authorization {
    match request.extensions.get() {
        Some(PeerAddress(peer)) if peer.ip().is_loopback() => {
            Authorization::granted(format!("somebody at {}", request.uri))
        }
        _ => Authorization::Unauthenticated,
    }
}

#[tokio::test]
async fn the_closure_sees_the_peer_and_the_target() {
    let site = Site::activated().await;
    let admin = Admin::new(site.gate.clone());
    let mounted = warp::path!("admin" / "maintenance" / ..).and(admin::routes(admin, authorize));
    let hello = warp::path::end().map(|| "hello");
    let address = serve(mounted.or(guard(&site.maintenance(), hello))).await;
    expect(
        address,
        &[
            "GET / 503",
            "GET /admin 503",
            "GET /admin/maintenances 503",
            "GET /admin/maintenance 308",
            "GET /admin/maintenance/ 200",
        ],
    )
    .await;
    let line = "DELETE /admin/maintenance/api/passes?";
    assert_eq!(ask(address, line, &[]).await.status(), 200);
    let line = "GET /admin/maintenance/api/history";
    let history = ask(address, line, &[]).await;
    assert_eq!(history.status(), 200, "{history:?}");
}
