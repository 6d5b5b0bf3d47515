//! What shall go wrong with which EC2 call.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use vpc::{Action, unnumbered};

use super::{Count, Order, Pointless};
use crate::protocol::Form;

/// One order to fail, as a test gives it:
/// `{"action": "AttachNetworkInterface", "skip": 2, "times": 1, "delayMs": 500, "replyLost": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    /// How often.
    #[serde(flatten)]
    count: Count,
    /// Which calls.
    action: Action,
    /// Only those with these parameters, such as `{"NetworkInterfaceId": "eni-0a"}`. `N` in a name is any number.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<String, String>,
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

impl Fault {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

impl Order for Fault {
    type Event = Form;
    const HITS: &'static str = "calls";

    fn count(&self) -> &Count {
        &self.count
    }

    fn count_mut(&mut self) -> &mut Count {
        &mut self.count
    }

    fn name(&self) -> String {
        let (action, parameters) = (self.action, &self.parameters);
        format!("a fault of {action} {parameters:?}")
    }

    fn check(&self) -> Result<(), Pointless> {
        let action = self.action;
        let unknown = |name: &&String| !action.takes(name);
        if let Some(name) = self.parameters.keys().find(unknown) {
            return Err(Pointless::NoParameter(action.name(), name.clone()));
        }
        let slow = matches!(
            action,
            Action::CreateNetworkInterface
                | Action::AttachNetworkInterface
                | Action::DetachNetworkInterface
        );
        match (&self.refuse, self.takes_ms) {
            (Some(_), Some(_)) => Err(Pointless::RefusedTakesNoTime),
            (Some(refuse), _) if !(400..600).contains(&refuse.status) => {
                Err(Pointless::Status(refuse.status))
            }
            (_, Some(_)) if !slow => Err(Pointless::TakesNoTime(action.name())),
            (None, None) if self.delay_ms == 0 && !self.reply_lost => Err(Pointless::NoEffect),
            (Some(_), _) | (_, Some(_)) | (None, None) => Ok(()),
        }
    }

    fn is_for(&self, form: &Form) -> bool {
        let has = |(name, value): (&String, &String)| {
            let named = |given: &str| given == name || unnumbered(given) == *name;
            form.iter()
                .any(|(given, said)| said == value && named(given))
        };
        form.get("Action") == Some(self.action.name()) && self.parameters.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Faults;

    fn order(fault: &str) -> Result<Faults<Fault>, String> {
        let fault: Fault = serde_json::from_str(fault).map_err(|error| error.to_string())?;
        let mut faults = Faults::default();
        let ordered = faults.order(fault).map_err(|error| error.to_string());
        ordered.map(|_| faults)
    }

    fn ordered(fault: &str) -> Faults<Fault> {
        order(fault).unwrap()
    }

    fn unspent(faults: &Faults<Fault>) -> Vec<String> {
        faults.unspent().collect()
    }

    #[test]
    fn fault_skips_then_strikes_then_is_spent() {
        let mut faults =
            ordered(r#"{"action": "CreateTags", "skip": 1, "times": 2, "delayMs": 5}"#);
        assert_eq!(faults.take(&Form::parse("Action=DescribeSubnets")), None);
        let form = Form::parse("Action=CreateTags");
        assert_eq!(faults.take(&form), None);
        assert!(faults.take(&form).is_some());
        let left: Vec<Option<u32>> = faults.standing().map(|fault| fault.count.times).collect();
        assert_eq!(left, [Some(1)]);
        assert_eq!(
            unspent(&faults),
            ["a fault of CreateTags {} has hit 1 of 2 calls"]
        );
        assert!(faults.take(&form).is_some());
        assert_eq!((faults.take(&form), faults.standing().count()), (None, 0));
        assert_eq!(unspent(&faults).len(), 0);
    }

    #[test]
    fn fault_without_a_number_stands_until_it_is_forgotten_and_is_spent_by_one_call() {
        let mut faults = ordered(r#"{"action": "CreateTags", "times": null, "replyLost": true}"#);
        assert_eq!(unspent(&faults).len(), 1);
        for _ in 0..3 {
            assert!(faults.take(&Form::parse("Action=CreateTags")).is_some());
        }
        assert_eq!((unspent(&faults).len(), faults.standing().count()), (0, 1));
        faults.clear();
        assert_eq!(faults.standing().count(), 0);
    }

    #[test]
    fn one_fault_is_forgotten_and_the_others_stay() {
        let mut faults = ordered(r#"{"action": "CreateTags", "delayMs": 1}"#);
        let other = r#"{"action": "CreateTags", "delayMs": 2}"#;
        let other = faults.order(serde_json::from_str(other).unwrap()).unwrap();
        let forgotten = faults.forget(1).unwrap();
        assert_eq!((forgotten.delay_ms, forgotten.count.hits), (1, 0));
        assert_eq!(faults.forget(1), None);
        let left: Vec<u64> = faults.standing().map(|fault| fault.count.id).collect();
        assert_eq!((left, other), (vec![2], 2));
    }

    #[test]
    fn fault_strikes_only_calls_with_its_parameters() {
        let mut faults = ordered(
            r#"{"action": "DeleteNetworkInterface", "where": {"NetworkInterfaceId": "eni-a"}, "delayMs": 1}"#,
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
    fn fault_finds_its_value_at_any_number_of_a_list() {
        let mut faults = ordered(
            r#"{"action": "CreateTags", "where": {"Tag.N.Value": "a"}, "times": null, "delayMs": 1}"#,
        );
        let mut hits = |tags: &str| {
            let form = Form::parse(&format!("Action=CreateTags&{tags}"));
            faults.take(&form).is_some()
        };
        assert!(hits(
            "Tag.1.Key=k&Tag.1.Value=b&Tag.12.Key=l&Tag.12.Value=a"
        ));
        assert!(!hits("Tag.1.Key=a&Tag.1.Value=b"));
    }

    #[test]
    fn fault_that_could_never_do_what_it_says_is_refused() {
        for (fault, why) in [
            (
                r#"{"action": "AttachNetworkIterface", "delayMs": 1}"#,
                "unknown variant `AttachNetworkIterface`",
            ),
            (
                r#"{"action": "CreateTags", "where": {"NetworkInterfaceId": "eni-a"}, "delayMs": 1}"#,
                "CreateTags has no parameter NetworkInterfaceId",
            ),
            (r#"{"action": "CreateTags"}"#, "does nothing"),
            (
                r#"{"action": "CreateTags", "delayMs": 1, "time": 2}"#,
                "unknown field `time`",
            ),
            (
                r#"{"action": "CreateTags", "times": 0, "delayMs": 1}"#,
                "times is 0",
            ),
            (
                r#"{"action": "CreateTags", "takesMs": 5}"#,
                "CreateTags begins nothing",
            ),
            (
                r#"{"action": "CreateTags", "refuse": {"status": 200, "code": "No"}}"#,
                "status 200",
            ),
            (
                r#"{"action": "AttachNetworkInterface", "takesMs": 5, "refuse": {"status": 503, "code": "No"}}"#,
                "a call that is refused begins nothing",
            ),
            (
                r#"{"action": "CreateTags", "delayMs": 1, "hits": 2}"#,
                "not ordered but told",
            ),
        ] {
            let refused = order(fault).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
