//! A figure of several rounds.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Figure {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Figure { median, least: at(0), most: at(last) }
    }
}

/// The median, and between what the rounds were.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure { median, least, most } = self;
        write!(f, "{median:.2} ({least:.2}-{most:.2})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(Figure::of([3.0, 1.0, 2.0].into_iter()).to_string(), "2.00 (1.00-3.00)");
        assert_eq!(Figure::of([4.0, 1.0, 2.0, 3.0].into_iter()).to_string(), "2.50 (1.00-4.00)");
        assert_eq!(Figure::of([7.0].into_iter()).to_string(), "7.00 (7.00-7.00)");
        assert!(Figure::of(std::iter::empty()).median.is_nan());
    }
}
