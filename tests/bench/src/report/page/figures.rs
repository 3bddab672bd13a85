//! Figures as they are drawn.

use crate::figures::grouped;

/// With as many digits as matter: three, or all before the point.
pub(super) fn figure(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs();
    let decimals: usize = match size {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        0.01.. => 4,
        _ => return format!("{value:.1e}"),
    };
    let text = format!("{value:.decimals$}");
    match text.split_once('.') {
        None => grouped(&text),
        Some((whole, parts)) => match parts.trim_end_matches('0') {
            "" => grouped(whole),
            parts => format!("{}.{parts}", grouped(whole)),
        },
    }
}

/// At a tick, where there is little room.
pub(super) fn short(value: f64) -> String {
    for (unit, name) in [(1e9, "G"), (1e6, "M")] {
        if value.abs() >= unit {
            return format!("{}\u{202f}{name}", figure(value / unit));
        }
    }
    figure(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_matter_and_all_before_the_point() {
        for (value, text) in [
            (0.0, "0"),
            (0.000_123, "1.2e-4"),
            (0.012_34, "0.0123"),
            (0.5, "0.5"),
            (1.234, "1.23"),
            (2.0, "2"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-1_000.0, "-1,000"),
        ] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!(short(1_000.0), "1,000");
        assert_eq!(short(2_500_000.0), "2.5\u{202f}M");
        assert_eq!(short(1e9), "1\u{202f}G");
    }
}
