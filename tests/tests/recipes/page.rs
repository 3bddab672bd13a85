//! A recipe's page: what its fenced blocks ask for.
//!
//! | block | is |
//! |---|---|
//! | `console` | typed, line by line: `$ COMMAND`, which goes on in lines that begin with `> `, and below it what it says |
//! | `rust` | a documentation test of this package; here it is only seen to be one that runs |
//! | any of [`FILES`] | a file, with the name that its first line gives: `# NAME` |
//!
//! Any other block is an error: nothing in a recipe goes untried.

use std::iter::Peekable;
use std::str::Lines;

use anyhow::{Context, Result, bail, ensure};

/// The file that no command uses, since it takes a cluster: it has a test of its own.
pub(crate) const MANIFEST: &str = "deployment.yaml";

/// The languages of files.
const FILES: [&str; 3] = ["nginx", "sh", "yaml"];

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    File { name: String, text: String },
    Command(Command),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// Where it stands in the page.
    pub(crate) line: usize,
    pub(crate) text: String,
    /// What the page shows of its output; nothing if it does not matter.
    pub(crate) shown: Vec<String>,
}

impl Command {
    /// Whether it is started and left alone. What is shown is what it says in time.
    pub(crate) fn is_job(&self) -> bool {
        self.text.trim_end().ends_with('&')
    }

    /// Whether it only looks, so that it can be asked again until it sees what the page shows: a service follows a change
    /// a moment later, and the reader is not that quick.
    pub(crate) fn only_looks(&self) -> bool {
        let words: Vec<&str> = self.text.split_whitespace().collect();
        match *words.as_slice() {
            ["cat", ..] => true,
            ["curl", ..] => !words
                .iter()
                .any(|word| ["-X", "--request", "-d", "--data", "--json"].contains(word)),
            ["intermission", verb, ..] => {
                ["executions", "explain", "history", "nodes", "status"].contains(&verb)
            }
            ["redis-cli", ..] => words.iter().any(|word| ["LLEN", "PING"].contains(word)),
            _ => false,
        }
    }
}

/// What a page asks for, in order.
pub(crate) fn steps(text: &str) -> Result<Vec<Step>> {
    let mut lines = Numbered {
        lines: text.lines().peekable(),
        number: 0,
    };
    ensure!(
        lines.next().is_some_and(|line| line.starts_with("# ")),
        "a page begins with its title"
    );
    let mut steps = Vec::new();
    let mut is_empty = true;
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let at = lines.number;
        let block = lines.block().with_context(|| format!("line {at}"))?;
        match kind {
            "console" => steps.extend(commands(at + 1, &block)?),
            "rust" => {}
            kind if FILES.contains(&kind) => steps.push(file(at, &block)?),
            other => bail!(
                "line {at}: a block of `{other}` is neither run nor written to a file: make it `console`, `rust` \
                 (without `no_run` or `ignore`), or a file of one of {FILES:?}"
            ),
        }
        is_empty = false;
    }
    ensure!(!is_empty, "a recipe without anything to do");
    is_used(&steps)?;
    Ok(steps)
}

struct Numbered<'a> {
    lines: Peekable<Lines<'a>>,
    /// Of the line that was read last, from 1.
    number: usize,
}

impl<'a> Numbered<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.number += 1;
        self.lines.next()
    }

    /// The rest of a block.
    fn block(&mut self) -> Result<Vec<&'a str>> {
        let mut block = Vec::new();
        loop {
            match self.next().context("the block has no end")? {
                "```" => return Ok(block),
                line => block.push(line),
            }
        }
    }
}

