use super::*;
use crate::report::fixtures;

const NEWEST: &str = "2026-11-30T11:41:13Z";

/// A page with these sections.
fn page(sections: &[Section]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for section in sections {
        section.keep(folder.path()).unwrap();
    }
    let report = Report::read(folder.path()).unwrap();
    report.write(folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    let json = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["sections"].as_array().unwrap().len(), sections.len());
    page
}

/// How often that is in there.
fn count(page: &str, text: &str) -> usize {
    page.matches(text).count()
}

fn instructions() -> Section {
    fixtures::section("instructions", "Instructions", NEWEST)
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let page = page(&[instructions()]);
    for foreign in [
        "<script",
        "<link",
        "<img",
        "@import",
        "@font-face",
        "url(",
        "http:",
        "https:",
        "javascript:",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn budgets_are_told_in_words_and_not_by_colour_alone() {
    let page = page(&[instructions()]);
    assert!(page.contains("<strong class=\"some\">1 of 2</strong> budgets kept"));
    // In the overview and in the section.
    assert_eq!(count(&page, "</span> kept</span>"), 2);
    assert_eq!(count(&page, "</span> missed</span>"), 2);
    assert!(page.contains("<a href=\"#instructions\">two threads</a>"));
}

#[test]
fn charts_are_described_to_those_who_do_not_see_them() {
    let page = page(&[instructions()]);
    assert!(page.contains("<title>decide, refused by the default rule: 122 instructions, 110 to 139, budget 150</title>"));
    assert!(page.contains(
        "median, ms, by nodes. closing flip: 0.13 at 1, 0.53 at 10, 2.12 at 100, 20.6 at 1,000."
    ));
    assert!(page.contains(
        "Not drawn, since a logarithmic axis has no place for zero and less: bare PUBLISH: 0 at 1."
    ));
}

#[test]
fn whatever_a_section_says_is_text() {
    let mut section = instructions();
    section.reading.push("<script>alert(1)</script>".to_owned());
    section.title = "\"><i>".to_owned();
    let page = page(&[section]);
    assert!(!page.contains("<script"));
    assert!(!page.contains("\"><i>"));
    assert!(page.contains("a &#60;list&#62;"));
}

#[test]
fn what_was_not_measured_is_named_with_what_measures_it() {
    let page = page(&[instructions()]);
    for name in ["throughput", "lists", "fleet", "contention", "cold-start"] {
        assert!(page.contains(&format!(
            "<strong>{name}</strong>: not measured, run <code>cargo xtask bench {name}</code>"
        )));
    }
    assert!(!page.contains("<strong>instructions</strong>"));
}

#[test]
fn a_section_of_another_run_is_marked() {
    let mut old = fixtures::section("fleet", "The fleet", "2026-11-28T09:00:00Z");
    old.machine.processors = 64;
    old.machine.rustc = "rustc 1.89.0".to_owned();
    let page = page(&[instructions(), old]);
    assert!(
        page.contains(
            "measured 50 hours before the newest section"
                .replace("50 hours", "2 days")
                .as_str()
        )
    );
    assert!(page.contains(
        "on another machine (A processor, 64 processors, linux 6.18); with rustc 1.89.0"
    ));
    assert_eq!(count(&page, "not of this run"), 1);
    assert_eq!(count(&page, "<dt>Machine</dt>"), 2);
}

/// The figures of one run have the same machine, whatever its load is.
#[test]
fn a_run_of_an_hour_under_another_load_is_one_run() {
    let mut earlier = fixtures::section("fleet", "The fleet", "2026-11-30T10:30:00Z");
    earlier.machine.load = "7.00 7.00 7.00".to_owned();
    let page = page(&[instructions(), earlier]);
    assert_eq!(count(&page, "not of this run"), 0);
    assert_eq!(count(&page, "<dt>Machine</dt>"), 1);
}
