//! The page.

use crate::api::{Answered, Call};
use crate::reply::AdminReply;

/// The page, as the site is now.
pub(crate) async fn page(call: &Call<'_>) -> Answered {
    let view = call.inspect(0).await?;
    let phase = view.record.phase();
    Ok(AdminReply::new(200)
        .with_header("content-type", "text/html; charset=utf-8")
        .with_body(format!("<!doctype html><title>{phase}</title>")))
}
