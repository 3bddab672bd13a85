//! What makes no sense is named, with what would be right, and changes nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use intermission_cli::{Environment, Output, run};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::{Ran, Site};

/// Runs the line, and asserts that it ends with this code, says all of these, and changes nothing.
#[track_caller]
fn assert_refused(site: &Site, line: &[&str], code: i32, says: &[&str]) {
    let before = site.bytes();
    let ran = site.ran(line);
    assert_eq!(
        (ran.code, ran.data.as_str()),
        (code, ""),
        "{line:?}: {}",
        ran.notes
    );
    assert!(ran.notes.starts_with("error: "), "{line:?}: {}", ran.notes);
    for text in says {
        assert!(
            ran.notes.contains(text),
            "{line:?} does not say `{text}`: {}",
            ran.notes
        );
    }
    assert_eq!(site.bytes(), before, "{line:?}");
}

#[test]
fn values_that_make_no_sense() {
    let site = Site::new();
    assert_eq!(
        site.ran(["activate", "--message", "kept", "--ip", "192.0.2.10"])
            .code,
        0
    );
    for (line, says) in [
        (
            &["activate", "--ip", "192.0.2.300,localhost,192.0.2.1"][..],
            &[
                "`192.0.2.300`",
                "`localhost`",
                "as in `192.0.2.10`, `192.0.2.0/24` or `2001:db8::/64`",
            ][..],
        ),
        (
            &["activate", "--add-ip", "10.0.0.0/33", "::g"],
            &["`10.0.0.0/33`", "`::g`"],
        ),
        (
            &["deactivate", "--ip", "192.0.2.300", "x"],
            &["`192.0.2.300`", "`x`"],
        ),
        (
            &["allow-ips", "--add", "192.0.2.300", "x,y"],
            &["`192.0.2.300`", "`x`", "`y`"],
        ),
        (
            &["allow-ips", "none", "192.0.2.1"],
            &["`none` stands alone"],
        ),
        (
            &["activate", "--retry-after", "90"],
            &["--retry-after", "`90` has no unit: write `90s`"],
        ),
        (
            &["activate", "--retry-after", "0s"],
            &["`0s` is no time at all"],
        ),
        (&["activate", "--retry-after=-5m"], &["`-5m` is negative"]),
        (
            &["activate", "--retry-after", "9999999h"],
            &["longer than a year"],
        ),
        (
            &["activate", "--wait", "--timeout", "soon"],
            &["--timeout", "`soon` is not a duration: write"],
        ),
        (
            &["activate", "--drain", "force:5"],
            &["--drain", "`5` has no unit"],
        ),
        (
            &["activate", "--drain", "kill"],
            &["`kill`: write `wait`, `force:5m` or `abort:5m`"],
        ),
        (
            &["activate", "--ends", "tonight"],
            &["--ends", "`tonight` is not a time", "`+30m`"],
        ),
        (
            &["activate", "--starts", "2026-10-25T02:30:00"],
            &[
                "--starts",
                "`2026-10-25T02:30:00` has no offset",
                "`2026-10-25T02:30:00+01:00`",
            ],
        ),
        (
            &["activate", "--starts", "none"],
            &["--starts", "`none` is not a time"],
        ),
        (
            &["activate", "--auto-end", "--no-auto-end"],
            &["'--auto-end' cannot be used with '--no-auto-end'"],
        ),
        (
            &["activate", "--auto-end", "--ends", "none"],
            &["needs an announced end", "hint: add --ends"],
        ),
        (
            &["activate", "--ends", "2020-01-01T00:00:00Z"],
            &["2020-01-01T00:00:00.000Z is not after the start"],
        ),
        (
            &["activate", "--auto-end"],
            &["needs an announced end", "hint: add --ends"],
        ),
        (
            &["activate", "--level", "on"],
            &["'on'", "full, read-only, exclusive"],
        ),
        (
            &["activate", "--level", "readonly"],
            &["'readonly'", "'read-only'"],
        ),
        (
            &["activate", "--wait=on"],
            &["'on'", "activated, quiescent"],
        ),
        (
            &["activate", "--message", &"x".repeat(2_001)],
            &["2001 characters", "2000"],
        ),
        (&["activate", "--requested-by", ""], &["--requested-by"]),
        (
            &["explain", "GET", "/", "--route", "open"],
            &["'open'", "always"],
        ),
        (&["explain", "get", "/"], &["write `GET`"]),
        (&["nodes", "forget", "web-1"], &["`web-1` is no node's id"]),
        (&["maintain"], &["'maintain'"]),
        (
            &["status", "--state", "mysql://ops:hunter2@db/x"],
            &["`mysql://***@db/x` has an unknown scheme", "file:DIR"],
        ),
        (
            &["status", "--state", "/var/lib/x"],
            &["`/var/lib/x` has an unknown scheme", "file:DIR"],
        ),
        (&["status", "--site", "../x"], &["`..`"]),
        (&["status", "--site", "shop/a b"], &["`a b`"]),
        (
            &["status", "--scope", "a/b"],
            &["`a/b` is no name of a scope"],
        ),
        (
            &["status", "--site", "shop/a", "--scope", "b"],
            &["two scopes are named, b and a"],
        ),
        (
            &["allow-ips", "192.0.2.1", "--scope", "b"],
            &["`allow-ips` takes no scope", "leave the scope out"],
        ),
        (&["watch", "--scope", "b"], &["`watch` takes no scope"]),
        (
            &["activate", "--scope", "b", "--wait=quiescent"],
            &["nobody counts the requests of a scope"],
        ),
        (
            &["status", "--state", "magento:/srv/shop/var", "--site", "x"],
            &["`magento:/srv/shop/var` has one flag", "`x`"],
        ),
    ] {
        assert_refused(&site, line, 2, says);
    }
    for (line, says) in [
        (
            &["activate", "--starts", "2999-01-01T00:00:00Z"][..],
            &["already on since", "deactivate` first"][..],
        ),
        (
            &["pass", "revoke", "0123456789abcdef"],
            &["0123456789abcdef"],
        ),
        (
            &["nodes", "forget", "0123"],
            &["`0123`", "hint: `intermission nodes` lists them"],
        ),
        (
            &["status", "--state", "memory:"],
            &["memory:", "file:/var/lib/app/maintenance"],
        ),
    ] {
        assert_refused(&site, line, 1, says);
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_command_without_tls() {
    let site = Site::new();
    let line = ["status", "--state", "rediss://ops:hunter2@h:6379/0"];
    let says = [
        "`rediss://ops:***@h:6379/0` needs TLS",
        "--no-default-features",
    ];
    assert_refused(&site, &line, 1, &says);
}

#[cfg(feature = "tls")]
#[test]
fn a_command_with_tls_on_a_server_without() {
    // A port on which somebody else listens, and says nothing that TLS understands.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"-ERR unknown command\r\n").unwrap();
    });
    let site = Site::new();
    let url = format!("rediss://ops:hunter2@{address}/0");
    let place = format!("rediss://{address}/0 fails at inspect");
    assert_refused(&site, &["status", "--state", &url], 6, &[&place]);
    server.join().unwrap();
}

