//! The page: one document, with everything that it needs in it.
//!
//! The server renders it, so it says what is true without any script. With its script it also acts and follows: the
//! script listens to the events, and with each of them fetches the part of the page that lives (`?part=live`) and
//! brings the document to it. What anything looks like is therefore said once, here.

mod assets;
mod facts;
mod form;
mod live;
mod markup;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use askama::Template;
use intermission::View;

use crate::api::{Answered, Call};
use crate::problem::{Problem, in_full};
use crate::reply::AdminReply;
use live::{Document, Live};

/// At most so many nodes are shown.
const NODES_SHOWN: usize = 256;
/// At most so many lines of the history are shown.
const HISTORY_SHOWN: usize = 50;

/// The page, as the site is now.
///
/// A state that is out of reach is no reason to show nothing: the page says so, and what this node has last known.
pub(crate) async fn page(call: &Call<'_>) -> Answered {
    let operator = call.operator();
    let gate = &call.inner.gate;
    let (view, trouble) = match operator.inspect(NODES_SHOWN).await {
        Ok(view) => (view, None),
        Err(error) => (View::new(gate.record()), Some(in_full(&error))),
    };
    let (history, trouble) = match trouble {
        Some(trouble) => (Vec::new(), Some(trouble)),
        None => match operator.history(HISTORY_SHOWN).await {
            Ok(history) => (history, None),
            Err(error) => (Vec::new(), Some(in_full(&error))),
        },
    };
    let local = gate.status();
    let settings = &call.inner.settings;
    let live = Live {
        now: call.inner.clock.now(),
        view,
        history,
        trouble,
        hold: local.hold,
        contact_age: local.contact_age.unwrap_or(Duration::ZERO),
        client: call.inner.client_address(call.request),
        actor: call.actor,
        site: settings.site.as_deref(),
        access: settings.access,
        build: assets::build(),
    };
    let is_part = call.request.query == "part=live";
    let html = if is_part {
        live.render()
    } else {
        Document { live: &live }.render()
    };
    // INVARIANT: a template that compiles fails only if writing fails, and writing into a string does not.
    let html = html.map_err(|error| AdminReply::from(Problem::new(503, in_full(&error))))?;
    Ok(AdminReply::new(200)
        .with_header("content-type", "text/html; charset=utf-8")
        .with_header("content-security-policy", assets::policy())
        .with_body(html))
}
