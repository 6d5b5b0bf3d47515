//! What shall go wrong with which EC2 call.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{protocol::Form, settings::ActionName};

/// One order to fail, as a test gives it:
/// `{"action": "AttachNetworkInterface", "skip": 2, "times": 1, "delayMs": 500, "replyLost": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    /// Which calls.
    action: ActionName,
    /// Only those with these parameters, such as `{"NetworkInterfaceId": "eni-0a"}`.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<String, String>,
    /// How many of them pass first.
    #[serde(default)]
    skip: u32,
    /// How many of them it then hits.
    #[serde(default = "once")]
    times: u32,
    /// How long a call waits before anything is done; one that is given up meanwhile has no effect.
    #[serde(default)]
    delay_ms: u64,
    /// How long EC2 then takes for what the call begins, instead of its usual delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) takes_ms: Option<u64>,
    /// Instead of being done it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refuse: Option<Refuse>,
    /// The connection closes without an answer.
    #[serde(default)]
    pub(crate) reply_lost: bool,
}

/// How a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Refuse {
    /// The HTTP status, such as 503.
    pub(crate) status: u16,
    /// The code, such as `RequestLimitExceeded`.
    pub(crate) code: String,
    /// The sentence.
    #[serde(default = "plain")]
    pub(crate) message: String,
}

fn plain() -> String {
    "refused by an ordered fault".to_owned()
}

const fn once() -> u32 {
    1
}

impl Fault {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    fn is_for(&self, form: &Form) -> bool {
        form.get("Action") == Some(self.action.name())
            && self
                .parameters
                .iter()
                .all(|(name, value)| form.get(name) == Some(value))
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

    /// The faults that are not spent, as they stand.
    pub(crate) fn unspent(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().filter(|fault| fault.times > 0)
    }

    /// The oldest fault for this call that is not spent, unless it lets the call pass.
    pub(crate) fn take(&mut self, form: &Form) -> Option<Fault> {
        let mut unspent = self.0.iter_mut().filter(|fault| fault.times > 0);
        let fault = unspent.find(|fault| fault.is_for(form))?;
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

    fn ordered(fault: &str) -> Faults {
        let mut faults = Faults::default();
        faults.order(serde_json::from_str(fault).unwrap());
        faults
    }

    #[test]
    fn fault_skips_then_strikes_then_is_spent() {
        let mut faults =
            ordered(r#"{"action": "CreateTags", "skip": 1, "times": 2, "delayMs": 5}"#);
        assert_eq!(faults.take(&Form::parse("Action=DescribeSubnets")), None);
        let form = Form::parse("Action=CreateTags");
        assert_eq!(faults.take(&form), None);
        assert!(faults.take(&form).is_some());
        let left: Vec<u32> = faults.unspent().map(|fault| fault.times).collect();
        assert_eq!(left, [1]);
        assert!(faults.take(&form).is_some());
        assert_eq!((faults.take(&form), faults.unspent().count()), (None, 0));
    }

    #[test]
    fn fault_strikes_only_calls_with_its_parameters() {
        let mut faults = ordered(
            r#"{"action": "DeleteNetworkInterface", "where": {"NetworkInterfaceId": "eni-a"}}"#,
        );
        let form = |eni: &str| {
            Form::parse(&format!(
                "Action=DeleteNetworkInterface&NetworkInterfaceId={eni}"
            ))
        };
        assert_eq!(faults.take(&form("eni-b")), None);
        assert!(faults.take(&form("eni-a")).is_some());
    }

    #[test]
    fn fault_for_no_action_of_this_region_is_refused() {
        let refused = serde_json::from_str::<Fault>(r#"{"action": "AttachNetworkIterface"}"#);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("AttachNetworkIterface"), "{refused}");
    }
}
