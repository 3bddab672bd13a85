//! The rule by which a request was let in.

use std::convert::Infallible;

use intermission::{AdmitReason, Decision};
use intermission_tower::MaintenanceLayer;
use warp::Filter;

use crate::head::{Head, head};

/// The rule by which this request was let in; `None` if the gate is open, so that nothing has to be asked.
///
/// The gate is asked anew, as what the guard was told cannot be passed on. So the permission is asked again, the answer is
/// that of this moment (`None` if the visitor would be refused by now), and it is that of an ordinary route or of a flag in
/// the table: on a route with a flag of its own beside it, it says nothing of that.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use intermission::{AdmitReason, Gate, MemoryState};
/// use intermission_warp::{admitted_by, guard, maintenance};
/// use warp::Filter;
///
/// fn page(reason: Option<AdmitReason>) -> &'static str {
///     if reason.is_some_and(|reason| reason.is_bypass()) {
///         "operating in maintenance mode"
///     } else {
///         "hello"
///     }
/// }
///
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let maintenance = maintenance(gate).with_always("/health").build()?;
/// let hello = warp::path::end().and(admitted_by(&maintenance)).map(page);
/// let site = guard(&maintenance, hello);
/// # drop(site); Ok(()) }
/// ```
#[must_use]
pub fn admitted_by(
    maintenance: &MaintenanceLayer,
) -> impl Filter<Extract = (Option<AdmitReason>,), Error = Infallible>
+ Clone
+ Send
+ Sync
+ 'static
+ use<> {
    let maintenance = maintenance.clone();
    head().map(move |head: Head| {
        let gate = maintenance.gate();
        if gate.is_open() && !gate.has_closed_scopes() {
            return None;
        }
        let mut parts = head.into_parts();
        // The guard counts the request already.
        drop(maintenance.ask(&mut parts));
        match parts.extensions.get() {
            Some(Decision::Admit(reason)) => Some(*reason),
            Some(Decision::Refuse(_)) | None => None,
        }
    })
}
