use std::fs;

use intermission_core::{
    Departure, MaintenanceState, NodeId, NodeReport, Record, Revision, StateError, StateErrorKind,
};
use intermission_file::FileState;

use super::{Site, activate, deactivate, operation, stored};

async fn errors(state: &FileState) -> Vec<StateError> {
    let node = NodeId::random().unwrap();
    vec![
        state.sync(NodeReport::new(node, 1)).await.unwrap_err(),
        state
            .operate(operation(&Record::default(), &activate()))
            .await
            .unwrap_err(),
        state.leave(node, Departure::Goodbye).await.unwrap_err(),
        state.inspect(9).await.unwrap_err(),
        state.history(9).await.unwrap_err(),
        state.watch(Revision::ZERO).await.unwrap_err(),
    ]
}

async fn assert_corrupt(site: &Site, what: &str) {
    for error in errors(&site.open()).await {
        assert_eq!(error.kind(), StateErrorKind::Corrupt, "{what}: {error}");
        let path = site.file("record.json").display().to_string();
        assert!(error.to_string().contains(&path), "{error}");
        assert!(
            error.to_string().contains("intermission deactivate"),
            "it says what to do: {error}"
        );
        assert!(std::error::Error::source(&error).is_some(), "{error}");
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_understood_is_an_error_and_is_left_as_it_is() {
    let site = Site::new();
    let record = serde_json::from_slice::<serde_json::Value>(&Record::default().to_json()).unwrap();
    for text in [
        String::new(),
        " ".to_owned(),
        "\0".repeat(512),
        "deactivated".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"name":"somebody else's","version":"1.0.0"}"#.to_owned(),
        record.to_string(),
        format!(r#"{{"v":2,"record":{record}}}"#),
        r#"{"v":1,"record":{"v":1,"revision":1,"phase":"activated"}}"#.to_owned(),
    ] {
        fs::write(site.file("record.json"), &text).unwrap();
        assert_corrupt(&site, &text).await;
        assert_eq!(site.record(), text.as_bytes());
    }
}

#[tokio::test]
async fn a_record_cut_off_anywhere_is_an_error() {
    let site = Site::new();
    stored(&site.open(), &activate()).await;
    let whole = site.record();
    let lines: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    // After each line here, and after each byte in the unit test of the document.
    for length in lines
        .iter()
        .copied()
        .filter(|length| *length < whole.len() - 1)
    {
        fs::write(site.file("record.json"), &whole[..length]).unwrap();
        assert_corrupt(&site, &format!("cut at {length}")).await;
        assert_eq!(site.record(), &whole[..length]);
    }
    fs::write(site.file("record.json"), &whole).unwrap();
    stored(&site.open(), &deactivate()).await;
}

#[tokio::test]
async fn what_is_no_file_is_an_error() {
    let site = Site::new();
    fs::create_dir(site.file("record.json")).unwrap();
    assert_corrupt(&site, "a directory").await;
    assert!(site.file("record.json").is_dir());
    fs::remove_dir(site.file("record.json")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        site.file("record.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert_corrupt(&site, "a pipe").await;
}

#[tokio::test]
async fn whoever_moves_it_away_decides_anew() {
    let site = Site::new();
    let state = site.open();
    stored(&state, &activate()).await;
    fs::write(site.file("record.json"), "{").unwrap();
    state.inspect(0).await.unwrap_err();
    fs::rename(site.file("record.json"), site.file("record.broken")).unwrap();
    stored(&state, &activate()).await;
    assert_eq!(fs::read(site.file("record.broken")).unwrap(), b"{");
}
