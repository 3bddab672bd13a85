//! What is made of the figures of many rounds.

/// The ratios of two servers, one for each round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ratios {
    /// In ascending order.
    sorted: Vec<f64>,
}

impl Ratios {
    /// Of the figures of both in the same rounds. `None` if there was no round.
    pub(super) fn new(of: &[f64], against: &[f64]) -> Option<Self> {
        Self::sorted(of.iter().zip(against).map(|(of, against)| of / against))
    }

    fn sorted(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then_some(Self { sorted })
    }

    pub(super) fn median(&self) -> f64 {
        let at = |index: usize| self.sorted.get(index).copied().unwrap_or_default();
        let middle = self.sorted.len() / 2;
        if self.sorted.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle - 1), at(middle))
        }
    }

    pub(super) fn lowest(&self) -> f64 {
        self.sorted.first().copied().unwrap_or_default()
    }

    pub(super) fn highest(&self) -> f64 {
        self.sorted.last().copied().unwrap_or_default()
    }
}

/// The median of figures; 0 if there are none.
pub(super) fn median(values: &[f64]) -> f64 {
    Ratios::sorted(values.iter().copied()).map_or(0.0, |sorted| sorted.median())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_a_ratio_of_its_own() {
        // The machine is half as fast in the second round; the third is an accident.
        let ratios = Ratios::new(&[90.0, 45.0, 10.0], &[100.0, 50.0, 100.0]).unwrap();
        assert_eq!(
            [ratios.lowest(), ratios.median(), ratios.highest()],
            [0.1, 0.9, 0.9]
        );
        assert_eq!(Ratios::new(&[], &[]), None);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[]), 0.0);
    }
}
