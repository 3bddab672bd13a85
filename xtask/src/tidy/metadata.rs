//! What tidy needs of `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

/// The workspace's crates, what they ask for, and what cargo resolved that to.
pub(super) struct Metadata {
    root: PathBuf,
    packages: BTreeMap<PackageId, Package>,
    members: BTreeSet<PackageId>,
    /// What each package is built with: normal and build dependencies.
    built_with: BTreeMap<PackageId, BTreeSet<PackageId>>,
}

/// Cargo's name for one version of one package.
pub(super) type PackageId = String;

pub(super) struct Package {
    pub(super) id: PackageId,
    pub(super) name: String,
    /// Its folder, from the workspace's root; meaningless for crates of others.
    pub(super) folder: PathBuf,
    pub(super) dependencies: Vec<Dependency>,
    /// `[package.metadata.intermission]`, if it has one.
    pub(super) ours: Option<Value>,
}

/// One line of a manifest.
pub(super) struct Dependency {
    pub(super) name: String,
    /// The versions that will do, such as `^1.2.3`.
    pub(super) versions: String,
    pub(super) kind: Kind,
    pub(super) optional: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Metadata {
    pub(super) fn read(value: &Value) -> anyhow::Result<Self> {
        let root = PathBuf::from(string(value, "workspace_root")?);
        let packages = list(value, "packages")?
            .iter()
            .map(|package| Package::read(package, &root))
            .map(|package| package.map(|package| (package.id.clone(), package)))
            .collect::<anyhow::Result<_>>()?;
        let members = list(value, "workspace_members")?
            .iter()
            .map(|id| {
                id.as_str()
                    .map(str::to_owned)
                    .context("a workspace member is not a string")
            })
            .collect::<anyhow::Result<_>>()?;
        let nodes = list(value.get("resolve").context("no `resolve`")?, "nodes")?;
        let built_with = nodes
            .iter()
            .map(built_with)
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            root,
            packages,
            members,
            built_with,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The workspace's crates, by id, which begins with the path.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .values()
            .filter(|package| self.members.contains(&package.id))
    }

    /// The workspace's crate of this name.
    pub(super) fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// The shortest way from a package to one that it is built with, however indirectly: all names on it.
    pub(super) fn way(&self, from: &Package, to: &str) -> Option<Vec<&str>> {
        let mut came_from: BTreeMap<&PackageId, Option<&PackageId>> =
            BTreeMap::from([(&from.id, None)]);
        let mut open = VecDeque::from([&from.id]);
        while let Some(id) = open.pop_front() {
            if id != &from.id && self.name(id) == to {
                let mut way: Vec<&str> =
                    std::iter::successors(Some(id), |id| came_from.get(id).copied().flatten())
                        .map(|id| self.name(id))
                        .collect();
                way.reverse();
                return Some(way);
            }
            for next in self.built_with.get(id).into_iter().flatten() {
                came_from.entry(next).or_insert_with(|| {
                    open.push_back(next);
                    Some(id)
                });
            }
        }
        None
    }

    fn name(&self, id: &PackageId) -> &str {
        self.packages.get(id).map_or("?", |package| &package.name)
    }
}

impl Package {
    fn read(value: &Value, root: &Path) -> anyhow::Result<Self> {
        let manifest = Path::new(string(value, "manifest_path")?);
        let folder = manifest.parent().context("a manifest is in no folder")?;
        Ok(Self {
            id: string(value, "id")?.to_owned(),
            name: string(value, "name")?.to_owned(),
            folder: folder.strip_prefix(root).unwrap_or(folder).to_owned(),
            dependencies: list(value, "dependencies")?
                .iter()
                .map(Dependency::read)
                .collect::<anyhow::Result<_>>()?,
            ours: value.pointer("/metadata/intermission").cloned(),
        })
    }
}

impl Dependency {
    fn read(value: &Value) -> anyhow::Result<Self> {
        Ok(Self {
            name: string(value, "name")?.to_owned(),
            versions: string(value, "req")?.to_owned(),
            kind: kind(value)?,
            optional: value
                .get("optional")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        })
    }
}

/// A node of the resolution, without the edges that only tests have.
fn built_with(node: &Value) -> anyhow::Result<(PackageId, BTreeSet<PackageId>)> {
    let mut targets = BTreeSet::new();
    for edge in list(node, "deps")? {
        let kinds: Vec<Kind> = list(edge, "dep_kinds")?
            .iter()
            .map(kind)
            .collect::<anyhow::Result<_>>()?;
        if kinds.iter().any(|kind| *kind != Kind::Dev) {
            targets.insert(string(edge, "pkg")?.to_owned());
        }
    }
    Ok((string(node, "id")?.to_owned(), targets))
}

fn kind(value: &Value) -> anyhow::Result<Kind> {
    match value.get("kind") {
        None | Some(Value::Null) => Ok(Kind::Normal),
        Some(Value::String(kind)) if kind == "build" => Ok(Kind::Build),
        Some(Value::String(kind)) if kind == "dev" => Ok(Kind::Dev),
        Some(other) => anyhow::bail!("unknown kind of dependency {other}"),
    }
}

fn string<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("no text `{key}`"))
}

