//! Magento's directory: what Magento reads there, and what it writes there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use intermission_core::{
    Activate, AllowChange, AllowList, Change, Deactivate, HistoryEntry, HistoryEvent, Level,
    MaintenanceState, NodeId, NodeReport, Phase, Record, Revision, StateErrorKind, StateUrl,
    SyncReply,
};
use intermission_file::{FileOptions, FileState};

use super::{activate, block_on, deactivate, operation, stored, unprivileged};

const PATIENCE: Duration = Duration::from_secs(30);

/// Magento's `var`, with something of its own in it.
struct Shop(tempfile::TempDir);

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cache")).unwrap();
        Self(folder)
    }

    fn open(&self) -> FileState {
        FileOptions::magento(self.0.path()).open().unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn flag(&self) -> PathBuf {
        self.file(".maintenance.flag")
    }

    fn is_closed(&self) -> bool {
        self.flag().exists()
    }

    /// As `MaintenanceMode::set(true)` does.
    fn close(&self) {
        fs::write(self.flag(), "").unwrap();
    }

    fn reopen(&self) {
        fs::remove_file(self.flag()).unwrap();
    }

    fn addresses(&self) -> Option<String> {
        fs::read_to_string(self.file(".maintenance.ip")).ok()
    }

    fn allow(&self, text: &str) {
        fs::write(self.file(".maintenance.ip"), text).unwrap();
    }

    /// All names there, but Magento's own folder.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "cache")
            .collect();
        names.sort();
        names
    }
}

fn list(networks: &[&str]) -> AllowList {
    AllowList::parse(networks).unwrap()
}

fn allow(networks: &[&str]) -> Change {
    Change::Allow(AllowChange::Replace(list(networks)))
}

async fn record(state: &FileState) -> Arc<Record> {
    state.inspect(0).await.unwrap().record
}

async fn history(state: &FileState) -> Vec<HistoryEntry> {
    state.history(99).await.unwrap()
}

/// A node that reports once for each call.
struct Node(NodeId, u64);

impl Node {
    fn new() -> Self {
        Self(NodeId::random().unwrap(), 0)
    }

    async fn report(
        &mut self,
        state: &FileState,
        change: impl FnOnce(&mut NodeReport),
    ) -> SyncReply {
        self.1 += 1;
        let mut report = NodeReport::new(self.0, self.1);
        report.heard_before = self.1 > 1;
        change(&mut report);
        state.sync(report).await.unwrap()
    }
}

#[tokio::test]
async fn the_flag_is_there_from_the_request_to_the_end() {
    let shop = Shop::new();
    let state = shop.open();
    let mut node = Node::new();
    node.report(&state, |_| ()).await;
    assert!(!shop.is_closed());
    let draining = stored(&state, &activate()).await;
    assert_eq!(draining.phase(), Phase::Activating);
    assert!(
        shop.is_closed(),
        "Magento's pages begin what a drain must not see begun"
    );
    assert_eq!(fs::read(shop.flag()).unwrap(), b"");
    let reply = node
        .report(&state, |report| {
            let activation = draining.activation().unwrap().id;
            report.seen = draining.revision();
            (report.closed, report.drained) = (Some(activation), Some(activation));
        })
        .await;
    assert_eq!(reply.record.unwrap().phase(), Phase::Activated);
    assert!(shop.is_closed());
    stored(&state, &deactivate()).await;
    assert!(!shop.is_closed());
}

#[tokio::test]
async fn our_files_are_hidden_and_named_after_us() {
    let shop = Shop::new();
    let state = shop.open();
    stored(&state, &allow(&["192.0.2.10"])).await;
    stored(&state, &activate()).await;
    assert_eq!(
        shop.names(),
        [
            ".intermission.json",
            ".intermission.lock",
            ".intermission.members.json",
            ".maintenance.flag",
            ".maintenance.ip",
        ]
    );
}

