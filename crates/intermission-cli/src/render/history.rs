//! Lines of the history, as `watch` prints them one by one.

use intermission_admin::Line;

use crate::render::text::printable;

/// `2026-11-20T10:15:00.000Z  activating   requested  by ana (command): message`.
pub(crate) fn in_words(line: &Line<'_>) -> String {
    let by = line
        .by
        .map(|by| format!("by {}", printable(by)))
        .unwrap_or_default();
    let origin = line
        .origin
        .map(|origin| format!(" ({})", printable(origin)))
        .unwrap_or_default();
    let separator = if by.is_empty() && origin.is_empty() {
        ""
    } else {
        ": "
    };
    let note = line
        .note
        .map(|note| format!("{separator}{}", printable(note)))
        .unwrap_or_default();
    let line = format!(
        "{}  {:<11}  {:<16}  {by}{origin}{note}",
        line.at, line.phase, line.event
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use intermission::{Activate, AllowChange, Change, Deactivate};
    use intermission_admin::since;

    use super::*;
    use crate::render::sample::{Site, allow};

    #[test]
    fn only_what_is_new_is_told_the_oldest_first() {
        let mut site = Site::new();
        assert!(since(&site.history(), None).is_empty());
        site.activate(Activate::by("ana"));
        let first = site.history();
        let events: Vec<&str> = since(&first, None)
            .iter()
            .map(|entry| entry.event.as_str())
            .collect();
        assert_eq!(events, ["requested", "activated"]);
        let last = first.first().unwrap();
        assert!(since(&first, Some(last)).is_empty());
        site.change(&Change::Deactivate(Deactivate::new()));
        site.activate(Activate::by("ana"));
        let second = site.history();
        let new: Vec<&str> = since(&second, Some(last))
            .iter()
            .map(|entry| entry.event.as_str())
            .collect();
        assert_eq!(new, ["deactivated", "requested", "activated"]);
        assert_eq!(
            since(&second[..2], Some(last)).len(),
            2,
            "the last one told was dropped"
        );
    }

    #[test]
    fn lines_say_when_what_and_who() {
        let mut site = Site::new();
        site.activate(Activate::by("ana").with_message("one\ntwo"));
        site.change(&Change::Allow(AllowChange::Add(allow(&["192.0.2.1"]))));
        let (history, view) = (site.history(), site.view());
        let lines: Vec<String> = history
            .iter()
            .map(|entry| in_words(&Line::from(entry)))
            .collect();
        assert_eq!(
            lines[0],
            "2026-11-20T10:00:00.000Z  activated    updated           by ana (command): allow list"
        );
        assert_eq!(lines[1], "2026-11-20T10:00:00.000Z  activated    activated");
        assert!(lines[2].starts_with(
            "2026-11-20T10:00:00.000Z  activating   requested         by ana (command): "
        ));
        assert_eq!(
            in_words(&Line::current(&view.record, site.now())),
            "2026-11-20T10:00:00.000Z  activated    current           by ana: one\\ntwo"
        );
    }
}
