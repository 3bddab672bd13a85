//! The README's table of adapters: made of what they say of themselves, so that it cannot go out of step with them.

use super::adapters::{self, Adapter, FEATURES};
use super::files::Repository;
use super::finding::Finding;
use super::metadata::Metadata;

pub(super) const FILE: &str = "README.md";

// What stands between them is written by `cargo xtask fix`.
const BEGIN: &str = "<!-- adapters: begin -->\n";
const END: &str = "<!-- adapters: end -->\n";

/// The title of the last row.
const UNMET: &str = "Of the [adapters' contract](crates/intermission-conformance) it cannot meet";

pub(super) fn check(metadata: &Metadata, repository: &Repository) -> Vec<Finding> {
    let readme = repository.text(FILE.as_ref()).unwrap_or_default();
    match renewed(metadata, readme) {
        Ok(renewed) if renewed == readme => Vec::new(),
        Ok(_) => vec![Finding {
            place: FILE.to_owned(),
            wrong: "the table of adapters does not say what their manifests say".to_owned(),
            remedy: "run cargo xtask fix".to_owned(),
        }],
        Err(findings) => findings,
    }
}

/// The README with the table as it has to be.
pub(super) fn renewed(metadata: &Metadata, readme: &str) -> Result<String, Vec<Finding>> {
    let adapters = adapters::read(metadata)?;
    let parts = readme.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, behind) = rest.split_once(END)?;
        Some((before, behind))
    });
    match parts {
        Some((before, behind)) => Ok([before, BEGIN, &table(&adapters), END, behind].concat()),
        None => Err(vec![Finding {
            place: FILE.to_owned(),
            wrong: "has no place for the table of adapters".to_owned(),
            remedy: format!("add these two lines: {} {}", BEGIN.trim(), END.trim()),
        }]),
    }
}

/// The table, and the notes below it.
fn table(adapters: &[Adapter<'_>]) -> String {
    let titles = adapters.iter().map(|adapter| {
        let folder = adapter.package.folder.display();
        format!("[{}]({folder})", adapter.title)
    });
    let needs = adapters
        .iter()
        .map(|adapter| format!("`{}` {}", adapter.framework, versions(&adapter.versions)));
    let mut lines = vec![
        row("", titles),
        row("---", adapters.iter().map(|_| "---".to_owned())),
        row("For", needs),
    ];
    // What several say is said once.
    let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
    let features = FEATURES.iter().enumerate().map(|(index, feature)| {
        let cells = adapters.iter().filter_map(|it| it.cells.get(index));
        (feature.title, cells.collect::<Vec<_>>())
    });
    let unmet = adapters.iter().map(|adapter| &adapter.unmet).collect();
    for (title, cells) in features.chain([(UNMET, unmet)]) {
        let cells = adapters.iter().zip(cells).map(|(adapter, cell)| {
            let Some(note) = cell.note.as_deref() else {
                return cell.word.clone();
            };
            let number = number_of(note, &adapter.title, &mut notes);
            format!("{} {}", cell.word, raised(number))
        });
        lines.push(row(title, cells));
    }
    if !notes.is_empty() {
        lines.push(String::new());
    }
    for (index, (note, titles)) in notes.iter().enumerate() {
        lines.push(format!("{}. {}: {note}", index + 1, titles.join(", ")));
    }
    // The end of an HTML comment must be apart from what is to be Markdown.
    format!("\n{}\n\n", lines.join("\n"))
}

/// The number of a note, which is now one of this column, too.
fn number_of<'a>(note: &'a str, title: &'a str, notes: &mut Vec<(&'a str, Vec<&'a str>)>) -> usize {
    let known = notes.iter().position(|(text, _)| *text == note);
    let index = known.unwrap_or(notes.len());
    match notes.get_mut(index) {
        Some((_, titles)) if titles.contains(&title) => {}
        Some((_, titles)) => titles.push(title),
        None => notes.push((note, vec![title])),
    }
    index + 1
}

fn row(title: &str, cells: impl IntoIterator<Item = String>) -> String {
    let cells = cells.into_iter().map(|cell| format!(" {cell} |"));
    format!("| {title} |{}", cells.collect::<String>())
}

/// A requirement of cargo's in words: `^0.8.9` means any 0.8 from 0.8.9 on.
fn versions(requirement: &str) -> String {
    let Some(from) = requirement.strip_prefix('^') else {
        return requirement.to_owned();
    };
    let same = if from.starts_with("0.") { 2 } else { 1 };
    let series: Vec<&str> = from.split('.').take(same).collect();
    format!("{}, from {from}", series.join("."))
}

