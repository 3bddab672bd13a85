//! The OpenAPI 3.1 document, from the types that are read and answered.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document, Server};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi};

use crate::api;
use crate::problem::Problem;

/// The document of an API that is mounted there.
pub(crate) fn document(mount: &str) -> Document {
    let mut document = Api::openapi();
    document.servers = Some(vec![Server::new(mount)]);
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Maintenance",
        description = "Closes the site to visitors, lets the right people in, lets running work finish, and opens again."
    ),
    paths(
        api::status,
        api::nodes,
        api::executions,
        api::history,
        api::explain,
        api::events,
        api::activate,
        api::deactivate,
        api::allow_ips,
        api::list_passes,
        api::create_pass,
        api::revoke_pass,
        api::revoke_all_passes,
    ),
    modifiers(&Secured)
)]
struct Api;

/// The application says who may administer. What it goes by is its own business; these are the ways that clients know.
struct Secured;

impl Modify for Secured {
    fn modify(&self, openapi: &mut Document) {
        let schemes = [
            ("basic", HttpAuthScheme::Basic),
            ("bearer", HttpAuthScheme::Bearer),
        ];
        let components = openapi.components.get_or_insert_with(Components::new);
        for (name, scheme) in schemes {
            let scheme = SecurityScheme::Http(Http::new(scheme));
            components.add_security_scheme(name, scheme);
        }
        let either = schemes_of(&["basic", "bearer"]);
        openapi.security = Some(either);
    }
}

/// Any one of these is enough.
fn schemes_of(names: &[&str]) -> Vec<SecurityRequirement> {
    names
        .iter()
        .map(|name| SecurityRequirement::new(*name, Vec::<String>::new()))
        .collect()
}

/// A change of exactly what somebody has looked at.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is what the document says of the header")]
pub(crate) struct IfMatchHeader {
    /// Refuses the change if the site is no longer at this revision: `"7"`, as `ETag` says it.
    #[param(value_type = String, required = false, rename = "If-Match", pattern = "^(\"[0-9]{1,15}\"|[0-9]{1,15})$")]
    if_match: Option<String>,
}

/// Where a client of the events goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it is what the document says of the header")]
pub(crate) struct LastEventIdHeader {
    /// The id of the last change that was heard.
    #[param(value_type = String, required = false, rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

/// Why nothing is told.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is what the document says of refusals")]
pub(crate) enum ReadRefused {
    /// Nobody knows who asks.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] Problem<'static>),
    /// Who asks may not administer.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem<'static>),
    /// The query makes no sense.
    #[response(status = 422, content_type = "application/problem+json")]
    BadInput(#[to_schema] Problem<'static>),
    /// The state cannot be used.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem<'static>),
}

/// Why a change was not made. Nothing was changed.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is what the document says of refusals")]
pub(crate) enum ChangeRefused {
    /// The body is no JSON, or `If-Match` no revision.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem<'static>),
    /// Nobody knows who asks.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] Problem<'static>),
    /// Who asks may not administer, or the request comes from another site.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem<'static>),
    /// It does not fit to how the site is, which `current` has.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] Problem<'static>),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem<'static>),
    /// The body is not said to be JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(#[to_schema] Problem<'static>),
    /// The input makes no sense; `errors` has every bad field.
    #[response(status = 422, content_type = "application/problem+json")]
    BadInput(#[to_schema] Problem<'static>),
    /// The state cannot be used.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem<'static>),
}
