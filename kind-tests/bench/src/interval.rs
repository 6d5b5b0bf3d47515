//! Confidence intervals of 95 %.

use std::fmt;

/// A value, and the interval that holds the true one with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// The value.
    pub value: f64,
    /// Its upper end.
    pub high: f64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, value, high } = self;
        if (high - low).abs() < f64::EPSILON {
            return write!(f, "{value:.3}");
        }
        write!(f, "{value:.3} ({low:.3} to {high:.3})")
    }
}

/// Resamples of a bootstrap.
const RESAMPLES: u32 = 2_000;
/// Standard deviations on each side of the mean that hold 95 %.
const DEVIATIONS: f64 = 1.96;

impl Interval {
    /// A count, which is what it is.
    pub fn exact(value: f64) -> Self {
        Self {
            low: value,
            value,
            high: value,
        }
    }

    /// In another unit.
    #[must_use]
    pub fn over(self, unit: f64) -> Self {
        Self {
            low: self.low / unit,
            value: self.value / unit,
            high: self.high / unit,
        }
    }

    /// The median, by a percentile bootstrap with a fixed seed: equal samples give equal intervals.
    pub fn median(samples: &[f64]) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let draw = samples.iter().map(|_| random.pick(samples));
                middle(draw.collect())
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        Self {
            low: at(&medians, 0.025),
            value: middle(samples.to_vec()),
            high: at(&medians, 0.975),
        }
    }

    /// A quantile: the ranks between which the true one lies are those of a binomial distribution, here as a normal one.
    pub fn quantile(mut samples: Vec<f64>, share: f64) -> Self {
        samples.sort_by(f64::total_cmp);
        let count = float(samples.len());
        let spread = DEVIATIONS * (count * share * (1.0 - share)).sqrt() / count;
        Self {
            low: at(&samples, share - spread),
            value: at(&samples, share),
            high: at(&samples, share + spread),
        }
    }
}

/// The largest.
pub fn worst(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(0.0, f64::max)
}

/// A count as a number that can be divided.
pub fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn middle(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    at(&samples, 0.5)
}

/// The sample at that share of the sorted ones.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (float(last) * share.clamp(0.0, 1.0)).round() as usize;
    sorted.get(index.min(last)).copied().unwrap_or(f64::NAN)
}

/// Numbers without a pattern that matters here (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn pick(&mut self, samples: &[f64]) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        let count = u64::try_from(samples.len()).unwrap_or(1).max(1);
        let index = usize::try_from((number * count) >> 32).unwrap_or(0);
        samples.get(index).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_median_holds_it_and_narrows() {
        let samples = |n: u32| -> Vec<f64> { (0..n).map(|i| f64::from(i * 37 % n)).collect() };
        let (few, many) = (
            Interval::median(&samples(21)),
            Interval::median(&samples(401)),
        );
        for (interval, middle) in [(few, 10.0), (many, 200.0)] {
            assert!((interval.value - middle).abs() < f64::EPSILON);
            assert!(interval.low < middle && middle < interval.high);
        }
        assert!((many.high - many.low) / 400.0 < (few.high - few.low) / 20.0);
    }

    #[test]
    fn a_quantile_lies_between_its_ranks() {
        let samples: Vec<f64> = (0..10_000).map(f64::from).collect();
        let interval = Interval::quantile(samples, 0.999);
        assert!((interval.value - 9_989.0).abs() < 1.5, "{interval:?}");
        assert!(interval.low < interval.value && interval.value < interval.high);
    }
}