/// A number as it stands behind a word that it explains.
fn raised(number: usize) -> String {
    let digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    number
        .to_string()
        .bytes()
        .filter_map(|digit| digits.chars().nth(usize::from(digit.wrapping_sub(b'0'))))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::adapters::sample::{said, workspace};
    use super::super::files::File;
    use super::*;

    const EMPTY: &str = "before\n<!-- adapters: begin -->\n<!-- adapters: end -->\nbehind\n";

    fn with_notes(framework: &str, notes: Value) -> Value {
        let mut said = said(framework);
        said["notes"] = notes;
        said
    }

    fn two() -> Metadata {
        let axum = with_notes(
            "axum",
            json!({"http2": "With a feature.", "gate": "From the state."}),
        );
        let warp = with_notes("warp", json!({"gate": "By itself.", "boxes": "Mostly."}));
        workspace(&axum, &warp)
    }

    #[test]
    fn the_table_has_a_column_for_each_adapter_and_its_notes_below() {
        let renewed = renewed(&two(), EMPTY).unwrap();
        let lines: Vec<&str> = renewed.lines().collect();
        assert_eq!(
            lines[..7],
            [
                "before",
                "<!-- adapters: begin -->",
                "",
                "|  | [axum](crates/intermission-axum) | [warp](crates/intermission-warp) |",
                "| --- | --- | --- |",
                "| For | `axum` 1, from 1.2.3 | `warp` 1, from 1.2.3 |",
                "| HTTP/2 | yes ¹ | yes |",
            ]
        );
        assert!(renewed.contains(" | yes ² | yes ³ |\n"), "{renewed}");
        assert_eq!(
            lines[lines.len() - 7..],
            [
                "1. axum: With a feature.",
                "2. axum: From the state.",
                "3. warp: By itself.",
                "4. warp: Mostly.",
                "",
                "<!-- adapters: end -->",
                "behind",
            ]
        );
    }

    #[test]
    fn what_several_say_is_said_once() {
        let axum = json!({"gate": "Like everybody.", "boxes": "Like everybody."});
        let warp = json!({"boxes": "Like everybody."});
        let metadata = workspace(&with_notes("axum", axum), &with_notes("warp", warp));
        let renewed = renewed(&metadata, EMPTY).unwrap();
        assert!(renewed.contains(" | yes ¹ | yes |\n"), "{renewed}");
        assert!(renewed.contains(" | yes ¹ | yes ¹ |\n"), "{renewed}");
        assert!(
            renewed.contains("\n1. axum, warp: Like everybody.\n"),
            "{renewed}"
        );
    }

    #[test]
    fn a_table_that_was_renewed_is_fresh_until_somebody_says_otherwise() {
        let of = |text: &str| {
            Repository::of(vec![File {
                path: FILE.to_owned(),
                text: text.to_owned(),
            }])
        };
        let fresh = renewed(&two(), EMPTY).unwrap();
        assert!(check(&two(), &of(&fresh)).is_empty());
        let other = workspace(&said("axum"), &said("warp"));
        for (metadata, text) in [(two(), EMPTY), (other, &*fresh)] {
            let findings = check(&metadata, &of(text));
            assert_eq!(findings.len(), 1);
            assert!(findings[0].remedy.contains("cargo xtask fix"));
        }
        assert_eq!(renewed(&two(), &fresh).unwrap(), fresh);
    }

    #[test]
    fn a_readme_without_a_place_for_the_table_is_found() {
        for text in [
            "",
            "<!-- adapters: begin -->\n",
            "<!-- adapters: end -->\n<!-- adapters: begin -->\n",
        ] {
            let findings = renewed(&two(), text).unwrap_err();
            assert!(findings[0].wrong.contains("has no place"), "{text}");
        }
    }

    #[test]
    fn versions_are_said_in_words() {
        for (requirement, words) in [
            ("^0.8.9", "0.8, from 0.8.9"),
            ("^4.18.1", "4, from 4.18.1"),
            ("=1.2.3", "=1.2.3"),
        ] {
            assert_eq!(versions(requirement), words);
        }
    }

    #[test]
    fn numbers_of_several_digits_are_raised_too() {
        assert_eq!(raised(10), "¹⁰");
        assert_eq!(raised(23), "²³");
    }
}
