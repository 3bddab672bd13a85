//! What becomes of a request about which the gate has to be asked.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, SET_COOKIE};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use intermission::adapter::{Answer, Passage, RedeemedPass};
use intermission::{AdmitReason, Decision, Refusal, RequestScopes, RouteAccess};

use crate::reply::{ReplyBody, refusal_response};
use crate::settings::Settings;

pub(crate) enum Asked {
    /// Call the wrapped service, and have the response take this along.
    Admitted(Passage),
    /// Answer this, and call nothing.
    Answered(HttpResponse<ReplyBody>),
}

impl Settings {
    /// Asks about a request which belongs to these scopes by what is written beside its route.
    pub(crate) fn ask(
        &self,
        request: &HttpRequest,
        access: RouteAccess,
        beside: &RequestScopes,
    ) -> Asked {
        let gate = self.gate();
        let has_scopes = self.has_scopes() || !beside.is_empty();
        // An execution tells its scopes in any case: one of them may close while it runs.
        let asks = gate.has_closed_scopes() || access == RouteAccess::StartsExecution;
        let scopes = if has_scopes && asks {
            self.scopes_of(request, beside)
        } else {
            RequestScopes::none()
        };
        if has_scopes
            && gate.has_closed_scopes()
            && !gate.is_closed_in(&scopes)
            && let Some(passage) = Passage::if_open(gate, request.method().as_str(), access)
        {
            return Asked::Admitted(passage);
        }
        match self.entrance.ask_in(&self.head(request), access, &scopes) {
            Answer::Admitted {
                reason,
                passage,
                execution,
            } => {
                let mut extensions = request.extensions_mut();
                extensions.insert(Decision::Admit(reason));
                if let Some(execution) = execution {
                    extensions.insert(execution);
                }
                Asked::Admitted(passage)
            }
            Answer::Refused(refusal) => Asked::Answered(self.refused(&refusal, request)),
            Answer::PassRedeemed(pass) => Asked::Answered(redirect(&pass)),
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
}

fn redirect(pass: &RedeemedPass) -> HttpResponse<ReplyBody> {
    let status = StatusCode::from_u16(pass.status()).unwrap_or(StatusCode::SEE_OTHER);
    let mut response = HttpResponse::with_body(status, ReplyBody::empty());
    for (name, value) in pass.headers() {
        // Its makers let no control character in, so it is a value.
        if let Ok(mut value) = HeaderValue::try_from(value) {
            value.set_sensitive(name == SET_COOKIE.as_str());
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    let decision = Decision::Admit(AdmitReason::Pass);
    response.extensions_mut().insert(decision);
    response
}
