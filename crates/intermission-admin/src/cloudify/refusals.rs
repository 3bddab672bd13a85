//! Refusals, as Cloudify's client reads them.

use intermission::reply::{Marker, Notice, RefusalStatus, VendorFormat};

use super::bypass::is_api_path;
use super::error::Envelope;

/// Refusals of [API paths](is_api_path) in Cloudify's format.
///
/// The client makes a `MaintenanceModeActiveError` or a `MaintenanceModeActivatingError` of them. They are 503 whatever the
/// policy says, since the client goes by that.
///
/// # Examples
///
/// ```
/// use intermission::reply::ReplyPolicy;
/// use intermission_admin::cloudify::Refusals;
///
/// let policy = ReplyPolicy::default().with_vendor_format(Refusals::default());
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Refusals {}

impl VendorFormat for Refusals {
    fn is_for(&self, path: &str) -> bool {
        is_api_path(path)
    }

    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn body(&self, notice: &Notice<'_>, message: &str) -> Vec<u8> {
        let code = match notice.marker() {
            Marker::Activating => "entering_maintenance_mode",
            _ => "maintenance_mode_active",
        };
        // INVARIANT: it has string keys and no failing parts, so it never fails.
        serde_json::to_vec(&Envelope::new(message, code)).unwrap_or_default()
    }

    fn status(&self, _policy: RefusalStatus) -> RefusalStatus {
        RefusalStatus::SERVICE_UNAVAILABLE
    }
}
