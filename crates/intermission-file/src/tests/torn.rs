//! Steps in Magento's directory that were cut off, at each moment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use intermission_core::{
    Activate, AllowChange, AllowList, Change, Deactivate, HistoryEntry, Level, MaintenanceState,
    Phase, Record,
};

use super::stored;
use crate::{FileOptions, FileState};

const RECORD: &str = ".intermission.json";
const NEXT_RECORD: &str = ".intermission.json.next";
const MEMBERS: &str = ".intermission.members.json";
const NEXT_MEMBERS: &str = ".intermission.members.json.next";
const FLAG: &str = ".maintenance.flag";
const ADDRESSES: &str = ".maintenance.ip";

/// All files of a directory that hold anything, and the flag.
type Files = BTreeMap<String, String>;

fn files(directory: &Path) -> Files {
    let files = fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read_to_string(entry.path()).unwrap())
    });
    files
        .filter(|(name, _)| name != ".intermission.lock")
        .collect()
}

fn put(files: &Files) -> (tempfile::TempDir, FileState) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let state = FileOptions::magento(folder.path()).open().unwrap();
    (folder, state)
}

async fn record(state: &FileState) -> Arc<Record> {
    state.inspect(0).await.unwrap().record
}

async fn by_magento(state: &FileState) -> Vec<HistoryEntry> {
    let mut history = state.history(99).await.unwrap();
    history.retain(|line| line.by.as_deref() == Some("magento"));
    history
}

/// One step, and its files as they are before each of its moments, the last when all is done. `taken` is the first at
/// which it counts.
struct Cut {
    what: &'static str,
    before: Arc<Record>,
    after: Arc<Record>,
    moments: Vec<Files>,
    taken: usize,
}

fn is_told_by_flag(before: &Files, after: &Files) -> bool {
    before.contains_key(FLAG) != after.contains_key(FLAG)
}

async fn cut(what: &'static str, first: &[Change], change: Change) -> Cut {
    let folder = tempfile::tempdir().unwrap();
    let state = FileOptions::magento(folder.path()).open().unwrap();
    for change in first {
        stored(&state, change).await;
    }
    let (before, old) = (record(&state).await, files(folder.path()));
    let after = stored(&state, &change).await;
    let new = files(folder.path());
    let mut now = old.clone();
    let mut moments = vec![now.clone()];
    let mut step = |change: &mut dyn FnMut(&mut Files)| {
        change(&mut now);
        moments.push(now.clone());
        moments.len() - 1
    };
    step(&mut |now| drop(now.insert(NEXT_MEMBERS.to_owned(), new[MEMBERS].clone())));
    step(&mut |now| drop(now.insert(NEXT_RECORD.to_owned(), "{\"v\":1".to_owned())));
    step(&mut |now| drop(now.insert(NEXT_RECORD.to_owned(), new[RECORD].clone())));
    let copy = |now: &mut Files, name: &str| match new.get(name) {
        Some(text) => drop(now.insert(name.to_owned(), text.clone())),
        None => drop(now.remove(name)),
    };
    let flag = step(&mut |now| copy(now, FLAG));
    let addresses = step(&mut |now| copy(now, ADDRESSES));
    step(&mut |now| {
        let next = now.remove(NEXT_RECORD).unwrap();
        now.insert(RECORD.to_owned(), next);
    });
    step(&mut |now| {
        let next = now.remove(NEXT_MEMBERS).unwrap();
        now.insert(MEMBERS.to_owned(), next);
    });
    assert_eq!(now, new, "{what}: these are its moments");
    Cut {
        what,
        before,
        after,
        moments,
        taken: if is_told_by_flag(&old, &new) {
            flag
        } else {
            addresses
        },
    }
}

fn list(networks: &[&str]) -> AllowChange {
    AllowChange::Replace(AllowList::parse(networks).unwrap())
}

async fn cuts() -> Vec<Cut> {
    let by = || Activate::by("ana").with_message("Upgrading");
    let on = Change::Activate(by().with_allow(list(&["192.0.2.1"])));
    vec![
        cut("activate", &[], Change::Activate(by())).await,
        cut("activate with a list", &[], on.clone()).await,
        cut(
            "activate with another list",
            &[Change::Allow(list(&["192.0.2.9"]))],
            on.clone(),
        )
        .await,
        cut(
            "deactivate",
            std::slice::from_ref(&on),
            Change::Deactivate(Deactivate::new()),
        )
        .await,
        cut(
            "deactivate with another list",
            std::slice::from_ref(&on),
            Change::Deactivate(Deactivate::new().with_allow(list(&["192.0.2.2"]))),
        )
        .await,
        cut(
            "another list",
            std::slice::from_ref(&on),
            Change::Allow(list(&["192.0.2.2"])),
        )
        .await,
        cut(
            "no list",
            std::slice::from_ref(&on),
            Change::Allow(list(&[])),
        )
        .await,
        cut(
            "nobody passes",
            std::slice::from_ref(&on),
            Change::Activate(by().with_level(Level::Exclusive)),
        )
        .await,
        cut(
            "activate, and nobody passes",
            &[Change::Allow(list(&["192.0.2.9"]))],
            Change::Activate(by().with_level(Level::Exclusive)),
        )
        .await,
    ]
}

