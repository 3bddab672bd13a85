//! The admin API and page: what a mount asks for each request.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use intermission::{
    Actor, ClientAddress, Clock, Gate, Operator, RouteAccess, SystemClock, TrustedProxies,
};
use tokio::sync::{Semaphore, watch};

use crate::api::{self, Call};
use crate::authorization::Authorization;
use crate::endpoint::{Endpoint, Found};
use crate::metrics;
use crate::problem::Problem;
use crate::reply::AdminReply;
use crate::request::{AdminRequest, BodyError};
use crate::same_origin::{self, Origin};

/// The longest body that is read, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// So many clients may listen to events at a time.
const STREAMS: usize = 64;

/// The admin API and page of a site, for any framework.
///
/// An application mounts it with its adapter's feature `admin`; whoever adapts another framework hands each request to
/// [`answer`](Self::answer). Clones are the same.
///
/// # Examples
///
/// ```
/// use intermission::{Gate, MemoryState, RouteAccess};
/// use intermission_admin::{Admin, AdminRequest, Authorization, BodyError};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// // Whoever mounts it on a route that is always open says so.
/// let admin = Admin::new(gate).with_route_access(RouteAccess::Always);
///
/// let request = AdminRequest::new("POST", "/api/activate", Authorization::granted("ana"))
///     .with_header("content-type", "application/json");
/// let reply = admin.answer(request, |_limit| async { Ok(br#"{"message":"Back soon"}"#.to_vec()) }).await;
/// assert_eq!(reply.status(), 200);
///
/// let request = AdminRequest::new("GET", "/api/status", Authorization::Unauthenticated);
/// let reply = admin.answer(request, |_limit| async { Err(BodyError::Broken) }).await;
/// assert_eq!(reply.status(), 401);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Admin {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) gate: Gate,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) end: watch::Sender<bool>,
}

/// What an application may set.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) proxies: TrustedProxies,
    pub(crate) site: Option<String>,
    pub(crate) pass_name: String,
    pub(crate) base_url: Option<String>,
    pub(crate) challenge: String,
    pub(crate) access: RouteAccess,
}

impl Admin {
    /// The admin API and page of the site that this gate guards.
    pub fn new(gate: Gate) -> Self {
        let settings = Settings {
            proxies: TrustedProxies::none(),
            site: None,
            pass_name: "intermission-pass".to_owned(),
            base_url: None,
            challenge: "Bearer realm=\"maintenance\"".to_owned(),
            access: RouteAccess::Ordinary,
        };
        let (end, _) = watch::channel(false);
        Self {
            inner: Arc::new(Inner {
                gate,
                clock: Arc::new(SystemClock),
                settings,
                streams: Arc::new(Semaphore::new(STREAMS)),
                end,
            }),
        }
    }

    /// The same with other settings. Streams of events are counted and ended together, whatever is set in between.
    fn set(self, set: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.inner.settings.clone();
        set(&mut settings);
        Self {
            inner: Arc::new(Inner {
                gate: self.inner.gate.clone(),
                clock: Arc::clone(&self.inner.clock),
                settings,
                streams: Arc::clone(&self.inner.streams),
                end: self.inner.end.clone(),
            }),
        }
    }

