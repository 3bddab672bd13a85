//! Labelled lines, and lists that fit into one.

use std::fmt::Write as _;

/// How many executions, or nodes that hold up a drain, are named without `--verbose`.
pub(super) const NAMED: usize = 5;

/// Labelled lines, with all values in one column.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    pub(super) fn add(&mut self, label: &str, value: impl AsRef<str>) {
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("{label}:")
        };
        // Writing into a `String` cannot fail.
        let _ = writeln!(self.0, "  {label:<15}{}", value.as_ref());
    }

    /// The same, unless there is nothing to say.
    pub(super) fn add_list(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.add(label, value);
        }
    }
}

/// Separated by commas, and not too many of them.
pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    let unnamed = items.len().saturating_sub(NAMED);
    items.truncate(NAMED);
    if unnamed > 0 {
        items.push(format!("and {unnamed} more"));
    }
    items.join(", ")
}
