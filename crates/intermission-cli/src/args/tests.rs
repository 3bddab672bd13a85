//! The command line: what is understood and what is not.

use intermission::{DrainPolicy, Goal, Level};

use super::values::parse_drain;
use super::*;

fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from([&["intermission"], line].concat())
}

fn activate(line: &[&str]) -> Activate {
    match parse(&[&["activate"], line].concat()).map(|arguments| arguments.verb) {
        Ok(Verb::Activate(activate)) => activate,
        other => panic!("{other:?}"),
    }
}

fn list(networks: &[&str]) -> AllowList {
    AllowList::parse(networks).unwrap()
}

#[test]
fn the_definition_holds_together() {
    command().debug_assert();
}

#[test]
fn addresses_come_separated_or_repeated() {
    let both = || Some(AllowChange::Replace(list(&["192.0.2.10", "2001:db8::/64"])));
    for line in [
        &["--ip", "192.0.2.10,2001:db8::/64"][..],
        &["--ip", "192.0.2.10", "2001:db8::/64"],
        &["--ip", "192.0.2.10", "--ip", "2001:db8::/64"],
        &["--ip", "192.0.2.10, 2001:db8::/64"],
        // As `status` prints it, unquoted.
        &["--ip", "192.0.2.10/32,", "2001:db8::/64"],
        &["--ip=192.0.2.10,", "--ip=2001:db8::/64"],
        // As Magento's `maintenance:status` prints it, with and without quotes.
        &["--ip", "192.0.2.10 2001:db8::/64"],
        &["--ip", "192.0.2.10/32\n2001:db8::/64\n"],
        &["--ip", " 192.0.2.10 , 2001:db8::/64, "],
    ] {
        assert_eq!(activate(line).closing.allow().unwrap(), both(), "{line:?}");
    }
    assert_eq!(activate(&[]).closing.allow().unwrap(), None);
    assert_eq!(
        activate(&["--ip", "none"]).closing.allow().unwrap(),
        Some(AllowChange::Replace(AllowList::default()))
    );
    let added = activate(&["--add-ip", "192.0.2.1"])
        .closing
        .allow()
        .unwrap();
    assert_eq!(added, Some(AllowChange::Add(list(&["192.0.2.1"]))));
}

#[test]
fn all_bad_addresses_are_named_at_once() {
    for line in [
        &["--ip", "192.0.2.300,localhost", "192.0.2.1"][..],
        &["--add-ip", "192.0.2.300", "localhost"],
    ] {
        let Failure::Told(told) = activate(line).closing.allow().unwrap_err() else {
            panic!("{line:?}")
        };
        assert_eq!(told.code, ExitCode::Usage);
        assert!(
            told.message.contains("192.0.2.300") && told.message.contains("localhost"),
            "{}",
            told.message
        );
    }
    for line in [
        &["--ip", ""][..],
        &["--ip", ","],
        &["--ip", "192.0.2.1,,192.0.2.2"],
        &["--ip", "none,192.0.2.1"],
        &["--ip", "none 192.0.2.1"],
        &["--ip", " "],
    ] {
        assert!(activate(line).closing.allow().is_err(), "{line:?}");
    }
}

#[test]
fn drain_policies() {
    let minute = Duration::from_secs(60);
    assert_eq!(parse_drain("wait"), Ok(DrainPolicy::Wait));
    assert_eq!(parse_drain("force:1m"), Ok(DrainPolicy::Force(minute)));
    assert_eq!(parse_drain("abort:60s"), Ok(DrainPolicy::Abort(minute)));
    for (text, complaint) in [
        (
            "force",
            "`force` needs a limit: write for example `force:5m`",
        ),
        (
            "wait:5m",
            "`wait` has no limit: write `wait`, or `force:5m` or `abort:5m`",
        ),
        (
            "kill:5m",
            "unknown policy `kill`: write `wait`, `force:5m` or `abort:5m`",
        ),
        (
            "Force:5m",
            "unknown policy `Force`: write `wait`, `force:5m` or `abort:5m`",
        ),
        ("force:90", "`90` has no unit: write `90s`, `90m` or `90h`"),
        (
            "abort:0s",
            "`0s` is no time at all: write a duration above zero, as in `90s`",
        ),
        (
            "force:",
            "`` is not a duration: write for example `90s`, `10m` or `2h 30m`",
        ),
    ] {
        assert_eq!(parse_drain(text).unwrap_err().to_string(), complaint);
    }
}

#[test]
fn levels_and_goals_are_strict_words() {
    for level in Level::ALL {
        assert_eq!(
            activate(&["--level", level.as_str()]).closing.level,
            Some(level)
        );
    }
    assert_eq!(activate(&["--wait"]).wait, Some(Goal::Activated));
    assert_eq!(activate(&["--wait=activated"]).wait, Some(Goal::Activated));
    assert_eq!(
        activate(&["--wait=quiescent", "--timeout", "1m"]).wait,
        Some(Goal::Quiescent)
    );
    for line in [
        &["activate", "--level", "on"][..],
        &["activate", "--level", "Full"],
        &["activate", "--wait=yes"],
        &["activate", "--wait", "quiescent"],
        &["activate", "--timeout", "1m"],
        &["activate", "--wait", "--starts", "+1h"],
        &["activate", "--retry-after", "1500ms"],
        &["activate", "--ends", "tomorrow"],
        &["activate", "--ip", "192.0.2.1", "--add-ip", "192.0.2.2"],
        &["activate", "now"],
        &["activate", "--requested-by", ""],
        &["status", "on"],
        &["on"],
        &["pass"],
        &["pass", "revoke"],
        &["pass", "revoke", "0123456789abcdef", "--all"],
        &["pass", "create", ""],
        &["pass", "create", "ana", "--base-url", "shop.example"],
        &["history", "-n", "0"],
        &["explain", "get", "/"],
        &["explain", "GET", "https://shop.example/"],
        &["explain", "GET", "/", "--route", "open"],
        &["allow-ips", "--add"],
        &["allow-ips", "--none", "192.0.2.1"],
        &["allow-ips", "--add", "--remove", "192.0.2.1"],
        &["during"],
        &["exec"],
        &["exec", "--"],
        &["exec", "./nightly.sh"],
        &["exec", "--if-closed", "yes", "--", "true"],
        &["exec", "--kind", "", "--", "true"],
        &[
            "exec",
            "--only-in-maintenance",
            "--if-closed",
            "skip",
            "--",
            "true",
        ],
        &["exec", "--only-in-maintenance", "--kind", "k", "--", "true"],
        &["export"],
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(
            error.exit_code(),
            i32::from(ExitCode::Usage.number()),
            "{line:?}: {error}"
        );
    }
}

