//! How long to wait before the same thing is tried again.

use api::time::{MINUTE, SECOND};

use crate::error::ErrorClass;

/// Milliseconds to wait after the `attempts`-th refusal in a row (1 for the first): doubled each time up to the ceiling of
/// the class, stretched by up to a quarter by `salt` so that claims refused together do not come back together.
pub fn delay(class: ErrorClass, attempts: u32, salt: &str) -> i64 {
    let (first, most) = match class {
        ErrorClass::State | ErrorClass::Transient | ErrorClass::TokenReused => {
            (SECOND, 30 * SECOND)
        }
        ErrorClass::Throttled | ErrorClass::NotYet => (SECOND, MINUTE),
        ErrorClass::Credentials => (5 * SECOND, 40 * SECOND),
        ErrorClass::SubnetFull => (5 * SECOND, 5 * MINUTE),
        ErrorClass::NodeFull => (10 * SECOND, 2 * MINUTE),
        ErrorClass::Terminal
        | ErrorClass::Denied
        | ErrorClass::QuotaFull
        | ErrorClass::Unlisted => (10 * SECOND, 10 * MINUTE),
    };
    stretched(doubled(first, most, attempts), salt)
}

/// The same for writes that the API server refuses or does not answer.
pub fn write_delay(attempts: u32, salt: &str) -> i64 {
    stretched(doubled(SECOND / 5, 30 * SECOND, attempts), salt)
}

fn doubled(first: i64, most: i64, attempts: u32) -> i64 {
    first
        .saturating_mul(1_i64 << attempts.saturating_sub(1).min(20))
        .min(most)
}

fn stretched(delay: i64, salt: &str) -> i64 {
    delay.saturating_add(delay / 4 * spread(salt) / 256)
}

/// 0..=255, the same for the same text (FNV-1a).
fn spread(salt: &str) -> i64 {
    let hash = salt.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::from(hash.to_le_bytes()[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_bounded() {
        for class in ErrorClass::ALL {
            let delays: Vec<i64> = (1..40).map(|n| delay(class, n, "a")).collect();
            assert!(
                delays.windows(2).all(|pair| pair[0] <= pair[1]),
                "{class:?}"
            );
            assert!(
                delays[0] >= SECOND && delays[38] <= 12 * MINUTE + 30 * SECOND + 1,
                "{class:?} {delays:?}"
            );
        }
    }

    #[test]
    fn wrong_credentials_are_tried_again_within_a_minute() {
        for attempts in 1..20 {
            for salt in ["a", "b", "c", "d"] {
                assert!(delay(ErrorClass::Credentials, attempts, salt) <= MINUTE);
            }
        }
    }

    #[test]
    fn claims_refused_together_come_back_apart() {
        let spreads: std::collections::BTreeSet<i64> = (0..50)
            .map(|n| delay(ErrorClass::Throttled, 6, &format!("claim-{n}")))
            .collect();
        assert!(spreads.len() > 30);
    }
}
