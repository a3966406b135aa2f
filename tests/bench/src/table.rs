//! Tables in Markdown.

use crate::print;

pub(crate) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        Table { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self, title: &str) {
        print(format_args!("\n### {title}\n"));
        print(format_args!("| {} |", self.heads.join(" | ")));
        print(format_args!("|{}", "---|".repeat(self.heads.len())));
        for row in &self.rows {
            print(format_args!("| {} |", row.join(" | ")));
        }
    }
}

/// `12345.6` as `12,300`: three figures are as many as a run is good for.
pub(crate) fn rounded(value: f64) -> String {
    let magnitude = 10_f64.powi(value.abs().max(1.0).log10().floor() as i32 - 2).max(1.0);
    let digits = format!("{:.0}", (value / magnitude).round() * magnitude);
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
