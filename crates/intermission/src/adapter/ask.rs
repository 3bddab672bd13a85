//! What happens to a request about which the gate has to be asked: each while the gate is not open, and those that start
//! an execution, always. Only here is anything of the request read but its method and path, where requests belong to no
//! scopes. Where they may, adapters ask [`begins_conversation`] of each request first, which reads two headers of a `GET`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use intermission_core::{
    AdmitReason, ClientAddress, Decision, PassSecret, RouteAccess, ScopeName, Visitor,
};

use crate::adapter::entrance::Entrance;
use crate::adapter::execution_handle::ExecutionHandle;
use crate::adapter::head::RequestHead;
use crate::adapter::pass_link::{self, RedeemedPass};
use crate::adapter::passage::Passage;
use crate::admission::{Admission, Refusal};
use crate::long_lived::LetIn;
use crate::scopes::RequestScopes;

/// What an adapter is to do with a request.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter must do what each of them says"
)]
pub enum Answer {
    /// Let it in.
    Admitted {
        /// To be kept until the response's body has ended. It [says](Passage::reason) by which rule, for the request's
        /// extensions and the response's.
        passage: Passage,
        /// The execution that the route has started, for the handler to find.
        execution: Option<ExecutionHandle>,
    },
    /// Answer with the refusal's reply, call nothing and read nothing.
    Refused(Refusal),
    /// The visitor came by the link of a pass. Answer with the redirect, and call nothing.
    PassRedeemed(RedeemedPass),
}

/// What an adapter is to do with a request that may belong to scopes.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an adapter must do what each of them says"
)]
pub struct Asked {
    /// What to do.
    pub answer: Answer,
    /// For the request's extensions, if there is one: what a conversation that begins with it is to know.
    pub let_in: Option<LetIn>,
}

/// The media type of a stream of server-sent events.
const EVENT_STREAM: &[u8] = b"text/event-stream";

/// Whether a request begins a conversation that outlives it, as far as its head shows: a tunnel, an upgrade, a stream of
/// events. Only of a `GET` is asked whether it `upgrades`, and which lines of `Accept` it has.
pub fn begins_conversation<'a, A>(
    method: &str,
    upgrades: impl FnOnce() -> bool,
    accept: impl FnOnce() -> A,
) -> bool
where
    A: IntoIterator<Item = &'a [u8]>,
{
    let is_stream = |accept: &[u8]| {
        let mut windows = accept.windows(EVENT_STREAM.len());
        windows.any(|part| part.eq_ignore_ascii_case(EVENT_STREAM))
    };
    match method {
        "CONNECT" => true,
        "GET" => upgrades() || accept().into_iter().any(is_stream),
        _ => false,
    }
}

impl<P> Entrance<P> {
    /// Asks the gate about a request to a route with this flag, as [`ask_in`](Self::ask_in) does, and finds its scopes
    /// before, if they matter: `scopes_of` is `None` where requests belong to no scope, and it is called while a scope is
    /// closed, and for what goes on when it may close: an execution, and a request that `lasts`, since it
    /// [begins a conversation](begins_conversation).
    pub fn ask_with_scopes<H>(
        &self,
        head: &H,
        access: RouteAccess,
        lasts: bool,
        scopes_of: Option<impl FnOnce() -> RequestScopes>,
    ) -> Asked
    where
        H: RequestHead<Permission = P>,
    {
        let has_scopes = scopes_of.is_some();
        let some_closed = self.gate.has_closed_scopes();
        let asks = some_closed || lasts || access == RouteAccess::StartsExecution;
        let scopes = scopes_of
            .filter(|_| asks)
            .map_or_else(RequestScopes::none, |find| find());
        if has_scopes
            && (some_closed || lasts)
            && !self.gate.is_closed_in(&scopes)
            && let Some(passage) = Passage::if_open(&self.gate, head.method(), access)
        {
            let let_in = lasts.then(|| passage.let_in(scopes));
            let execution = None;
            return Asked {
                answer: Answer::Admitted { passage, execution },
                let_in,
            };
        }
        let answer = self.ask_in(head, access, &scopes);
        let let_in = match &answer {
            Answer::Admitted { passage, .. } => {
                (!scopes.is_empty()).then(|| passage.let_in(scopes))
            }
            // For whoever asks for a conversation that has begun.
            Answer::Refused(_) => lasts.then(|| LetIn::while_open(scopes)),
            Answer::PassRedeemed(_) => None,
        };
        Asked { answer, let_in }
    }

    /// Asks the gate about a request to a route with this flag, which belongs to no scope.
    pub fn ask<H>(&self, head: &H, access: RouteAccess) -> Answer
    where
        H: RequestHead<Permission = P>,
    {
        self.ask_in(head, access, &[])
    }

    /// Asks the gate about a request to a route with this flag, which belongs to these scopes: those that the application
    /// says, and those of [`scopes_of`](Self::scopes_of).
    pub fn ask_in<H>(&self, head: &H, access: RouteAccess, scopes: &[ScopeName]) -> Answer
    where
        H: RequestHead<Permission = P>,
    {
        let visitor = Visitor::new(head.method(), head.path())
            .with_access(access)
            .with_scopes(scopes);
        if self.gate.is_open() {
            // An execution is to begin. If the gate closes at this moment, more must be known of the visitor.
            if let Ok(admitted) = self.gate.try_admit(&visitor) {
                return Answer::from(Admission::Admitted(admitted));
            }
        }
        let pass = pass_link::carried(head, &self.pass_name, |secret| self.opens(secret, scopes));
        if let Some(pass) = &pass
            && let Some(redeemed) = pass_link::redeem(pass, head, self)
        {
            return Answer::PassRedeemed(redeemed);
        }
        if access == RouteAccess::Always {
            return Answer::from(self.gate.admit(&visitor));
        }
        let is_preflight = head.method() == "OPTIONS"
            && head.lines("access-control-request-method").next().is_some();
        let visitor = visitor
            .with_address(self.client_address(head))
            .with_permission(self.permits(head))
            .with_pass(pass.map(|pass| pass.secret))
            .with_preflight(is_preflight);
        Answer::from(self.gate.admit(&visitor))
    }

    /// Whether a pass with this secret would let in whoever needs one.
    fn opens(&self, secret: &PassSecret, scopes: &[ScopeName]) -> bool {
        // Beginning an execution is what no rule before that of the pass allows, whatever the phase and the level.
        let visitor = Visitor::new("POST", "/")
            .with_access(RouteAccess::StartsExecution)
            .with_pass(Some(secret.clone()))
            .with_scopes(scopes);
        self.gate.decide(&visitor) == Decision::Admit(AdmitReason::Pass)
    }

    fn client_address<H: RequestHead>(&self, head: &H) -> ClientAddress {
        let names = self.proxies.header_name().into_iter();
        let lines = names.flat_map(|name| head.lines(name));
        self.proxies.client_address(head.peer(), lines)
    }

    /// Whether the visitor has the permission. Who cannot be judged has not.
    fn permits<H: RequestHead<Permission = P>>(&self, head: &H) -> bool {
        self.permission.as_ref().is_some_and(|permission| {
            // The closure's state may be broken by its panic; it is asked again for the next request, as any handler.
            catch_unwind(AssertUnwindSafe(|| head.permits(permission))).unwrap_or(false)
        })
    }
}

impl From<Admission> for Answer {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::Admitted(admitted) => {
                let (passage, execution) = Passage::asked(admitted);
                Self::Admitted { passage, execution }
            }
            Admission::Refused(refusal) => Self::Refused(refusal),
        }
    }
}
