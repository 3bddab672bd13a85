//! Models of the list of executions. Two threads that begin and end, and one that closes: as many as loom goes
//! through in seconds.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use crate::table::Table;

/// A closed table that was seen empty stays empty: nobody works after "drained" was said.
#[test]
fn nobody_works_after_drained_was_said() {
    loom::model(|| {
        let table = Arc::new(Table::<_, ()>::new());
        let drained = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (table, drained) = (Arc::clone(&table), Arc::clone(&drained));
                thread::spawn(move || {
                    if let Some(listed) = table.begin((), true) {
                        assert!(!drained.load(Ordering::SeqCst), "begun after the drain");
                        table.end(listed);
                    }
                })
            })
            .collect();
        table.close();
        if table.watch() == 0 {
            drained.store(true, Ordering::SeqCst);
        }
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(table.count(), (0, 0));
    });
}

/// The drain's end is never missed: either the closer sees nobody, or the last one to end says so.
#[test]
fn the_last_one_to_end_is_always_noticed() {
    loom::model(|| {
        let table = Arc::new(Table::<_, ()>::new());
        let woken = Arc::new(AtomicU64::new(0));
        let workers: Vec<_> = [true, false]
            .into_iter()
            .map(|awaited| {
                let (table, woken) = (Arc::clone(&table), Arc::clone(&woken));
                thread::spawn(move || {
                    if let Some(listed) = table.begin((), awaited)
                        && table.end(listed)
                    {
                        woken.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        table.close();
        let inside = table.watch();
        for worker in workers {
            worker.join().unwrap();
        }
        assert!(
            inside == 0 || woken.load(Ordering::SeqCst) > 0,
            "{inside} ran, and nobody said that they ended"
        );
    });
}

/// What was let in past the closed door is waited for once the door was open again.
#[test]
fn nobody_who_came_past_the_closed_door_is_forgotten_by_the_next_drain() {
    loom::model(|| {
        let table = Arc::new(Table::<_, ()>::new());
        let working = Arc::new(AtomicBool::new(false));
        table.close();
        let worker = {
            let (table, working) = (Arc::clone(&table), Arc::clone(&working));
            thread::spawn(move || {
                let listed = table.begin((), false).unwrap();
                working.store(true, Ordering::SeqCst);
                working.store(false, Ordering::SeqCst);
                table.end(listed);
            })
        };
        let began_before = working.load(Ordering::SeqCst);
        table.open();
        table.close();
        if began_before && table.watch() == 0 {
            assert!(
                !working.load(Ordering::SeqCst),
                "it works, and nobody waits for it"
            );
        }
        worker.join().unwrap();
    });
}

/// A part that was closed and seen empty stays empty, and the end of what ran in it is never missed.
#[test]
fn nobody_works_in_a_part_after_it_was_seen_empty() {
    loom::model(|| {
        let table = Arc::new(Table::<(), ()>::new());
        let drained = Arc::new(AtomicBool::new(false));
        let woken = Arc::new(AtomicU64::new(0));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let table = Arc::clone(&table);
                let (drained, woken) = (Arc::clone(&drained), Arc::clone(&woken));
                thread::spawn(move || {
                    let open = |closed: Option<&()>| closed.is_none().then_some(());
                    if let Some(listed) = table.begin_in_part(open, true) {
                        assert!(!drained.load(Ordering::SeqCst), "begun after the drain");
                        if table.end(listed) {
                            woken.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        table.close_parts(Some(std::sync::Arc::new(())));
        let mut inside = 0;
        table.watch_parts(|()| inside += 1);
        if inside == 0 {
            drained.store(true, Ordering::SeqCst);
        }
        for worker in workers {
            worker.join().unwrap();
        }
        assert!(
            inside == 0 || woken.load(Ordering::SeqCst) > 0,
            "{inside} ran, and nobody said that they ended"
        );
        assert_eq!(table.count(), (0, 0));
    });
}

/// Who is let in past the closed door of a part is let in past no other: once the whole table was closed and seen empty, nobody
/// begins whom a drain would have to wait for.
#[test]
fn who_passes_a_part_does_not_pass_the_whole() {
    loom::model(|| {
        let table = Arc::new(Table::<(), ()>::new());
        let drained = Arc::new(AtomicBool::new(false));
        let woken = Arc::new(AtomicU64::new(0));
        table.close_parts(Some(std::sync::Arc::new(())));
        let workers: Vec<_> = [None, Some(())]
            .into_iter()
            .map(|past_part| {
                let table = Arc::clone(&table);
                let (drained, woken) = (Arc::clone(&drained), Arc::clone(&woken));
                thread::spawn(move || {
                    let past = |closed: Option<&()>| closed.map_or(Some(()), |()| past_part);
                    let Some(listed) = table.begin_in_part(past, true) else {
                        return;
                    };
                    assert!(past_part.is_some(), "begun in a closed part");
                    assert!(!drained.load(Ordering::SeqCst), "begun after the drain");
                    assert!(table.is_awaited(listed), "nobody waits for it");
                    if table.end(listed) {
                        woken.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        table.close();
        let inside = table.watch();
        if inside == 0 {
            drained.store(true, Ordering::SeqCst);
        }
        for worker in workers {
            worker.join().unwrap();
        }
        assert!(
            inside == 0 || woken.load(Ordering::SeqCst) > 0,
            "{inside} ran, and nobody said that they ended"
        );
    });
}

/// Who is let in past the whole is let in past no part that closes meanwhile: a part that was closed and seen empty stays
/// empty, but for those who were let in past it, too.
#[test]
fn who_passes_the_whole_does_not_pass_a_part() {
    loom::model(|| {
        let table = Arc::new(Table::<bool, ()>::new());
        let drained = Arc::new(AtomicBool::new(false));
        table.close();
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (table, drained) = (Arc::clone(&table), Arc::clone(&drained));
                thread::spawn(move || {
                    let decided_open = |closed: Option<&()>| closed.is_none().then_some(false);
                    if let Some(listed) = table.begin_in_part(decided_open, false) {
                        assert!(!drained.load(Ordering::SeqCst), "begun after the drain");
                        table.end(listed);
                    } else {
                        let decided_closed = |closed: Option<&()>| Some(closed.is_some());
                        let listed = table.begin_in_part(decided_closed, false).unwrap();
                        table.end(listed);
                    }
                })
            })
            .collect();
        table.close_parts(Some(std::sync::Arc::new(())));
        let mut inside = 0;
        table.watch_parts(|past_part| inside += u64::from(!past_part));
        if inside == 0 {
            drained.store(true, Ordering::SeqCst);
        }
        for worker in workers {
            worker.join().unwrap();
        }
    });
}
