//! When the record must wait before it follows Magento's flag files.

use std::fs;
use std::sync::Arc;

use intermission_core::{
    AllowList, Clock, MaintenanceState, NodeId, NodeReport, Phase, Revision, Timing,
};

use super::{Hands, activate, stored};
use crate::{FileOptions, FileState};

struct Shop {
    folder: tempfile::TempDir,
    hands: Arc<Hands>,
}

impl Shop {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            hands: Arc::default(),
        }
    }

    fn open(&self) -> FileState {
        let clock = Arc::clone(&self.hands) as Arc<dyn Clock>;
        let options = FileOptions::magento(self.folder.path());
        options.with_clock(clock).open().unwrap()
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }
}

/// Whoever opens waits until those in contact have spoken. Magento is open meanwhile, as somebody wanted it.
#[tokio::test]
async fn who_opens_while_the_state_hears_its_nodes_is_followed_when_it_has() {
    let shop = Shop::new();
    let state = shop.open();
    let closed = stored(&state, &activate()).await;
    shop.remove(".intermission.members.json");
    shop.remove(".maintenance.flag");
    fs::write(shop.folder.path().join(".maintenance.ip"), "192.0.2.10").unwrap();
    let state = shop.open();
    let node = NodeId::from_bits(1);
    let mut sequence = 0;
    let mut report = async || {
        sequence += 1;
        let mut report = NodeReport::new(node, sequence);
        report.heard_before = true;
        report.seen = closed.revision();
        state.sync(report).await.unwrap()
    };
    let reply = report().await;
    assert_eq!(reply.grace, Timing::default().grace);
    assert_eq!(reply.record.unwrap().phase(), Phase::Activated, "not yet");
    assert!(
        !shop.has(".maintenance.flag"),
        "what somebody did is left alone"
    );
    assert!(shop.has(".maintenance.ip"));
    let mut waits = 0;
    let record = loop {
        shop.hands.advance(Timing::default().step);
        let record = report().await.record.unwrap();
        if record.phase() == Phase::Deactivated {
            break record;
        }
        assert!(!shop.has(".maintenance.flag"));
        waits += 1;
        assert!(waits < 60, "it follows when the grace is over");
    };
    assert!(waits > 0);
    assert_eq!(record.allow(), &AllowList::parse(["192.0.2.10"]).unwrap());
    assert!(record.revision() > closed.revision());
}

/// Whoever closes waits for nothing.
#[tokio::test]
async fn who_closes_while_the_state_hears_its_nodes_is_followed_at_once() {
    let shop = Shop::new();
    let state = shop.open();
    stored(&state, &activate()).await;
    stored(
        &state,
        &intermission_core::Change::Deactivate(intermission_core::Deactivate::new()),
    )
    .await;
    shop.remove(".intermission.members.json");
    fs::write(shop.folder.path().join(".maintenance.flag"), "").unwrap();
    let reply = shop
        .open()
        .sync(NodeReport::new(NodeId::from_bits(1), 1))
        .await
        .unwrap();
    assert_eq!(reply.grace, Timing::default().grace);
    assert!(reply.record.as_ref().unwrap().phase().is_on());
    assert!(reply.record.unwrap().revision() > Revision::ZERO);
}

/// Whoever knew the record may be dead. Nodes that come meanwhile are held.
#[tokio::test]
async fn a_flag_without_a_record_closes_when_nobody_brings_the_record_back() {
    let shop = Shop::new();
    let state = shop.open();
    let lost = stored(&state, &activate()).await;
    let mut report = NodeReport::new(NodeId::from_bits(1), 1);
    report.seen = lost.revision();
    state.sync(report).await.unwrap();
    shop.remove(".intermission.json");
    let state = shop.open();
    let mut waits = 0;
    let record = loop {
        waits += 1;
        assert!(waits < 60, "the grace ends");
        let reply = state
            .sync(NodeReport::new(NodeId::from_bits(2), waits))
            .await
            .unwrap();
        if let Some(record) = reply.record {
            break record;
        }
        assert!(!reply.grace.is_zero(), "the node is on probation");
        let shown = state.inspect(0).await.unwrap().record;
        assert!(shown.phase().is_on(), "people are told what the flag says");
        assert!(shop.has(".maintenance.flag"));
        shop.hands.advance(Timing::default().step);
    };
    assert!(waits > 10);
    assert!(record.phase().is_on());
    assert!(record.revision() > lost.revision());
}
