//! What the tests and the benches need that cargo does not bring.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::workspace::{line_of, on_search_path, run};

/// Something that must be there.
pub(crate) struct Requirement {
    pub(crate) what: What,
    pub(crate) why: &'static str,
    /// What Debian and Ubuntu call it.
    pub(crate) package: &'static str,
}

pub(crate) enum What {
    /// On the search path; any of these will do.
    Programs(&'static [&'static str]),
    /// What `python3` says with this must be success.
    Python(&'static str, &'static str),
}

/// Of the tests: one row for each, services that they start included.
pub(crate) const TESTS: &[Requirement] = &[
    Requirement {
        what: What::Programs(&["cc", "gcc", "clang"]),
        why: "rustc links the tests with it",
        package: "gcc libc6-dev",
    },
    Requirement {
        what: What::Programs(&["git"]),
        why: "it knows which files belong to the repository",
        package: "git",
    },
    // Sentinel is the same program. Where there is an init, Debian's package starts a server of its own on port 6379;
    // the tests start theirs on other ports, in temporary folders, and leave that one alone.
    Requirement {
        what: What::Programs(&["redis-server"]),
        why: "the tests of the state in Redis start it",
        package: "redis-server",
    },
    // Where there is an init, these packages start servers of their own, as Redis's does.
    Requirement {
        what: What::Programs(&["nginx", "/usr/sbin/nginx"]),
        why: "the tests of exported pages start it",
        package: "nginx-light",
    },
    Requirement {
        what: What::Programs(&["bash"]),
        why: "the recipes of the documentation are typed into it",
        package: "bash",
    },
    Requirement {
        what: What::Programs(&["curl"]),
        why: "the recipes of the documentation ask with it",
        package: "curl",
    },
    Requirement {
        what: What::Programs(&["redis-cli"]),
        why: "the recipes of the documentation ask with it",
        package: "redis-tools",
    },
    Requirement {
        what: What::Programs(&["haproxy", "/usr/sbin/haproxy"]),
        why: "the tests of exported pages start it",
        package: "haproxy",
    },
    Requirement {
        what: What::Programs(&["caddy"]),
        why: "the tests of exported pages start it",
        package: "caddy",
    },
    Requirement {
        what: What::Programs(&["setpriv"]),
        why: "it makes servers end with the tests that started them, also when those are killed",
        package: "util-linux",
    },
    Requirement {
        what: What::Programs(BROWSERS),
        why: "the tests of what people see open it, without a window",
        package: "chromium",
    },
    Requirement {
        what: What::Programs(&["chromedriver"]),
        why: "the tests speak to the browser through it",
        package: "chromium-driver",
    },
    Requirement {
        what: What::Python(
            "Python 3.11 or later with the module venv",
            "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))",
        ),
        why: "clients and checkers that are written in it are started by the tests",
        package: "python3 python3-venv",
    },
];

/// What the tests look for, too: `tests/src/browser`.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Makes sure that all of these are there: installs them where that is possible without asking, or says what to do.
pub(crate) fn provide<'a>(
    all: impl IntoIterator<Item = &'a Requirement>,
    whose: &str,
) -> anyhow::Result<()> {
    let all: Vec<&Requirement> = all.into_iter().collect();
    let absent = missing(&all, is_there);
    if absent.is_empty() {
        return Ok(());
    }
    let may_install = rustix::process::geteuid().is_root() && on_search_path("apt-get");
    if may_install {
        install(&absent)?;
    }
    match missing(&all, is_there).as_slice() {
        [] => Ok(()),
        absent => bail!("{}", advice(absent, whose)),
    }
}

/// What is not there, if `found` says what is.
fn missing<'a>(all: &[&'a Requirement], found: impl Fn(&What) -> bool) -> Vec<&'a Requirement> {
    all.iter()
        .copied()
        .filter(|requirement| !found(&requirement.what))
        .collect()
}

fn is_there(what: &What) -> bool {
    match what {
        What::Programs(programs) => programs.iter().any(|program| on_search_path(program)),
        What::Python(_, question) => Command::new("python3")
            .args(["-c", question])
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|answer| answer.status.success()),
    }
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

fn advice(absent: &[&Requirement], whose: &str) -> String {
    let mut lines = vec![format!("something that {whose} need is not installed:")];
    for Requirement { what, why, package } in absent {
        let name = match what {
            What::Programs(programs) => programs.join(" or "),
            What::Python(name, _) => (*name).to_owned(),
        };
        lines.push(format!(
            "  {name} ({why}); on Debian and Ubuntu: apt-get install {package}"
        ));
    }
    lines.push("install it and run this again".to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there if these programs are, and no Python.
    fn only<'a>(programs: &'a [&str]) -> impl Fn(&What) -> bool + 'a {
        move |what| match what {
            What::Programs(these) => these.iter().any(|program| programs.contains(program)),
            What::Python(..) => false,
        }
    }

    fn tests() -> Vec<&'static Requirement> {
        TESTS.iter().collect()
    }

    #[test]
    fn one_of_the_alternatives_is_enough() {
        for found in [["cc", "git"], ["clang", "git"], ["chromium", "cc"]] {
            assert_eq!(missing(&tests(), only(&found)).len(), TESTS.len() - 2);
        }
        assert_eq!(missing(&tests(), only(&[])).len(), TESTS.len());
        assert!(missing(&tests(), |_| true).is_empty());
    }

    #[test]
    fn python_is_asked_and_not_only_looked_for() {
        assert!(!is_there(&What::Python(
            "no Python",
            "import sys; sys.exit(1)"
        )));
    }

    #[test]
    fn advice_names_the_thing_the_reason_and_the_package() {
        let advice = advice(&missing(&tests(), only(&["cc"])), "the tests");
        for line in [
            "something that the tests need is not installed:\n",
            "  git (it knows which files",
            "apt-get install git\n",
            "  chromium or chromium-browser or",
            "  Python 3.11 or later with the module venv (",
            "apt-get install python3 python3-venv\n",
        ] {
            assert!(advice.contains(line), "{advice}");
        }
        assert!(!advice.contains("gcc"), "{advice}");
    }
}
