//! Manifests: where versions and lints come from.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{File, Repository};
use super::finding::Finding;
use super::metadata::Metadata;

pub(super) fn check(metadata: &Metadata, repository: &Repository) -> Vec<Finding> {
    let manifests = repository
        .files()
        .iter()
        .filter(|file| file.name() == "Cargo.toml");
    let mut findings: Vec<Finding> = manifests
        .flat_map(|manifest| {
            if manifest.path == "Cargo.toml" {
                root(manifest)
            } else if is_root(manifest) {
                apart(manifest, repository)
            } else {
                member(manifest)
            }
        })
        .collect();
    for package in metadata.members() {
        let path = package.folder.join("Cargo.toml");
        if repository
            .files()
            .iter()
            .all(|file| path != Path::new(&file.path))
        {
            findings.push(Finding {
                place: path.display().to_string(),
                wrong: format!(
                    "cargo builds `{}` from it, but git does not know it",
                    package.name
                ),
                remedy: format!(
                    "add it; if .gitignore leaves it out, mend that (root: {})",
                    metadata.root().display()
                ),
            });
        }
    }
    findings
}

/// Every line of the workspace's table says why it is there. Our own crates need no reason.
fn root(manifest: &File) -> Vec<Finding> {
    let entries = entries(&manifest.text);
    let table = entries
        .iter()
        .filter(|entry| entry.section == ["workspace", "dependencies"]);
    table
        .filter(|entry| !compact(&entry.value).contains("path=") && entry.comment.is_empty())
        .map(|entry| Finding {
            place: format!("{}:{}", manifest.path, entry.line),
            wrong: format!("`{}` has no reason beside it", entry.key.join(".")),
            remedy: "add a comment at the end of the line: what it is used for".to_owned(),
        })
        .collect()
}

/// Whether it begins a workspace of its own, such as one of what others have made: nothing of it gets into our lock file.
fn is_root(manifest: &File) -> bool {
    let mut lines = manifest.text.lines().map(|line| split_comment(line).0);
    lines.any(|line| line.trim() == "[workspace]")
}

/// A workspace apart: it has a lock file, and every dependency says why it is there.
fn apart(manifest: &File, repository: &Repository) -> Vec<Finding> {
    let entries = entries(&manifest.text);
    let mut findings: Vec<Finding> = entries
        .iter()
        .filter(|entry| entry.section == ["dependencies"] && entry.comment.is_empty())
        .map(|entry| Finding {
            place: format!("{}:{}", manifest.path, entry.line),
            wrong: format!("`{}` has no reason beside it", entry.key.join(".")),
            remedy: "add a comment at the end of the line: what it is used for".to_owned(),
        })
        .collect();
    let lock = Path::new(&manifest.path).with_file_name("Cargo.lock");
    if !repository.has(&lock) {
        findings.push(Finding {
            place: manifest.path.clone(),
            wrong: "begins a workspace that has no lock file".to_owned(),
            remedy: format!(
                "add {}, so that everybody builds the same, or take `[workspace]` out",
                lock.display()
            ),
        });
    }
    findings
}

/// Every dependency and the lints come from the workspace.
fn member(manifest: &File) -> Vec<Finding> {
    let entries = entries(&manifest.text);
    let mut inherited: BTreeMap<(usize, String), bool> = BTreeMap::new();
    let mut first_lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut lints = false;
    for entry in &entries {
        let path: Vec<&str> = entry
            .section
            .iter()
            .chain(&entry.key)
            .map(String::as_str)
            .collect();
        if path == ["lints", "workspace"] && entry.value == "true" {
            lints = true;
        }
        let table = path.iter().position(|word| word.ends_with("dependencies"));
        let Some((name, rest)) = table.and_then(|table| path.get(table + 1..)?.split_first())
        else {
            continue;
        };
        let from_workspace = match rest {
            [] => {
                compact(&entry.value).contains("{workspace=true")
                    || compact(&entry.value).contains(",workspace=true")
            }
            rest => rest == ["workspace"] && entry.value == "true",
        };
        // `[dependencies.name]` has one line for each setting: they are one dependency.
        let prefix = path
            .iter()
            .take(path.len() - rest.len())
            .copied()
            .collect::<Vec<_>>()
            .join(".");
        let line = *first_lines.entry(prefix).or_insert(entry.line);
        *inherited.entry((line, (*name).to_owned())).or_default() |= from_workspace;
    }

    let mut findings: Vec<Finding> = inherited
        .into_iter()
        .filter(|(_, inherited)| !inherited)
        .map(|((line, name), _)| Finding {
            place: format!("{}:{line}", manifest.path),
            wrong: format!("`{name}` does not come from the workspace's table"),
            remedy: format!("write `{name}.workspace = true`, and its version with a reason in the root's Cargo.toml"),
        })
        .collect();
    if !lints {
        findings.push(Finding {
            place: manifest.path.clone(),
            wrong: "does not inherit the workspace's lints".to_owned(),
            remedy: "add `[lints]` with `workspace = true`".to_owned(),
        });
    }
    findings
}

/// One `key = value` of a manifest.
#[derive(Debug, PartialEq)]
struct Entry {
    section: Vec<String>,
    key: Vec<String>,
    value: String,
    /// What stands behind `#` at the end, trimmed.
    comment: String,
    line: usize,
}

