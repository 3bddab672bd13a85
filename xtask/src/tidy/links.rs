//! Markdown: every relative link leads somewhere.

use std::path::{Component, Path, PathBuf};

use super::files::{File, Repository};
use super::finding::Finding;

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let documents = repository
        .files()
        .iter()
        .filter(|file| file.path.ends_with(".md"));
    documents
        .flat_map(|document| check_document(repository, document))
        .collect()
}

fn check_document(repository: &Repository, document: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in prose(&document.text) {
        for target in targets(&text) {
            if let Some(wrong) = broken(repository, document, target) {
                findings.push(Finding {
                    place: format!("{}:{line}", document.path),
                    wrong,
                    remedy: "correct the link, or add what it leads to".to_owned(),
                });
            }
        }
    }
    findings
}

/// What is wrong with a link, if anything.
fn broken(repository: &Repository, document: &File, target: &str) -> Option<String> {
    // `https:`, `mailto:`, and a path of Rust in a document that rustdoc reads.
    if target.contains("://") || target.starts_with("mailto:") || target.contains("::") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let place = if path.is_empty() {
        PathBuf::from(&document.path)
    } else {
        let folder = Path::new(&document.path)
            .parent()
            .unwrap_or_else(|| Path::new(""));
        match resolved(folder, &path.replace("%20", " ")) {
            Some(place) if repository.has(&place) => place,
            _ => return Some(format!("the link to `{target}` leads nowhere")),
        }
    };
    let is_document = place.extension().is_some_and(|extension| extension == "md");
    if heading.is_empty() || !is_document {
        return None;
    }
    let known = repository
        .text(&place)
        .is_some_and(|text| anchors(text).iter().any(|anchor| anchor == heading));
    (!known).then(|| {
        format!(
            "the link to `{target}` leads to a heading that {} does not have",
            place.display()
        )
    })
}

/// A path from the root; `None` if it leads out of the repository.
fn resolved(folder: &Path, path: &str) -> Option<PathBuf> {
    // On GitHub a leading slash is the repository's root.
    let joined = match path.strip_prefix('/') {
        Some(path) => PathBuf::from(path),
        None => folder.join(path),
    };
    let mut place = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::Normal(part) => place.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                if !place.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(place)
}

/// The lines that are no code, with their numbers, and without the code that is in them.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut fence = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let marker = ["```", "~~~"]
            .into_iter()
            .find(|marker| trimmed.starts_with(marker));
        match (fence, marker) {
            (None, Some(_)) => fence = marker,
            (Some(open), Some(close)) if open == close => fence = None,
            (Some(_), _) => {}
            // Every second piece between backticks is code.
            (None, None) => {
                let text = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
                lines.push((index + 1, text));
            }
        }
    }
    lines
}

/// Where the links and images of a line lead: `[text](target "title")`, `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let inline = line
        .split("](")
        .skip(1)
        .filter_map(|behind| Some(behind.split_once(')')?.0));
    let definition = line
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]:"))
        .map(|(_, behind)| behind);
    inline
        .chain(definition)
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_start_matches('<').trim_end_matches('>'))
        .collect()
}

/// The anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code || !line.starts_with('#') {
            continue;
        }
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let same = anchors.iter().filter(|known| **known == anchor).count();
        anchors.push(if same == 0 {
            anchor
        } else {
            format!("{anchor}-{same}")
        });
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let repository = Repository::of(vec![
            file("README.md", "# Intermission\n\n## The `Gate`, in short\n"),
            file("crates/a/README.md", text),
            file("crates/a/src/lib.rs", ""),
            file("a file.md", "# A\n"),
        ]);
        check(&repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "\
# Here & there
[up](../../README.md), [a](src/lib.rs \"title\") and ![image](/README.md) ([folder](src))
[heading](../../README.md#the-gate-in-short) [same page](#here--there) [web](https://example.org/x.md#y)
[mail](mailto:a@example.org) [item](crate::Gate) [space](../../a%20file.md) `[code](nowhere)`
```md
[code](nowhere)
```
[up]: ../../README.md
";
        assert_eq!(findings(text), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for bad in [
            "[x](nowhere.md)",
            "text ![x](src/picture.png) text",
            "[x](../../../README.md)",
            "[x](/crates/b)",
            "[x]: src/main.rs",
            "[x](#no-such-heading)",
            "[x](../../README.md#the-gate)",
            "`code` [x](<nowhere.md>) `code`",
        ] {
            let found = findings(&format!("# Title\n\n{bad}\n"));
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert!(
                found[0].starts_with("crates/a/README.md:3: the link to"),
                "{}",
                found[0]
            );
        }
    }

    #[test]
    fn headings_of_one_name_are_told_apart() {
        assert_eq!(
            anchors("# A b\n```\n# code\n```\n## A b\n### C_d-e!\n"),
            ["a-b", "a-b-1", "c_d-e"]
        );
    }
}
