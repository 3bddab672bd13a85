//! Which crate may know which, row by row. Some rows are of crates that are not written yet.
//!
//! Crates are split by the weight of what they pull in, never by concept. A row that is broken means that users pay for
//! something that they did not ask for.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::metadata::{Kind, Metadata, Package};

/// One row of the table.
struct Row {
    name: &'static str,
    /// Which crates of ours it may depend on.
    ours: Ours,
    /// Which crates of others it must not be built with, however indirectly.
    forbidden: &'static [&'static [&'static str]],
}

enum Ours {
    /// None but these.
    Only(&'static [&'static str]),
    /// None but the first; and the second if a feature asks for them.
    OnlyAndByFeature(&'static [&'static str], &'static [&'static str]),
    /// All but these.
    AllBut(&'static [&'static str]),
}

/// In the order of the README.
pub(super) const ADAPTERS: &[&str] = &[
    "intermission-axum",
    "intermission-actix",
    "intermission-warp",
    "intermission-tower",
];

const RUNTIMES: &[&str] = &["tokio", "async-std", "smol"];
const HTTP: &[&str] = &["http", "http-body", "cookie"];
const TOWER: &[&str] = &["tower", "tower-layer", "tower-service", "tower-http"];
const AXUM: &[&str] = &["axum", "axum-core", "axum-extra"];
const WARP: &[&str] = &["warp"];
const ACTIX: &[&str] = &["actix-web", "actix-http", "actix-service", "actix-rt"];
const SERVERS: &[&str] = &["hyper", "hyper-util", "tonic"];
const DRIVERS: &[&str] = &["redis", "fred", "deadpool-redis"];

const ROWS: &[Row] = &[
    Row {
        name: "intermission-core",
        ours: Ours::Only(&[]),
        forbidden: &[RUNTIMES, HTTP, TOWER, AXUM, WARP, ACTIX, SERVERS, DRIVERS],
    },
    Row {
        name: "intermission",
        ours: Ours::Only(&["intermission-core"]),
        forbidden: &[TOWER, AXUM, WARP, ACTIX, SERVERS, DRIVERS],
    },
    Row {
        name: "intermission-file",
        ours: Ours::Only(&["intermission-core"]),
        forbidden: &[TOWER, AXUM, WARP, ACTIX, SERVERS, DRIVERS],
    },
    Row {
        name: "intermission-redis",
        ours: Ours::Only(&["intermission-core"]),
        forbidden: &[TOWER, AXUM, WARP, ACTIX, SERVERS],
    },
    Row {
        name: "intermission-conformance",
        ours: Ours::Only(&["intermission-core", "intermission"]),
        forbidden: &[TOWER, AXUM, WARP, ACTIX, SERVERS, DRIVERS],
    },
    Row {
        name: "intermission-tower",
        ours: Ours::Only(&["intermission-core", "intermission"]),
        forbidden: &[AXUM, WARP, ACTIX, DRIVERS],
    },
    Row {
        name: "intermission-axum",
        ours: Ours::OnlyAndByFeature(
            &["intermission-core", "intermission", "intermission-tower"],
            &["intermission-admin"],
        ),
        forbidden: &[WARP, ACTIX, DRIVERS],
    },
    Row {
        name: "intermission-warp",
        ours: Ours::OnlyAndByFeature(
            &["intermission-core", "intermission", "intermission-tower"],
            &["intermission-admin"],
        ),
        forbidden: &[AXUM, ACTIX, DRIVERS],
    },
    Row {
        name: "intermission-actix",
        ours: Ours::OnlyAndByFeature(
            &["intermission-core", "intermission"],
            &["intermission-admin"],
        ),
        forbidden: &[TOWER, AXUM, WARP, DRIVERS],
    },
    Row {
        name: "intermission-admin",
        ours: Ours::Only(&["intermission-core", "intermission"]),
        forbidden: &[TOWER, AXUM, WARP, ACTIX, SERVERS, DRIVERS],
    },
    Row {
        name: "intermission-cli",
        ours: Ours::AllBut(ADAPTERS),
        forbidden: &[AXUM, WARP, ACTIX],
    },
];

/// The folders whose packages may use anything and must not be used.
const ENDS: &[&str] = &["examples", "tests", "xtask"];

pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        findings.extend(uses_an_end(metadata, package));
        if is_end(package) {
            findings.extend(chores_know_nobody(metadata, package));
        } else if let Some(row) = ROWS.iter().find(|row| row.name == package.name) {
            findings.extend(knows_ours(metadata, package, row));
            findings.extend(reaches_others(metadata, package, row));
        } else {
            findings.push(Finding {
                place: package.name.clone(),
                wrong: "has no row in the table of crates".to_owned(),
                remedy: format!("add one to {}", file!()),
            });
        }
    }
    findings.extend(cycles(metadata));
    findings
}

/// The row's "may depend on", for what the crate is built with.
fn knows_ours(metadata: &Metadata, package: &Package, row: &Row) -> Vec<Finding> {
    let built_with = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != Kind::Dev);
    built_with
        .filter(|dependency| metadata.member(&dependency.name).is_some())
        .filter_map(|dependency| {
            let name = dependency.name.as_str();
            let (allowed, remedy) = match row.ours {
                Ours::Only(ours) => (ours.contains(&name), one_of(ours)),
                Ours::OnlyAndByFeature(ours, by_feature) => (
                    ours.contains(&name) || (dependency.optional && by_feature.contains(&name)),
                    format!("{}; behind a feature also {}", one_of(ours), by_feature.join(", ")),
                ),
                Ours::AllBut(theirs) => {
                    (!theirs.contains(&name), format!("all but {}", theirs.join(", ")))
                }
            };
            (!allowed).then(|| Finding {
                place: package.name.clone(),
                wrong: format!("depends on `{name}`, which its row does not allow"),
                remedy: format!(
                    "take it out of {}/Cargo.toml, or move the code to where it may know `{name}`; allowed of ours: {remedy}",
                    package.folder.display()
                ),
            })
        })
        .collect()
}

/// The row's "must not depend on".
fn reaches_others(metadata: &Metadata, package: &Package, row: &Row) -> Vec<Finding> {
    let forbidden = row.forbidden.iter().copied().flatten();
    forbidden
        .filter_map(|name| metadata.way(package, name))
        .map(|way| Finding {
            place: package.name.clone(),
            wrong: format!(
                "must not be built with `{}`, but is: {}",
                way.last().unwrap_or(&"?"),
                way.join(" → ")
            ),
            remedy: format!(
                "take out `{}`, or the feature of it that leads there",
                way.get(1).unwrap_or(&"?")
            ),
        })
        .collect()
}

/// Nothing may depend on examples, tests or chores, not even for its tests.
fn uses_an_end(metadata: &Metadata, package: &Package) -> Vec<Finding> {
    let used = package
        .dependencies
        .iter()
        .filter_map(|dependency| metadata.member(&dependency.name));
    // What tests share is a library in their folder, for benches and tests alike.
    let shared =
        |used: &Package| used.folder.starts_with("tests") && package.folder.starts_with("tests");
    used.filter(|used| is_end(used) && !shared(used))
        .map(|used| Finding {
            place: package.name.clone(),
            wrong: format!(
                "depends on `{}`, but nothing may depend on what is in {}",
                used.name,
                ENDS.join("/, ")
            ),
            remedy: format!(
                "move what is shared from {} into a crate",
                used.folder.display()
            ),
        })
        .collect()
}

/// xtask must build while our crates do not.
fn chores_know_nobody(metadata: &Metadata, package: &Package) -> Vec<Finding> {
    let ours = package
        .dependencies
        .iter()
        .filter(|dependency| metadata.member(&dependency.name).is_some());
    ours.filter(|_| package.folder.starts_with("xtask"))
        .map(|dependency| Finding {
            place: package.name.clone(),
            wrong: format!(
                "depends on `{}`, but must know nothing of ours",
                dependency.name
            ),
            remedy: "start the program as a process instead".to_owned(),
        })
        .collect()
}

/// Circles among our crates once their tests are counted. Cargo allows them; a newcomer cannot tell up from down in them.
fn cycles(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut reported = BTreeSet::new();
    for package in metadata.members() {
        let Some(circle) = circle(metadata, package) else {
            continue;
        };
        let mut participants = circle.clone();
        participants.sort_unstable();
        participants.dedup();
        if reported.insert(participants) {
            findings.push(Finding {
                place: package.name.clone(),
                wrong: format!("depends on itself when tests are counted: {}", circle.join(" → ")),
                remedy: "move the test that needs the other crate to the `tests` package, or use a small fake".to_owned(),
            });
        }
    }
    findings
}