/// All entries of a manifest. It reads what manifests are written in, not all of TOML: multi-line strings are not
/// understood.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let (code, comment) = split_comment(line);
        let code = code.trim();
        if open {
            // A list that goes over several lines.
            if let Some(entry) = entries.last_mut() {
                entry.value.push_str(code);
                open = is_open(&entry.value);
            }
        } else if code.starts_with('[') {
            section = dotted(code.trim_matches(['[', ']']));
        } else if let Some((key, value)) = split_outside_quotes(code, '=') {
            entries.push(Entry {
                section: section.clone(),
                key: dotted(key),
                value: value.trim().to_owned(),
                comment: comment.trim().to_owned(),
                line: index + 1,
            });
            open = is_open(value);
        }
    }
    entries
}

/// Whether a bracket is still to be closed.
fn is_open(value: &str) -> bool {
    let mut depth = 0_i32;
    for (_, c) in outside_quotes(value) {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    depth > 0
}

/// The words of `a."b.c".d`.
fn dotted(key: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = key;
    while let Some((word, behind)) = split_outside_quotes(rest, '.') {
        words.push(word);
        rest = behind;
    }
    words.push(rest);
    words
        .into_iter()
        .map(|word| word.trim().trim_matches(['"', '\'']).to_owned())
        .collect()
}

fn split_comment(line: &str) -> (&str, &str) {
    split_outside_quotes(line, '#').unwrap_or((line, ""))
}

fn split_outside_quotes(text: &str, at: char) -> Option<(&str, &str)> {
    let (index, _) = outside_quotes(text).find(|(_, c)| *c == at)?;
    let (before, behind) = text.split_at_checked(index)?;
    Some((before, behind.strip_prefix(at)?))
}

/// The characters that are not in a quoted text, with their places.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    text.char_indices().filter(move |(_, c)| match quote {
        Some(end) => {
            if *c == end {
                quote = None;
            }
            false
        }
        None => {
            if ['"', '\''].contains(c) {
                quote = Some(*c);
            }
            quote.is_none()
        }
    })
}

fn compact(value: &str) -> String {
    value.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn of_member(text: &str) -> Vec<String> {
        member(&file("crates/a/Cargo.toml", text))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    const GOOD: &str = r#"
[package]
name = "a" # "dependencies" in a comment
version.workspace = true

[lints]
workspace = true

[dependencies]
one.workspace = true
two = { workspace = true, features = [
    "x", # why
    "y",
], optional = true }
three = { features = ["x"], workspace = true }

[dependencies.four]
features = ["x"]
workspace = true

[target.'cfg(unix)'.dependencies]
five.workspace = true

[dev-dependencies]
six.workspace = true

[features]
default = ["one/x"]
"#;

    #[test]
    fn every_way_to_inherit_is_understood() {
        assert_eq!(of_member(GOOD), [""; 0]);
    }

    #[test]
    fn a_version_of_its_own_is_found_with_its_line() {
        for bad in [
            "one = \"1\"",
            "one = { version = \"1\", features = [\"workspace=true\"] }",
            "one = { path = \"../one\" }",
            "one.version = \"1\"",
        ] {
            for table in [
                "dependencies",
                "dev-dependencies",
                "build-dependencies",
                "target.'cfg(a.b)'.dependencies",
            ] {
                let found = of_member(&format!("lints.workspace = true\n[{table}]\n{bad}\n"));
                assert_eq!(found.len(), 1, "{bad}: {found:?}");
                assert!(
                    found[0].starts_with("crates/a/Cargo.toml:3: `one` does not come"),
                    "{}",
                    found[0]
                );
            }
        }
        let found = of_member(
            "lints.workspace = true\n[dependencies.one]\nversion = \"1\"\nfeatures = []\n",
        );
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn lints_that_are_not_inherited_are_found() {
        for text in [
            "[package]\nname = \"a\"\n",
            "[lints]\nworkspace = false\n",
            "[lints.rust]\nworkspace = true\n",
        ] {
            let found = of_member(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].contains("lints"), "{}", found[0]);
        }
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "\
[workspace.dependencies]
ours = { path = \"crates/ours\", version = \"0.1.0\" }
good = \"1\" # for the good of all
\"bad\" = \"1#2\"
worse = { version = \"1\" } #
";
        let found: Vec<String> = root(&file("Cargo.toml", text))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("Cargo.toml:4: `bad` has no reason"),
            "{}",
            found[0]
        );
        assert!(
            found[1].starts_with("Cargo.toml:5: `worse` has no reason"),
            "{}",
            found[1]
        );
    }

    #[test]
    fn a_workspace_apart_has_reasons_and_a_lock_file() {
        let manifest = file(
            "tests/apart/Cargo.toml",
            "[workspace] # of its own\n[dependencies]\ngood = \"1\" # for the good of all\nbad = \"1\"\n",
        );
        assert!(is_root(&manifest));
        assert!(!is_root(&file("crates/a/Cargo.toml", GOOD)));
        let found = |files: Vec<File>| {
            let found = apart(&manifest, &Repository::of(files));
            found
                .into_iter()
                .map(|finding| finding.place)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found(vec![file("tests/apart/Cargo.lock", "")]),
            ["tests/apart/Cargo.toml:4"]
        );
        assert_eq!(
            found(vec![file("Cargo.lock", "")]),
            ["tests/apart/Cargo.toml:4", "tests/apart/Cargo.toml"]
        );
    }

    #[test]
    fn a_manifest_that_git_does_not_know_is_found() {
        let metadata = super::super::metadata::sample::workspace(&["crates/a:"]);
        let without = Repository::of(Vec::new());
        assert_eq!(check(&metadata, &without).len(), 1);
        let with = Repository::of(vec![file("crates/a/Cargo.toml", GOOD)]);
        assert!(check(&metadata, &with).is_empty());
    }
}
