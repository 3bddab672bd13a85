//! Cloudify's wire format, for clients that teams have already.
//!
//! Cloudify Manager's maintenance mode taught Intermission its phases, and its REST client (`cloudify-rest-client`), its
//! command `cfy maintenance-mode` and scripts around them exist. [`Cloudify`] answers them in their own words, and
//! [`Refusals`] refuses the rest of an API as their client expects.
//!
//! # Who asks what, and gets what
//!
//! Below each of `/api/v2.1`, `/api/v3` and `/api/v3.1`:
//!
//! | request | by whom | reply |
//! |---|---|---|
//! | `GET …/maintenance` | anybody known | 200, the state |
//! | `POST …/maintenance/activate` | who may administer | 200, the state; 304 if it is on |
//! | `POST …/maintenance/deactivate` | who may administer | 200, the state that has ended, as `deactivated`; 304 if it is off |
//! | `POST …/maintenance/{anything else}` | who may administer | 400 `bad_parameters_error` |
//! | another method | anybody known | 405 `method_not_allowed_error` |
//! | a path below that, with another slash in it | anybody known | 404 `not_found_error` |
//! | any of these | nobody knows who | 401 `unauthorized_error` |
//! | any `POST` | known, but may not administer, or sent by a browser for another site | 403 `forbidden_error` |
//! | `POST` with a `Content-Type` other than JSON | who may administer | 415 `unsupported_content_type_error` |
//! | any other path that the gate refuses | | 503 `maintenance_mode_active`, or `entering_maintenance_mode` in a drain |
//!
//! Requests have no body; one that is sent is not read. A `Content-Type` may be there, as the client sends it, and must be
//! JSON then. The state has these keys, always all of them, in this order:
//!
//! | key | deactivated | activating | activated |
//! |---|---|---|---|
//! | `status` | `"deactivated"` | `"activating"` | `"activated"` |
//! | `activated_at` | `""` | `""` | when |
//! | `activation_requested_at` | `""` | when | when |
//! | `remaining_executions` | `null` | what runs | `null` |
//! | `requested_by` | `""` | who | who |
//!
//! Times are UTC with three decimals and `Z`. Each of the remaining executions is `{"id","status","deployment_id",
//! "workflow_id"}`: `id` is the node's id, a hyphen and the execution's number there, which no other execution of the fleet
//! has; `status` is always `started`; `deployment_id` is the execution's label, or else its node's; `workflow_id` is its
//! kind. What somebody who passes has started is not waited for, and not listed. A node lists its oldest twenty.
//!
//! Errors are `{"message","error_code","server_traceback"}`. Whatever is wrong with the state is 503
//! `internal_server_error`, or 409 `conflict_error` if others were faster each time.
//!
//! # Bypass
//!
//! On API paths Cloudify lets those pass who hold the permission *and* send `X-BYPASS-MAINTENANCE`. An application's
//! permission says so with [`is_api_path`] and [`asks_to_bypass`]:
//!
//! ```
//! use intermission_admin::cloudify::{asks_to_bypass, is_api_path};
//!
//! fn permits(path: &str, bypass_header: Option<&[u8]>, is_operator: bool) -> bool {
//!     is_operator && (!is_api_path(path) || asks_to_bypass(bypass_header))
//! }
//! assert!(permits("/items", None, true));
//! assert!(permits("/api/v3.1/blueprints", Some(b"True"), true));
//! assert!(!permits("/api/v3.1/blueprints", Some(b"false"), true));
//! assert!(!permits("/api/v3.1/blueprints", Some(b"true"), false));
//! ```
//!
//! # What differs from Cloudify, and why
//!
//! - `server_traceback` is always empty: how a server is built is no client's business.
//! - `X-BYPASS-MAINTENANCE: false` does not bypass. To Cloudify any text was a yes.
//! - Activation goes on by itself when the last execution ends, and not with the next request. Where nothing runs, `activate`
//!   waits up to a second for the nodes to say so, so that its answer is `activated`, as Cloudify's is.
//! - The remaining executions are a flat list, also in the answer to `activate`, where Cloudify puts the list into a list.
//! - `activated_at` is an empty text while there is no such time, where newer Cloudifys send `null`.
//! - `message` of a refusal is what the operator says to visitors.
//! - A refusal has the headers of every refusal: `Retry-After`, `Cache-Control: no-store` and the rest.
//! - A browser on another site cannot change the mode with a visitor's credentials.
//!
//! # Examples
//!
//! ```
//! use intermission::reply::ReplyPolicy;
//! use intermission::{Gate, MemoryState};
//! use intermission_admin::cloudify::{Cloudify, Refusals};
//! use intermission_admin::{AdminBody, AdminRequest, Authorization};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = ReplyPolicy::default().with_vendor_format(Refusals::default());
//! let gate = Gate::builder(MemoryState::new()).with_reply_policy(policy).start().await?;
//! let cloudify = Cloudify::new(gate);
//!
//! // What a mount at `/api/v3.1/maintenance` does with `GET /api/v3.1/maintenance`:
//! let reply = cloudify.answer(AdminRequest::new("GET", "", Authorization::granted("ana"))).await;
//! assert_eq!(reply.status(), 200);
//! let AdminBody::Full(body) = reply.into_body() else { panic!("it is no stream") };
//! assert_eq!(
//!     body,
//!     r#"{"status":"deactivated","activated_at":"","activation_requested_at":"","remaining_executions":null,"requested_by":""}"#
//! );
//!
//! let activate = AdminRequest::new("POST", "/activate", Authorization::granted("ana"));
//! assert_eq!(cloudify.answer(activate.clone()).await.status(), 200);
//! assert_eq!(cloudify.answer(activate).await.status(), 304);
//! # Ok(()) }
//! ```

