//! What each endpoint does.

mod changes;
mod explain;
mod passes;
mod reads;

use std::sync::Arc;

use intermission::{
    Accepted, Change, Operator, OperatorError, Outcome, Record, RouteAccess, ScopeName,
    StateErrorKind, View,
};

pub(crate) use changes::{__path_activate, __path_allow_ips, __path_deactivate};
pub(crate) use explain::__path_explain;
pub(crate) use passes::{
    __path_create_pass, __path_list_passes, __path_revoke_all_passes, __path_revoke_pass,
};
pub(crate) use reads::{
    __path_events, __path_executions, __path_history, __path_nodes, __path_status,
};

use crate::admin::Inner;
use crate::endpoint::Endpoint;
use crate::if_match::IfMatch;
use crate::json::Changed;
use crate::lockout::{self, Lockout};
use crate::problem::Problem;
use crate::reply::AdminReply;
use crate::request::AdminRequest;

/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 16;

/// One request of somebody who may administer.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) request: &'a AdminRequest,
    pub(crate) actor: &'a str,
}

/// Answers a request of somebody who may administer.
pub(crate) async fn answer(endpoint: Endpoint, call: &Call<'_>, body: &[u8]) -> AdminReply {
    let answered = match endpoint {
        Endpoint::Page => crate::page::page(call).await,
        Endpoint::OpenApi => reads::openapi(call),
        Endpoint::Status => reads::status(call).await,
        Endpoint::Activate => changes::activate(call, body).await,
        Endpoint::Deactivate => changes::deactivate(call, body).await,
        Endpoint::AllowIps => changes::allow_ips(call, body).await,
        Endpoint::CreatePass => passes::create_pass(call, body).await,
        Endpoint::ListPasses => passes::list_passes(call).await,
        Endpoint::RevokePass(id) => passes::revoke_pass(call, &id).await,
        Endpoint::RevokeAllPasses => passes::revoke_all_passes(call).await,
        Endpoint::Nodes => reads::nodes(call).await,
        Endpoint::Executions => reads::executions(call).await,
        Endpoint::History => reads::history(call).await,
        Endpoint::Explain => explain::explain(call),
        Endpoint::Events => reads::events(call),
    };
    answered.unwrap_or_else(|reply| reply)
}

/// A reply, either way: what went wrong is one, too.
pub(crate) type Answered = Result<AdminReply, AdminReply>;

impl From<Problem<'_>> for AdminReply {
    fn from(problem: Problem<'_>) -> Self {
        problem.reply()
    }
}

impl Call<'_> {
    pub(crate) fn operator(&self) -> Operator {
        self.inner.operator(self.request, self.actor)
    }

    /// The state at this moment.
    pub(crate) async fn inspect(&self, limit: usize) -> Result<View, AdminReply> {
        let view = self.operator().inspect(limit).await;
        view.map_err(|error| Problem::from(&error).into())
    }

    /// The same of this part of the site, or of the whole.
    pub(crate) async fn inspect_in(
        &self,
        scope: Option<&ScopeName>,
        limit: usize,
    ) -> Result<View, AdminReply> {
        let view = self.inspect(limit).await?;
        Ok(match scope {
            Some(scope) => view.of_scope(scope),
            None => view,
        })
    }

    /// Makes a change in this part of the site, or in the whole. What is closed by itself locks nobody out of here.
    pub(crate) async fn change_in(
        &self,
        scope: Option<&ScopeName>,
        change: Change,
        lockout: Lockout,
    ) -> Result<Accepted, AdminReply> {
        let Some(scope) = scope else {
            return self.change(change, lockout).await;
        };
        let change = change.in_scope(scope.clone());
        let mut accepted = self.change(change, Lockout::Impossible).await?;
        accepted.before = Arc::new(accepted.before.of_scope(scope));
        accepted.record = Arc::new(accepted.record.of_scope(scope));
        Ok(accepted)
    }

    /// Makes a change, if `If-Match` allows it, and unless it would lock everybody out.
    pub(crate) async fn change(
        &self,
        change: Change,
        lockout: Lockout,
    ) -> Result<Accepted, AdminReply> {
        let expected = IfMatch::of(self.request)?;
        let operator = self.operator();
        for _ in 0..TRIES {
            let view = self.inspect(0).await?;
            if !expected.is_met_by(view.record.revision()) {
                let detail = format!(
                    "somebody has changed it since: it is at revision {} now",
                    view.record.revision()
                );
                return Err(self.conflict(detail, &view).into());
            }
            let may_lock_out =
                lockout == Lockout::Refused && self.inner.settings.access != RouteAccess::Always;
            if may_lock_out && self.locks_out(&view.record, &change) {
                let problem = self.conflict(lockout::EXPLANATION, &view);
                return Err(problem.with_override("lockout_accepted").into());
            }
            let accepted = if expected.is_any() && !may_lock_out {
                operator.change(change.clone()).await
            } else {
                // What was judged above is judged of this record and of no other.
                let record = Arc::clone(&view.record);
                operator.change_exactly(record, change.clone()).await
            };
            match accepted {
                Ok(accepted) => return Ok(accepted),
                Err(OperatorError::State(error)) if error.kind() == StateErrorKind::Conflict => {}
                Err(OperatorError::Change(error)) => {
                    let problem = Problem::from(&error);
                    let is_conflict = problem.status() == 409;
                    let problem = if is_conflict {
                        self.conflict(error.to_string(), &view)
                    } else {
                        problem
                    };
                    return Err(problem.into());
                }
                Err(error) => return Err(Problem::from(&error).into()),
            }
        }
        let view = self.inspect(0).await?;
        let detail = "somebody else changed it each time: look at how it is now";
        Err(self.conflict(detail, &view).into())
    }

    fn conflict<'v>(&self, detail: impl Into<String>, current: &'v View) -> Problem<'v> {
        Problem::conflict(detail, current, self.inner.clock.now())
    }

    fn locks_out(&self, before: &Record, change: &Change) -> bool {
        let now = self.inner.clock.now();
        // What makes no sense is told by whoever makes the change.
        let Ok(Outcome::Changed(after)) = before.apply(change, now) else {
            return false;
        };
        let client = self.inner.client_address(self.request);
        lockout::locks_out(self.inner.settings.access, client, &after)
    }
}

/// What a change came to.
pub(crate) fn changed(accepted: &Accepted) -> AdminReply {
    let record = &accepted.record;
    AdminReply::json(200, &Changed::of(record, accepted.changed)).with_header("etag", etag(record))
}

/// What `If-Match` is compared with.
pub(crate) fn etag(record: &Record) -> String {
    format!("\"{}\"", record.revision())
}
