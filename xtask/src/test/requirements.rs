//! What the tests need that cargo does not bring.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::workspace::{line_of, on_search_path, run};

/// Something that must be on the search path.
struct Requirement {
    /// Any of these will do.
    programs: &'static [&'static str],
    why: &'static str,
    /// What Debian and Ubuntu call it.
    package: &'static str,
}

// One row for each, services that tests start included.
const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        programs: &["cc", "gcc", "clang"],
        why: "rustc links the tests with it",
        package: "gcc libc6-dev",
    },
    Requirement {
        programs: &["git"],
        why: "it knows which files belong to the repository",
        package: "git",
    },
    // Sentinel is the same program. Where there is an init, Debian's package starts a server of its own on port 6379;
    // the tests start theirs on other ports, in temporary folders, and leave that one alone.
    Requirement {
        programs: &["redis-server"],
        why: "the tests of the state in Redis start it",
        package: "redis-server",
    },
    Requirement {
        programs: &["setpriv"],
        why: "it makes servers end with the tests that started them, also when those are killed",
        package: "util-linux",
    },
];

/// Makes sure that everything needed is there: installs it where that is possible without asking, or says what to do.
pub(crate) fn provide() -> anyhow::Result<()> {
    let absent = missing(on_search_path);
    if absent.is_empty() {
        return Ok(());
    }
    let may_install = rustix::process::geteuid().is_root() && on_search_path("apt-get");
    if may_install {
        install(&absent)?;
    }
    match missing(on_search_path).as_slice() {
        [] => Ok(()),
        absent => bail!("{}", advice(absent)),
    }
}

/// What is not there, if `found` says what is.
fn missing(found: impl Fn(&str) -> bool) -> Vec<&'static Requirement> {
    REQUIREMENTS
        .iter()
        .filter(|requirement| !requirement.programs.iter().any(|program| found(program)))
        .collect()
}

/// Only for root with apt-get, as in a container: nobody is asked for a password, and nobody else's machine is changed.
fn install(absent: &[&Requirement]) -> anyhow::Result<()> {
    let packages = absent
        .iter()
        .flat_map(|requirement| requirement.package.split(' '));
    let mut update = Command::new("apt-get");
    update.arg("update");
    let mut install = Command::new("apt-get");
    install
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages);
    for mut step in [update, install] {
        println!("\n== {}", line_of(&step));
        // A failed step is not the end: what counts is whether the programs are there afterwards.
        let status = run(step
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null()))?;
        if !status.success() {
            eprintln!("warning: `{}` ended with {status}", line_of(&step));
        }
    }
    Ok(())
}

fn advice(absent: &[&Requirement]) -> String {
    let mut lines = vec!["something that the tests need is not installed:".to_owned()];
    for Requirement {
        programs,
        why,
        package,
    } in absent
    {
        lines.push(format!(
            "  {} ({why}); on Debian and Ubuntu: apt-get install {package}",
            programs.join(" or ")
        ));
    }
    lines.push("install it and run this again".to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_alternatives_is_enough() {
        assert!(missing(|program| !["cc", "gcc"].contains(&program)).is_empty());
        assert_eq!(
            missing(|program| program == "git").len(),
            REQUIREMENTS.len() - 1
        );
        assert_eq!(missing(|_| false).len(), REQUIREMENTS.len());
    }

    #[test]
    fn advice_names_the_program_the_reason_and_the_package() {
        let advice = advice(&missing(|program| program != "git"));
        assert!(advice.contains("git (it knows which files"), "{advice}");
        assert!(advice.contains("apt-get install git"), "{advice}");
        assert!(!advice.contains("gcc"), "{advice}");
    }
}
