use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use intermission_core::{
    MaintenanceState, NodeId, NodeReport, Phase, Record, Revision, StateErrorKind, StateUrl,
};
use intermission_file::{FileOptions, FileState};

use super::{Site, activate, block_on, operation, stored, unprivileged};

#[test]
fn a_directory_that_is_not_there_is_named_with_what_to_do() {
    let site = Site::new();
    let missing = site.path().join("a").join("b");
    let error = FileState::open(&missing).unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    let message = error.to_string();
    assert!(
        message.contains(&format!(
            "`intermission init --state 'file:{}'`",
            missing.display()
        )),
        "{message}"
    );
    assert!(!missing.exists());
}

#[test]
fn a_site_that_is_not_there_is_not_taken_for_a_new_one() {
    let site = Site::new();
    let url = StateUrl::file(site.path()).with_site("shop").unwrap();
    let error = FileOptions::from_url(&url).unwrap().open().unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable);
    assert!(error.to_string().contains("?site=shop"), "{error}");
}

#[test]
fn a_file_is_no_directory() {
    let site = Site::new();
    let file = site.file("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        for error in [
            FileState::open(&path).unwrap_err(),
            FileState::open_or_create(&path).unwrap_err(),
        ] {
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
        }
    }
    assert_eq!(
        FileState::open(&file).unwrap_err().kind(),
        StateErrorKind::Unsupported
    );
}

#[test]
fn another_kind_of_state_is_refused_without_its_password() {
    let url: StateUrl = "redis://ops:hunter2@cache:6379/0".parse().unwrap();
    let error = FileOptions::from_url(&url).unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unsupported);
    assert!(
        error.to_string().contains("cache") && !error.to_string().contains("hunter2"),
        "{error}"
    );
}

#[test]
fn new_directories_are_not_for_the_world_and_a_site_is_like_its_directory() {
    let site = Site::new();
    let directory = site.path().join("a").join("b");
    FileState::open_or_create(&directory).unwrap();
    for made in [site.path().join("a"), directory.clone()] {
        assert_eq!(fs::metadata(made).unwrap().mode() & 0o007, 0);
    }
    fs::set_permissions(&directory, Permissions::from_mode(0o2775)).unwrap();
    let shop = FileOptions::new(&directory)
        .with_site("shop")
        .unwrap()
        .open_or_create()
        .unwrap();
    assert_eq!(
        fs::metadata(shop.directory()).unwrap().mode() & 0o7777,
        0o2775
    );
    assert_eq!(shop.directory(), directory.join("shop"));
}

#[test]
fn a_relative_path_is_made_absolute_and_shown() {
    let state = FileState::open("src").unwrap();
    assert!(state.directory().is_absolute());
    assert_eq!(
        format!("{state:?}"),
        format!(
            "FileState({:?})",
            std::env::current_dir().unwrap().join("src")
        )
    );
}

#[test]
fn who_may_only_read_sees_everything_and_changes_nothing() {
    let site = Site::new();
    block_on(async { stored(&site.open(), &activate()).await });
    let before = site.record();
    fs::set_permissions(site.path(), Permissions::from_mode(0o500)).unwrap();
    for name in ["record.json", "members.json"] {
        fs::set_permissions(site.file(name), Permissions::from_mode(0o400)).unwrap();
    }
    unprivileged(async || {
        let state = site.open();
        let view = state.inspect(9).await.unwrap();
        assert_eq!(view.record.phase(), Phase::Activated);
        assert_eq!(state.history(9).await.unwrap().len(), 2);
        assert_eq!(
            state.watch(Revision::ZERO).await.unwrap(),
            Some(view.record)
        );
        let operation = operation(&Record::default(), &activate());
        for error in [
            state
                .sync(NodeReport::new(NodeId::random().unwrap(), 1))
                .await
                .unwrap_err(),
            state.operate(operation).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), StateErrorKind::Denied);
            assert!(
                error
                    .to_string()
                    .contains(&site.path().display().to_string()),
                "{error}"
            );
        }
    });
    assert_eq!(site.record(), before);
    fs::set_permissions(site.path(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn who_may_not_look_is_told_so() {
    let site = Site::new();
    block_on(async { stored(&site.open(), &activate()).await });
    unprivileged(async || {
        let state = site.open();
        fs::set_permissions(site.file("record.json"), Permissions::from_mode(0o000)).unwrap();
        let error = state.inspect(9).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Denied);
        assert!(error.to_string().contains("record.json"), "{error}");
        assert_eq!(
            state.watch(Revision::ZERO).await.unwrap_err().kind(),
            StateErrorKind::Denied
        );
        fs::set_permissions(site.path(), Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            FileState::open(site.path()).unwrap_err().kind(),
            StateErrorKind::Denied
        );
        assert_eq!(
            FileState::open_or_create(site.path().join("x"))
                .unwrap_err()
                .kind(),
            StateErrorKind::Denied
        );
        fs::set_permissions(site.path(), Permissions::from_mode(0o700)).unwrap();
    });
}

#[test]
fn without_a_runtime_it_says_so() {
    let site = Site::new();
    let state = site.open();
    let mut asked = Box::pin(state.inspect(0));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = asked.as_mut().poll(&mut context) else {
        panic!("it was answered")
    };
    assert_eq!(error.kind(), StateErrorKind::Unsupported);
}
