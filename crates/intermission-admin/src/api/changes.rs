//! Closing, opening, and who passes by address.

use intermission::{AllowChange, Change, Deactivate};

use super::{Answered, Call, changed};
use crate::input::{
    ActivateBody, AllowIpsBody, AllowIpsQuery, AllowMode, DeactivateBody, ScopeQuery, object,
};
use crate::json::Changed;
use crate::lockout::Lockout;
use crate::openapi::{ChangeRefused, IfMatchHeader};

/// Close the site, or change how it is closed; with `scope`, a part of it.
///
/// Repeating a request changes nothing and is a success.
#[utoipa::path(
    post, path = "/api/activate", operation_id = "activate", tag = "changes",
    params(ScopeQuery, IfMatchHeader),
    request_body = ActivateBody,
    responses((status = 200, description = "What came of it", body = Changed<'_>), ChangeRefused)
)]
pub(super) async fn activate(call: &Call<'_>, body: &[u8]) -> Answered {
    let ScopeQuery { scope } = ScopeQuery::read(&call.request.query)?;
    let body = ActivateBody::read(object(body)?)?;
    let lockout = Lockout::accepted_if(body.is_lockout_accepted());
    let change = Change::Activate(body.change(call.actor));
    Ok(changed(
        &call.change_in(scope.as_ref(), change, lockout).await?,
    ))
}

/// Open the site, or cancel a planned maintenance; with `scope`, of a part of it.
///
/// Repeating a request changes nothing and is a success.
#[utoipa::path(
    post, path = "/api/deactivate", operation_id = "deactivate", tag = "changes",
    params(ScopeQuery, IfMatchHeader),
    request_body = DeactivateBody,
    responses((status = 200, description = "What came of it", body = Changed<'_>), ChangeRefused)
)]
pub(super) async fn deactivate(call: &Call<'_>, body: &[u8]) -> Answered {
    let ScopeQuery { scope } = ScopeQuery::read(&call.request.query)?;
    let DeactivateBody {} = DeactivateBody::read(object(body)?)?;
    let change = Change::Deactivate(Deactivate::new());
    let accepted = call.change_in(scope.as_ref(), change, Lockout::Impossible);
    Ok(changed(&accepted.await?))
}

/// Change who passes by address.
#[utoipa::path(
    put, path = "/api/allow-ips", operation_id = "allowIps", tag = "changes",
    params(AllowIpsQuery, IfMatchHeader),
    request_body = AllowIpsBody,
    responses((status = 200, description = "What came of it", body = Changed<'_>), ChangeRefused)
)]
pub(super) async fn allow_ips(call: &Call<'_>, body: &[u8]) -> Answered {
    let query = AllowIpsQuery::read(&call.request.query)?;
    let AllowIpsBody {
        allow,
        lockout_accepted,
    } = AllowIpsBody::read(object(body)?)?;
    let lockout = Lockout::accepted_if(lockout_accepted);
    let change = Change::Allow(match query.mode {
        AllowMode::Replace => AllowChange::Replace(allow),
        AllowMode::Add => AllowChange::Add(allow),
        AllowMode::Remove => AllowChange::Remove(allow),
    });
    Ok(changed(&call.change(change, lockout).await?))
}
