//! The adapters' contract on each framework, as third parties run it on theirs.

mod actix;
mod axum;
mod hyper;
mod warp;

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
        trials::<warp::Warp>(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

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
