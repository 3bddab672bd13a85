//! `cargo xtask bench`: what Intermission costs, measured. Each bench is a section of one report.
//!
//! The benches are in `tests/bench`, and this starts them: `intermission-bench NAME FOLDER` measures a section and keeps
//! it, and `intermission-bench report FOLDER` makes the report of all that are kept.

mod gungraun;
mod sections;

use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitCode};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use self::gungraun::Gungraun;
use self::sections::{SECTIONS, Section};
use crate::requirements;
use crate::workspace::{Workspace, run as run_command, text_of};
use crate::{Command, UsageError};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    arguments: "[--check | NAME… | profile CASE]",
    does: "what it costs, measured: all benches, or those named; --check fails when a budget of instructions is broken",
    run,
};

fn run(arguments: &[String]) -> Result<ExitCode> {
    match Wanted::of(arguments)? {
        Wanted::Check => Ok(if check(&Workspace::find()?)? {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }),
        Wanted::Profile(case) => {
            profile(&Workspace::find()?, case)?;
            Ok(ExitCode::SUCCESS)
        }
        Wanted::Sections(wanted, options) => {
            let benches = Benches::build(Workspace::find()?, &wanted)?;
            let mut failed = Vec::new();
            // A bench that fails does not take the others with it.
            for section in &wanted {
                if let Err(error) = benches.measure(section, options) {
                    eprintln!("error: {error:#}");
                    failed.push(section.name);
                }
            }
            if failed.len() < wanted.len() {
                benches.run(Program::new(&benches.program).arg("report"), &[])?;
            }
            ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What the command line asks for.
enum Wanted<'a> {
    Check,
    Profile(&'a str),
    /// These, and what is passed on to the only one.
    Sections(Vec<&'static Section>, &'a [String]),
}

impl<'a> Wanted<'a> {
    fn of(arguments: &'a [String]) -> Result<Self, UsageError> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match (words.as_slice(), arguments) {
            ([], _) => return Ok(Self::Sections(SECTIONS.iter().collect(), &[])),
            (["--check"] | ["--check", "instructions"] | ["instructions", "--check"], _) => {
                return Ok(Self::Check);
            }
            (["profile", case], _) if !case.starts_with('-') => return Ok(Self::Profile(case)),
            (["profile", ..], _) => {
                let message = "`bench profile` takes one case, such as decide-off".to_owned();
                return Err(UsageError(message));
            }
            ([name, option, ..], [_, options @ ..])
                if option.starts_with('-') && *option != "--check" =>
            {
                return Ok(Self::Sections(vec![section(name)?], options));
            }
            _ => {}
        }
        if words.contains(&"--check") {
            let message = "`bench --check` judges instructions alone, and takes no other name";
            return Err(UsageError(message.to_owned()));
        }
        let sections = words.into_iter().map(section);
        Ok(Self::Sections(sections.collect::<Result<_, _>>()?, &[]))
    }
}

fn section(name: &str) -> Result<&'static Section, UsageError> {
    let found = SECTIONS.iter().find(|section| section.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        UsageError(format!(
            "there is no bench `{name}`; there are: {}, and `profile CASE`; options go after a single name",
            names.join(", ")
        ))
    })
}

/// Makes sure that what [`check`] needs is there.
pub(crate) fn provide_requirements() -> Result<()> {
    provide(&[section(sections::INSTRUCTIONS)?])
}

fn provide(wanted: &[&Section]) -> Result<()> {
    let needs = wanted.iter().flat_map(|section| section.needs);
    requirements::provide(needs, "the benches")
}

/// Counts instructions, and says which budgets are broken. Whether none is.
pub(crate) fn check(workspace: &Workspace) -> Result<bool> {
    let instructions = section(sections::INSTRUCTIONS)?;
    let benches = Benches::build(workspace.clone(), &[instructions])?;
    benches.measure(instructions, &[])?;
    let file = benches.folder.join("instructions.json");
    let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let kept: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no section of the report", file.display()))?;
    let broken = broken(&kept)?;
    println!();
    for line in &broken {
        println!("BROKEN: {line}");
    }
    println!(
        "{}",
        if broken.is_empty() {
            "no budget of instructions that is judged is broken"
        } else {
            "a budget of instructions is broken: `cargo xtask bench profile CASE` says where they go"
        }
    );
    Ok(broken.is_empty())
}

/// The stable budgets of a section that are not kept, in words.
fn broken(section: &Value) -> Result<Vec<String>> {
    let verdicts = section.get("verdicts").and_then(Value::as_array);
    let verdicts = verdicts.context("the section has no verdicts")?;
    let (mut judged, mut broken) = (0, Vec::new());
    for verdict in verdicts {
        let is = |key| {
            verdict
                .get(key)
                .and_then(Value::as_bool)
                .with_context(|| format!("a verdict does not say `{key}`"))
        };
        let (is_kept, is_stable) = (is("is_kept")?, is("is_stable")?);
        judged += u32::from(is_stable);
        if is_stable && !is_kept {
            let word = |key| verdict.get(key).and_then(Value::as_str).unwrap_or("?");
            let (what, budget, measured) = (word("what"), word("budget"), word("measured"));
            broken.push(format!("{what}: {measured}, {budget}"));
        }
    }
    ensure!(
        judged > 0,
        "no budget of instructions was judged: tests/bench/budgets.toml has none, or says of all why they are not"
    );
    Ok(broken)
}

