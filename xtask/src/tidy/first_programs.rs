//! First programs: an adapter's documentation begins with one that a user would paste, and it is short.

use super::crates::ADAPTERS;
use super::files::Repository;
use super::finding::Finding;

/// How many lines it may have.
const LONGEST: usize = 25;

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let texts = ADAPTERS.iter().map(|name| {
        let path = format!("crates/{name}/src/lib.rs");
        let mut files = repository.files().iter();
        let text = files.find(|file| file.path == path);
        (path, text.map_or("", |file| &file.text))
    });
    texts
        .filter_map(|(path, text)| fault(&path, text))
        .collect()
}

fn fault(path: &str, text: &str) -> Option<Finding> {
    let found = |wrong: String, remedy: &str| {
        Some(Finding {
            place: path.to_owned(),
            wrong,
            remedy: remedy.to_owned(),
        })
    };
    let Some(program) = first_program(text) else {
        return found(
            "the documentation does not begin with a program".to_owned(),
            "show what a user would paste, after the first sentence",
        );
    };
    if program.iter().any(|line| line.starts_with("# ")) {
        return found(
            "lines of the first program are hidden".to_owned(),
            "show all that a user has to paste",
        );
    }
    match program.len() {
        0..=LONGEST => None,
        lines => found(
            format!("the first program has {lines} lines, and {LONGEST} are the most"),
            "leave out what a first program does not need",
        ),
    }
}

/// The lines of the first block of code that is compiled, if it comes before any heading.
fn first_program(text: &str) -> Option<Vec<&str>> {
    let mut lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let mut lines = lines
        .by_ref()
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let fence = lines.find(|line| line.starts_with("```") || line.starts_with('#'))?;
    matches!(fence, "```" | "```no_run").then(|| lines.take_while(|line| *line != "```").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Option<String> {
        fault("crates/x/src/lib.rs", text).map(|finding| finding.wrong)
    }

    fn docs(fence: &str, program: &str) -> String {
        let lines = program.lines().map(|line| format!("//! {line}\n"));
        let program: String = lines.collect();
        format!("//! An adapter.\n//!\n//! {fence}\n{program}//! ```\n\nmod x;\n")
    }

    #[test]
    fn a_short_program_that_compiles_is_right() {
        assert_eq!(wrong(&docs("```no_run", &"x\n".repeat(25))), None);
        assert_eq!(wrong(&docs("```", "fn main() {}")), None);
    }

    #[test]
    fn what_is_wrong_with_others_is_said() {
        let long = wrong(&docs("```", &"x\n".repeat(26))).unwrap();
        assert!(long.contains("26 lines"), "{long}");
        let hidden = wrong(&docs("```", "# use x;\nfn main() {}")).unwrap();
        assert!(hidden.contains("hidden"), "{hidden}");
        let heading = docs("# Features\n//! ```", "fn main() {}");
        for none in [
            docs("```text", "x"),
            docs("```ignore", "x"),
            heading,
            String::new(),
        ] {
            let missing = wrong(&none).unwrap();
            assert!(missing.contains("does not begin"), "{none}");
        }
    }
}
