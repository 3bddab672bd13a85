//! Adapters: what each says of itself in `[package.metadata.intermission]` of its manifest, for a table in the README.
//!
//! | key | says |
//! |---|---|
//! | `title` | what the column is called |
//! | `framework` | the dependency that the adapter is for, whose versions are those of the manifest |
//! | one for each [feature](FEATURES) | `true`, `false` or a word; `false` needs a note |
//! | `notes` | a sentence or two for each feature whose cell needs a reason |
//! | `unmet` | for each row of the adapters' contract (`intermission_conformance::adapter`) that cannot be met: why |

use serde_json::{Map, Value};

use super::crates::ADAPTERS;
use super::finding::Finding;
use super::metadata::{Metadata, Package};

/// One row of the table.
pub(super) struct Feature {
    /// What it is called in the manifests.
    pub(super) key: &'static str,
    /// What it is called in the README.
    pub(super) title: &'static str,
}

/// All rows, in the order of the table.
pub(super) const FEATURES: &[Feature] = &[
    feature("http2", "HTTP/2"),
    feature("flags-beside-routes", "Flags beside the routes"),
    feature("flags-in-a-table", "Flags in a table of paths"),
    feature(
        "always-as-sent",
        "A row that opens matches the path as sent",
    ),
    feature("peer-address", "The peer's address comes from"),
    feature("permission-sees", "The permission sees"),
    feature("knows-https", "Notices `https` by itself"),
    feature("unknown-routes", "Unknown routes, while closed"),
    feature(
        "expect-continue",
        "A refused upload is not asked for (`Expect: 100-continue`)",
    ),
    feature("grpc-trailers-only", "A refused gRPC call is trailers-only"),
    feature("hang-up", "A client that hangs up counts no longer"),
    feature("gate", "A handler asks for the gate"),
    feature("admitted-by", "… for the rule that admitted its visitor"),
    feature("execution", "… for the execution, to keep it"),
    feature("long-lived", "… for the end of its WebSocket"),
    feature(
        "execution-until-body-ends",
        "An execution that is not kept ends with the body",
    ),
    feature("boxes", "Boxed for an admitted request"),
    feature("admin", "Mounts the admin API and page (feature `admin`)"),
];

/// Keys that are no features.
const OTHERS: &[&str] = &["title", "framework", NOTES, UNMET];
const NOTES: &str = "notes";
const UNMET: &str = "unmet";

/// How long a word in a cell may be.
const WIDEST: usize = 24;

const fn feature(key: &'static str, title: &'static str) -> Feature {
    Feature { key, title }
}

/// One column of the table.
pub(super) struct Adapter<'a> {
    pub(super) package: &'a Package,
    pub(super) title: String,
    pub(super) framework: String,
    /// The versions of the framework that will do.
    pub(super) versions: String,
    /// One for each feature, in their order.
    pub(super) cells: Vec<Cell>,
    /// How much of the adapters' contract cannot be met.
    pub(super) unmet: Cell,
}

#[derive(Default)]
pub(super) struct Cell {
    pub(super) word: String,
    /// Why, or with which exception.
    pub(super) note: Option<String>,
}

/// All adapters of the workspace, in the order of the README; or what is wrong with what they say.
pub(super) fn read(metadata: &Metadata) -> Result<Vec<Adapter<'_>>, Vec<Finding>> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        if package.ours.is_some() && !ADAPTERS.contains(&package.name.as_str()) {
            findings.push(finding(
                package,
                "has a column in the table of adapters, and is none".to_owned(),
                "take `[package.metadata.intermission]` out",
            ));
        }
    }
    let packages = ADAPTERS.iter().filter_map(|name| metadata.member(name));
    let adapters = packages
        .map(|package| Reader::new(package, &mut findings).adapter())
        .collect();
    if findings.is_empty() {
        Ok(adapters)
    } else {
        Err(findings)
    }
}

/// Reads what one adapter says of itself, and notes down what is wrong with it.
struct Reader<'a, 'f> {
    package: &'a Package,
    findings: &'f mut Vec<Finding>,
}

impl<'a, 'f> Reader<'a, 'f> {
    const fn new(package: &'a Package, findings: &'f mut Vec<Finding>) -> Self {
        Self { package, findings }
    }

