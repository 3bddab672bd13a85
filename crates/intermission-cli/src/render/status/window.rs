//! The maintenance that is on, or planned: how, by whom, and until when.

use intermission::{Activation, DrainPolicy, Record, Settings, Timestamp};

use super::lines::Lines;
use crate::render::text::printable;
use crate::time::brief;

pub(super) fn say_what_is_on(lines: &mut Lines, record: &Record) {
    let activation = record.activation();
    let plan = record.plan();
    if let Some(plan) = plan {
        lines.add(
            "Planned",
            format!("{} ({})", plan.starts_at, plan.settings.level),
        );
    }
    if let Some(settings) = activation
        .map(|on| &on.settings)
        .or_else(|| plan.map(|plan| &plan.settings))
    {
        let asked = activation
            .map(|on| (&on.requested_by, on.requested_at))
            .or_else(|| plan.map(|plan| (&plan.requested_by, plan.requested_at)));
        say_how(lines, settings, asked, activation);
    }
}

fn say_how(
    lines: &mut Lines,
    settings: &Settings,
    asked: Option<(&String, Timestamp)>,
    activation: Option<&Activation>,
) {
    lines.add_list(
        "Message",
        &printable(settings.message.as_deref().unwrap_or_default()),
    );
    if let Some((requested_by, requested_at)) = asked {
        lines.add_list("Requested by", &printable(requested_by));
        lines.add("Requested at", requested_at.to_string());
    }
    if let Some(completion) = activation.and_then(|on| on.completion.as_ref()) {
        let forced = if completion.forced {
            " (forced, with work still running)"
        } else {
            ""
        };
        lines.add("Activated at", format!("{}{forced}", completion.at));
    }
    if let Some(end) = settings.ends_at {
        let by_itself = if settings.auto_end {
            " (opens by itself)"
        } else {
            ""
        };
        lines.add("Ends", format!("{end}{by_itself}"));
    }
    if let Some(retry_after) = settings.retry_after {
        lines.add("Retry after", brief(retry_after));
    }
    let is_over = activation.is_some_and(|on| on.completion.is_some());
    match settings.drain {
        DrainPolicy::Wait => {}
        _ if is_over => {}
        DrainPolicy::Force(limit) => lines.add("Drain", format!("forced after {}", brief(limit))),
        DrainPolicy::Abort(limit) => lines.add("Drain", format!("aborted after {}", brief(limit))),
    }
}
