use super::*;
use crate::fleet::accounts::Work;

/// As if each of these took that many milliseconds.
fn sample(millis: f64) -> Sample {
    Sample::new(vec![millis, millis / 2.0, millis * 2.0])
}

fn spread(millis: f64) -> Spread {
    Spread {
        from_return: sample(millis),
        from_call: sample(millis + 1.0),
    }
}

fn measured(sizes: &[u16]) -> Measured {
    let flips = sizes.iter().map(|&size| Flips {
        nodes: size.into(),
        closing: spread(f64::from(size) * 0.03),
        opening: spread(f64::from(size) * 0.3),
        clients: spread(f64::from(size) * 0.01),
        sockets: spread(f64::from(size) * 0.01),
        drained: sample(f64::from(size) * 0.2),
    });
    let drains = sizes.iter().map(|&size| Drains {
        nodes: size.into(),
        activated: sample(2.0),
        heard: sample(3.0),
    });
    let idle = sizes.iter().map(|&size| Idle {
        nodes: size.into(),
        seconds: 12.0,
        work: Work {
            scripts: u64::from(size) * 4,
            micros: u64::from(size) * 400,
            commands: u64::from(size) * 40,
        },
    });
    Measured {
        flips: flips.collect(),
        drains: drains.collect(),
        idle: idle.collect(),
        bytes: Bytes {
            deactivated: 477,
            activated: 1_025,
            connection: 7_506,
        },
        asked: 0,
        payload: 547,
        one_machine: sample(12.0),
        machine: Machine::this(),
        redis: "7.0.15".to_owned(),
    }
}

fn budgets() -> FleetBudgets {
    FleetBudgets {
        commands_per_second_and_node: 0.5,
        commands_of_requests: 0,
        bytes_per_node: 1_024,
        median_of_bare_publish: 1.5,
        p99_of_bare_publish: 5.0,
        file_median_millis: 20.0,
        file_longest_millis: 23.0,
    }
}

fn cells<'a>(section: &'a Section, row: &str) -> Vec<&'a str> {
    let rows = section.tables.iter().flat_map(|table| &table.rows);
    let mut found = rows.filter(|cells| cells.first().is_some_and(|name| name == row));
    let cells = found
        .next()
        .unwrap_or_else(|| panic!("there is no row `{row}`"));
    cells.iter().skip(1).map(String::as_str).collect()
}

#[test]
fn growth_is_shown_for_what_is_measured_at_each_size() {
    let section = measured(&[10, 100, 1_000]).section(&budgets());
    assert_eq!(
        cells(&section, "closing flip, median"),
        ["0.30", "3.00", "30.00", "N^1.00"]
    );
    assert_eq!(
        cells(&section, "commands per second"),
        ["3.33", "33.33", "333.33", "N^1.00"]
    );
    let each = cells(&section, "… and node");
    assert_eq!(each.first(), Some(&"0.333"));
    assert!(
        each.last().is_some_and(|growth| growth.ends_with("0.00")),
        "{each:?}"
    );
    assert_eq!(cells(&section, "flips each way"), ["3", "3", "3", "–"]);
}

#[test]
fn every_row_has_a_cell_for_each_column() {
    for sizes in [vec![1], vec![1, 1_000]] {
        for table in measured(&sizes).section(&budgets()).tables {
            for row in &table.rows {
                assert_eq!(row.len(), table.columns.len(), "{}: {row:?}", table.title);
            }
        }
    }
}

#[test]
fn budgets_are_kept_or_missed_at_the_largest_size() {
    let section = measured(&[10, 1_000]).section(&budgets());
    let verdicts: Vec<_> = section
        .verdicts
        .iter()
        .map(|verdict| {
            (
                verdict.measured.as_str(),
                verdict.is_kept,
                verdict.is_stable,
            )
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            ("0.333 per second", true, true),
            ("none", true, true),
            ("1025 bytes", false, true),
            ("3.00 times (30.00 ms to 10.00 ms)", false, false),
            ("3.00 times (60.00 ms to 20.00 ms)", true, false),
            ("12.0 ms", true, false),
            ("24.0 ms", false, false),
        ]
    );
}

#[test]
fn a_bare_publish_that_all_knew_before_it_returned_excuses_nothing() {
    for (bare, is_kept) in [(-0.01, false), (0.0, false), (0.1, false), (0.2, true)] {
        let mut measured = measured(&[10]);
        for flips in &mut measured.flips {
            flips.clients = spread(bare);
        }
        let verdicts = measured.verdicts(&budgets());
        let median = verdicts
            .iter()
            .find(|one| one.what.ends_with("median") && one.what.starts_with("the last"));
        assert_eq!(median.unwrap().is_kept, is_kept, "{bare}: {median:?}");
    }
}

#[test]
fn one_size_has_no_growth() {
    let section = measured(&[10]).section(&budgets());
    assert_eq!(cells(&section, "closing flip, median"), ["0.30"]);
}