#[tokio::test]
async fn the_list_is_one_line_of_bare_addresses_outlives_the_mode_and_is_deleted_when_empty() {
    let shop = Shop::new();
    let state = shop.open();
    let networks = ["192.0.2.10", "10.0.0.0/8", "2001:db8::1", "2001:db8:1::/64"];
    let change = Activate::by("ana").with_allow(AllowChange::Replace(list(&networks)));
    stored(&state, &Change::Activate(change)).await;
    let line = "10.0.0.0/8,192.0.2.10,2001:db8::1,2001:db8:1::/64";
    assert_eq!(shop.addresses().as_deref(), Some(line));
    stored(&state, &deactivate()).await;
    assert_eq!(shop.addresses().as_deref(), Some(line));
    stored(&state, &allow(&[])).await;
    assert_eq!(shop.addresses(), None);
    let next_time = Deactivate::new().with_allow(AllowChange::Replace(list(&["192.0.2.1"])));
    stored(&state, &Change::Deactivate(next_time)).await;
    assert_eq!(shop.addresses().as_deref(), Some("192.0.2.1"));
}

#[tokio::test]
async fn at_every_level_magento_is_closed_and_at_exclusive_to_those_on_the_list_too() {
    let shop = Shop::new();
    let state = shop.open();
    stored(&state, &allow(&["192.0.2.10"])).await;
    for (level, addresses) in [
        (Level::ReadOnly, Some("192.0.2.10")),
        (Level::Exclusive, None),
        (Level::Full, Some("192.0.2.10")),
        (Level::Exclusive, None),
    ] {
        stored(
            &state,
            &Change::Activate(Activate::by("ana").with_level(level)),
        )
        .await;
        assert!(shop.is_closed());
        assert_eq!(shop.addresses().as_deref(), addresses, "{level}");
        assert_eq!(record(&state).await.allow(), &list(&["192.0.2.10"]));
    }
    // Who is put on the list meanwhile passes afterwards, with those who were on it: Magento found none to add him to.
    shop.allow("192.0.2.11");
    let both = list(&["192.0.2.10", "192.0.2.11"]);
    assert_eq!(record(&state).await.allow(), &both);
    assert_eq!(shop.addresses(), None);
    // The list comes back also when Magento opens.
    shop.reopen();
    assert_eq!(record(&state).await.phase(), Phase::Deactivated);
    assert_eq!(shop.addresses().as_deref(), Some("192.0.2.10,192.0.2.11"));
}

#[tokio::test]
async fn magento_closes_and_opens_and_the_record_follows_with_a_line_of_history() {
    let shop = Shop::new();
    let state = shop.open();
    let before = record(&state).await;
    shop.close();
    let closed = record(&state).await;
    assert_eq!(
        (closed.phase(), closed.level()),
        (Phase::Activated, Level::Full)
    );
    assert_eq!(closed.activation().unwrap().requested_by, "magento");
    assert!(closed.revision() > before.revision());
    let again = record(&state).await;
    assert_eq!(again, closed, "followed once");
    shop.reopen();
    let open = record(&state).await;
    assert_eq!(open.phase(), Phase::Deactivated);
    assert!(open.revision() > closed.revision());
    let history = history(&state).await;
    let told: Vec<_> = history
        .iter()
        .rev()
        .map(|line| (line.event, line.by.as_deref(), line.origin.as_deref()))
        .collect();
    let (by, origin) = (Some("magento"), Some("flag file"));
    assert_eq!(
        told,
        [
            (HistoryEvent::Requested, by, origin),
            (HistoryEvent::Activated, None, None),
            (HistoryEvent::Deactivated, by, origin),
        ]
    );
}

#[tokio::test]
async fn what_magento_closes_is_drained_and_what_it_opens_keeps_no_message() {
    let shop = Shop::new();
    let state = shop.open();
    let mut node = Node::new();
    node.report(&state, |_| ()).await;
    shop.close();
    let reply = node.report(&state, |_| ()).await;
    let draining = reply.record.unwrap();
    assert_eq!(
        draining.phase(),
        Phase::Activating,
        "the node has not drained yet"
    );
    let told = Change::Activate(Activate::by("ana").with_message("Upgrading"));
    assert_eq!(stored(&state, &told).await.message(), Some("Upgrading"));
    shop.reopen();
    let reply = node.report(&state, |_| ()).await;
    assert_eq!(reply.record.unwrap().phase(), Phase::Deactivated);
    shop.close();
    let reply = node.report(&state, |_| ()).await;
    assert_eq!(reply.record.unwrap().message(), None);
}