fn commands(first: usize, block: &[&str]) -> Result<Vec<Step>> {
    let mut commands: Vec<Command> = Vec::new();
    let mut goes_on = false;
    for (line, text) in (first..).zip(block) {
        if let Some(text) = text.strip_prefix("$ ") {
            ensure!(!goes_on, "line {line}: the command before it has no end");
            commands.push(Command {
                line,
                text: text.to_owned(),
                shown: Vec::new(),
            });
            goes_on = text.ends_with('\\');
            continue;
        }
        let command = commands
            .last_mut()
            .with_context(|| format!("line {line}: a block begins with `$ COMMAND`"))?;
        if goes_on {
            let text = text.strip_prefix("> ");
            let text = text.with_context(|| format!("line {line}: it goes on with `> `"))?;
            command.text.extend(["\n", text]);
            goes_on = text.ends_with('\\');
        } else {
            command.shown.push((*text).to_owned());
        }
    }
    ensure!(!goes_on, "the last command has no end");
    Ok(commands.into_iter().map(Step::Command).collect())
}

fn file(at: usize, block: &[&str]) -> Result<Step> {
    let first = block.iter().find(|line| !line.starts_with("#!"));
    let name = first
        .and_then(|line| line.strip_prefix("# "))
        .filter(|name| !name.contains([' ', '/']))
        .with_context(|| format!("line {at}: a file begins with its name, as `# NAME`"))?;
    Ok(Step::File {
        name: name.to_owned(),
        text: block.join("\n") + "\n",
    })
}

/// A file that no later command and no other file names is not tried.
fn is_used(steps: &[Step]) -> Result<()> {
    for step in steps {
        let Step::File { name, .. } = step else {
            continue;
        };
        let names_it = |other: &&Step| match other {
            Step::File { name: own, text } => own != name && text.contains(name.as_str()),
            Step::Command(command) => command.text.contains(name.as_str()),
        };
        ensure!(
            name == MANIFEST || steps.iter().any(|step| names_it(&step)),
            "nothing uses the file {name}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_commands_and_files() {
        let page = "# Title\n\nText.\n```sh\n#!/bin/sh\n# run.sh\nexit 0\n```\n```rust\nfn main() {}\n```\n\
                    ```console\n$ sh run.sh && \\\n>   true\n$ cat x\nfirst\n\nlast\n```\n";
        let file = Step::File {
            name: "run.sh".to_owned(),
            text: "#!/bin/sh\n# run.sh\nexit 0\n".to_owned(),
        };
        let command = |line, text: &str, shown: &[&str]| {
            Step::Command(Command {
                line,
                text: text.to_owned(),
                shown: shown.iter().map(|&line| line.to_owned()).collect(),
            })
        };
        let expected = [
            file,
            command(13, "sh run.sh && \\\n  true", &[]),
            command(15, "cat x", &["first", "", "last"]),
        ];
        assert_eq!(steps(page).unwrap(), expected);
    }

    #[test]
    fn what_would_not_be_tried_is_an_error() {
        for (page, complaint) in [
            ("Text\n", "begins with its title"),
            ("# T\n", "without anything to do"),
            ("# T\n```text\nx\n```\n", "neither run nor written"),
            ("# T\n```\nx\n```\n", "neither run nor written"),
            ("# T\n```rust,no_run\nx\n```\n", "neither run nor written"),
            ("# T\n```console\nx\n```\n", "begins with `$ COMMAND`"),
            ("# T\n```console\n$ x\n", "has no end"),
            ("# T\n```console\n$ x \\\ny\n```\n", "goes on with `> `"),
            ("# T\n```sh\nexit\n```\n", "begins with its name"),
            ("# T\n```sh\n# x.sh\n```\n", "nothing uses the file x.sh"),
        ] {
            let error = format!("{:#}", steps(page).unwrap_err());
            assert!(error.contains(complaint), "{page}: {error}");
        }
    }

    #[test]
    fn what_changes_something_is_done_once() {
        let looks = |text: &str| {
            let text = text.to_owned();
            Command {
                line: 1,
                text,
                shown: Vec::new(),
            }
            .only_looks()
        };
        for look in [
            "curl -s http://x",
            "intermission status -v",
            "redis-cli LLEN x",
            "cat x",
        ] {
            assert!(looks(look), "{look}");
        }
        for change in [
            "curl -X POST http://x",
            "intermission activate",
            "redis-cli FLUSHALL",
            "rm x",
        ] {
            assert!(!looks(change), "{change}");
        }
    }
}
