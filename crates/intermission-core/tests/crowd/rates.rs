//! How many commands a server sees, in tenths of a second.

use std::ops::Range;

const TENTH: u64 = 100_000;

/// What reaches the server. Times are in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    tenths: Vec<u64>,
}

impl Rates {
    pub(crate) fn count(&mut self, at: u64, commands: u64) {
        let tenth = usize::try_from(at / TENTH).unwrap();
        if self.tenths.len() <= tenth {
            self.tenths.resize(tenth + 1, 0);
        }
        self.tenths[tenth] += commands;
    }

    /// Commands a second, on the average of these seconds.
    pub(crate) fn average(&self, seconds: &Range<u64>) -> f64 {
        let sum: u64 = self.within(seconds).iter().sum();
        to_float(sum) / to_float(seconds.end - seconds.start)
    }

    /// The most that came in any second that begins within these, wherever it begins.
    pub(crate) fn most_in_a_second(&self, seconds: &Range<u64>) -> f64 {
        let later = seconds.start..seconds.end + 1;
        let sums = self.within(&later).windows(10).map(|ten| ten.iter().sum());
        to_float(sums.max().unwrap_or(0))
    }

    /// The most that came in any tenth of a second, as commands a second.
    pub(crate) fn most_in_a_tenth(&self, seconds: &Range<u64>) -> f64 {
        to_float(self.within(seconds).iter().max().copied().unwrap_or(0)) * 10.0
    }

    fn within(&self, seconds: &Range<u64>) -> &[u64] {
        let index = |second: u64| usize::try_from(second * 10).unwrap().min(self.tenths.len());
        &self.tenths[index(seconds.start)..index(seconds.end)]
    }
}

fn to_float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
