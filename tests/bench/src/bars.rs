//! What was aimed for: each figure of a run with its bar, and whether it is met.

use crate::table::Table;

/// A figure with what it is measured by.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    what: &'static str,
    figure: f64,
    unit: Unit,
    bar: f64,
    /// Better than the bar, where more than the bar is wanted.
    aim: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// More is better.
    Ratio,
    /// Less is better, as of all memory.
    Kilobytes,
    Megabytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Missed,
    Met,
    AimMet,
}

impl Bar {
    pub(crate) fn ratio(what: &'static str, figure: f64, bar: f64, aim: Option<f64>) -> Self {
        Bar { what, figure, unit: Unit::Ratio, bar, aim }
    }

    pub(crate) fn kilobytes(what: &'static str, figure: f64, bar: f64, aim: f64) -> Self {
        Bar { what, figure, unit: Unit::Kilobytes, bar, aim: Some(aim) }
    }

    pub(crate) fn megabytes(what: &'static str, figure: f64, bar: f64, aim: f64) -> Self {
        Bar { what, figure, unit: Unit::Megabytes, bar, aim: Some(aim) }
    }

    fn verdict(&self) -> Verdict {
        if self.aim.is_some_and(|aim| self.reaches(aim)) {
            Verdict::AimMet
        } else if self.reaches(self.bar) {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }

    /// A figure that could not be made reaches nothing.
    fn reaches(&self, goal: f64) -> bool {
        match self.unit {
            Unit::Ratio => self.figure >= goal,
            Unit::Kilobytes | Unit::Megabytes => self.figure <= goal,
        }
    }
}

pub(crate) fn print(bars: &[Bar]) {
    let mut table = Table::new(&["what", "figure", "bar", "aim", "met"]);
    for bar in bars {
        let met = match bar.verdict() {
            Verdict::Missed => "no",
            Verdict::Met => "bar",
            Verdict::AimMet => "aim",
        };
        let aim = bar.aim.map_or("-".into(), |aim| goal(aim, bar.unit));
        table.row(vec![
            bar.what.into(),
            figure(bar.figure, bar.unit),
            goal(bar.bar, bar.unit),
            aim,
            met.into(),
        ]);
    }
    table.print("Bars");
}

fn goal(value: f64, unit: Unit) -> String {
    let side = if unit == Unit::Ratio { "at least" } else { "at most" };
    format!("{side} {}", figure(value, unit))
}

fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format!("{value:.2}"),
        Unit::Kilobytes => format!("{value:.1} KB"),
        Unit::Megabytes => format!("{value:.0} MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ratios_more_is_better() {
        let of = |figure| Bar::ratio("x", figure, 0.6, Some(0.72)).verdict();
        assert_eq!([0.59, 0.6, 0.72].map(of), [Verdict::Missed, Verdict::Met, Verdict::AimMet]);
        assert_eq!(of(f64::NAN), Verdict::Missed);
        assert_eq!(Bar::ratio("x", 2.0, 0.9, None).verdict(), Verdict::Met);
    }

    #[test]
    fn of_memory_less_is_better() {
        let of = |figure| Bar::kilobytes("x", figure, 5.0, 2.0).verdict();
        assert_eq!([5.1, 5.0, 2.0].map(of), [Verdict::Missed, Verdict::Met, Verdict::AimMet]);
        assert_eq!(Bar::megabytes("x", f64::NAN, 60.0, 40.0).verdict(), Verdict::Missed);
    }
}
