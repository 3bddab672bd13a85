//! How a pass travels: by link on the first visit, by cookie from then on.

use std::fmt;

use actix_web::http::header::{
    CACHE_CONTROL, COOKIE, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE,
};
use actix_web::http::uri::Scheme;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::{HttpRequest, HttpResponse};
use intermission::{AdmitReason, Decision, PassSecret, Timestamp};

use crate::reply::ReplyBody;
use crate::settings::Settings;

/// How many secrets of one request are tried. Two happen (a cookie of another path, a link opened anew); hundreds are
/// somebody who lets us compute hashes.
const TRIED: usize = 8;

/// The name of the query parameter and of the cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassName(Box<str>);

impl PassName {
    pub(crate) fn new(name: &str) -> Result<Self, BadPassName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
            Ok(Self(name.into()))
        } else {
            Err(BadPassName {
                name: name.to_owned(),
            })
        }
    }

    /// The value of `name=value`, if the name is this one.
    fn value_of<'a>(&self, pair: &'a str) -> Option<&'a str> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*name == *self.0).then_some(value)
    }
}

impl Default for PassName {
    fn default() -> Self {
        Self("intermission-pass".into())
    }
}

impl fmt::Display for PassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot name the query parameter and the cookie of a pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pass name `{}` must be 1 to 64 of the characters a-z, A-Z, 0-9, `-` and `_`",
    .name.escape_debug()
)]
pub struct BadPassName {
    name: String,
}

/// A secret that opens, and where it was found.
pub(crate) struct CarriedPass {
    pub(crate) secret: PassSecret,
    by_link: bool,
}

/// The first pass of a request that opens: of several cookies of one name (of other paths, of earlier days) any may.
pub(crate) fn carried(
    request: &HttpRequest,
    name: &PassName,
    opens: impl Fn(&PassSecret) -> bool,
) -> Option<CarriedPass> {
    let linked = request
        .uri()
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| name.value_of(pair))
        .map(|value| (value, true));
    let kept = request
        .headers()
        .get_all(COOKIE)
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| name.value_of(pair.trim()))
        .map(|value| (value.trim_matches('"'), false));
    linked
        .chain(kept)
        .filter_map(|(value, by_link)| {
            let secret = value.parse().ok()?;
            Some(CarriedPass { secret, by_link })
        })
        .take(TRIED)
        .find(|pass| opens(&pass.secret))
}

/// Turns a link into a cookie: `303` to the same address without the secret, so that it stays neither in the address
/// bar nor in what the page refers to.
///
/// `None` if there is nothing to turn: the pass came by cookie, or the method is one that a redirect would not repeat.
pub(crate) fn redeem(
    pass: &CarriedPass,
    request: &HttpRequest,
    settings: &Settings,
) -> Option<HttpResponse<ReplyBody>> {
    let repeatable = matches!(*request.method(), Method::GET | Method::HEAD);
    if !pass.by_link || !repeatable {
        return None;
    }
    let location = HeaderValue::try_from(without_pass(request.uri(), &settings.pass_name)?).ok()?;
    let mut cookie = HeaderValue::try_from(cookie(&pass.secret, request, settings)).ok()?;
    cookie.set_sensitive(true);
    let mut response = HttpResponse::with_body(StatusCode::SEE_OTHER, ReplyBody::empty());
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(SET_COOKIE, cookie);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
        .extensions_mut()
        .insert(Decision::Admit(AdmitReason::Pass));
    Some(response)
}

/// The address without the secret. All else stays as it was sent, byte by byte.
///
/// # Security
///
/// A reference that begins with `//` names a host, and browsers read `\` as `/`. So `//evil.example` becomes
/// `/.//evil.example`, which is the same path on this host.
fn without_pass(uri: &Uri, name: &PassName) -> Option<String> {
    let path = uri.path();
    let mut location = String::with_capacity(path.len() + 64);
    let below_root = path.strip_prefix('/')?;
    if below_root.starts_with(['/', '\\']) {
        location.push_str("/.");
    }
    location.push_str(path);
    let query = uri.query().into_iter().flat_map(|query| query.split('&'));
    let mut separator = '?';
    for pair in query.filter(|pair| name.value_of(pair).is_none()) {
        location.push(separator);
        location.push_str(pair);
        separator = '&';
    }
    Some(location)
}

fn cookie(secret: &PassSecret, request: &HttpRequest, settings: &Settings) -> String {
    let name = &settings.pass_name;
    let mut cookie = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax");
    if settings.https_only || is_https(request, settings) {
        cookie.push_str("; Secure");
    }
    if let Some(end) = expiry(secret, settings) {
        cookie.push_str("; Expires=");
        cookie.push_str(&end);
    }
    cookie
}

/// Whether the browser speaks `https`.
fn is_https(request: &HttpRequest, settings: &Settings) -> bool {
    if request.app_config().secure() || request.uri().scheme() == Some(&Scheme::HTTPS) {
        return true;
    }
    // Of several, the first is what the browser spoke. If the visitor made it up, it is the visitor's own cookie that
    // comes out wrong.
    let said = request.headers().get("x-forwarded-proto");
    let said = said.and_then(|line| line.as_bytes().split(|byte| *byte == b',').next());
    said.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
        && settings.is_behind_proxy(request)
}

/// When the pass ends, as a date of HTTP. `Max-Age` would need the gate's clock; whether the pass is current is the
/// gate's to judge anyway, on every request.
fn expiry(secret: &PassSecret, settings: &Settings) -> Option<String> {
    let record = settings.gate.record();
    // At the beginning of time every pass is current, so this finds the pass by its secret alone.
    let begin = Timestamp::from_millis(0);
    let pass = record
        .passes()
        .iter()
        .find(|pass| pass.accepts(secret, begin))?;
    let millis = i64::try_from(pass.expires_at?.as_millis()).ok()?;
    let end = jiff::Timestamp::from_millisecond(millis).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&end)
        .ok()
}
