//! Bypasses for single persons.

use intermission::{Change, Pass, PassId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answered, Call, changed};
use crate::input::{PassBody, ScopeQuery, object};
use crate::json::{Changed, Passes};
use crate::lockout::Lockout;
use crate::openapi::{ChangeRefused, IfMatchHeader, ReadRefused};
use crate::problem::{Problem, in_full};
use crate::reply::AdminReply;

/// A fresh pass. This is the only time that its secret is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct PassIssued<'a> {
    id: String,
    subject: &'a str,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The link to give to that person, and to nobody else.
    link: String,
}

/// Let one person pass.
#[utoipa::path(
    post, path = "/api/passes", operation_id = "createPass", tag = "passes",
    params(ScopeQuery, IfMatchHeader),
    request_body = PassBody,
    responses((status = 201, description = "The pass, with its link", body = PassIssued<'_>), ChangeRefused)
)]
pub(super) async fn create_pass(call: &Call<'_>, body: &[u8]) -> Answered {
    let ScopeQuery { scope } = ScopeQuery::read(&call.request.query)?;
    let PassBody { subject, expires_s } = PassBody::read(object(body)?)?;
    let expires_at = expires_s.map(|duration| call.inner.clock.now().saturating_add(duration));
    let (pass, secret) = Pass::issue(subject, expires_at)
        .map_err(|error| AdminReply::from(Problem::busy("No randomness", in_full(&error))))?;
    let issue = Change::IssuePass(pass.clone());
    call.change_in(scope.as_ref(), issue, Lockout::Impossible)
        .await?;
    let base_url = call.inner.base_url(call.request);
    let separator = if base_url.contains('?') { '&' } else { '?' };
    let name = &call.inner.settings.pass_name;
    let issued = PassIssued {
        id: pass.id.to_string(),
        subject: &pass.subject,
        expires_at: pass.expires_at,
        link: format!("{base_url}{separator}{name}={secret}"),
    };
    Ok(AdminReply::json(201, &issued))
}

/// The passes of the maintenance that is on, without their secrets.
#[utoipa::path(
    get, path = "/api/passes", operation_id = "listPasses", tag = "passes",
    params(ScopeQuery),
    responses((status = 200, description = "The passes", body = Passes<'_>), ReadRefused)
)]
pub(super) async fn list_passes(call: &Call<'_>) -> Answered {
    let ScopeQuery { scope } = ScopeQuery::read(&call.request.query)?;
    let view = call.inspect_in(scope.as_ref(), 0).await?;
    let passes = Passes::of(view.record.passes(), call.inner.clock.now());
    Ok(AdminReply::json(200, &passes))
}

/// Let one person pass no longer.
#[utoipa::path(
    delete, path = "/api/passes/{id}", operation_id = "revokePass", tag = "passes",
    params(("id" = String, Path, description = "The id of the pass", pattern = "^[0-9a-f]{16}$"), ScopeQuery, IfMatchHeader),
    responses(
        (status = 200, description = "What came of it", body = Changed<'_>),
        (status = 404, description = "No pass has this id", body = Problem<'_>, content_type = "application/problem+json"),
        ChangeRefused,
    )
)]
pub(super) async fn revoke_pass(call: &Call<'_>, id: &str) -> Answered {
    let ScopeQuery { scope } = ScopeQuery::read(&call.request.query)?;
    // The text may be a secret, given by mistake, so the complaint does not repeat it.
    let id: PassId = id.parse().map_err(|_| {
        AdminReply::from(Problem::new(
            404,
            "no pass has this id: list the passes to see their ids",
        ))
    })?;
    Ok(changed(
        &call
            .change_in(scope.as_ref(), Change::RevokePass(id), Lockout::Impossible)
            .await?,
    ))
}

/// Let nobody pass by a pass any longer.
#[utoipa::path(
    delete, path = "/api/passes", operation_id = "revokeAllPasses", tag = "passes",
    params(ScopeQuery, IfMatchHeader),
    responses((status = 200, description = "What came of it", body = Changed<'_>), ChangeRefused)
)]
pub(super) async fn revoke_all_passes(call: &Call<'_>) -> Answered {
    let ScopeQuery { scope } = ScopeQuery::read(&call.request.query)?;
    Ok(changed(
        &call
            .change_in(scope.as_ref(), Change::RevokeAllPasses, Lockout::Impossible)
            .await?,
    ))
}