    fn adapter(mut self) -> Adapter<'a> {
        let package = self.package;
        let mut adapter = Adapter {
            package,
            title: String::new(),
            framework: String::new(),
            versions: String::new(),
            cells: Vec::new(),
            unmet: Cell::default(),
        };
        let Some(said) = package.ours.as_ref().and_then(Value::as_object) else {
            self.find(
                "an adapter that says nothing of itself",
                "add `[package.metadata.intermission]`, with a key for each row of the README's table of adapters",
            );
            return adapter;
        };
        for key in said.keys() {
            if !OTHERS.contains(&key.as_str()) {
                self.known(key, "");
            }
        }
        adapter.title = self.word(said, "title");
        adapter.framework = self.word(said, "framework");
        adapter.versions = self.versions(&adapter.framework);
        let notes = self.texts(said, NOTES);
        adapter.unmet = unmet(&self.texts(said, UNMET));
        for key in notes.keys() {
            self.known(key, "a note on ");
        }
        adapter.cells = FEATURES
            .iter()
            .map(|feature| self.cell(said, &notes, feature.key))
            .collect();
        adapter
    }

    fn cell(&mut self, said: &Map<String, Value>, notes: &Map<String, Value>, key: &str) -> Cell {
        let note = notes.get(key).and_then(Value::as_str).map(str::to_owned);
        let word = match said.get(key) {
            Some(Value::Bool(true)) => "yes".to_owned(),
            Some(Value::Bool(false)) => {
                if note.is_none() {
                    self.find(
                        &format!("`{key}` says no, and not why"),
                        &format!(
                            "add the reason as `{key}` to `[package.metadata.intermission.{NOTES}]`"
                        ),
                    );
                }
                "no".to_owned()
            }
            _ => self.word(said, key),
        };
        Cell { word, note }
    }

    /// The word at this key: short, and one that does not break the table.
    fn word(&mut self, said: &Map<String, Value>, key: &str) -> String {
        let word = match said.get(key) {
            Some(Value::String(word)) => word.as_str(),
            Some(_) => "",
            None => {
                self.find(
                    &format!("says nothing about `{key}`"),
                    "add the key to `[package.metadata.intermission]`",
                );
                return String::new();
            }
        };
        if !is_text(word) || word.chars().count() > WIDEST {
            self.find(
                &format!("`{key}` is not what a cell can hold"),
                &format!("write a word of at most {WIDEST} characters, without `|`; what else there is to say belongs into `{NOTES}`"),
            );
        }
        word.to_owned()
    }

    /// The table of sentences at this key. It need not be there.
    fn texts(&mut self, said: &Map<String, Value>, key: &str) -> Map<String, Value> {
        let texts = match said.get(key) {
            None => return Map::new(),
            Some(Value::Object(texts)) => texts.clone(),
            Some(_) => {
                self.find(
                    &format!("`{key}` is no table"),
                    "give it a key for each thing that it is about, and a sentence for each key",
                );
                return Map::new();
            }
        };
        for (about, text) in &texts {
            if !text.as_str().is_some_and(is_text) {
                self.find(
                    &format!("`{key}.{about}` is no sentence"),
                    "write one, in one line",
                );
            }
        }
        texts
    }

    /// Notes down a key that is no feature's.
    fn known(&mut self, key: &str, what: &str) {
        if FEATURES.iter().all(|feature| feature.key != key) {
            self.find(
                &format!("says something that the table has no row for: {what}`{key}`"),
                &format!("take it out, or add a row to {}", file!()),
            );
        }
    }

    /// The versions of the framework that the manifest asks for.
    fn versions(&mut self, framework: &str) -> String {
        if framework.is_empty() {
            return String::new();
        }
        let dependencies = &self.package.dependencies;
        let found = dependencies
            .iter()
            .find(|dependency| dependency.name == framework);
        match found {
            Some(dependency) => dependency.versions.clone(),
            None => {
                self.find(
                    &format!("is for `{framework}`, and does not depend on it"),
                    "name the dependency that the adapter is for as `framework`",
                );
                String::new()
            }
        }
    }

    fn find(&mut self, wrong: &str, remedy: &str) {
        self.findings
            .push(finding(self.package, wrong.to_owned(), remedy));
    }
}

/// The rows of the contract as they are read: their names are sentences.
fn unmet(rows: &Map<String, Value>) -> Cell {
    let reasons = rows.iter().filter_map(|(row, reason)| {
        let sentence = row.replace('_', " ");
        Some(format!("{sentence} ({})", reason.as_str()?))
    });
    let reasons: Vec<String> = reasons.collect();
    let word = match reasons.len() {
        0 => "none".to_owned(),
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    };
    let note = (!reasons.is_empty()).then(|| format!("Not: {}.", reasons.join("; ")));
    Cell { word, note }
}

/// Whether something can stand in one line of Markdown, in a table too.
fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(['|', '\n'])
}

