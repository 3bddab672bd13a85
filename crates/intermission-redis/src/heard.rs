//! What a connection has heard of the record: from answers, and from pushes.

use std::sync::Arc;

use intermission_core::{Record, Revision};
use tokio::sync::watch;

/// The newest that was heard. Shared by the state and the task of its connection.
#[derive(Debug)]
pub(crate) struct Heard {
    newest: watch::Sender<Newest>,
}

#[derive(Clone, Debug, Default)]
struct Newest {
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
        Self {
            newest: watch::Sender::new(Newest::default()),
        }
    }

    /// The record that was heard last, if any was.
    pub(crate) fn record(&self) -> Option<Arc<Record>> {
        self.newest.borrow().record.clone()
    }

    /// An answer is the truth, even when the server has gone back to an older record.
    pub(crate) fn answered(&self, record: &Arc<Record>) {
        self.newest
            .send_modify(|newest| newest.record = Some(Arc::clone(record)));
    }

    /// Whether what is stored can be read. Nobody publishes that it no longer can.
    pub(crate) fn found_unreadable(&self, unreadable: bool) {
        self.newest.send_if_modified(|newest| {
            std::mem::replace(&mut newest.unreadable, unreadable) != unreadable && unreadable
        });
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.newest.borrow().unreadable
    }

    /// Something was published. What is not understood is a hint all the same.
    pub(crate) fn pushed(&self, message: &[u8]) {
        let number = || std::str::from_utf8(message).ok()?.parse().ok();
        self.newest.send_if_modified(|newest| {
            if let Some(number) = number() {
                newest.announced = newest.announced.max(Revision::new(number));
                return true;
            }
            match Record::from_json(message) {
                Ok(record) => {
                    let is_newer = newest
                        .record
                        .as_ref()
                        .is_none_or(|known| record.supersedes(known));
                    if is_newer {
                        newest.record = Some(Arc::new(record));
                    }
                    is_newer
                }
                Err(_) => {
                    newest.missed += 1;
                    true
                }
            }
        });
    }

    /// The connection is gone, and with it what was published meanwhile.
    pub(crate) fn missed(&self) {
        self.newest.send_modify(|newest| newest.missed += 1);
    }

    /// Listens from now on.
    pub(crate) fn listen(&self) -> Listener {
        let newest = self.newest.subscribe();
        let missed = newest.borrow().missed;
        Listener { newest, missed }
    }
}

/// One who waits for another record.
#[derive(Debug)]
pub(crate) struct Listener {
    newest: watch::Receiver<Newest>,
    missed: u64,
}

impl Listener {
    /// Waits for a newer record than `seen`, or until one may have been missed. The record comes along if it was heard.
    pub(crate) async fn newer(mut self, seen: Revision) -> Option<Arc<Record>> {
        let is_newer = |record: &Option<Arc<Record>>| {
            record
                .as_ref()
                .is_some_and(|record| record.revision() > seen)
        };
        let missed = self.missed;
        let heard = self
            .newest
            .wait_for(|newest| {
                is_newer(&newest.record)
                    || newest.announced > seen
                    || newest.missed != missed
                    || newest.unreadable
            })
            .await;
        // Without a sender there is nothing to hear any more, which is worth a hint, too.
        heard
            .ok()?
            .record
            .clone()
            .filter(|record| record.revision() > seen)
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
        let listener = heard.listen();
        heard.pushed(&at(5).to_json());
        assert_eq!(listener.newer(Revision::new(4)).await, Some(at(5)));
        let listener = heard.listen();
        heard.pushed(b"7");
        assert_eq!(listener.newer(Revision::new(6)).await, None);
    }

    #[tokio::test]
    async fn what_may_have_been_missed_wakes() {
        for wake in [
            |heard: &Heard| heard.missed(),
            |heard: &Heard| heard.pushed(b"?"),
        ] {
            let heard = Heard::new();
            let listener = heard.listen();
            wake(&heard);
            assert_eq!(listener.newer(Revision::ZERO).await, None);
        }
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
