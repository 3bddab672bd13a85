//! The models. Two threads that enter and leave, and one that closes: as many as loom goes through in seconds.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use crate::word::{Entered, Word};

/// A closed shard that was seen empty stays empty: nobody works after "drained" was said.
#[test]
fn nobody_is_inside_after_drained_was_said() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let drained = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (word, drained) = (Arc::clone(&word), Arc::clone(&drained));
                thread::spawn(move || {
                    if word.enter() == Entered::Open {
                        assert!(!drained.load(Ordering::SeqCst), "admitted after the drain");
                    }
                    word.leave();
                })
            })
            .collect();
        word.close();
        if word.watch() == 0 {
            drained.store(true, Ordering::SeqCst);
        }
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(word.count(), 0);
    });
}

/// The drain's end is never missed: either the closer sees nobody, or the last one out says so.
#[test]
fn the_last_one_out_is_always_noticed() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let woken = Arc::new(AtomicU64::new(0));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (word, woken) = (Arc::clone(&word), Arc::clone(&woken));
                thread::spawn(move || {
                    let _ = word.enter();
                    if word.leave() {
                        woken.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        word.close();
        let inside = word.watch();
        for worker in workers {
            worker.join().unwrap();
        }
        assert!(
            inside == 0 || woken.load(Ordering::SeqCst) > 0,
            "{inside} inside, and nobody said that they left"
        );
    });
}

/// A request counts itself before it looks at the phase; the keeper publishes the phase before it counts. So no
/// request that was let in by the old phase is inside after "quiet" was said.
#[test]
fn no_request_of_the_old_phase_is_inside_after_quiet_was_said() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let activated = Arc::new(AtomicBool::new(false));
        let quiet = Arc::new(AtomicBool::new(false));
        // Activating: requests have to ask, and are let in.
        word.close();
        let requests: Vec<_> = (0..2)
            .map(|_| {
                let (word, activated, quiet) = (
                    Arc::clone(&word),
                    Arc::clone(&activated),
                    Arc::clone(&quiet),
                );
                thread::spawn(move || {
                    let entered = word.enter();
                    assert_eq!(entered, Entered::Closed);
                    // A relaxed load is enough: the word orders it.
                    if !activated.load(Ordering::Relaxed) {
                        assert!(
                            !quiet.load(Ordering::SeqCst),
                            "let in by the old phase after it was quiet"
                        );
                    }
                    word.leave();
                })
            })
            .collect();
        activated.store(true, Ordering::Relaxed);
        if word.watch() == 0 {
            quiet.store(true, Ordering::SeqCst);
        }
        for request in requests {
            request.join().unwrap();
        }
    });
}

/// Whoever finds the door closed also finds what was published before it was closed.
#[test]
fn a_closed_door_shows_why() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let snapshot = Arc::new(AtomicU64::new(0));
        let visitor = {
            let (word, snapshot) = (Arc::clone(&word), Arc::clone(&snapshot));
            thread::spawn(move || {
                if word.enter() == Entered::Closed {
                    assert_eq!(snapshot.load(Ordering::Relaxed), 1);
                }
                word.leave();
            })
        };
        snapshot.store(1, Ordering::Relaxed);
        word.close();
        visitor.join().unwrap();
    });
}

/// Opening again lets in again, whoever came and went meanwhile, and nobody is told of an end that nobody awaits.
#[test]
fn an_opened_door_is_open() {
    loom::model(|| {
        let word = Arc::new(Word::new());
        let visitor = {
            let word = Arc::clone(&word);
            thread::spawn(move || {
                let _ = word.enter();
                word.leave();
            })
        };
        word.close();
        word.watch();
        word.open();
        word.unwatch();
        visitor.join().unwrap();
        assert_eq!(word.enter(), Entered::Open);
        assert!(!word.leave());
    });
}

/// The models can fail: a word that looks first and counts afterwards lets somebody in after the drain.
#[test]
fn looking_before_counting_is_caught() {
    let model = || {
        loom::model(|| {
            let closed = Arc::new(AtomicBool::new(false));
            let count = Arc::new(AtomicU64::new(0));
            let drained = Arc::new(AtomicBool::new(false));
            let worker = {
                let (closed, count, drained) = (
                    Arc::clone(&closed),
                    Arc::clone(&count),
                    Arc::clone(&drained),
                );
                thread::spawn(move || {
                    if !closed.load(Ordering::SeqCst) {
                        count.fetch_add(1, Ordering::SeqCst);
                        assert!(!drained.load(Ordering::SeqCst), "admitted after the drain");
                        count.fetch_sub(1, Ordering::SeqCst);
                    }
                })
            };
            closed.store(true, Ordering::SeqCst);
            if count.load(Ordering::SeqCst) == 0 {
                drained.store(true, Ordering::SeqCst);
            }
            worker.join().unwrap();
        });
    };
    let Err(failure) = std::panic::catch_unwind(model) else {
        panic!("the broken word passed its model")
    };
    let text = failure
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text
        .or_else(|| failure.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    assert!(
        text.contains("admitted after the drain"),
        "it failed for another reason: {text}"
    );
}
