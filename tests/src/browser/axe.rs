//! The accessibility checker axe-core, run in the page.

use std::fmt;
use std::fs;

use serde_json::Value;

use super::Browser;
use crate::python;

/// Something that keeps people from using the page.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule, such as `color-contrast`.
    pub rule: String,
    /// `serious` or `critical`.
    pub impact: String,
    /// What the rule asks for.
    pub help: String,
    /// Where it is explained.
    pub help_url: String,
    /// Each element at fault: its HTML, and what is wrong with it.
    pub nodes: Vec<(String, String)>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}\n  {}",
            self.rule, self.impact, self.help, self.help_url
        )?;
        for (html, summary) in &self.nodes {
            write!(f, "\n  {html}\n    {}", summary.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl Browser {
    /// Checks the page as it is now, and returns what is serious or critical.
    ///
    /// # Panics
    ///
    /// The check itself fails.
    pub async fn violations(&self) -> Vec<Violation> {
        // A page that was loaded since has lost it. What a driver runs is not subject to the page's policy.
        if self.execute("return !window.axe", Vec::new()).await == true {
            let file = python::packaged("axe_playwright_python/axe.min.js");
            let axe = fs::read_to_string(file).expect("axe-core is text");
            self.execute(&axe, Vec::new()).await;
        }
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, {resultTypes: ['violations']})
                .then(results => done({violations: results.violations, rules: results.passes.length}),
                      error => done({error: String(error)}));";
        let results = self.client.execute_async(script, Vec::new()).await;
        let results = results.unwrap_or_else(|error| panic!("axe-core failed: {error}"));
        assert!(results["error"].is_null(), "axe-core failed: {results}");
        assert!(
            results["rules"].as_u64() > Some(0),
            "axe-core has checked nothing"
        );
        let violations = results["violations"].as_array().expect("a list");
        violations
            .iter()
            .map(violation)
            .filter(|violation| ["serious", "critical"].contains(&violation.impact.as_str()))
            .collect()
    }

    /// Checks the page as it is now.
    ///
    /// # Panics
    ///
    /// Something is serious or critical.
    pub async fn assert_accessible(&self) {
        let violations = self.violations().await;
        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(
            list.is_empty(),
            "axe-core says of {}:\n{}",
            self.url().await,
            list.join("\n")
        );
    }
}

fn violation(found: &Value) -> Violation {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = found["nodes"].as_array().into_iter().flatten();
    Violation {
        rule: text(&found["id"]),
        impact: text(&found["impact"]),
        help: text(&found["help"]),
        help_url: text(&found["helpUrl"]),
        nodes: nodes
            .map(|node| (text(&node["html"]), text(&node["failureSummary"])))
            .collect(),
    }
}
