//! What happens to a request while the gate is not open. Only here is anything of the request read.

use actix_web::http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use intermission::{
    Admission, AdmitReason, ClientAddress, Decision, PassSecret, Refusal, RouteAccess, Visitor,
};

use crate::pass;
use crate::passage::Passage;
use crate::reply::{ReplyBody, refusal_response};
use crate::settings::Settings;

pub(crate) enum Verdict {
    /// Call the wrapped service, and have the response take this along.
    Admitted(Passage),
    /// Answer this, and call nothing.
    Answered(HttpResponse<ReplyBody>),
}

impl Settings {
    pub(crate) fn ask(&self, request: &HttpRequest, access: RouteAccess) -> Verdict {
        match self.judge(request, access) {
            Judgement::Decided(Admission::Admitted(admitted)) => {
                let decision = Decision::Admit(admitted.reason);
                let (passage, execution) = Passage::asked(admitted);
                let mut extensions = request.extensions_mut();
                extensions.insert(decision);
                if let Some(execution) = execution {
                    extensions.insert(execution);
                }
                Verdict::Admitted(passage)
            }
            Judgement::Decided(Admission::Refused(refusal)) => {
                Verdict::Answered(self.refused(&refusal, request))
            }
            Judgement::PassRedeemed(response) => Verdict::Answered(response),
        }
    }

    fn refused(&self, refusal: &Refusal, request: &HttpRequest) -> HttpResponse<ReplyBody> {
        if !self.is_told_unknown(request) {
            return refusal_response(refusal, request);
        }
        // What actix-web answers by itself.
        let mut response = HttpResponse::with_body(StatusCode::NOT_FOUND, ReplyBody::empty());
        let decision = Decision::Refuse(refusal.reason());
        response.extensions_mut().insert(decision);
        response
    }

    fn judge(&self, request: &HttpRequest, access: RouteAccess) -> Judgement {
        let visitor =
            Visitor::new(request.method().as_str(), request.uri().path()).with_access(access);
        if self.gate.is_open() {
            // An execution is to begin. If the gate closes at this moment, more must be known of the visitor.
            let admission = self.gate.admit(&visitor);
            if matches!(admission, Admission::Admitted(_)) {
                return Judgement::Decided(admission);
            }
        }
        let pass = pass::carried(request, &self.pass_name, |secret| self.opens(secret));
        if let Some(pass) = &pass
            && let Some(response) = pass::redeem(pass, request, self)
        {
            return Judgement::PassRedeemed(response);
        }
        if access == RouteAccess::Always {
            return Judgement::Decided(self.gate.admit(&visitor));
        }
        let preflight = *request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let visitor = visitor
            .with_address(self.client_address(request))
            .with_permission(self.permits(request))
            .with_pass(pass.map(|pass| pass.secret))
            .with_preflight(preflight);
        Judgement::Decided(self.gate.admit(&visitor))
    }

    /// Whether a pass with this secret would let in whoever needs one.
    fn opens(&self, secret: &PassSecret) -> bool {
        // Beginning an execution is what no rule before that of the pass allows, whatever the phase and the level.
        let visitor = Visitor::new("POST", "/")
            .with_access(RouteAccess::StartsExecution)
            .with_pass(Some(secret.clone()));
        self.gate.decide(&visitor) == Decision::Admit(AdmitReason::Pass)
    }

    fn client_address(&self, request: &HttpRequest) -> ClientAddress {
        let names = self.proxies.header_name().into_iter();
        let lines = names.flat_map(|name| request.headers().get_all(name));
        self.proxies
            .client_address(self.peer_address(request), lines.map(HeaderValue::as_bytes))
    }

    /// Whether the socket's peer is a proxy that is believed.
    pub(crate) fn is_behind_proxy(&self, request: &HttpRequest) -> bool {
        let Some(peer) = self.peer_address(request) else {
            return false;
        };
        // Only a trusted peer is asked for whom it speaks, and one that says nothing legible makes the address unknown.
        let illegible: [&[u8]; 1] = [b"?"];
        self.proxies.client_address(Some(peer), illegible) == ClientAddress::Unknown
    }
}

enum Judgement {
    Decided(Admission),
    PassRedeemed(HttpResponse<ReplyBody>),
}