/// The shortest way from a crate back to itself, with dependencies of every kind.
fn circle<'a>(metadata: &'a Metadata, package: &'a Package) -> Option<Vec<&'a str>> {
    let mut ways = std::collections::VecDeque::from([vec![package]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        for dependency in &last.dependencies {
            if dependency.name == package.name {
                let names = way.iter().map(|package| package.name.as_str());
                return Some(names.chain([package.name.as_str()]).collect());
            }
            if let Some(next) = metadata.member(&dependency.name)
                && seen.insert(&next.name)
            {
                ways.push_back(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}

fn is_end(package: &Package) -> bool {
    ENDS.iter().any(|folder| package.folder.starts_with(folder))
}

fn one_of(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::sample::workspace;
    use super::*;

    /// A workspace as the table wants it, and one line of it replaced.
    fn findings(replaced: &str) -> Vec<String> {
        let lines = [
            "crates/intermission-core: serde",
            "crates/intermission: intermission-core tokio",
            "crates/intermission-file: intermission-core tokio dev:intermission",
            "crates/intermission-conformance: intermission-core tokio dev:intermission",
            "crates/intermission-admin: intermission",
            "crates/intermission-tower: intermission http",
            "crates/intermission-axum: intermission-tower axum-core intermission-admin?",
            "crates/intermission-cli: intermission intermission-file tokio dev:axum",
            "examples/axum-app: intermission-axum axum",
            "tests/end-to-end: intermission-conformance axum",
            "xtask/xtask: serde",
            "serde:",
            "tokio:",
            "http:",
            "axum-core: http",
            "axum: axum-core tokio",
            "helpful: axum",
        ];
        let path = replaced.split(':').next().unwrap();
        let mut lines: Vec<&str> = lines
            .into_iter()
            .filter(|line| line.split(':').next() != Some(path))
            .collect();
        lines.push(replaced);
        check(&workspace(&lines))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[track_caller]
    fn assert_finds(replaced: &str, words: &[&str]) {
        let findings = findings(replaced);
        assert_eq!(findings.len(), 1, "{replaced}: {findings:#?}");
        for word in words {
            assert!(
                findings[0].contains(word),
                "`{word}` is not in: {}",
                findings[0]
            );
        }
    }

    #[test]
    fn the_table_as_drawn_has_nothing_to_find() {
        assert_eq!(findings("serde:"), [""; 0]);
    }

    #[test]
    fn a_crate_of_ours_that_the_row_does_not_name_is_found() {
        assert_finds(
            "crates/intermission-file: intermission",
            &["intermission-file", "depends on `intermission`"],
        );
        assert_finds(
            "crates/intermission-file: build:intermission",
            &["depends on `intermission`"],
        );
        assert_finds(
            "crates/intermission-cli: intermission-tower",
            &["intermission-cli", "all but"],
        );
    }

    #[test]
    fn the_admin_mount_must_be_behind_a_feature() {
        assert_finds(
            "crates/intermission-axum: intermission-tower intermission-admin",
            &["depends on `intermission-admin`", "behind a feature"],
        );
    }

    #[test]
    fn forbidden_crates_are_found_however_far_away() {
        assert_finds(
            "crates/intermission-core: tokio",
            &["intermission-core → tokio"],
        );
        assert_finds(
            "crates/intermission-core: build:http",
            &["intermission-core → http"],
        );
        let findings = findings("crates/intermission-tower: intermission helpful");
        let way = "intermission-tower → helpful → axum → axum-core";
        assert!(
            findings.iter().any(|finding| finding.contains(way)),
            "{findings:#?}"
        );
    }

    #[test]
    fn tests_may_know_more_but_not_in_circles() {
        assert_eq!(
            findings("crates/intermission-tower: intermission dev:axum"),
            [""; 0]
        );
        assert_finds(
            "crates/intermission-core: dev:intermission",
            &["depends on itself", "→ intermission-core"],
        );
        assert_finds(
            "crates/intermission-core: dev:intermission-core",
            &["intermission-core → intermission-core"],
        );
    }

    #[test]
    fn nothing_depends_on_an_end() {
        for replaced in [
            "crates/intermission-file: intermission-core dev:axum-app",
            "examples/axum-app: intermission-axum end-to-end",
            "tests/end-to-end: xtask",
        ] {
            assert_finds(replaced, &["nothing may depend on"]);
        }
    }

    #[test]
    fn xtask_knows_nothing_of_ours() {
        assert_finds(
            "xtask/xtask: intermission",
            &["xtask", "must know nothing of ours"],
        );
        assert_finds(
            "xtask/xtask: dev:intermission-core",
            &["must know nothing of ours"],
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert_finds(
            "crates/intermission-rocket:",
            &["intermission-rocket", "has no row"],
        );
    }
}