#[test]
fn the_list_is_shown_replaced_extended_cut_or_cleared() {
    let change = |line: &[&str]| match parse(&[&["allow-ips"], line].concat())
        .map(|arguments| arguments.verb)
    {
        Ok(Verb::AllowIps(allow_ips)) => allow_ips.change().unwrap(),
        other => panic!("{other:?}"),
    };
    let one = || list(&["192.0.2.1"]);
    assert_eq!(change(&[]), None);
    assert_eq!(change(&["192.0.2.1"]), Some(AllowChange::Replace(one())));
    assert_eq!(
        change(&["none"]),
        Some(AllowChange::Replace(AllowList::default()))
    );
    assert_eq!(
        change(&["--none"]),
        Some(AllowChange::Replace(AllowList::default()))
    );
    assert_eq!(
        change(&["--add", "192.0.2.1"]),
        Some(AllowChange::Add(one()))
    );
    assert_eq!(
        change(&["192.0.2.1", "--remove"]),
        Some(AllowChange::Remove(one()))
    );
}

#[test]
fn options_of_every_verb_stand_before_or_after_it() {
    for line in [
        &["--state", "file:/x", "status"][..],
        &["status", "--state", "file:/x"],
    ] {
        assert_eq!(
            parse(line).unwrap().global.state.as_deref(),
            Some("file:/x")
        );
    }
    assert!(matches!(
        parse(&["enable"]).unwrap().verb,
        Verb::Activate(_)
    ));
    assert!(matches!(
        parse(&["disable"]).unwrap().verb,
        Verb::Deactivate(_)
    ));
}

#[test]
fn a_command_is_taken_as_it_is() {
    let exec =
        |line: &[&str]| match parse(&[&["exec"], line].concat()).map(|arguments| arguments.verb) {
            Ok(Verb::Exec(exec)) => exec,
            other => panic!("{other:?}"),
        };
    let plain = exec(&["--", "php", "--json", "-v", "--", "--if-closed", "run", ""]);
    assert_eq!(
        plain.command,
        ["php", "--json", "-v", "--", "--if-closed", "run", ""]
    );
    assert_eq!(plain.if_closed, IfClosed::Skip);
    assert_eq!(plain.kind, "command");
    assert!(!plain.only_in_maintenance);
    for (word, policy) in [
        ("skip", IfClosed::Skip),
        ("wait", IfClosed::Wait),
        ("run", IfClosed::Run),
    ] {
        let exec = exec(&["--kind", "import", "--if-closed", word, "--", "true"]);
        assert_eq!((exec.if_closed, exec.kind.as_str()), (policy, "import"));
    }
    assert!(exec(&["--only-in-maintenance", "--", "true"]).only_in_maintenance);
}

#[test]
fn a_hook_has_a_command_a_time_out_and_retries() {
    let watch = |line: &[&str]| match parse(&[&["watch"], line].concat()).unwrap().verb {
        Verb::Watch(watch) => watch,
        other => panic!("{other:?}"),
    };
    assert_eq!(watch(&[]).on_change, None);
    let hook = watch(&["--on-change", "./purge-cdn"]);
    assert_eq!(hook.on_change.as_deref(), Some("./purge-cdn"));
    assert_eq!(hook.on_change_timeout, Duration::from_secs(30));
    assert_eq!(hook.on_change_retries, 3);
    let hook = watch(&[
        "--on-change=x",
        "--on-change-timeout=2m",
        "--on-change-retries=0",
    ]);
    assert_eq!(hook.on_change_timeout, Duration::from_secs(120));
    assert_eq!(hook.on_change_retries, 0);
    for line in [
        &["--on-change", ""][..],
        &["--on-change", " "],
        &["--on-change-timeout", "5s"],
        &["--on-change-retries", "1"],
        &["--on-change", "x", "--on-change-timeout", "0s"],
        &["--on-change", "x", "--on-change-retries", "11"],
    ] {
        assert!(parse(&[&["watch"], line].concat()).is_err(), "{line:?}");
    }
}

#[test]
fn an_export_needs_a_directory() {
    assert!(parse(&["export"]).is_err());
    let Verb::Export(export) = parse(&["export", "out", "--retry-after", "10m"])
        .unwrap()
        .verb
    else {
        panic!("another verb")
    };
    assert_eq!(export.dir, PathBuf::from("out"));
    assert_eq!(export.retry_after, Some(Duration::from_secs(600)));
    assert!(parse(&["export", "out", "--retry-after", "soon"]).is_err());
}
