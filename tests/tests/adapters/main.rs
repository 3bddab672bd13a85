//! The adapters' contract on each framework, as third parties run it on theirs.

mod actix;
mod axum;
mod flaws;
mod hyper;
mod manifests;
mod warp;

use std::process::ExitCode;

use http::{HeaderName, HeaderValue, Response, StatusCode};
use intermission::Decision;
use intermission_conformance::adapter::{Answer, AnswerBody, Server, trials};
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        trials::<hyper::Hyper>(),
        trials::<axum::Axum<axum::AsService>>(),
        trials::<axum::Axum<axum::AsRouter>>(),
        trials::<axum::Axum<axum::AsLayer>>(),
        trials::<actix::Actix<actix::Scoped>>(),
        trials::<actix::Actix<actix::Wrapped>>(),
        trials::<warp::Warp>(),
        flaws::trials(),
        manifests::trials(&[
            ("intermission-actix", actix::Actix::<actix::Scoped>::UNMET),
            ("intermission-axum", axum::Axum::<axum::AsService>::UNMET),
            ("intermission-tower", hyper::Hyper::<flaws::Sound>::UNMET),
            ("intermission-warp", warp::Warp::UNMET),
        ]),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

/// The application's response, for all that is on `http` 1.x.
fn response(answer: Answer) -> Response<AnswerBody> {
    // A status that is none fails the row.
    let status = StatusCode::from_u16(answer.status());
    let mut response = Response::new(answer.into_body());
    *response.status_mut() = status.unwrap_or_default();
    let headers = Answer::HEADERS.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    response.headers_mut().extend(headers);
    response
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
