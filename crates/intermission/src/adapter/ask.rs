//! What happens to a request about which the gate has to be asked: each while the gate is not open, and those that start
//! an execution, always. Only here is anything of the request read but its method and path.

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

/// What an adapter is to do with a request.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter must do what each of them says"
)]
pub enum Answer {
    /// Let it in.
    Admitted {
        /// By which rule: for the request's extensions, and the response's.
        reason: AdmitReason,
        /// To be kept until the response's body has ended.
        passage: Passage,
        /// The execution that the route has started, for the handler to find.
        execution: Option<ExecutionHandle>,
    },
    /// Answer with the refusal's reply, call nothing and read nothing.
    Refused(Refusal),
    /// The visitor came by the link of a pass. Answer with the redirect, and call nothing.
    PassRedeemed(RedeemedPass),
}

impl<P> Entrance<P> {
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
                let reason = admitted.reason;
                let (passage, execution) = Passage::asked(admitted);
                Self::Admitted {
                    reason,
                    passage,
                    execution,
                }
            }
            Admission::Refused(refusal) => Self::Refused(refusal),
        }
    }
}
