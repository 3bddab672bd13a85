//! How a pass travels: by link on the first visit, by cookie from then on.

use std::fmt;

use intermission_core::PassSecret;

use crate::adapter::entrance::Entrance;
use crate::adapter::head::RequestHead;

/// How many secrets of one request are tried. Two happen (a cookie of another path, a link opened anew); hundreds are
/// somebody who lets us compute hashes.
const TRIED: usize = 8;

/// The name of the query parameter and of the cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PassName(Box<str>);

impl PassName {
    pub(super) fn new(name: &str) -> Result<Self, BadPassName> {
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
pub(super) struct CarriedPass {
    pub(super) secret: PassSecret,
    by_link: bool,
}

/// The first pass of a request that opens: of several cookies of one name (of other paths, of earlier days) any may.
pub(super) fn carried<H: RequestHead>(
    head: &H,
    name: &PassName,
    opens: impl Fn(&PassSecret) -> bool,
) -> Option<CarriedPass> {
    let linked = pairs(head)
        .filter_map(|pair| name.value_of(pair))
        .map(|value| (value, true));
    let kept = head
        .lines("cookie")
        .filter_map(|line| str::from_utf8(line).ok())
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

/// The pairs of the query.
fn pairs<H: RequestHead>(head: &H) -> impl Iterator<Item = &str> {
    let query = head.query().into_iter();
    query.flat_map(|query| query.split('&'))
}

/// A visitor's link that was turned into a cookie: what is to be answered.
#[derive(Clone)]
pub struct RedeemedPass {
    location: String,
    cookie: String,
}

impl RedeemedPass {
    /// `303 See Other`.
    #[must_use]
    pub const fn status(&self) -> u16 {
        303
    }

    /// The headers of the redirect, by their names in lower case. There is no body.
    ///
    /// # Security
    ///
    /// `set-cookie` holds the secret: mark it as sensitive where the framework can, and never log it.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 5] {
        [
            // Servers add it for GET, and some leave it out for HEAD.
            ("content-length", "0"),
            ("location", &self.location),
            ("set-cookie", &self.cookie),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ]
    }
}

impl fmt::Debug for RedeemedPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedeemedPass")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

/// Turns a link into a cookie: `303` to the same address without the secret, so that it stays neither in the address
/// bar nor in what the page refers to.
///
/// `None` if there is nothing to turn: the pass came by cookie, or the method is one that a redirect would not repeat.
pub(super) fn redeem<H: RequestHead>(
    pass: &CarriedPass,
    head: &H,
    entrance: &Entrance<H::Permission>,
) -> Option<RedeemedPass> {
    let is_repeatable = matches!(head.method(), "GET" | "HEAD");
    if !pass.by_link || !is_repeatable {
        return None;
    }
    Some(RedeemedPass {
        location: without_pass(head, &entrance.pass_name)?,
        cookie: cookie(&pass.secret, head, entrance),
    })
}

/// The address without the secret. All else stays as it was sent, byte by byte.
///
/// # Security
///
/// A reference that begins with `//` names a host, and browsers read `\` as `/`. So `//evil.example` becomes
/// `/.//evil.example`, which is the same path on this host.
fn without_pass<H: RequestHead>(head: &H, name: &PassName) -> Option<String> {
    let path = head.path();
    let mut location = String::with_capacity(path.len() + 64);
    let below_root = path.strip_prefix('/')?;
    if below_root.starts_with(['/', '\\']) {
        location.push_str("/.");
    }
    location.push_str(path);
    let mut separator = '?';
    for pair in pairs(head).filter(|pair| name.value_of(pair).is_none()) {
        location.push(separator);
        location.push_str(pair);
        separator = '&';
    }
    // No server lets a control character through; if one did, it would be no header's value.
    (!location.contains(char::is_control)).then_some(location)
}

fn cookie<H: RequestHead>(
    secret: &PassSecret,
    head: &H,
    entrance: &Entrance<H::Permission>,
) -> String {
    let name = &entrance.pass_name;
    let mut cookie = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax");
    if entrance.https_only || head.is_https() || is_https_by_proxy(head, entrance) {
        cookie.push_str("; Secure");
    }
    if let Some(end) = expiry(secret, entrance) {
        cookie.push_str("; Expires=");
        cookie.push_str(&end);
    }
    cookie
}

/// Whether the browser speaks `https` to a proxy that is believed.
fn is_https_by_proxy<H: RequestHead>(head: &H, entrance: &Entrance<H::Permission>) -> bool {
    // Of several, the first is what the browser spoke. If the visitor made it up, it is the visitor's own cookie that
    // comes out wrong.
    let said = head.lines("x-forwarded-proto").next();
    let said = said.and_then(|line| line.split(|byte| *byte == b',').next());
    said.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
        && head
            .peer()
            .is_some_and(|peer| entrance.proxies.trusts(peer))
}

/// When the pass ends, as a date of HTTP. `Max-Age` would need the gate's clock; whether the pass is current is the
/// gate's to judge anyway, on every request.
fn expiry<P>(secret: &PassSecret, entrance: &Entrance<P>) -> Option<String> {
    let record = entrance.gate.record();
    let mut passes = record.passes().iter();
    let pass = passes.find(|pass| pass.belongs_to(secret))?;
    let millis = i64::try_from(pass.expires_at?.as_millis()).ok()?;
    let end = jiff::Timestamp::from_millisecond(millis).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&end)
        .ok()
}
