//! Files: what there may be, how long, and what must not be in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::finding::Finding;
use crate::workspace::{Workspace, text_of};

/// What may lie at the top, besides folders and files whose name begins with a dot.
const TOP: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "examples",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "typos.toml",
    "xtask",
];

/// How many lines a source file may have, its tests not counted.
const LONGEST: usize = 600;

/// The text files that belong to the repository: those that git knows, and those that it would add.
pub(super) struct Repository {
    files: Vec<File>,
    /// Every path, of binary files and of folders too.
    paths: BTreeSet<PathBuf>,
    /// Texts that only this machine knows: where the checkout is, and whose it is.
    of_this_machine: Vec<String>,
}

pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

impl Repository {
    pub(super) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let listed = text_of(&mut workspace.git([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))
        .context("cannot ask git which files belong to the repository")?;
        let mut repository = Self::of(Vec::new());
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let bytes = match std::fs::read(workspace.root().join(path)) {
                Ok(bytes) => bytes,
                // Deleted, but not yet for git; or a link to a folder.
                Err(_) if !workspace.root().join(path).is_file() => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            };
            repository.add_path(path);
            if let Ok(text) = String::from_utf8(bytes) {
                repository.files.push(File {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        let home = std::env::var_os("HOME").map(PathBuf::from);
        // A checkout at the top of the disk has a name such as `/src`, which may be meant as anything.
        let telling = [Some(workspace.root().to_owned()), home]
            .into_iter()
            .flatten();
        repository.of_this_machine = telling
            .filter(|path| path.components().count() > 2)
            .map(|path| path.display().to_string())
            .collect();
        Ok(repository)
    }

    /// A repository of exactly these files.
    pub(super) fn of(files: Vec<File>) -> Self {
        let mut repository = Self {
            files: Vec::new(),
            paths: BTreeSet::new(),
            of_this_machine: Vec::new(),
        };
        for file in files {
            repository.add_path(&file.path);
            repository.files.push(file);
        }
        repository
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// The text of the file at this path, if it is one.
    pub(super) fn text(&self, path: &Path) -> Option<&str> {
        let file = self
            .files
            .iter()
            .find(|file| Path::new(&file.path) == path)?;
        Some(&file.text)
    }

    /// Whether there is a file or folder at this path. The empty path is the root.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    fn add_path(&mut self, path: &str) {
        self.paths
            .extend(Path::new(path).ancestors().map(Path::to_owned));
    }
}

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = top(repository);
    for file in &repository.files {
        findings.extend(machine_paths(file, &repository.of_this_machine));
        findings.extend(too_long(file));
    }
    findings
}

/// Test files that would be too long if they were not tests: worth knowing, no failure.
pub(super) fn long_tests(repository: &Repository) -> impl Iterator<Item = String> {
    repository
        .files
        .iter()
        .filter(|file| file.path.ends_with(".rs") && is_test(file))
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > LONGEST).then(|| {
                format!(
                    "{} has {lines} lines; for tests there is no limit",
                    file.path
                )
            })
        })
}

fn top(repository: &Repository) -> Vec<Finding> {
    let top = repository
        .paths
        .iter()
        .filter(|path| path.components().count() == 1);
    top.map(|path| path.display().to_string())
        .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()))
        .map(|name| Finding {
            place: name,
            wrong: "does not belong at the top of the repository".to_owned(),
            remedy: format!(
                "move it into one of the folders there, or ignore it in .gitignore; the configuration of a tool gets a line in {}",
                file!()
            ),
        })
        .collect()
}

/// Paths that exist on one machine only.
fn machine_paths(file: &File, of_this_machine: &[String]) -> Vec<Finding> {
    // In two pieces each, so that this file does not find itself.
    let homes = [
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/ro", "ot/"),
        concat!("C:", "\\Users\\"),
    ];
    // The operator of our examples lives on no machine.
    let example = concat!("/ho", "me/", "ana");
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.replace(example, "");
        let home = homes
            .iter()
            .find(|home| begins_a_path(&line, home) && !line.ends_with(*home));
        let machine = of_this_machine.iter().find(|path| is_a_path(&line, path));
        if let Some(found) = machine.map(String::as_str).or_else(|| home.copied()) {
            findings.push(Finding {
                place: format!("{}:{}", file.path, index + 1),
                wrong: format!("holds a path of somebody's machine (`{found}`)"),
                remedy: format!(
                    "write a path from the repository's root; in an example, {example}"
                ),
            });
        }
    }
    findings
}

