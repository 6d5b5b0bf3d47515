//! What shall go wrong with which EC2 call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One order to fail, as a test gives it:
/// `{"action": "AttachNetworkInterface", "skip": 2, "times": 1, "effect": "replyLost"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    /// Which calls.
    action: String,
    /// How many of them pass first.
    #[serde(default)]
    skip: u32,
    /// How many of them it then hits.
    #[serde(default = "once")]
    times: u32,
    /// What happens to them.
    effect: Effect,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Effect {
    /// It is done, and the connection closes without an answer.
    ReplyLost,
    /// It waits this long before it is done.
    DelayMs(u64),
    /// It is not done, and refused.
    Refuse {
        /// The HTTP status, such as 503.
        status: u16,
        /// The code, such as `RequestLimitExceeded`.
        code: String,
    },
}

const fn once() -> u32 {
    1
}

/// The faults that are ordered, in order.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn order(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The effect of the oldest fault for this call, which is counted; each fault counts for itself.
    pub(crate) fn strike(&mut self, action: &str) -> Option<Effect> {
        let fault = self
            .0
            .iter_mut()
            .find(|fault| fault.action == action && fault.times > 0)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.effect.clone())
    }
}

impl Effect {
    /// How long the call waits.
    pub(crate) fn delay(&self) -> Duration {
        match self {
            Self::DelayMs(ms) => Duration::from_millis(*ms),
            Self::ReplyLost | Self::Refuse { .. } => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_skips_then_strikes_then_is_spent() {
        let mut faults = Faults::default();
        let order = r#"{"action": "A", "skip": 1, "times": 2, "effect": {"delayMs": 5}}"#;
        faults.order(serde_json::from_str(order).unwrap());
        assert_eq!(faults.strike("B"), None);
        let seen: Vec<bool> = (0..4).map(|_| faults.strike("A").is_some()).collect();
        assert_eq!(seen, [false, true, true, false]);
    }
}