    /// Which proxies are believed about the address of whoever administers. None by default. Give it what the gate's
    /// layer was given.
    pub fn with_trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.set(|settings| settings.proxies = proxies)
    }

    /// The name of the site, for the page's title.
    pub fn with_site(self, site: impl Into<String>) -> Self {
        self.set(|settings| settings.site = Some(site.into()))
    }

    /// The name of the query parameter and the cookie that carry a pass; `intermission-pass` by default. Give it what the
    /// gate's layer was given.
    pub fn with_pass_name(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.pass_name = name.into())
    }

    /// The address of the site's front page, which links of passes begin with: `https://shop.example/`. By default it is
    /// made of the `Host` that the request asked for.
    pub fn with_base_url(self, url: impl Into<String>) -> Self {
        self.set(|settings| settings.base_url = Some(url.into()))
    }

    /// What `WWW-Authenticate` says to somebody whom nobody knows; `Bearer realm="maintenance"` by default. A browser asks
    /// for a name and a password if it is `Basic realm="…"`.
    pub fn with_challenge(self, challenge: impl Into<String>) -> Self {
        self.set(|settings| settings.challenge = challenge.into())
    }

    /// The flag of the route on which this is mounted; [`RouteAccess::Ordinary`] by default. The mounts of the adapters flag
    /// their routes as [`RouteAccess::Always`] and say so here.
    ///
    /// It opens nothing: it is what the warning of a lock-out goes by.
    pub fn with_route_access(self, access: RouteAccess) -> Self {
        self.set(|settings| settings.access = access)
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    /// Ends all streams of events, so that a server that waits for its connections can end. Streams that begin later end at
    /// once.
    pub fn end_events(&self) {
        self.inner.end.send_replace(true);
    }

    /// Answers a request. `read_body` is called with the most bytes that it may read, and only if whoever sent the request
    /// may administer and the request has a body to be read.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have made the change that was asked for. Repeating it is harmless, but for a pass, whose link
    /// nobody has seen then.
    pub async fn answer<B, F>(&self, request: AdminRequest, read_body: B) -> AdminReply
    where
        B: FnOnce(usize) -> F,
        F: Future<Output = Result<Vec<u8>, BodyError>>,
    {
        let is_head = request.method == "HEAD";
        let reply = match self.authorized(&request) {
            Ok(actor) => match self.dispatch(&request, actor, read_body).await {
                Ok(reply) | Err(reply) => reply,
            },
            Err(reply) => reply,
        };
        reply.finished(is_head)
    }

    /// Who asks, if he may.
    fn authorized<'a>(&self, request: &'a AdminRequest) -> Result<&'a str, AdminReply> {
        metrics::authorization(&self.inner.gate, &request.authorization);
        match &request.authorization {
            Authorization::Granted(name) => Ok(name),
            Authorization::Unauthenticated => {
                let reply = Problem::new(401, "sign in first: nobody knows who you are").reply();
                Err(reply.with_header("www-authenticate", &self.inner.settings.challenge))
            }
            Authorization::Forbidden => {
                Err(Problem::new(403, "you may not administer maintenance").reply())
            }
        }
    }

    async fn dispatch<B, F>(
        &self,
        request: &AdminRequest,
        actor: &str,
        read_body: B,
    ) -> Result<AdminReply, AdminReply>
    where
        B: FnOnce(usize) -> F,
        F: Future<Output = Result<Vec<u8>, BodyError>>,
    {
        let endpoint = match Endpoint::find(&request.method, &request.path) {
            Found::Endpoint(endpoint) => endpoint,
            Found::Mount => {
                // A reference that begins with `//` names a host, and browsers read `\` as `/`.
                let names_a_host =
                    request.mount.starts_with("//") || request.mount.starts_with("/\\");
                let here = if names_a_host { "/." } else { "" };
                let location = format!("{here}{}/", request.mount);
                return Ok(AdminReply::new(308).with_header("location", location));
            }
            Found::OtherMethods(allow) => {
                let problem = Problem::new(405, format!("this can be asked with {allow} only"));
                return Err(problem.reply().with_header("allow", allow));
            }
            Found::Nothing => return Err(Problem::new(404, "there is nothing here").reply()),
        };
        let mut body = Vec::new();
        if endpoint.changes() {
            if Origin::of(request) == Origin::Foreign {
                metrics::foreign_origin(&self.inner.gate);
                let problem = Problem::new(
                    403,
                    "a change must come from this page, or from no browser at all",
                );
                return Err(problem.reply());
            }
            if endpoint.has_body() || request.has("content-type") {
                require_json(request)?;
            }
            if endpoint.has_body() {
                body = read_body(BODY_LIMIT).await.map_err(|error| match error {
                    BodyError::TooLarge => {
                        Problem::new(413, format!("the body is longer than {BODY_LIMIT} bytes"))
                            .reply()
                    }
                    BodyError::Broken => Problem::new(400, "the body broke off").reply(),
                })?;
            }
        }
        let call = Call {
            inner: &self.inner,
            request,
            actor,
        };
        Ok(api::answer(endpoint, &call, &body).await)
    }
}

fn require_json(request: &AdminRequest) -> Result<(), AdminReply> {
    if request.is_json() {
        Ok(())
    } else {
        Err(Problem::new(
            415,
            "send JSON, and say so: `Content-Type: application/json`",
        )
        .reply())
    }
}

impl Inner {
    /// Somebody who may change the mode, for the history: who, and from where.
    pub(crate) fn operator(&self, request: &AdminRequest, actor: &str) -> Operator {
        let origin = match self.client_address(request).ip() {
            Some(address) => format!("admin from {address}"),
            None => "admin".to_owned(),
        };
        self.gate.operator(Actor::new(actor, origin))
    }

    pub(crate) fn client_address(&self, request: &AdminRequest) -> ClientAddress {
        request.client_address(&self.settings.proxies)
    }

    /// The address of the site's front page, as whoever asks knows it.
    pub(crate) fn base_url(&self, request: &AdminRequest) -> String {
        if let Some(url) = &self.settings.base_url {
            return url.clone();
        }
        let Some(host) = same_origin::host(request) else {
            return "/".to_owned();
        };
        let is_https = request.is_https || self.is_https_by_proxy(request);
        let scheme = if is_https {
            "https"
        } else {
            same_origin::scheme(request).unwrap_or("http")
        };
        format!("{scheme}://{host}/")
    }

    fn is_https_by_proxy(&self, request: &AdminRequest) -> bool {
        // Of several, the first is what the browser spoke, as for the cookie of a pass.
        let said = request.lines("x-forwarded-proto").next();
        let first = said.and_then(|line| line.split(|byte| *byte == b',').next());
        first.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
            && request
                .peer
                .is_some_and(|peer| self.settings.proxies.trusts(peer))
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}
