//! What a server serves: the settings for its adapter, and the application behind it.

use std::convert::Infallible;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use intermission::{
    Decision, Execution, Gate, RequestScopes, RouteAccess, ScopeName, TrustedProxies,
};
use tokio::sync::{Semaphore, mpsc};

/// A route of the contract's application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `/`: says `hello`, and lets everybody cache it.
    Hello,
    /// `/health`, always open.
    Health,
    /// `/items`: reads the whole body, and says how long it was.
    Items,
    /// `/jobs`: starts an execution, which ends with the response.
    Jobs,
    /// `/jobs/taken`: starts an execution, and takes it over.
    TakenJobs,
    /// `/exports`: starts an execution, and streams.
    Exports,
    /// `/stream`: a body that goes on for as long as the table wants.
    Stream,
    /// `/slow`: answers when the table wants.
    Slow,
    /// `/seen`: says which decision was in the request's extensions.
    Seen,
    /// `/panics`: the handler panics.
    Panics,
    /// `/billing`, a part of the scope `billing`.
    Billing,
    /// `/nested/health`, always open, below the prefix [`Route::NEST`].
    NestedHealth,
    /// `/nested/page`, below the prefix [`Route::NEST`].
    NestedPage,
}

impl Route {
    /// The routes that lie beside each other.
    pub const ALL: &[Self] = &[
        Self::Hello,
        Self::Health,
        Self::Items,
        Self::Jobs,
        Self::TakenJobs,
        Self::Exports,
        Self::Stream,
        Self::Slow,
        Self::Seen,
        Self::Panics,
        Self::Billing,
    ];

    /// The routes below [`Route::NEST`].
    pub const NESTED: &[Self] = &[Self::NestedHealth, Self::NestedPage];

    /// The prefix of the nested router, scope or the like.
    pub const NEST: &'static str = "/nested";

    /// Where the WebSocket is, which has no flag.
    pub const WEBSOCKET: &'static str = "/ws";

    /// Its path; for a nested one the path below the prefix.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Hello => "/",
            Self::Health | Self::NestedHealth => "/health",
            Self::Items => "/items",
            Self::Jobs => "/jobs",
            Self::TakenJobs => "/jobs/taken",
            Self::Exports => "/exports",
            Self::Stream => "/stream",
            Self::Slow => "/slow",
            Self::Seen => "/seen",
            Self::Panics => "/panics",
            Self::Billing => "/billing",
            Self::NestedPage => "/page",
        }
    }

    /// The whole path, for tables of routes.
    #[must_use]
    pub fn pattern(self) -> String {
        match self {
            Self::NestedHealth | Self::NestedPage => format!("{}{}", Self::NEST, self.path()),
            _ => self.path().to_owned(),
        }
    }

    /// Its flag.
    #[must_use]
    pub const fn access(self) -> RouteAccess {
        match self {
            Self::Health | Self::NestedHealth => RouteAccess::Always,
            Self::Jobs | Self::TakenJobs | Self::Exports => RouteAccess::StartsExecution,
            Self::Hello
            | Self::Items
            | Self::Stream
            | Self::Slow
            | Self::Seen
            | Self::Panics
            | Self::Billing
            | Self::NestedPage => RouteAccess::Ordinary,
        }
    }

    /// The scope that is written beside it, or in the table.
    #[must_use]
    pub fn scope(self) -> Option<ScopeName> {
        match self {
            Self::Billing => ScopeName::new(self.path().trim_start_matches('/')).ok(),
            _ => None,
        }
    }

    /// Whether its handler reads the whole body of the request.
    #[must_use]
    pub const fn reads_body(self) -> bool {
        matches!(self, Self::Items)
    }

    /// Whether its handler takes over the execution that it has started.
    #[must_use]
    pub const fn takes_execution(self) -> bool {
        matches!(self, Self::TakenJobs)
    }
}

/// What a server serves: the settings for its adapter, and the application behind it. Clones are the same site.
#[derive(Clone)]
pub struct Site {
    inner: Arc<Inner>,
}

