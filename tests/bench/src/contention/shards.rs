//! How threads and shards come together, by calculation.

use super::columns;
use crate::report::Table;

const SHARDS: [u32; 6] = [2, 4, 8, 16, 32, 64];

pub(super) fn table() -> Table {
    let row = |shards: u32| {
        let percent = |chance: f64| format!("{:.1} %", chance * 100.0);
        vec![
            shards.to_string(),
            most_in_turns(shards, shards).to_string(),
            most_in_turns(2 * shards, shards).to_string(),
            percent(1.0 / f64::from(shards)),
            percent(shared_by_lot(shards / 2, shards)),
            percent(shared_by_lot(shards, shards)),
        ]
    };
    Table {
        title: "Shards and threads: in turns, as threads begin one after the other; by lot, where many others begin in \
                between"
            .to_owned(),
        columns: columns([
            "shards (processors)",
            "as many threads: most on one shard",
            "twice as many threads",
            "by lot: two given threads meet",
            "one thread shares, of half as many",
            "of as many",
        ]),
        rows: SHARDS.map(row).into(),
    }
}

/// How many threads are on the fullest shard if they are dealt in turns.
const fn most_in_turns(threads: u32, shards: u32) -> u32 {
    threads.div_ceil(shards)
}

/// How likely it is that a thread is not alone on its shard if the others are dealt by lot.
fn shared_by_lot(threads: u32, shards: u32) -> f64 {
    let others = i32::try_from(threads.saturating_sub(1)).unwrap_or(i32::MAX);
    1.0 - (1.0 - 1.0 / f64::from(shards)).powi(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_dealt_in_turns_is_alone_as_long_as_there_are_shards() {
        assert_eq!(
            [1, 2, 3, 4].map(|threads| most_in_turns(threads, 2)),
            [1, 1, 2, 2]
        );
    }

    #[test]
    fn who_is_dealt_by_lot_shares_the_more_often_the_more_there_are() {
        assert!(shared_by_lot(1, 2).abs() < 1e-9);
        assert!((shared_by_lot(2, 2) - 0.5).abs() < 1e-9);
        assert!((shared_by_lot(3, 2) - 0.75).abs() < 1e-9);
    }
}
