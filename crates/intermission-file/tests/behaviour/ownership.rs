use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use intermission_core::{MaintenanceState, NodeId, NodeReport};
use intermission_file::{FileOptions, FileState};

use super::{Site, activate, deactivate, stored};

const FILES: [&str; 2] = ["record.json", "members.json"];

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Somebody else than the user who runs the tests, if that one may hand files over, and else himself.
fn service() -> (u32, u32) {
    if is_root() {
        (12_345, 12_346)
    } else {
        (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        )
    }
}

#[tokio::test]
async fn what_root_writes_belongs_to_the_service() {
    let (user, group) = service();
    for (directory_mode, file_mode, lock_mode) in [
        (0o750, 0o640, 0o600),
        (0o2770, 0o660, 0o660),
        (0o755, 0o644, 0o600),
    ] {
        let site = Site::new();
        chown(site.path(), Some(user), Some(group)).unwrap();
        fs::set_permissions(site.path(), Permissions::from_mode(directory_mode)).unwrap();
        let state = site.open();
        stored(&state, &activate()).await;
        state
            .sync(NodeReport::new(NodeId::random().unwrap(), 1))
            .await
            .unwrap();
        for (name, mode) in FILES
            .map(|name| (name, file_mode))
            .into_iter()
            .chain([("lock", lock_mode)])
        {
            let file = fs::metadata(site.file(name)).unwrap();
            assert_eq!(
                (file.uid(), file.gid(), file.mode() & 0o7777),
                (user, group, mode),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_keeps_its_owner_and_mode() {
    let (user, group) = service();
    let site = Site::new();
    let state = site.open();
    stored(&state, &activate()).await;
    for name in FILES {
        chown(site.file(name), Some(user), Some(group)).unwrap();
        fs::set_permissions(site.file(name), Permissions::from_mode(0o604)).unwrap();
    }
    stored(&state, &deactivate()).await;
    for name in FILES {
        let file = fs::metadata(site.file(name)).unwrap();
        assert_eq!(
            (file.uid(), file.gid(), file.mode() & 0o7777),
            (user, group, 0o604),
            "{name}"
        );
    }
}

#[test]
fn directories_that_root_makes_for_a_service_belong_to_it() {
    let (user, group) = service();
    let site = Site::new();
    chown(site.path(), Some(user), Some(group)).unwrap();
    let directory = site.path().join("a").join("b");
    FileState::open_or_create(&directory).unwrap();
    let shop = FileOptions::new(&directory)
        .with_site("shop")
        .unwrap()
        .open_or_create()
        .unwrap();
    for path in [
        site.path().join("a"),
        directory,
        shop.directory().to_owned(),
    ] {
        let made = fs::metadata(&path).unwrap();
        assert_eq!(
            (made.uid(), made.gid()),
            (user, group),
            "{}",
            path.display()
        );
    }
}
