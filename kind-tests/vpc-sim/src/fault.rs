//! What shall go wrong with which EC2 call.

use std::time::Duration;

use serde::Deserialize;

/// One order to fail, as a test gives it:
/// `{"action": "AttachNetworkInterface", "skip": 2, "times": 1, "delayMs": 500, "replyLost": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
    /// How long a call waits before anything is done; one that is given up meanwhile has no effect.
    #[serde(default)]
    delay_ms: u64,
    /// Instead of being done it is refused.
    #[serde(default)]
    pub(crate) refuse: Option<Refuse>,
    /// The connection closes without an answer.
    #[serde(default)]
    pub(crate) reply_lost: bool,
}

/// How a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Refuse {
    /// The HTTP status, such as 503.
    pub(crate) status: u16,
    /// The code, such as `RequestLimitExceeded`.
    pub(crate) code: String,
}

const fn once() -> u32 {
    1
}

impl Fault {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
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

    /// The oldest fault for this call that is not spent yet, unless it lets the call pass.
    pub(crate) fn strike(&mut self, action: &str) -> Option<Fault> {
        let mut open = self.0.iter_mut().filter(|fault| fault.times > 0);
        let fault = open.find(|fault| fault.action == action)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        Some(fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_skips_then_strikes_then_is_spent() {
        let mut faults = Faults::default();
        let order = r#"{"action": "A", "skip": 1, "times": 2, "delayMs": 5}"#;
        faults.order(serde_json::from_str(order).unwrap());
        assert_eq!(faults.strike("B"), None);
        let seen: Vec<bool> = (0..4).map(|_| faults.strike("A").is_some()).collect();
        assert_eq!(seen, [false, true, true, false]);
    }
}
