//! What `--help` says, byte for byte. `INTERMISSION_BLESS=1 cargo test -p intermission-cli --test help` writes it anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use intermission_cli::{Environment, ExitCode, Output, run};

/// Every verb, with its parts.
const VERBS: [&str; 21] = [
    "",
    "activate",
    "allow-ips",
    "completions",
    "deactivate",
    "during",
    "exec",
    "executions",
    "explain",
    "export",
    "history",
    "init",
    "man",
    "nodes",
    "nodes forget",
    "pass",
    "pass create",
    "pass list",
    "pass revoke",
    "status",
    "watch",
];

/// What the command says on its data stream.
fn said(line: &str) -> String {
    let (mut data, mut notes) = (Vec::new(), Vec::new());
    let args = ["intermission"].into_iter().chain(line.split_whitespace());
    let code = run(
        args,
        &Environment::default(),
        &mut Output::new(&mut data, &mut notes),
    );
    assert_eq!(
        (code, String::from_utf8_lossy(&notes).as_ref()),
        (ExitCode::Done, ""),
        "{line}"
    );
    String::from_utf8_lossy(&data).into_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help")
}

#[test]
fn help_says_what_it_said() {
    let mut wrong = Vec::new();
    for verb in VERBS {
        let name = if verb.is_empty() {
            "intermission".to_owned()
        } else {
            verb.replace(' ', "-")
        };
        let path = folder().join(format!("{name}.txt"));
        let said = said(&format!("{verb} --help"));
        if env::var_os("INTERMISSION_BLESS").is_some() {
            fs::write(&path, &said).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != said {
            wrong.push(format!("{} should say:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_is_a_text_for_every_verb_and_no_other() {
    let expected: BTreeSet<String> = VERBS.iter().map(|verb| verb.replace(' ', "-")).collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(".txt").replace("intermission", ""))
        .collect();
    assert_eq!(found, expected);
    let listed = said("--help");
    let listed: BTreeSet<&str> = listed
        .lines()
        .skip_while(|line| *line != "Verbs:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let known: BTreeSet<&str> = VERBS
        .iter()
        .copied()
        .filter(|verb| !verb.is_empty() && !verb.contains(' '))
        .chain(["help"])
        .collect();
    assert_eq!(listed, known, "during comes later");
}

#[test]
fn help_and_man_page_name_every_exit_code() {
    let (help, page) = (said("--help"), said("man"));
    for code in ExitCode::ALL {
        assert!(
            help.contains(&format!("\n  {}  {}\n", code.number(), code.meaning())),
            "{code:?}"
        );
        let meaning = code.meaning().replace('-', "\\-");
        assert!(
            page.contains(&format!("\n.TP\n\\fB{}\\fR\n{meaning}\n", code.number())),
            "{code:?}: {page}"
        );
    }
}

#[test]
fn the_man_page_has_a_section_for_every_verb() {
    let page = said("man");
    assert!(
        page.starts_with(".ie"),
        "{}",
        page.lines().next().unwrap_or_default()
    );
    for verb in VERBS.iter().filter(|verb| !verb.is_empty()) {
        let heading = format!(
            "\n.SH \"INTERMISSION {}\"\n",
            verb.to_uppercase().replace('-', "\\-")
        );
        assert!(page.contains(&heading), "{heading}");
    }
    // Said once, at the top, and not again for each verb.
    assert_eq!(page.matches("The state that the services share").count(), 1);
    assert_eq!(page.matches("Print help").count(), 1);
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&format!("completions {shell}"));
        for verb in ["activate", "allow-ips", "nodes", "requested-by"] {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
}
