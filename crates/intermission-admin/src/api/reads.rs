//! How everything is, once and as it goes on.

use std::sync::Arc;

use intermission::ScopeName;

use super::{Answered, Call, etag};
use crate::events::{EventId, EventStream};
use crate::input::{HistoryQuery, ScopeQuery, no_parameters};
use crate::json::{Executions, History, Nodes, Status};
use crate::openapi::{self, LastEventIdHeader, ReadRefused};
use crate::problem::Problem;
use crate::reply::AdminReply;

/// How the site is, and which parts of it are closed by themselves; with `scope`, how that part is.
#[utoipa::path(
    get, path = "/api/status", operation_id = "status", tag = "reads",
    params(ScopeQuery),
    responses(
        (status = 200, description = "How the site is", body = Status<'_>,
            headers(("etag" = String, description = "The revision in quotes, for `If-Match`"))),
        ReadRefused,
    )
)]
pub(super) async fn status(call: &Call<'_>) -> Answered {
    let ScopeQuery { scope } = ScopeQuery::read(&call.request.query)?;
    let view = call.inspect_in(scope.as_ref(), usize::MAX).await?;
    let status = Status::of(&view, call.inner.clock.now());
    let status = status.with_scope(scope.as_ref().map(ScopeName::as_str));
    Ok(AdminReply::json(200, &status).with_header("etag", etag(&view.record)))
}

/// Who is there, those first that hold up the drain.
#[utoipa::path(
    get, path = "/api/nodes", operation_id = "nodes", tag = "reads",
    responses((status = 200, description = "The nodes", body = Nodes<'_>), ReadRefused)
)]
pub(super) async fn nodes(call: &Call<'_>) -> Answered {
    no_parameters(&call.request.query)?;
    let view = call.inspect(usize::MAX).await?;
    Ok(AdminReply::json(200, &Nodes::of(&view)))
}

/// What runs, the oldest first.
#[utoipa::path(
    get, path = "/api/executions", operation_id = "executions", tag = "reads",
    responses((status = 200, description = "The executions", body = Executions<'_>), ReadRefused)
)]
pub(super) async fn executions(call: &Call<'_>) -> Answered {
    no_parameters(&call.request.query)?;
    let view = call.inspect(usize::MAX).await?;
    Ok(AdminReply::json(200, &Executions::of(&view)))
}

/// Who did what, when, from where, the newest first.
#[utoipa::path(
    get, path = "/api/history", operation_id = "history", tag = "reads",
    params(HistoryQuery),
    responses((status = 200, description = "The history", body = History<'_>), ReadRefused)
)]
pub(super) async fn history(call: &Call<'_>) -> Answered {
    let HistoryQuery { n } = HistoryQuery::read(&call.request.query)?;
    let history = call.operator().history(n).await;
    let history = history.map_err(|error| AdminReply::from(Problem::from(&error)))?;
    Ok(AdminReply::json(200, &History::of(&history)))
}

/// One event for each change, and how far everything is whenever that changes.
///
/// `view` has the status, the executions and the nodes; it comes first. `change` is one line of the history, and has an id.
/// `trouble` says that the state is out of reach. A client that comes back sends the last id and is told all changes since.
#[utoipa::path(
    get, path = "/api/events", operation_id = "events", tag = "reads",
    params(LastEventIdHeader),
    responses(
        (status = 200, description = "Events, until the client leaves", body = String, content_type = "text/event-stream"),
        ReadRefused,
    )
)]
pub(super) fn events(call: &Call<'_>) -> Answered {
    no_parameters(&call.request.query)?;
    let Ok(permit) = Arc::clone(&call.inner.streams).try_acquire_owned() else {
        return Err(Problem::busy(
            "Too many listeners",
            "too many clients listen already: close some of them",
        )
        .into());
    };
    // An id that is not ours is that of another server, which is no reason to tell nothing.
    let last = call
        .request
        .header("last-event-id")
        .and_then(EventId::parse);
    let stream = EventStream::begin(
        call.operator(),
        Arc::clone(&call.inner.clock),
        last,
        call.inner.end.subscribe(),
        permit,
    );
    Ok(AdminReply::events(stream))
}

/// The document that describes all this.
pub(super) fn openapi(call: &Call<'_>) -> Answered {
    no_parameters(&call.request.query)?;
    Ok(AdminReply::json(
        200,
        &openapi::document(&call.request.mount),
    ))
}
