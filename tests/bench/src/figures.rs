//! Figures as people read them.

use std::fmt::Display;

/// As people read it: three digits, and the unit that fits.
pub(crate) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        size if size >= 1.0 => (seconds, "s"),
        size if size >= 1e-3 => (seconds * 1e3, "ms"),
        size if size >= 1e-6 => (seconds * 1e6, "µs"),
        _ => (seconds * 1e9, "ns"),
    };
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// A whole number, with a comma after each three digits.
pub(crate) fn grouped(number: impl Display) -> String {
    let number = number.to_string();
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number.as_str()),
    };
    let mut grouped = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_a_group() {
        let numbers = [-1_000, 0, 999, 1_000, 1_000_000].map(grouped);
        assert_eq!(numbers, ["-1,000", "0", "999", "1,000", "1,000,000"]);
    }

    #[test]
    fn times_have_three_digits() {
        let texts = [1.5, 0.0123, -0.000_456_7, 0.000_000_007_89].map(time);
        assert_eq!(texts, ["1.50 s", "12.3 ms", "-457 µs", "7.89 ns"]);
    }
}
