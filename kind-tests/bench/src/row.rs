//! One measurement against its goal, and how it is printed.

use std::fmt;

use crate::interval::Interval;

/// One measurement.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id, with what is measured of it.
    pub id: &'static str,
    /// What was measured.
    pub ours: String,
    /// What it is measured against.
    pub peer: String,
    /// The first over the second.
    pub ratio: Interval,
    /// What the ratio shall not exceed.
    pub goal: f64,
    /// How it was measured.
    pub how: String,
}

impl Row {
    /// Whether the whole interval keeps the goal.
    pub fn holds(&self) -> bool {
        self.ratio.high <= self.goal
    }

    /// The cells of a table.
    pub fn cells(&self) -> [String; 7] {
        [
            self.id.to_owned(),
            self.ours.clone(),
            self.peer.clone(),
            self.ratio.to_string(),
            format!("≤ {}", self.goal),
            if self.holds() { "holds" } else { "short" }.to_owned(),
            self.how.clone(),
        ]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [id, ours, peer, ratio, goal, verdict, _] = self.cells();
        write!(
            f,
            "{id:<22} {ours:<26} {peer:<26} {ratio:<24} {goal:<8} {verdict}"
        )
    }
}

/// A duration in a unit that fits.
pub fn seconds(value: f64) -> String {
    if value >= 1.0 {
        format!("{value:.2} s")
    } else if value >= 0.001 {
        format!("{:.2} ms", value * 1_000.0)
    } else {
        format!("{:.2} µs", value * 1_000_000.0)
    }
}
