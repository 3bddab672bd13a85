//! `status` as text. Each module says one thing, and leaves out lines that do not apply.

mod exempt;
mod holders;
mod in_doubt;
mod lines;
mod lost_data;
mod nodes;
mod running;
mod scopes;
#[cfg(test)]
mod tests;
mod window;

use clap::builder::styling::{AnsiColor, Style};
use intermission::{Phase, ScopeName, Timestamp, View};

use crate::output::painted;
use lines::Lines;

/// The state in a few labelled lines. Lines that do not apply are left out. `invocation` is how a command line begins
/// that reaches the same state.
pub(crate) fn status(
    view: &View,
    scope: Option<&ScopeName>,
    now: Timestamp,
    coloured: bool,
    invocation: &str,
) -> String {
    let mut lines = Lines::default();
    let record = &view.record;
    window::say_what_is_on(&mut lines, record);
    holders::say_who_holds(&mut lines, view, now, invocation);
    exempt::say_who_gets_in(&mut lines, record, now);
    lost_data::say_what_was_lost(&mut lines, view, invocation);
    running::say_what_runs(&mut lines, view, now, invocation);
    nodes::say_how_many(&mut lines, view);
    nodes::say_who_is_silent(&mut lines, view, now, invocation);
    in_doubt::say_who_is_in_doubt(&mut lines, view, invocation);
    scopes::say_which(&mut lines, record.scopes());
    let of = scope.map_or_else(String::new, |scope| format!(" of {scope}"));
    format!(
        "Maintenance{of}: {}\n{}",
        headline(view, coloured),
        lines.into_text()
    )
}

fn headline(view: &View, coloured: bool) -> String {
    let phase = view.record.phase();
    let colour = match phase {
        Phase::Deactivated => AnsiColor::Green,
        Phase::Activating => AnsiColor::Yellow,
        Phase::Activated => AnsiColor::Red,
    };
    let phase_word = painted(
        coloured,
        Style::new().fg_color(Some(colour.into())).bold(),
        phase.as_str(),
    );
    if phase.is_on() {
        format!("{phase_word} ({})", view.record.level())
    } else if view.is_reconciling() {
        format!("{phase_word} (not certain yet)")
    } else {
        phase_word
    }
}
