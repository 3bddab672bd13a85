//! What goes where.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::{Ran, Site};

#[test]
fn data_goes_to_stdout_and_everything_else_to_stderr() {
    let site = Site::new();
    let activated = site.ran([
        "activate",
        "--message",
        "Upgrading the database",
        "--ip",
        "192.0.2.10",
    ]);
    assert_eq!(
        activated,
        Ran {
            code: 0,
            data: String::new(),
            notes: "activated\n".to_owned()
        }
    );
    let again = site.ran(["activate"]);
    assert_eq!(
        again,
        Ran {
            code: 0,
            data: String::new(),
            notes: "already activated\n".to_owned()
        }
    );
    let status = site.ran(["status"]);
    assert_eq!((status.code, status.notes.as_str()), (0, ""));
    assert!(
        status.data.starts_with(
            "Maintenance: activated (full)\n  Message:       Upgrading the database\n"
        )
    );
    assert!(status.data.contains("\n  Requested by:  ana\n"));
    let json = site.ran(["status", "--json"]);
    assert!(
        json.data
            .starts_with(r#"{"v":1,"phase":"activated","level":"full","revision":"#),
        "{}",
        json.data
    );
    assert_eq!(json.data.lines().count(), 1);
    let verbose = site.ran(["allow-ips", "--verbose"]);
    assert_eq!(verbose.data, "192.0.2.10/32\n");
    assert_eq!(verbose.notes, format!("the state is {}\n", site.url()));
}

#[test]
fn exit_codes_tell_scripts_how_things_are() {
    let site = Site::new();
    assert_eq!(site.ran(["status", "--exit-code"]).code, 0);
    assert_eq!(site.ran(["enable"]).code, 0);
    assert_eq!(site.ran(["status"]).code, 0);
    assert_eq!(site.ran(["status", "--exit-code"]).code, 3);
    assert_eq!(site.ran(["disable"]).code, 0);
    assert_eq!(
        site.ran(["disable"]),
        Ran {
            code: 0,
            data: String::new(),
            notes: "already deactivated\n".to_owned()
        }
    );
    assert_eq!(site.ran(["status", "--exit-code", "--json"]).code, 0);
}

#[test]
fn the_list_can_be_given_back_as_status_prints_it() {
    let site = Site::new();
    assert_eq!(site.ran(["allow-ips", "192.0.2.10,2001:db8::/64"]).code, 0);
    let status = site.ran(["status"]).data;
    let printed = status
        .lines()
        .find_map(|line| line.trim().strip_prefix("Allowed:"))
        .unwrap()
        .trim();
    assert_eq!(printed, "192.0.2.10/32, 2001:db8::/64");
    let before = site.bytes();
    let words = printed.split(' ');
    assert_eq!(site.ran(["allow-ips"].into_iter().chain(words)).code, 0);
    assert_eq!(
        site.ran(["allow-ips", printed]).notes,
        "already so: 2 addresses and networks pass\n"
    );
    assert_eq!(site.bytes(), before);
}

#[test]
fn who_asks_is_kept() {
    let site = Site::new();
    assert_eq!(
        site.ran(["activate", "--requested-by", "eve\u{1b}[31m"])
            .code,
        0
    );
    let status = site.ran(["status"]).data;
    assert!(
        status.contains("  Requested by:  eve\\u{1b}[31m\n"),
        "{status}"
    );
    let history = site.ran(["history", "--json"]).data;
    assert!(
        history.contains(r#""by":"eve\u001b[31m","origin":"command""#),
        "{history}"
    );
    let command = site
        .command(["deactivate"])
        .env_remove("INTERMISSION_USER")
        .env("LOGNAME", "login")
        .output();
    assert_eq!(Ran::from(command.unwrap()).code, 0);
    assert!(
        site.ran(["history", "-n", "1"])
            .data
            .contains("  login  command")
    );
}

#[test]
fn sites_on_one_state_know_nothing_of_each_other() {
    let site = Site::new();
    assert_eq!(site.ran(["status", "--site", "shop"]).code, 6);
    assert_eq!(site.ran(["init", "--site", "shop"]).code, 0);
    assert_eq!(site.ran(["activate", "--site", "shop"]).code, 0);
    assert_eq!(
        site.ran(["status", "--site", "shop", "--exit-code"]).code,
        3
    );
    assert_eq!(site.ran(["status", "--exit-code"]).code, 0);
    let by_url = site.ran([
        "status",
        "--exit-code",
        "--state",
        &format!("{}?site=shop", site.url()),
    ]);
    assert_eq!(by_url.code, 3);
}

#[test]
fn colours_are_for_terminals_and_can_be_switched_off() {
    let site = Site::new();
    let coloured = |line: &[&str], name: &str, value: &str| {
        let ran = Ran::from(site.command(line).env(name, value).output().unwrap());
        format!("{}{}", ran.data, ran.notes).contains('\u{1b}')
    };
    for line in [
        &["status"][..],
        &["status", "--help"],
        &["frobnicate"],
        &["activate", "--auto-end"],
    ] {
        assert!(!coloured(line, "TERM", "xterm-256color"), "{line:?}");
        assert!(coloured(line, "CLICOLOR_FORCE", "1"), "{line:?}");
        let switched_off = [&["--no-color"], line].concat();
        assert!(!coloured(&switched_off, "CLICOLOR_FORCE", "1"), "{line:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let site = Site::new();
    for line in [
        &["history"][..],
        &["status"],
        &["--help"],
        &["man"],
        &["completions", "bash"],
        &["status", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = site.command(line);
        assert_eq!(
            command.stdout(writer).status().unwrap().code(),
            Some(0),
            "{line:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let site = Site::new();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let ran = Ran::from(site.command(["status"]).stdout(full).output().unwrap());
    assert_eq!(ran.code, 1);
    assert!(
        ran.notes.starts_with("error: cannot write the output: "),
        "{}",
        ran.notes
    );
}

#[test]
fn watch_ends_well_on_an_interrupt() {
    let site = Site::new();
    let mut watch = site.command(["watch"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line
    };
    assert!(next().trim_end().ends_with("Z  deactivated  current"));
    assert_eq!(site.ran(["activate", "--message", "one"]).code, 0);
    assert!(next().contains("  activating   requested         by ana (command)"));
    assert!(next().trim_end().ends_with("  activated    activated"));
    let id = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    let mut notes = String::new();
    watch
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut notes)
        .unwrap();
    assert_eq!(notes, "");
}

#[test]
fn without_a_verb_the_help_is_shown_as_an_error() {
    let ran = Command::new(env!("CARGO_BIN_EXE_intermission"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(
        ran.stdout.is_empty()
            && String::from_utf8_lossy(&ran.stderr).contains("Usage: intermission")
    );
}