#[tokio::test]
async fn a_crash_leaves_the_old_step_or_the_new_one_for_us_and_for_magento() {
    for cut in cuts().await {
        let last = cut.moments.len() - 1;
        for (moment, files_then) in cut.moments.iter().enumerate() {
            let what = format!("{}, cut at {moment}", cut.what);
            let (folder, state) = put(files_then);
            let seen = record(&state).await;
            let (expected, whole) = if moment >= cut.taken {
                (&cut.after, &cut.moments[last])
            } else {
                (&cut.before, &cut.moments[0])
            };
            assert_eq!(&seen, expected, "{what}");
            // The next step of whatever process tidies up.
            let goodbye = intermission_core::Departure::Goodbye;
            state
                .leave(intermission_core::NodeId::from_bits(1), goodbye)
                .await
                .unwrap();
            let tidied = files(folder.path());
            assert!(!tidied.contains_key(NEXT_RECORD), "{what}");
            for name in [FLAG, ADDRESSES, RECORD] {
                assert_eq!(tidied.get(name), whole.get(name), "{what}: {name}");
            }
            let view = state.inspect(0).await.unwrap();
            assert_eq!(&view.record, expected, "{what}");
            assert!(view.grace.is_zero(), "{what}: nothing was lost");
            assert_eq!(by_magento(&state).await, [], "{what}: it was nobody else");
        }
    }
}

#[tokio::test]
async fn what_magento_does_after_a_crash_counts_whatever_was_cut_off() {
    for cut in cuts().await {
        for (moment, files_then) in cut.moments.iter().enumerate() {
            for closes in [true, false] {
                let what = format!("{}, cut at {moment}, closes: {closes}", cut.what);
                let (folder, state) = put(files_then);
                let flag = folder.path().join(FLAG);
                if closes {
                    fs::write(&flag, "").unwrap();
                } else if flag.exists() {
                    fs::remove_file(&flag).unwrap();
                }
                assert_eq!(record(&state).await.phase().is_on(), closes, "{what}");
                assert_eq!(flag.exists(), closes, "{what}");
            }
            let what = format!("{}, cut at {moment}, with another list", cut.what);
            let (folder, state) = put(files_then);
            fs::write(folder.path().join(ADDRESSES), "198.51.100.7").unwrap();
            let record = record(&state).await;
            let written = AllowList::parse(["198.51.100.7"]).unwrap();
            // Where the list was away, nobody has written instead of it.
            let kept = match cut.after.level() {
                Level::Exclusive => cut.after.allow().clone(),
                Level::Full | Level::ReadOnly => AllowList::default(),
            };
            let expected = [written.clone(), kept.added(&written)];
            assert!(
                expected.contains(record.allow()),
                "{what}: {:?}",
                record.allow()
            );
            let is_there = folder.path().join(ADDRESSES).exists();
            let is_exclusive = record.level() == Level::Exclusive;
            assert_eq!(is_there, !is_exclusive, "{what}");
        }
    }
}

/// Whoever puts back a backup of the record may leave behind what goes with another one.
#[tokio::test]
async fn what_is_not_newer_than_the_record_does_not_count() {
    let cuts = cuts().await;
    let cut = cuts.iter().find(|cut| cut.what == "deactivate").unwrap();
    let mut files_then = cut.moments[cut.taken].clone();
    let next = files_then[NEXT_RECORD].replace("\"edition\": 2", "\"edition\": 1");
    files_then.insert(NEXT_RECORD.to_owned(), next);
    let (folder, state) = put(&files_then);
    let seen = record(&state).await;
    assert_ne!(seen, cut.after);
    assert_eq!(seen.phase(), Phase::Deactivated, "for the flag is gone");
    assert_eq!(by_magento(&state).await.len(), 1);
    assert!(!folder.path().join(NEXT_RECORD).exists());
}

/// A step of somebody else may be under way while a reader, who takes no lock, looks.
#[tokio::test]
async fn a_look_without_the_right_to_write_sees_what_the_next_step_will_find() {
    for cut in cuts().await {
        for (moment, files_then) in cut.moments.iter().enumerate() {
            let (folder, state) = put(files_then);
            let url = intermission_core::StateUrl::magento(folder.path());
            let directory = crate::directory::Directory::new(folder.path(), url).unwrap();
            let _lock = crate::lock::Lock::acquire(&directory).unwrap();
            let taken = moment >= cut.taken;
            let expected = if taken { &cut.after } else { &cut.before };
            let seen = record(&state).await;
            assert_eq!(
                seen.phase().is_on(),
                expected.phase().is_on(),
                "{}, {moment}",
                cut.what
            );
            assert_eq!(seen.level(), expected.level(), "{}, {moment}", cut.what);
        }
    }
    // Nor is there a need for that right to see what Magento does.
    let (folder, state) = put(&Files::new());
    let url = intermission_core::StateUrl::magento(folder.path());
    let directory = crate::directory::Directory::new(folder.path(), url).unwrap();
    let _lock = crate::lock::Lock::acquire(&directory).unwrap();
    let before = record(&state).await;
    fs::write(folder.path().join(FLAG), "").unwrap();
    let seen = record(&state).await;
    assert_eq!(
        seen.phase(),
        Phase::Activating,
        "nobody has drained for it yet"
    );
    assert_eq!(seen.revision(), before.revision());
}