#[tokio::test]
async fn magento_changes_the_list_and_what_is_no_address_is_reported() {
    let shop = Shop::new();
    let state = shop.open();
    assert_eq!(state.ignored_addresses().unwrap(), None);
    shop.allow("192.0.2.10,2001:db8::1/128");
    assert_eq!(
        record(&state).await.allow(),
        &list(&["192.0.2.10", "2001:db8::1"])
    );
    assert_eq!(
        shop.addresses().as_deref(),
        Some("192.0.2.10,2001:db8::1/128"),
        "it says so already"
    );
    shop.allow(" 192.0.2.10,\n, shop.example\n");
    assert_eq!(record(&state).await.allow(), &list(&["192.0.2.10"]));
    let ignored = state.ignored_addresses().unwrap().unwrap();
    assert_eq!(ignored.entries()[0].text(), "shop.example");
    let newest = history(&state).await[0].clone();
    assert_eq!(newest.event, HistoryEvent::Updated);
    assert_eq!(newest.note.as_deref(), Some("allow list"));
    assert_eq!(
        newest.origin.as_deref(),
        Some("address file (ignored: `shop.example`)")
    );
    fs::remove_file(shop.file(".maintenance.ip")).unwrap();
    assert!(record(&state).await.allow().is_empty());
    assert_eq!(state.ignored_addresses().unwrap(), None);
}

#[tokio::test]
async fn enable_with_addresses_is_one_change() {
    let shop = Shop::new();
    let state = shop.open();
    shop.close();
    shop.allow("192.0.2.10");
    let record = record(&state).await;
    assert_eq!(
        (record.phase(), record.allow().len()),
        (Phase::Activated, 1)
    );
    let requested: Vec<_> = history(&state).await;
    assert_eq!(requested.len(), 2, "requested and activated: {requested:?}");
}

#[tokio::test]
async fn what_was_there_before_us_is_taken_over() {
    let shop = Shop::new();
    shop.close();
    shop.allow("192.0.2.10");
    let record = record(&shop.open()).await;
    assert_eq!(
        (record.phase(), record.allow().len()),
        (Phase::Activated, 1)
    );
    assert!(shop.is_closed());
    let shop = Shop::new();
    shop.close();
    let reply = Node::new().report(&shop.open(), |_| ()).await;
    let phase = reply.record.unwrap().phase();
    assert_eq!(phase, Phase::Activated, "from its first answer");
}

#[tokio::test]
async fn an_operator_who_has_not_seen_what_magento_did_is_told() {
    let shop = Shop::new();
    let state = shop.open();
    let seen = record(&state).await;
    shop.close();
    let reply = state
        .operate(operation(&seen, &allow(&["192.0.2.10"])))
        .await
        .unwrap();
    let intermission_core::OperateReply::Conflict(newer) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(newer.phase(), Phase::Activated);
}