struct Inner {
    gate: Gate,
    settings: Settings,
    calls: AtomicUsize,
    began: mpsc::UnboundedSender<Route>,
    stream: Mutex<Option<mpsc::Receiver<Bytes>>>,
    /// A permit for each slow answer that may be given.
    slow: Semaphore,
    taken: Mutex<Vec<Execution>>,
    asked_for_permission: AtomicUsize,
    asked_for_scopes: AtomicUsize,
}

/// What a row wants of the adapter's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) proxies: TrustedProxies,
    pub(crate) pass_name: &'static str,
    pub(crate) permission_panics: bool,
    pub(crate) unknown_routes_are_told: bool,
}

/// The table's ends of what the handlers wait for.
pub(crate) struct Strings {
    pub(crate) began: mpsc::UnboundedReceiver<Route>,
    pub(crate) pieces: mpsc::Sender<Bytes>,
}

impl Site {
    pub(crate) fn new(gate: Gate, settings: Settings) -> (Self, Strings) {
        let (began, began_end) = mpsc::unbounded_channel();
        let (pieces, stream) = mpsc::channel(1);
        let inner = Inner {
            gate,
            settings,
            calls: AtomicUsize::new(0),
            began,
            stream: Mutex::new(Some(stream)),
            slow: Semaphore::new(0),
            taken: Mutex::default(),
            asked_for_permission: AtomicUsize::new(0),
            asked_for_scopes: AtomicUsize::new(0),
        };
        let site = Self {
            inner: Arc::new(inner),
        };
        let strings = Strings {
            began: began_end,
            pieces,
        };
        (site, strings)
    }

