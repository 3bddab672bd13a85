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
        let table = Arc::new(Table::new());
        let drained = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (table, drained) = (Arc::clone(&table), Arc::clone(&drained));
                thread::spawn(move || {
                    if let Some(listed) = table.begin(|| (), true) {
                        assert!(!drained.load(Ordering::SeqCst), "begun after the drain");
                        table.end(listed, true);
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

/// The drain's end is never missed: either the closer sees nobody, or the last one to end says so; and who nobody
/// waits for says nothing.
#[test]
fn the_last_one_to_end_is_always_noticed() {
    loom::model(|| {
        let table = Arc::new(Table::new());
        let woken = Arc::new(AtomicU64::new(0));
        let workers: Vec<_> = [true, false]
            .into_iter()
            .map(|awaited| {
                let (table, woken) = (Arc::clone(&table), Arc::clone(&woken));
                thread::spawn(move || {
                    if let Some(listed) = table.begin(|| (), awaited)
                        && table.end(listed, awaited)
                    {
                        assert!(awaited);
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
        assert!(inside == 0 || woken.load(Ordering::SeqCst) == 1, "{inside} ran, and nobody said that they ended");
    });
}
