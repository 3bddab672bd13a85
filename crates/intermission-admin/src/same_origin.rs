//! Whether a change comes from our own page, or from no browser at all.
//!
//! A browser adds credentials to whatever any site makes it send. What tells our own page from others is what scripts
//! cannot set: `Sec-Fetch-Site` and `Origin`.

use crate::request::AdminRequest;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Our own page, or no browser.
    Own,
    /// Another site, or nobody knows which.
    Foreign,
}

impl Origin {
    /// Goes by `Sec-Fetch-Site` if there is one, which knows best: it is right behind proxies that change `Host`, too.
    /// Browsers send it to trustworthy addresses only, and old ones never, so `Origin` is next. A request with neither
    /// comes from no browser that would change anything, since each of them sends `Origin` with what is not `GET`.
    pub(crate) fn of(request: &AdminRequest) -> Self {
        if request.has("sec-fetch-site") {
            return match request.header("sec-fetch-site") {
                Some("same-origin") => Self::Own,
                // `same-site` is another application of the same owner, and may be the one that was broken into.
                _ => Self::Foreign,
            };
        }
        if !request.has("origin") {
            return Self::Own;
        }
        let origin = request.header("origin").and_then(authority);
        let host = host(request);
        match (origin, host) {
            (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => Self::Own,
            _ => Self::Foreign,
        }
    }
}

/// The scheme by which a browser has come here, if it says so: behind a proxy, nobody else may know.
pub(crate) fn scheme(request: &AdminRequest) -> Option<&'static str> {
    let origin = request.header("origin")?;
    let host = host(request)?;
    let (scheme, rest) = origin.split_once("://")?;
    let scheme = match scheme {
        "https" => "https",
        "http" => "http",
        _ => return None,
    };
    rest.eq_ignore_ascii_case(host).then_some(scheme)
}

/// The host and port that the client asked for.
pub(crate) fn host(request: &AdminRequest) -> Option<&str> {
    request.header("host").filter(|host| is_authority(host))
}

/// `example.com:8080` of `https://example.com:8080`. The port of the scheme is left out by browsers in both headers.
fn authority(origin: &str) -> Option<&str> {
    let authority = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))?;
    is_authority(authority).then_some(authority)
}

fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization::Authorization;

    #[test]
    fn only_our_own_page_and_what_is_no_browser_may_change_anything() {
        for (headers, expected) in [
            (&[][..], Origin::Own),
            (&[("sec-fetch-site", "same-origin")], Origin::Own),
            (&[("sec-fetch-site", "same-site")], Origin::Foreign),
            (&[("sec-fetch-site", "cross-site")], Origin::Foreign),
            (&[("sec-fetch-site", "none")], Origin::Foreign),
            (&[("sec-fetch-site", "")], Origin::Foreign),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-site", "cross-site"),
                ],
                Origin::Foreign,
            ),
            // Behind a proxy that changes `Host`.
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://shop.example"),
                ],
                Origin::Own,
            ),
            (&[("origin", "http://shop.internal:8080")], Origin::Own),
            (&[("origin", "https://SHOP.internal:8080")], Origin::Own),
            (&[("origin", "http://shop.internal")], Origin::Foreign),
            (&[("origin", "http://evil.example")], Origin::Foreign),
            (&[("origin", "null")], Origin::Foreign),
            (&[("origin", "")], Origin::Foreign),
            (
                &[("origin", "http://evil.example@shop.internal:8080")],
                Origin::Foreign,
            ),
        ] {
            let mut request = AdminRequest::new("POST", "/api/activate", Authorization::Forbidden)
                .with_header("Host", "shop.internal:8080");
            for (name, value) in headers {
                request = request.with_header(*name, *value);
            }
            assert_eq!(Origin::of(&request), expected, "{headers:?}");
        }
    }
}