    /// The gate that the adapter asks.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.inner.gate.clone()
    }

    /// The proxies that the adapter believes, and the header in which they speak.
    #[must_use]
    pub fn trusted_proxies(&self) -> TrustedProxies {
        self.inner.settings.proxies.clone()
    }

    /// The name of the query parameter and of the cookie that carry a pass.
    #[must_use]
    pub fn pass_name(&self) -> &'static str {
        self.inner.settings.pass_name
    }

    /// Whether a refused visitor of a path that no route matches gets a 404.
    #[must_use]
    pub fn unknown_routes_are_told(&self) -> bool {
        self.inner.settings.unknown_routes_are_told
    }

    /// Whether a visitor has the permission, by the value of the request header `x-operator`.
    ///
    /// # Panics
    ///
    /// In rows that want to see what comes of that.
    #[must_use]
    pub fn permits(&self, x_operator: Option<&[u8]>) -> bool {
        self.inner
            .asked_for_permission
            .fetch_add(1, Ordering::SeqCst);
        if self.inner.settings.permission_panics {
            // Without the hook, which would print it.
            resume_unwind(Box::new("a permission that panics"));
        }
        x_operator == Some(b"yes")
    }

    /// To which scopes a request belongs, in addition to that of its route: by the value of the request header `x-tenant`,
    /// and that of its host, as the adapter finds it.
    #[must_use]
    pub fn scopes(&self, x_tenant: Option<&[u8]>, of_host: RequestScopes) -> RequestScopes {
        self.inner.asked_for_scopes.fetch_add(1, Ordering::SeqCst);
        let tenant = x_tenant.and_then(|tenant| std::str::from_utf8(tenant).ok());
        let tenant = tenant.and_then(|tenant| ScopeName::new(tenant).ok());
        tenant.into_iter().fold(of_host, RequestScopes::and)
    }

    /// The application: what the handler of a route answers.
    ///
    /// # Panics
    ///
    /// On [`Route::Panics`].
    ///
    /// # Cancel safety
    ///
    /// Dropped together with the request, it leaves nothing behind.
    pub async fn answer(&self, call: Call) -> Answer {
        let Inner {
            calls,
            began,
            stream,
            slow,
            taken,
            ..
        } = &*self.inner;
        calls.fetch_add(1, Ordering::SeqCst);
        // An error means that the row is over.
        let _ = began.send(call.route);
        match call.route {
            Route::Hello => Answer::text("hello"),
            Route::Billing => Answer::text("bills"),
            Route::Health | Route::NestedHealth => Answer::text("ok"),
            Route::NestedPage => Answer::text("a page of the nest"),
            Route::Jobs => Answer::text("done").with_status(202),
            Route::Items => match call.body_length {
                Some(length) => Answer::text(length.to_string()).with_status(201),
                None => Answer::wrong("the body was not read"),
            },
            Route::TakenJobs => match call.execution {
                Some(execution) => {
                    locked(taken).push(execution);
                    Answer::text("started").with_status(202)
                }
                None => Answer::wrong("there was no execution"),
            },
            Route::Exports | Route::Stream => match locked(stream).take() {
                Some(pieces) => Answer::stream(pieces),
                None => Answer::wrong("there is one stream to a row"),
            },
            Route::Slow => match slow.acquire().await {
                Ok(permit) => {
                    permit.forget();
                    Answer::text("at last")
                }
                Err(_) => Answer::wrong("the row is over"),
            },
            Route::Seen => Answer::text(match call.decision {
                Some(decision) => decision.to_string(),
                None => "nothing".to_owned(),
            }),
            Route::Panics => resume_unwind(Box::new("a handler that panics")),
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.inner.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn forget_calls(&self) {
        self.inner.calls.store(0, Ordering::SeqCst);
    }

    /// How often the permission was asked for.
    pub(crate) fn asked_for_permission(&self) -> usize {
        self.inner.asked_for_permission.load(Ordering::SeqCst)
    }

    /// How often the scopes of a request were asked for.
    pub(crate) fn asked_for_scopes(&self) -> usize {
        self.inner.asked_for_scopes.load(Ordering::SeqCst)
    }

    pub(crate) fn let_one_slow_answer_go(&self) {
        self.inner.slow.add_permits(1);
    }

    /// Whoever waits is answered, and nobody waits from now on.
    pub(crate) fn end_slow_answers(&self) {
        self.inner.slow.close();
    }

    pub(crate) fn end_taken_executions(&self) {
        locked(&self.inner.taken).clear();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("gate", &self.inner.gate)
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

/// A request as a handler sees it.
#[derive(Debug)]
#[must_use]
pub struct Call {
    route: Route,
    decision: Option<Decision>,
    execution: Option<Execution>,
    body_length: Option<usize>,
}

impl Call {
    /// A request for this route.
    pub const fn new(route: Route) -> Self {
        Self {
            route,
            decision: None,
            execution: None,
            body_length: None,
        }
    }

    /// With what was in the request's extensions.
    pub const fn with_decision(mut self, decision: Option<Decision>) -> Self {
        self.decision = decision;
        self
    }

    /// With the execution that the handler took over.
    pub fn with_execution(mut self, execution: Option<Execution>) -> Self {
        self.execution = execution;
        self
    }

    /// With the length of the body, which was read.
    pub const fn with_body_length(mut self, length: usize) -> Self {
        self.body_length = Some(length);
        self
    }
}

/// What a handler answers.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    status: u16,
    body: AnswerBody,
}

impl Answer {
    /// What all of the application's responses have. Of these, the adapter may change the first alone.
    pub const HEADERS: &[(&'static str, &'static str)] = &[
        ("cache-control", "public, max-age=600"),
        ("content-type", "text/plain; charset=utf-8"),
        ("vary", "accept-encoding"),
    ];

    fn text(text: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            body: AnswerBody(Kind::Whole(Some(text.into()))),
        }
    }

    fn stream(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self {
            status: 200,
            body: AnswerBody(Kind::Pieces(pieces)),
        }
    }

    /// The server breaks the contract, and the row will see it.
    fn wrong(what: &'static str) -> Self {
        Self::text(what).with_status(500)
    }

    const fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn into_body(self) -> AnswerBody {
        self.body
    }
}

/// The body of an answer, in one piece or in many.
///
/// It is an [`http_body::Body`]; a framework with a trait of its own asks [`length`](Self::length) and
/// [`poll_piece`](Self::poll_piece).
#[derive(Debug)]
pub struct AnswerBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<Bytes>),
}

impl AnswerBody {
    /// How long it is, if that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Kind::Whole(whole) => u64::try_from(whole.as_ref().map_or(0, Bytes::len)).ok(),
            Kind::Pieces(_) => None,
        }
    }

    /// The next piece.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.0 {
            Kind::Whole(whole) => Poll::Ready(whole.take()),
            Kind::Pieces(pieces) => pieces.poll_recv(cx),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut()
            .poll_piece(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        self.length()
            .map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