#[tokio::test]
async fn a_watcher_follows_at_once_though_no_node_speaks() {
    let shop = Shop::new();
    let state = shop.open();
    let mut seen = Revision::ZERO;
    for round in 0..3 {
        for (change, phase) in [
            (Shop::close as fn(&Shop), Phase::Activated),
            (Shop::reopen, Phase::Deactivated),
        ] {
            let watching = state.clone();
            let hint = tokio::spawn(async move { watching.watch(seen).await });
            change(&shop);
            let hint = tokio::time::timeout(PATIENCE, hint).await.unwrap().unwrap();
            let record = hint.unwrap().unwrap();
            assert_eq!(record.phase(), phase, "round {round}");
            seen = record.revision();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_see_it_write_it_down_once() {
    let shop = Shop::new();
    let states: Vec<FileState> = (0..6).map(|_| shop.open()).collect();
    let mut seen = Revision::ZERO;
    for round in 1..=10 {
        let hints: Vec<_> = states
            .iter()
            .map(|state| {
                let state = state.clone();
                tokio::spawn(async move {
                    loop {
                        // One after the other: whoever hears of the request may hear of the completion first.
                        match state.watch(seen).await.unwrap() {
                            Some(record) if record.revision() > seen => return record,
                            _ => tokio::task::yield_now().await,
                        }
                    }
                })
            })
            .collect();
        if round % 2 == 1 {
            shop.close();
        } else {
            shop.reopen();
        }
        let mut revisions = Vec::new();
        for hint in hints {
            let record = tokio::time::timeout(PATIENCE, hint).await.unwrap().unwrap();
            revisions.push(record.revision());
        }
        revisions.dedup();
        assert_eq!(revisions.len(), 1, "round {round}: {revisions:?}");
        seen = revisions[0];
    }
    let by_magento = history(&states[0])
        .await
        .into_iter()
        .filter(|line| line.by.is_some());
    assert_eq!(by_magento.count(), 10);
}

#[tokio::test]
async fn a_lost_record_opens_nothing() {
    let shop = Shop::new();
    let state = shop.open();
    stored(&state, &allow(&["192.0.2.10"])).await;
    stored(&state, &activate()).await;
    fs::remove_file(shop.file(".intermission.json")).unwrap();
    // Whoever knows nothing but the files, while the nodes are heard.
    for state in [shop.open(), state, shop.open()] {
        let closed = record(&state).await;
        assert!(closed.phase().is_on());
        assert_eq!(closed.allow(), &list(&["192.0.2.10"]));
        let reply = Node::new().report(&state, |_| ()).await;
        assert!(
            reply.grace > Duration::ZERO,
            "a node that comes now is held"
        );
        assert!(shop.is_closed());
    }
    // All of ours is gone.
    for name in shop
        .names()
        .iter()
        .filter(|name| name.starts_with(".intermission"))
    {
        fs::remove_file(shop.file(name)).unwrap();
    }
    assert_eq!(record(&shop.open()).await.phase(), Phase::Activated);
}

/// A node that is closed must not be told to drain once more, since it would serve pages while it does.
#[tokio::test]
async fn no_new_activation_begins_where_a_node_knows_the_old_one() {
    for backup in ["none", "record", "all"] {
        let shop = Shop::new();
        let state = shop.open();
        let mut node = Node::new();
        node.report(&state, |_| ()).await;
        stored(&state, &allow(&["192.0.2.10"])).await;
        let copies: Vec<(String, Vec<u8>)> = shop
            .names()
            .into_iter()
            .filter(|name| match backup {
                "none" => false,
                "record" => name == ".intermission.json",
                _ => name.ends_with(".json"),
            })
            .map(|name| (name.clone(), fs::read(shop.file(&name)).unwrap()))
            .collect();
        let record = stored(&state, &activate()).await;
        let seen = record.revision();
        node.report(&state, |report| report.seen = seen).await;
        fs::remove_file(shop.file(".intermission.json")).unwrap();
        for (name, text) in copies {
            fs::write(shop.file(&name), text).unwrap();
        }
        // Its thread looks, and then it hears of it with a report that offers nothing yet, and with one that does.
        let hint = state.watch(seen).await.unwrap();
        assert!(hint.is_none_or(|hint| hint.revision() < seen), "{backup}");
        let reply = node.report(&state, |report| report.seen = seen).await;
        assert!(
            reply.record.is_none_or(|reply| reply.revision() < seen),
            "{backup}"
        );
        assert!(self::record(&state).await.phase().is_on(), "{backup}");
        let reply = node
            .report(&state, |report| {
                report.seen = seen;
                report.offer = Some(Arc::clone(&record));
            })
            .await;
        assert_eq!(reply.record.as_ref(), Some(&record), "{backup}");
        assert!(shop.is_closed(), "{backup}");
    }
}

#[tokio::test]
async fn a_node_brings_back_what_was_lost_with_all_that_the_flag_cannot_hold() {
    for clears_all in [false, true] {
        let shop = Shop::new();
        let state = shop.open();
        let mut node = Node::new();
        node.report(&state, |_| ()).await;
        let record = stored(&state, &activate()).await;
        let names = shop.names();
        for name in names
            .iter()
            .filter(|name| clears_all || *name == ".intermission.json")
        {
            fs::remove_file(shop.file(name)).unwrap();
        }
        let reply = node
            .report(&state, |report| {
                report.seen = record.revision();
                report.offer = Some(Arc::clone(&record));
            })
            .await;
        assert_eq!(
            reply.record.unwrap().message(),
            Some("Upgrading"),
            "{clears_all}"
        );
        assert!(shop.is_closed(), "{clears_all}");
    }
}

#[tokio::test]
async fn what_ends_by_itself_ends_for_magento_too() {
    let shop = Shop::new();
    let state = shop.open();
    let mut node = Node::new();
    node.report(&state, |_| ()).await;
    let aborted = Activate::by("ana").with_drain(intermission_core::DrainPolicy::Abort(
        Duration::from_millis(1),
    ));
    stored(&state, &Change::Activate(aborted)).await;
    assert!(shop.is_closed());
    let gives_up = async {
        while shop.is_closed() {
            node.report(&state, |_| ()).await;
        }
    };
    tokio::time::timeout(PATIENCE, gives_up).await.unwrap();
    assert_eq!(history(&state).await[0].event, HistoryEvent::Aborted);
}

#[test]
fn the_directory_is_never_made() {
    let shop = Shop::new();
    let missing = shop.file("missing");
    for opened in [
        FileOptions::magento(&missing).open(),
        FileOptions::magento(&missing).open_or_create(),
    ] {
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Unavailable);
        assert!(
            error.to_string().contains("Magento's `var` directory"),
            "{error}"
        );
    }
    assert!(!missing.exists());
    assert!(FileOptions::magento(&missing).with_site("shop").is_err());
    let url: StateUrl = format!("magento:{}", shop.0.path().display())
        .parse()
        .unwrap();
    FileOptions::from_url(&url)
        .unwrap()
        .open_or_create()
        .unwrap();
}

#[tokio::test]
async fn a_directory_that_vanishes_is_not_made_again() {
    let shop = Shop::new();
    let directory = shop.file("var");
    fs::create_dir(&directory).unwrap();
    let state = FileOptions::magento(&directory).open_or_create().unwrap();
    let mut node = Node::new();
    node.report(&state, |_| ()).await;
    fs::remove_dir_all(&directory).unwrap();
    let error = state.sync(NodeReport::new(node.0, 2)).await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_link_that_leads_nowhere_is_no_flag_and_is_not_followed() {
    let shop = Shop::new();
    let state = shop.open();
    std::os::unix::fs::symlink(shop.file("elsewhere"), shop.flag()).unwrap();
    assert_eq!(record(&state).await.phase(), Phase::Deactivated);
    stored(&state, &activate()).await;
    assert!(shop.is_closed());
    assert!(!shop.file("elsewhere").exists());
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_that_names_it() {
    let shop = Shop::new();
    let state = shop.open();
    fs::create_dir(shop.file(".maintenance.ip")).unwrap();
    let error = state.inspect(0).await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Corrupt);
    assert!(error.to_string().contains(".maintenance.ip"), "{error}");
    fs::remove_dir(shop.file(".maintenance.ip")).unwrap();
    fs::write(shop.file(".intermission.json"), "{").unwrap();
    shop.close();
    for _ in 0..2 {
        let error = state.inspect(0).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Corrupt);
        assert!(error.to_string().contains(".intermission.json"), "{error}");
    }
    // Moved away as the error says, and the flag decides.
    fs::remove_file(shop.file(".intermission.json")).unwrap();
    assert_eq!(record(&state).await.phase(), Phase::Activated);
    stored(&state, &deactivate()).await;
    assert!(!shop.is_closed());
}

#[test]
fn who_may_only_read_sees_what_magento_does_and_changes_nothing() {
    let shop = Shop::new();
    block_on(async {
        let state = shop.open();
        stored(&state, &allow(&["192.0.2.10"])).await;
        stored(&state, &activate()).await;
    });
    for name in shop.names() {
        fs::set_permissions(shop.file(&name), Permissions::from_mode(0o444)).unwrap();
    }
    let set_mode = |mode| fs::set_permissions(shop.0.path(), Permissions::from_mode(mode)).unwrap();
    set_mode(0o555);
    unprivileged(async || {
        let state = shop.open();
        let seen = record(&state).await;
        assert_eq!(seen.message(), Some("Upgrading"));
        let error = state
            .operate(operation(&seen, &deactivate()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Denied);
        assert!(
            error
                .to_string()
                .contains("run this as the directory's owner"),
            "{error}"
        );
    });
    assert!(shop.is_closed(), "nothing was changed by half");
    shop.reopen();
    unprivileged(async || {
        let state = shop.open();
        let seen = record(&state).await;
        assert_eq!((seen.phase(), seen.allow().len()), (Phase::Deactivated, 1));
        assert_eq!(
            history(&state).await.len(),
            3,
            "nobody has written it down yet"
        );
        state.watch(Revision::ZERO).await.unwrap();
    });
    set_mode(0o755);
    block_on(async {
        record(&shop.open()).await;
        assert_eq!(history(&shop.open()).await.len(), 4);
    });
}

#[test]
fn a_list_that_may_not_be_read_is_an_error_that_names_it() {
    let shop = Shop::new();
    shop.allow("192.0.2.10");
    fs::set_permissions(shop.file(".maintenance.ip"), Permissions::from_mode(0o000)).unwrap();
    unprivileged(async || {
        let error = shop.open().inspect(0).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Denied);
        assert!(error.to_string().contains(".maintenance.ip"), "{error}");
    });
}

#[tokio::test]
async fn what_root_writes_belongs_to_the_shop() {
    let is_root = rustix::process::geteuid().is_root();
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let (user, group) = if is_root { (12_345, 12_346) } else { own };
    let shop = Shop::new();
    chown(shop.0.path(), Some(user), Some(group)).unwrap();
    fs::set_permissions(shop.0.path(), Permissions::from_mode(0o2770)).unwrap();
    let state = shop.open();
    stored(&state, &allow(&["192.0.2.10"])).await;
    stored(&state, &activate()).await;
    for name in shop.names() {
        let file = fs::metadata(shop.file(&name)).unwrap();
        let found = (file.uid(), file.gid(), file.mode() & 0o7777);
        assert_eq!(found, (user, group, 0o660), "{name}");
    }
}

/// Everybody changes everything at once, and at the end the files and the record agree.
#[tokio::test(flavor = "multi_thread")]
async fn operators_nodes_and_magento_at_once() {
    const ROUNDS: u32 = 60;
    let shop = Shop::new();
    let mut tasks = Vec::new();
    for worker in 0_u32..3 {
        let state = shop.open();
        tasks.push(tokio::spawn(async move {
            let mut node = Node::new();
            for round in 0..ROUNDS {
                let before = record(&state).await;
                let allow = AllowChange::Replace(list(&[&format!("10.0.{worker}.{round}")]));
                let change = match (round % 3, before.phase().is_on()) {
                    (0, _) => Change::Allow(allow),
                    (_, true) => Change::Deactivate(Deactivate::new().with_allow(allow)),
                    (_, false) => Change::Activate(Activate::by("ana").with_allow(allow)),
                };
                // Somebody else is often faster.
                state.operate(operation(&before, &change)).await.unwrap();
                node.report(&state, |report| report.seen = before.revision())
                    .await;
                state.watch(Revision::ZERO).await.unwrap();
            }
            // A drain that waits for nobody.
            state
                .leave(node.0, intermission_core::Departure::Goodbye)
                .await
                .unwrap();
        }));
    }
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            shop.close();
        } else {
            // One of ours may have been faster.
            drop(fs::remove_file(shop.flag()));
        }
        shop.allow(&format!("10.1.0.{round}"));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let state = shop.open();
    let record = record(&state).await;
    assert_eq!(record.phase().is_on(), shop.is_closed());
    let kept: Vec<String> = record
        .allow()
        .networks()
        .map(|one| one.bare().to_string())
        .collect();
    assert_eq!(shop.addresses().unwrap_or_default(), kept.join(","));
    assert!(
        !shop.names().iter().any(|name| name.ends_with(".next")),
        "{:?}",
        shop.names()
    );
    let mut revisions: Vec<Revision> = history(&state)
        .await
        .iter()
        .map(|line| line.revision)
        .collect();
    revisions.reverse();
    assert!(revisions.is_sorted(), "{revisions:?}");
}