mod action;
mod bypass;
mod error;
mod maintenance;
mod refusals;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use intermission::{Actor, Gate, Operator, Phase, StateError, TrustedProxies};

use crate::authorization::Authorization;
use crate::metrics;
use crate::reply::AdminReply;
use crate::request::AdminRequest;
use crate::same_origin::Origin;

pub use bypass::{BYPASS_HEADER, TOKEN_HEADER, asks_to_bypass, is_api_path};
pub use refusals::Refusals;

use action::{Action, Asked};
use error::Error;
use maintenance::Maintenance;

/// Where an application mounts [`Cloudify`], for each version of the API that has the mode.
pub const MOUNTS: [&str; 3] = [
    "/api/v2.1/maintenance",
    "/api/v3/maintenance",
    "/api/v3.1/maintenance",
];

/// Answers Cloudify's requests about the mode of the site that a gate guards, for any framework.
///
/// An application mounts it at each of [`MOUNTS`] with its adapter's feature `admin`; whoever adapts another framework hands
/// each request to [`answer`](Self::answer). The routes must be open at all times
/// ([`RouteAccess::Always`](intermission::RouteAccess::Always)): nobody could deactivate otherwise. Clones are the same.
///
/// The [module](self) says what is answered, and has an example.
#[derive(Clone)]
#[must_use]
pub struct Cloudify {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    gate: Gate,
    proxies: TrustedProxies,
    challenge: String,
}

impl Cloudify {
    /// For the site that this gate guards.
    pub fn new(gate: Gate) -> Self {
        Self {
            inner: Arc::new(Inner {
                gate,
                proxies: TrustedProxies::none(),
                challenge: "Basic realm=\"maintenance\"".to_owned(),
            }),
        }
    }

    /// Which proxies are believed about the address of whoever administers, which the history shows. None by default. Give
    /// it what the gate's layer was given.
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        Arc::make_mut(&mut self.inner).proxies = proxies;
        self
    }

    /// What `WWW-Authenticate` says to somebody whom nobody knows; `Basic realm="maintenance"` by default.
    pub fn with_challenge(mut self, challenge: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner).challenge = challenge.into();
        self
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    /// Answers a request, whose path is the one below `…/maintenance`: empty for the state, `/activate` and the like for an
    /// action. Its body need not be read.
    ///
    /// # Security
    ///
    /// [`Authorization::Forbidden`] is somebody known, who may read. Who cannot be told is
    /// [`Authorization::Unauthenticated`]: mounts ask with [`Authorization::identify`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have made the change that was asked for. Repeating it is harmless.
    pub async fn answer(&self, request: AdminRequest) -> AdminReply {
        let is_head = request.method == "HEAD";
        let reply = match self.dispatch(&request).await {
            Ok(reply) => reply,
            Err(error) => error.reply(),
        };
        reply.finished(is_head)
    }

    async fn dispatch(&self, request: &AdminRequest) -> Result<AdminReply, Error> {
        let asked = Asked::of(request);
        let reads = matches!(asked, Ok(Asked::Status));
        let actor = match &request.authorization {
            Authorization::Granted(name) => Ok(name.as_str()),
            Authorization::Forbidden => Err(Error::forbidden("you may not administer maintenance")),
            Authorization::Unauthenticated => {
                metrics::authorization(&self.inner.gate, &request.authorization);
                return Err(Error::unauthorized(&self.inner.challenge));
            }
        };
        if reads || actor.is_ok() {
            metrics::granted(&self.inner.gate);
        } else {
            metrics::authorization(&self.inner.gate, &request.authorization);
        }
        match asked {
            Ok(Asked::Status) => self.status(request, actor.ok()).await,
            Ok(Asked::Change(action)) => {
                let actor = actor?;
                require_own(&self.inner.gate, request)?;
                let operator = self.operator(request, actor);
                match action {
                    Action::Activate => action::activate(&operator, actor).await,
                    Action::Deactivate => action::deactivate(&operator).await,
                }
            }
            Err(error) if request.method == "POST" => {
                actor?;
                require_own(&self.inner.gate, request)?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn status(
        &self,
        request: &AdminRequest,
        actor: Option<&str>,
    ) -> Result<AdminReply, Error> {
        let operator = self.operator(request, actor.unwrap_or_default());
        let view = async {
            let view = operator.inspect(0).await?;
            // Nodes are looked at while something drains there, and not for everybody who asks.
            if view.record.phase() == Phase::Activating {
                operator.inspect(usize::MAX).await
            } else {
                Ok(view)
            }
        };
        let view = view.await.map_err(|error: StateError| {
            // What is wrong with a server is the business of those who may administer it.
            actor.map_or_else(Error::state_hidden, |_| Error::from(&error))
        })?;
        Ok(Maintenance::of(&view).reply())
    }

    fn operator(&self, request: &AdminRequest, actor: &str) -> Operator {
        let origin = match request.client_address(&self.inner.proxies).ip() {
            Some(address) => format!("cloudify from {address}"),
            None => "cloudify".to_owned(),
        };
        self.inner.gate.operator(Actor::new(actor, origin))
    }
}

/// Whether a change comes from no browser that another site has made send it.
fn require_own(gate: &Gate, request: &AdminRequest) -> Result<(), Error> {
    if Origin::of(request) == Origin::Foreign {
        metrics::foreign_origin(gate);
        return Err(Error::forbidden(
            "a change must come from this site, or from no browser at all",
        ));
    }
    // A form of another site can send some types without being asked for its origin by old browsers, and JSON never.
    if request.has("content-type") && !request.is_json() {
        return Err(Error::content_type());
    }
    Ok(())
}

impl fmt::Debug for Cloudify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloudify").finish_non_exhaustive()
    }
}
