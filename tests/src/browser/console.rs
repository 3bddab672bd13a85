//! What pages say on the console.

use serde_json::Value;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Console {
    complaints: Vec<String>,
    expected: Vec<String>,
}

impl Console {
    /// Adds what chromedriver answered.
    pub(super) fn add(&mut self, lines: &Value) {
        let lines = lines.as_array().into_iter().flatten();
        let complaints = lines.filter(|line| {
            line["level"] == "SEVERE"
                // A policy that is only reported is a warning.
                || line["message"].as_str().is_some_and(|text| text.contains("Content Security Policy"))
        });
        self.complaints.extend(complaints.map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            format!("{}: {}", text("source"), text("message"))
        }));
    }

    pub(super) fn expect(&mut self, part: &str) {
        self.expected.push(part.to_owned());
    }

    pub(super) fn forget(&mut self) {
        self.complaints.clear();
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        let expected = |line: &str| self.expected.iter().any(|part| line.contains(part));
        let complaints = self.complaints.iter().filter(|line| !expected(line));
        complaints.cloned().collect()
    }
}