fn finding(package: &Package, wrong: String, remedy: &str) -> Finding {
    Finding {
        place: package.folder.join("Cargo.toml").display().to_string(),
        wrong,
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod sample {
    //! Adapters that do not exist.

    use serde_json::{Value, json};

    use super::FEATURES;
    use crate::tidy::metadata::{Metadata, sample};

    /// What an adapter for this framework may say of itself: yes to everything.
    pub(crate) fn said(framework: &str) -> Value {
        let mut said = json!({"title": framework, "framework": framework});
        for feature in FEATURES {
            said[feature.key] = Value::Bool(true);
        }
        said
    }

    /// A workspace with adapters for axum and warp that say this of themselves.
    pub(crate) fn workspace(axum: &Value, warp: &Value) -> Metadata {
        let mut json = sample::json(&[
            "crates/intermission-warp: warp",
            "crates/intermission-axum: axum",
            "crates/intermission: ",
            "axum:",
            "warp:",
        ]);
        json["packages"][0]["metadata"] = json!({"intermission": warp});
        json["packages"][1]["metadata"] = json!({"intermission": axum});
        json["packages"][2]["metadata"] = json!({"somebody-else": {}});
        Metadata::read(&json).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sample::{said, workspace};
    use super::*;

    #[track_caller]
    fn assert_finds(axum: &Value, words: &[&str]) {
        let metadata = workspace(axum, &said("warp"));
        let findings = read(&metadata).err().unwrap();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let finding = findings[0].to_string();
        for word in words {
            assert!(finding.contains(word), "`{word}` is not in: {finding}");
        }
    }

    #[test]
    fn columns_are_in_the_order_of_the_readme_and_cells_in_that_of_the_features() {
        let mut axum = said("axum");
        axum["boxes"] = json!("at once");
        axum["admin"] = json!(false);
        axum["notes"] = json!({"admin": "Because."});
        axum["unmet"] = json!({"trailers_are_passed_on": "it has none", "a_head_is_short": "no"});
        let metadata = workspace(&axum, &said("warp"));
        let adapters = read(&metadata).ok().unwrap();
        let titles: Vec<&str> = adapters.iter().map(|it| it.title.as_str()).collect();
        assert_eq!(titles, ["axum", "warp"]);
        assert_eq!(adapters[0].versions, "^1.2.3");
        let words = adapters[0]
            .cells
            .iter()
            .rev()
            .map(|cell| cell.word.as_str());
        assert_eq!(words.take(3).collect::<Vec<_>>(), ["no", "at once", "yes"]);
        let note = adapters[0].cells.last().unwrap().note.as_deref();
        assert_eq!(note, Some("Because."));
        let unmet = &adapters[0].unmet;
        let note = "Not: a head is short (no); trailers are passed on (it has none).";
        assert_eq!(
            (&*unmet.word, unmet.note.as_deref()),
            ("2 rows", Some(note))
        );
        assert_eq!(adapters[1].unmet.word, "none");
    }

    #[test]
    fn an_adapter_that_says_nothing_is_found() {
        assert_finds(
            &Value::Null,
            &["crates/intermission-axum/Cargo.toml", "says nothing"],
        );
    }

    #[test]
    fn a_crate_that_is_no_adapter_has_no_column() {
        let mut json = super::super::metadata::sample::json(&["crates/intermission-core:"]);
        json["packages"][0]["metadata"] = json!({"intermission": {}});
        let metadata = Metadata::read(&json).unwrap();
        let findings = read(&metadata).err().unwrap();
        assert!(
            findings[0].to_string().contains("and is none"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_key_that_nobody_knows_is_found() {
        let mut axum = said("axum");
        axum["http3"] = json!(true);
        assert_finds(&axum, &["no row for: `http3`"]);
        let mut axum = said("axum");
        axum["notes"] = json!({"http3": "Soon."});
        assert_finds(&axum, &["no row for: a note on `http3`"]);
    }

    #[test]
    fn a_key_that_is_missing_is_found() {
        for key in ["title", "framework", "gate"] {
            let mut axum = said("axum");
            axum.as_object_mut().unwrap().remove(key);
            assert_finds(&axum, &["says nothing about", key]);
        }
    }

    #[test]
    fn a_no_needs_its_reason() {
        let mut axum = said("axum");
        axum["gate"] = json!(false);
        assert_finds(&axum, &["`gate` says no, and not why"]);
    }

    #[test]
    fn what_no_cell_can_hold_is_found() {
        for word in [
            json!(7),
            json!(""),
            json!("a|b"),
            json!("so many words that the table gets wide"),
        ] {
            let mut axum = said("axum");
            axum["gate"] = word;
            assert_finds(&axum, &["`gate` is not what a cell can hold"]);
        }
    }

    #[test]
    fn reasons_are_sentences() {
        for (key, reasons) in [
            ("notes", json!({"gate": ""})),
            ("notes", json!({"gate": "one line\nand another"})),
            ("unmet", json!({"gate": 7})),
        ] {
            let mut axum = said("axum");
            axum[key] = reasons;
            assert_finds(&axum, &[key, "is no sentence"]);
        }
        let mut axum = said("axum");
        axum["unmet"] = json!(["bodies::trailers"]);
        assert_finds(&axum, &["`unmet` is no table"]);
    }

    #[test]
    fn the_framework_is_a_dependency() {
        let mut axum = said("axum");
        axum["framework"] = json!("rocket");
        assert_finds(&axum, &["is for `rocket`"]);
    }
}