fn list<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a Vec<Value>> {
    value
        .get(key)
        .and_then(Value::as_array)
        .with_context(|| format!("no list `{key}`"))
}

#[cfg(test)]
pub(super) mod sample {
    //! Metadata of workspaces that do not exist.

    use serde_json::{Value, json};

    use super::Metadata;

    /// One line for each package: `folder/name` and its dependencies, `dev:` and `build:` before the name where they
    /// are of that kind, `?` after it where it is optional. A package without a folder is somebody else's.
    pub(crate) fn workspace(lines: &[&str]) -> Metadata {
        Metadata::read(&json(lines)).unwrap()
    }

    pub(crate) fn json(lines: &[&str]) -> Value {
        let mut packages = Vec::new();
        let mut members = Vec::new();
        let mut nodes = Vec::new();
        for line in lines {
            let (path, dependencies) = line.split_once(':').unwrap();
            let name = path.rsplit('/').next().unwrap();
            let root = if path.contains('/') {
                "/checkout"
            } else {
                "/elsewhere"
            };
            let (mut declared, mut resolved) = (Vec::new(), Vec::new());
            for word in dependencies.split_whitespace() {
                let (kind, word) = match word.split_once(':') {
                    Some((kind, word)) => (Value::from(kind), word),
                    None => (Value::Null, word),
                };
                let name = word.trim_end_matches('?');
                declared.push(json!({
                    "name": name,
                    "req": "^1.2.3",
                    "kind": kind,
                    "optional": word.ends_with('?'),
                }));
                resolved.push(json!({"pkg": name, "dep_kinds": [{"kind": kind}]}));
            }
            packages.push(json!({
                "id": name,
                "name": name,
                "manifest_path": format!("{root}/{path}/Cargo.toml"),
                "dependencies": declared,
            }));
            nodes.push(json!({"id": name, "deps": resolved}));
            if path.contains('/') {
                members.push(name);
            }
        }
        json!({
            "workspace_root": "/checkout",
            "packages": packages,
            "workspace_members": members,
            "resolve": {"nodes": nodes},
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shortest_way_is_named_and_tests_are_no_way() {
        let metadata =
            sample::workspace(&["crates/a: b c dev:e", "b: c", "c: d", "d: build:a", "e:"]);
        let a = metadata.member("a").unwrap();
        assert_eq!(metadata.way(a, "d"), Some(vec!["a", "c", "d"]));
        assert_eq!(metadata.way(a, "e"), None);
        assert_eq!(metadata.way(a, "a"), None);
    }

    #[test]
    fn broken_metadata_is_an_error_that_names_the_key() {
        for (key, value) in [
            ("workspace_root", json!(7)),
            ("packages", json!({})),
            ("packages", json!([{"id": "a"}])),
            ("workspace_members", json!([null])),
            ("resolve", Value::Null),
            (
                "resolve",
                json!({"nodes": [{"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": "odd"}]}]}]}),
            ),
        ] {
            let mut broken = sample::json(&["crates/a:"]);
            broken[key] = value;
            assert!(Metadata::read(&broken).is_err(), "{key}: {broken}");
        }
    }
}
