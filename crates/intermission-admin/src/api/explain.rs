//! Would this request pass, and by which rule?

use intermission::{ClientAddress, Visitor};

use super::{Answered, Call};
use crate::input::ExplainQuery;
use crate::json::Explained;
use crate::openapi::ReadRefused;
use crate::reply::AdminReply;

/// What cannot be known here.
const NOT_KNOWN: [&str; 2] = [
    "which flag the application has given to the route (say it with route)",
    "whether the visitor has the permission (say it with permission), or a pass",
];

/// Would this request pass, and by which rule? Judged by the node that answers, with what holds it.
#[utoipa::path(
    get, path = "/api/explain", operation_id = "explain", tag = "reads",
    params(ExplainQuery),
    responses((status = 200, description = "The decision, and what every rule says", body = Explained<'_>), ReadRefused)
)]
pub(super) fn explain(call: &Call<'_>) -> Answered {
    let query = ExplainQuery::read(&call.request.query)?;
    let visitor = Visitor::new(&query.method, &query.path)
        .with_access(query.route)
        .with_address(query.ip.map_or(ClientAddress::Unknown, ClientAddress::from))
        .with_permission(query.permission)
        .with_scopes(query.scope.as_slice());
    let gate = &call.inner.gate;
    let explanation = gate.explain(&visitor);
    let request = (query.method.as_str(), query.path.as_str());
    let explained = Explained::of(request, &gate.record(), &explanation, &NOT_KNOWN);
    Ok(AdminReply::json(200, &explained))
}
