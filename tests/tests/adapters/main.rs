//! The adapters' contract on each framework, as third parties run it on theirs.

mod actix;
mod axum;
mod hyper;

use std::process::ExitCode;

use http::{HeaderValue, Response};
use intermission::Decision;
use intermission_conformance::adapter::trials;
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        trials::<hyper::Hyper>(),
        trials::<axum::Axum>(),
        trials::<actix::Actix>(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

/// The redirect that a link becomes is made without a `Content-Length`, which hyper adds for GET and not for HEAD.
const BUG_REDIRECT: &str = "BUG: the redirect has no length";

/// What the outer middleware does, for all that is on `http` 1.x.
fn seen<B>(mut response: Response<B>) -> Response<B> {
    let decision: Option<Decision> = response.extensions().get().copied();
    let headers = response.headers_mut();
    headers.insert("x-outer", HeaderValue::from_static("seen"));
    if let Some(decision) = decision {
        let value = HeaderValue::try_from(decision.to_string());
        headers.insert("x-decision", value.unwrap_or(HeaderValue::from_static("?")));
    }
    response
}