/// Prints where the instructions of a case go.
fn profile(workspace: &Workspace, case: &str) -> Result<()> {
    let instructions = section(sections::INSTRUCTIONS)?;
    let benches = Benches::build(workspace.clone(), &[instructions])?;
    // Before more is built for it.
    let cases = text_of(Program::new(&benches.program).arg("cases"))?;
    ensure!(
        cases.lines().any(|known| known == case),
        "there is no case `{case}`; there are: {}",
        cases.lines().collect::<Vec<_>>().join(", ")
    );
    let home = benches.gungraun.profile(&benches.workspace, case)?;
    let shown = run_command(Program::new(&benches.program).arg("profile").arg(home))?;
    ensure!(shown.success(), "the profile cannot be shown");
    Ok(())
}

/// The programs, and where they put what they find.
struct Benches {
    workspace: Workspace,
    program: PathBuf,
    /// What each bench keeps, and the report.
    folder: PathBuf,
    gungraun: Gungraun,
}

impl Benches {
    /// Builds them, and makes sure that what these need is there.
    fn build(workspace: Workspace, wanted: &[&Section]) -> Result<Self> {
        provide(wanted)?;
        let metadata = text_of(&mut workspace.cargo(["metadata", "--format-version", "1"]))?;
        let metadata: Value =
            serde_json::from_str(&metadata).context("cargo's metadata is no JSON")?;
        let target = metadata.get("target_directory").and_then(Value::as_str);
        let target = Path::new(target.context("cargo's metadata names no target folder")?);
        let folder = target.join("bench");
        let gungraun = Gungraun::of(&metadata, &folder)?;
        let counts = wanted
            .iter()
            .any(|section| section.name == sections::INSTRUCTIONS);
        if counts {
            gungraun.provide(&workspace)?;
        }
        // The bench target too, whoever is wanted: with it cargo settles on the features that `cargo bench` has, and
        // compiles everything once.
        let arguments = [
            "build",
            "--release",
            "--bins",
            "--bench",
            "instructions",
            "--package",
            "intermission-bench",
        ];
        let built = run_command(gungraun.environment(&mut workspace.cargo(arguments)))?;
        ensure!(built.success(), "the benches do not build");
        Ok(Self {
            workspace,
            program: target.join("release").join("intermission-bench"),
            folder,
            gungraun,
        })
    }

    fn measure(&self, section: &Section, options: &[String]) -> Result<()> {
        if section.name == sections::INSTRUCTIONS {
            self.gungraun.count(&self.workspace)?;
        }
        self.run(Program::new(&self.program).arg(section.name), options)
            .with_context(|| format!("the bench `{}` failed", section.name))
    }

    /// Runs the program with the folder and these options.
    fn run(&self, program: &mut Program, options: &[String]) -> Result<()> {
        let status = run_command(program.arg(&self.folder).args(options))?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn wanted(line: &str) -> Result<String, String> {
        let arguments = words(line);
        match Wanted::of(&arguments) {
            Ok(Wanted::Check) => Ok("check".to_owned()),
            Ok(Wanted::Profile(case)) => Ok(format!("profile {case}")),
            Ok(Wanted::Sections(sections, options)) => {
                let names: Vec<&str> = sections.iter().map(|section| section.name).collect();
                Ok(format!("{} | {}", names.join(" "), options.join(" ")))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn names_are_benches_and_options_belong_to_a_single_one() {
        for (line, means) in [
            (
                "",
                "instructions throughput lists fleet contention cold-start | ",
            ),
            ("lists fleet", "lists fleet | "),
            (
                "fleet --nodes 1,10 --flips 5",
                "fleet | --nodes 1,10 --flips 5",
            ),
            ("--check", "check"),
            ("--check instructions", "check"),
            ("profile axum-off", "profile axum-off"),
        ] {
            assert_eq!(wanted(line).as_deref(), Ok(means), "{line}");
        }
    }

    #[test]
    fn what_is_no_bench_is_a_usage_error_that_lists_them() {
        for line in [
            "flete",
            "fleet lists --nodes 1",
            "--nodes 1",
            "lists nonsense",
        ] {
            let error = wanted(line).unwrap_err();
            assert!(
                error.contains("instructions, throughput, lists, fleet"),
                "{line}: {error}"
            );
        }
        for line in [
            "--check fleet",
            "fleet --check",
            "profile",
            "profile a b",
            "profile --all",
        ] {
            wanted(line).unwrap_err();
        }
    }

    #[test]
    fn only_stable_budgets_can_be_broken() {
        let verdict = |is_stable, is_kept| json!({"what": "decide", "budget": "at most 40", "measured": "41", "is_stable": is_stable, "is_kept": is_kept});
        let section = |verdicts: Value| json!({ "verdicts": verdicts });
        let kept = section(json!([verdict(true, true), verdict(false, false)]));
        assert_eq!(broken(&kept).unwrap(), [""; 0]);
        let missed = section(json!([verdict(true, false)]));
        assert_eq!(broken(&missed).unwrap(), ["decide: 41, at most 40"]);
        broken(&json!({})).unwrap_err();
        // Who judges nothing has not found that all is well.
        broken(&section(json!([verdict(false, true)]))).unwrap_err();
        broken(&section(json!([{"what": "decide"}]))).unwrap_err();
    }
}