#[test]
fn an_end_before_the_start() {
    let site = Site::new();
    for line in [
        &["activate", "--starts", "+2h", "--ends", "+1h"][..],
        &[
            "activate",
            "--starts",
            "2999-01-01T02:00:00Z",
            "--ends",
            "2999-01-01T01:00:00Z",
            "--auto-end",
        ],
    ] {
        assert_refused(
            &site,
            line,
            2,
            &[
                "is not after the start",
                "choose a later end or an earlier start",
            ],
        );
    }
}

#[test]
fn what_the_environment_says_wrongly() {
    let site = Site::new();
    let ran = Ran::from(
        site.command(["status"])
            .env("INTERMISSION_STATE", "nonsense")
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 2);
    assert!(
        ran.notes.contains("`nonsense`")
            && ran.notes.contains("hint: it comes from INTERMISSION_STATE"),
        "{ran:?}"
    );
}

#[test]
fn a_directory_that_is_not_there() {
    let site = Site::without_state();
    for line in [
        &["status"][..],
        &["activate"],
        &["deactivate"],
        &["history"],
        &["watch"],
        &["nodes"],
    ] {
        let ran = site.ran(line);
        assert_eq!(
            (ran.code, ran.data.as_str()),
            (6, ""),
            "{line:?}: {}",
            ran.notes
        );
        let directory = site.directory().display().to_string();
        assert!(
            ran.notes.contains(&directory) && ran.notes.contains("intermission init"),
            "{}",
            ran.notes
        );
        assert!(!site.directory().exists(), "{line:?}");
    }
    // Nobody named a state.
    let ran = Ran::from(
        site.command(["activate"])
            .env_remove("INTERMISSION_STATE")
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 6);
    assert!(
        ran.notes.contains(".intermission") && ran.notes.contains("hint: no state was named"),
        "{}",
        ran.notes
    );
    assert!(!site.folder.path().join(".intermission").exists());
}

#[test]
fn a_directory_that_may_not_be_written() {
    let site = Site::new();
    assert_eq!(site.ran(["activate"]).code, 0);
    fs::set_permissions(site.directory(), Permissions::from_mode(0o555)).unwrap();
    for entry in fs::read_dir(site.directory()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o444)).unwrap();
    }
    let before = site.bytes();
    let ran = |line: &[&str]| {
        let (url, line) = (
            site.url(),
            line.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>(),
        );
        // In a thread of its own, which gives up root's right to write everywhere.
        let asked = std::thread::spawn(move || {
            set_capabilities(
                None,
                CapabilitySets {
                    effective: CapabilitySet::empty(),
                    ..capabilities(None).unwrap()
                },
            )
            .unwrap();
            let environment = Environment::default().with_state(url);
            let (mut data, mut notes) = (Vec::new(), Vec::new());
            let line = ["intermission".to_owned()].into_iter().chain(line);
            let code = run(line, &environment, &mut Output::new(&mut data, &mut notes));
            Ran {
                code: code.number().into(),
                data: String::from_utf8(data).unwrap(),
                notes: String::from_utf8(notes).unwrap(),
            }
        });
        asked.join().unwrap()
    };
    let refused = ran(&["deactivate"]);
    assert_eq!(
        (refused.code, refused.data.as_str()),
        (1, ""),
        "{}",
        refused.notes
    );
    let directory = site.directory().display().to_string();
    assert!(
        refused.notes.contains(&directory) && refused.notes.contains("owner"),
        "{}",
        refused.notes
    );
    assert_eq!(site.bytes(), before);
    assert_eq!(
        ran(&["status", "--exit-code"]).code,
        3,
        "who may only read may still ask"
    );
    fs::set_permissions(site.directory(), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_record_that_cannot_be_understood() {
    let site = Site::new();
    let path = site.directory().join("record.json");
    let whole = site.bytes();
    for torn in [
        &whole[..whole.len() / 2],
        b"",
        b"{}",
        b"\xff\xfe",
        b"\x1b[2J",
    ] {
        fs::write(&path, torn).unwrap();
        for line in [
            &["status"][..],
            &["activate"],
            &["deactivate"],
            &["allow-ips", "--none"],
            &["init"],
            &["history"],
        ] {
            assert_refused(&site, line, 1, &["record.json"]);
            assert!(!site.ran(line).notes.contains('\u{1b}'));
        }
    }
}
