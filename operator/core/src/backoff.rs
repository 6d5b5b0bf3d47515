//! How long to wait before the same thing is tried again.

use crate::{
    kind::Kind,
    time::{MINUTE, SECOND},
};

/// Milliseconds to wait after the `attempts`-th refusal in a row (1 for the first): doubled each time up to the kind's
/// ceiling, stretched by up to a quarter by `salt` so that claims refused together do not come back together.
pub fn delay(kind: Kind, attempts: u32, salt: &str) -> i64 {
    let (first, most) = match kind {
        Kind::State | Kind::Transient => (SECOND, 30 * SECOND),
        Kind::Throttled | Kind::NotYet => (SECOND, MINUTE),
        Kind::Credentials => (5 * SECOND, MINUTE),
        Kind::SubnetFull => (5 * SECOND, 5 * MINUTE),
        Kind::NodeFull => (10 * SECOND, 2 * MINUTE),
        Kind::Terminal | Kind::Config | Kind::QuotaFull => (10 * SECOND, 10 * MINUTE),
    };
    let doubled = first
        .saturating_mul(1_i64 << attempts.saturating_sub(1).min(20))
        .min(most);
    doubled.saturating_add(doubled / 4 * spread(salt) / 256)
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
    use crate::kind::KINDS;

    #[test]
    fn delays_grow_and_stay_bounded() {
        for kind in KINDS {
            let delays: Vec<i64> = (1..40).map(|n| delay(kind, n, "a")).collect();
            assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]), "{kind:?}");
            assert!(
                delays[0] >= SECOND && delays[38] <= 12 * MINUTE + 30 * SECOND + 1,
                "{kind:?} {delays:?}"
            );
        }
    }

    #[test]
    fn claims_refused_together_come_back_apart() {
        let spreads: std::collections::BTreeSet<i64> = (0..50)
            .map(|n| delay(Kind::Throttled, 6, &format!("claim-{n}")))
            .collect();
        assert!(spreads.len() > 30);
    }
}
