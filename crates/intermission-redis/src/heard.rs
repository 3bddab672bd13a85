//! What a connection has heard of the record: from answers, and from pushes.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use intermission_core::{Record, Revision};
use tokio::sync::Notify;

/// The newest that was heard. Shared by the state and the task of its connection.
///
/// A mutex and one list of those who wait, not a watch channel, which keeps eight such lists for many receivers: here
/// there is one, and a push is what a fleet's last node waits for.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    latest: Mutex<Latest>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Latest {
    record: Option<Arc<Record>>,
    /// The revision of a record that was too long to be pushed.
    announced: Revision,
    /// How often something may have been missed.
    missed: u64,
    /// Whether what is stored could not be read when somebody last asked.
    unreadable: bool,
}

impl Heard {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The record that was heard last, if any was.
    pub(crate) fn record(&self) -> Option<Arc<Record>> {
        self.latest().record.clone()
    }

    /// An answer is the truth, even when the server has gone back to an older record.
    pub(crate) fn answered(&self, record: &Arc<Record>) {
        self.latest().record = Some(Arc::clone(record));
        self.changed.notify_waiters();
    }

    /// Whether what is stored can be read. Nobody publishes that it no longer can.
    pub(crate) fn found_unreadable(&self, unreadable: bool) {
        let was = std::mem::replace(&mut self.latest().unreadable, unreadable);
        if unreadable && !was {
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.latest().unreadable
    }

    /// Something was published. What is not understood is a hint all the same.
    pub(crate) fn pushed(&self, message: &[u8]) {
        let known = self.record().unwrap_or_default();
        let is_news = match read(message, &known) {
            Some(Message::Record(record)) => self.take(record),
            Some(Message::Announced(revision)) => {
                let mut latest = self.latest();
                latest.announced = latest.announced.max(revision);
                true
            }
            None => {
                self.latest().missed += 1;
                true
            }
        };
        if is_news {
            self.changed.notify_waiters();
        }
    }

    /// Says whether the record is newer than the one that was heard last.
    fn take(&self, record: Record) -> bool {
        let mut latest = self.latest();
        let known = latest.record.as_ref();
        let is_newer = known.is_none_or(|known| record.supersedes(known));
        if is_newer {
            latest.record = Some(Arc::new(record));
        }
        is_newer
    }

    /// The connection is gone, and with it what was published meanwhile.
    pub(crate) fn missed(&self) {
        {
            let mut latest = self.latest();
            latest.missed += 1;
            // The next server may never have had it, and then whoever waits would be told of it for ever. Whoever asks
            // there is answered with the newest anyway.
            latest.announced = Revision::ZERO;
        }
        self.changed.notify_waiters();
    }

    /// Listens from now on.
    pub(crate) fn listen(&self) -> Waiter<'_> {
        Waiter {
            missed: self.latest().missed,
            heard: self,
        }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        // Nothing in here panics half-way.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was published.
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart at once and never stored"
)]
enum Message {
    Record(Record),
    /// A record of this revision, too long to be pushed.
    Announced(Revision),
}

/// What has not changed since `known` is shared with it.
fn read(message: &[u8], known: &Record) -> Option<Message> {
    if message.first().is_some_and(u8::is_ascii_digit) {
        let number = std::str::from_utf8(message).ok()?.parse().ok()?;
        return Some(Message::Announced(Revision::new(number)));
    }
    let record = Record::from_json_after(message, known);
    record.ok().map(Message::Record)
}

/// One who waits for another record.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    heard: &'a Heard,
    missed: u64,
}

impl Waiter<'_> {
    /// Waits for a newer record than `seen`, or until one may have been missed. The record comes along if it was heard.
    pub(crate) async fn newer(self, seen: Revision) -> Option<Arc<Record>> {
        loop {
            let mut changed = pin!(self.heard.changed.notified());
            // INVARIANT: listened for before it is looked at, so that no change falls in between.
            changed.as_mut().enable();
            {
                let latest = self.heard.latest();
                let record = latest.record.as_ref();
                let newer = record.filter(|record| record.revision() > seen);
                let is_hint =
                    latest.announced > seen || latest.missed != self.missed || latest.unreadable;
                if newer.is_some() || is_hint {
                    return newer.cloned();
                }
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(revision: u64) -> Arc<Record> {
        let json = format!(r#"{{"v":1,"revision":{revision},"phase":"deactivated"}}"#);
        Arc::new(Record::from_json(json.as_bytes()).unwrap())
    }

    #[tokio::test]
    async fn a_push_wakes_with_its_record_and_a_number_without() {
        let heard = Heard::new();
        let waiter = heard.listen();
        heard.pushed(&at(5).to_json());
        assert_eq!(waiter.newer(Revision::new(4)).await, Some(at(5)));
        let waiter = heard.listen();
        heard.pushed(b"7");
        assert_eq!(waiter.newer(Revision::new(6)).await, None);
    }

    #[tokio::test]
    async fn what_may_have_been_missed_wakes() {
        for wake in [
            |heard: &Heard| heard.missed(),
            |heard: &Heard| heard.pushed(b"?"),
        ] {
            let heard = Heard::new();
            let waiter = heard.listen();
            wake(&heard);
            assert_eq!(waiter.newer(Revision::ZERO).await, None);
        }
    }

    #[tokio::test]
    async fn what_was_announced_and_then_lost_wakes_once() {
        let heard = Heard::new();
        let waiter = heard.listen();
        heard.pushed(b"7");
        assert_eq!(waiter.newer(Revision::new(6)).await, None);
        heard.missed();
        heard.answered(&at(6));
        let waiter = heard.listen();
        tokio::select! {
            biased;
            told = waiter.newer(Revision::new(6)) => panic!("told again: {told:?}"),
            () = std::future::ready(()) => {}
        }
    }

    #[test]
    fn a_list_that_stays_the_same_is_shared_with_the_record_before() {
        let json = |revision: u64| {
            format!(r#"{{"v":1,"revision":{revision},"phase":"deactivated","allow":["::1/128"]}}"#)
        };
        let heard = Heard::new();
        heard.pushed(json(5).as_bytes());
        let before = heard.record().unwrap();
        heard.pushed(json(6).as_bytes());
        let after = heard.record().unwrap();
        assert_eq!(after.revision(), Revision::new(6));
        assert!(after.allow().is_shared_with(before.allow()));
    }

    #[test]
    fn an_answer_may_go_back_and_a_push_may_not() {
        let heard = Heard::new();
        heard.answered(&at(5));
        heard.pushed(&at(4).to_json());
        assert_eq!(heard.record(), Some(at(5)));
        heard.answered(&at(3));
        assert_eq!(heard.record(), Some(at(3)));
    }
}
