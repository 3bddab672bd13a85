//! What becomes of a request about which the gate has to be asked.

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, UPGRADE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use intermission::adapter::{self, Answer, Passage, RedeemedPass};
use intermission::{AdmitReason, Decision, Refusal, RouteAccess};

use crate::reply::{ReplyBody, refusal_response};
use crate::settings::Settings;

pub(crate) enum Asked {
    /// Call the wrapped service, and have the response take this along.
    Admitted(Passage),
    /// Answer this, and call nothing.
    Answered(HttpResponse<ReplyBody>),
}

impl Settings {
    /// Asks about a request, which `lasts` if it begins a conversation.
    pub(crate) fn ask(&self, request: &HttpRequest, access: RouteAccess, lasts: bool) -> Asked {
        let scopes_of = self.is_scoped().then_some(|| self.scopes_of(request));
        let head = self.head(request);
        let adapter::Asked { answer, let_in } = self
            .entrance
            .ask_with_scopes(&head, access, lasts, scopes_of);
        if let Some(let_in) = let_in {
            request.extensions_mut().insert(let_in);
        }
        match answer {
            Answer::Admitted { passage, execution } => {
                let mut extensions = request.extensions_mut();
                if let Some(reason) = passage.reason() {
                    extensions.insert(Decision::Admit(reason));
                }
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

/// Whether a request begins a conversation that lasts, as far as its head shows.
pub(crate) fn begins_conversation(method: &Method, headers: &HeaderMap) -> bool {
    adapter::begins_conversation(
        method.as_str(),
        || headers.contains_key(UPGRADE),
        || headers.get_all(ACCEPT).map(HeaderValue::as_bytes),
    )
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
