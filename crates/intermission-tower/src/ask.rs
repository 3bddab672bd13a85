//! What happens to a request about which the gate has to be asked: each while the gate is not open, and those that start
//! an execution, always. Only here is anything of the request read but its method and path.

use bytes::Bytes;
use http::header::{ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use intermission::reply::ReplyRequest;
use intermission::{Admission, ClientAddress, Decision, PassSecret, Refusal, RouteAccess, Visitor};

use crate::headers::{AdaptedHeaders, headers_of};
use crate::pass;
use crate::passage::Passage;
use crate::settings::Settings;

pub(crate) enum Verdict {
    /// Call the inner service, and have the response take this along.
    Admitted(Passage),
    /// Answer this, and call nothing.
    Answered(Response<Bytes>),
}

impl Settings {
    pub(crate) fn ask(&self, parts: &mut Parts, access: RouteAccess) -> Verdict {
        match self.judge(parts, access) {
            Judgement::Decided(Admission::Admitted(admitted)) => {
                parts.extensions.insert(Decision::Admit(admitted.reason));
                let (passage, execution) = Passage::asked(admitted);
                if let Some(execution) = execution {
                    parts.extensions.insert(execution);
                }
                Verdict::Admitted(passage)
            }
            Judgement::Decided(Admission::Refused(refusal)) => {
                Verdict::Answered(refusal_response(&refusal, parts))
            }
            Judgement::PassRedeemed(response) => Verdict::Answered(response),
        }
    }

    fn judge(&self, parts: &Parts, access: RouteAccess) -> Judgement {
        let uri = self.original_uri(parts);
        let visitor = Visitor::new(parts.method.as_str(), uri.path()).with_access(access);
        if self.gate.is_open() {
            // An execution is to begin. If the gate closes at this moment, more must be known of the visitor.
            let admission = self.gate.admit(&visitor);
            if matches!(admission, Admission::Admitted(_)) {
                return Judgement::Decided(admission);
            }
        }
        let pass = pass::carried(parts, uri, &self.pass_name, |secret| self.opens(secret));
        if let Some(pass) = &pass
            && let Some(response) = pass::redeem(pass, parts, uri, self)
        {
            return Judgement::PassRedeemed(response);
        }
        if access == RouteAccess::Always {
            return Judgement::Decided(self.gate.admit(&visitor));
        }
        let preflight = parts.method == Method::OPTIONS
            && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let visitor = visitor
            .with_address(self.client_address(parts))
            .with_permission(self.permits(parts))
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
        self.gate.decide(&visitor) == Decision::Admit(intermission::AdmitReason::Pass)
    }

    fn client_address(&self, parts: &Parts) -> ClientAddress {
        let names = self.proxies.header_name().into_iter();
        let lines = names.flat_map(|name| parts.headers.get_all(name));
        self.proxies
            .client_address(self.peer_address(parts), lines.map(HeaderValue::as_bytes))
    }

    /// Whether the socket's peer is a proxy that is believed.
    pub(crate) fn is_behind_proxy(&self, parts: &Parts) -> bool {
        let Some(peer) = self.peer_address(parts) else {
            return false;
        };
        // Only a trusted peer is asked for whom it speaks, and one that says nothing legible makes the address unknown.
        let illegible: [&[u8]; 1] = [b"?"];
        self.proxies.client_address(Some(peer), illegible) == ClientAddress::Unknown
    }
}

enum Judgement {
    Decided(Admission),
    PassRedeemed(Response<Bytes>),
}

/// The response to a request that a gate has refused: for those who ask the gate themselves.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use intermission::{Admission, Gate, Visitor};
/// use intermission_tower::refusal_response;
///
/// fn answer(gate: &Gate, request: Request<()>) -> Response<Bytes> {
///     let (parts, ()) = request.into_parts();
///     match gate.admit(&Visitor::new(parts.method.as_str(), parts.uri.path())) {
///         Admission::Admitted(_admitted) => Response::new(Bytes::from_static(b"hello")),
///         Admission::Refused(refusal) => refusal_response(&refusal, &parts),
///     }
/// }
/// # let _ = answer;
/// ```
#[must_use]
pub fn refusal_response(refusal: &Refusal, parts: &Parts) -> Response<Bytes> {
    let accept = parts.headers.get_all(ACCEPT).iter();
    let content_type = parts.headers.get(CONTENT_TYPE);
    let request = ReplyRequest::new(parts.method.as_str())
        .with_accept(accept.map(HeaderValue::as_bytes))
        .with_content_type(content_type.map(HeaderValue::as_bytes));
    let reply = refusal.reply(request);
    let headers = match refusal.adapted::<AdaptedHeaders>() {
        Some(adapted) => adapted.of(&reply),
        None => headers_of(&reply),
    };
    // The status was checked when the policy was made.
    let status = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = Response::new(reply.into_body());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
        .extensions_mut()
        .insert(Decision::Refuse(refusal.reason()));
    response
}