/// Whether the text stands in the line as the beginning of a path, not in the middle of a longer one.
fn begins_a_path(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = line
            .split_at_checked(at)
            .and_then(|(before, _)| before.chars().next_back());
        !before.is_some_and(is_of_a_path)
    })
}

/// Whether the text stands in the line as a path or the beginning of one.
fn is_a_path(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = line
            .split_at_checked(at)
            .and_then(|(before, _)| before.chars().next_back());
        let behind = line
            .split_at_checked(at + text.len())
            .and_then(|(_, behind)| behind.chars().next());
        !before.is_some_and(is_of_a_path)
            && !behind.is_some_and(|c| c != '/' && c != '.' && is_of_a_path(c))
    })
}

const fn is_of_a_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

fn too_long(file: &File) -> Option<Finding> {
    if !file.path.ends_with(".rs") || is_test(file) {
        return None;
    }
    let lines = lines_without_tests(&file.text);
    (lines > LONGEST).then(|| Finding {
        place: file.path.clone(),
        wrong: format!("has {lines} lines without its tests, more than {LONGEST}"),
        remedy: "split it: files of one idea each".to_owned(),
    })
}

/// Tests come last in a file.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| matches!(pair, ["#[cfg(test)]", module] if module.starts_with("mod ") && module.ends_with('{')));
    tests.unwrap_or(lines.len())
}

fn is_test(file: &File) -> bool {
    file.path
        .split('/')
        .any(|part| part == "tests" || part == "tests.rs")
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

    #[test]
    fn strangers_at_the_top_are_found() {
        let files = [
            "README.md",
            ".ci/run",
            "crates/a/src/lib.rs",
            "notes.txt",
            "scripts/x.sh",
            "target2/b/c",
        ];
        let repository = Repository::of(files.map(|path| file(path, "")).into());
        let found: Vec<String> = check(&repository)
            .into_iter()
            .map(|finding| finding.place)
            .collect();
        assert_eq!(found, ["notes.txt", "scripts", "target2"]);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        let mine = ["/checkouts/intermission".to_owned()];
        let found = |line: &str| machine_paths(&file("a.md", line), &mine).len();
        for bad in [
            concat!("see /ho", "me/bob/notes"),
            concat!("\"/Us", "ers/bob\""),
            concat!("cd C:", "\\Users\\bob"),
            concat!("/ro", "ot/.cargo"),
            "/checkouts/intermission",
            "(/checkouts/intermission/README.md)",
            "in /checkouts/intermission.",
        ] {
            assert_eq!(found(bad), 1, "{bad}");
        }
        for good in [
            "/var/lib/app/maintenance",
            "/checkouts/intermission-other",
            "/srv/checkouts/intermission",
            concat!("the folders in /ho", "me/"),
            concat!("ana:x:1000:1000:Ana:/ho", "me/ana:/bin/sh"),
            concat!("https://example.org/ho", "me/index.html"),
            concat!("GET /api/Us", "ers/7"),
        ] {
            assert_eq!(found(good), 0, "{good}");
        }
    }

    #[test]
    fn long_sources_are_found_and_long_tests_are_told() {
        let long = "x\n".repeat(LONGEST + 1);
        let tested = format!(
            "{}#[cfg(test)]\nmod tests {{\n{long}}}\n",
            "x\n".repeat(LONGEST)
        );
        let repository = Repository::of(vec![
            file("crates/a/src/long.rs", &long),
            file("crates/a/src/tested.rs", &tested),
            file("crates/a/src/tests.rs", &long),
            file("crates/a/tests/all.rs", &long),
            file("README.md", &long),
        ]);
        let found: Vec<String> = check(&repository)
            .into_iter()
            .map(|finding| finding.place)
            .collect();
        assert_eq!(found, ["crates/a/src/long.rs"]);
        assert_eq!(long_tests(&repository).count(), 2);
    }

    #[test]
    fn only_the_tests_at_the_end_do_not_count() {
        assert_eq!(lines_without_tests("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
        assert_eq!(
            lines_without_tests("a\n#[cfg(test)]\nmod tests {\nb\n}\n"),
            1
        );
    }
}
