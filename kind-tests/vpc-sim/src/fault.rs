//! What shall go wrong with which EC2 call.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use vpc::{Action, unnumbered};

use crate::protocol::Form;

/// One order to fail, as a test gives it:
/// `{"action": "AttachNetworkInterface", "skip": 2, "times": 1, "delayMs": 500, "replyLost": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    /// By what it is forgotten; given when it is ordered.
    #[serde(default)]
    id: u64,
    /// Which calls.
    action: Action,
    /// Only those with these parameters, such as `{"NetworkInterfaceId": "eni-0a"}`. `N` in a name is any number.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<String, String>,
    /// How many of them pass first.
    #[serde(default)]
    skip: u32,
    /// How many of them it then hits; `None` is every one until the fault is forgotten.
    #[serde(default = "once")]
    times: Option<u32>,
    /// How many it has hit.
    #[serde(default)]
    hits: u32,
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

/// Why an order could never do what it says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Pointless {
    #[error("{0} has no parameter {1}, so that the fault would hit no call")]
    NoParameter(&'static str, String),
    #[error("the fault does nothing: it needs delayMs, takesMs, refuse or replyLost")]
    NoEffect,
    #[error("the fault hits no call: times is 0")]
    NoTimes,
    #[error("{0} begins nothing that could take takesMs")]
    TakesNoTime(&'static str),
    #[error("a call that is refused begins nothing that could take takesMs")]
    RefusedTakesNoTime,
    #[error("id and hits are not ordered but told")]
    Told,
    #[error("status {0} refuses nothing")]
    Status(u16),
}

fn plain() -> String {
    "refused by an ordered fault".to_owned()
}

// What serde asks for is the type of the member.
#[allow(clippy::unnecessary_wraps)]
const fn once() -> Option<u32> {
    Some(1)
}

impl Fault {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
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
            _ if self.times == Some(0) => Err(Pointless::NoTimes),
            _ if (self.id, self.hits) != (0, 0) => Err(Pointless::Told),
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

    fn is_over(&self) -> bool {
        self.times == Some(0)
    }

    /// Whether it has not done all that was ordered. One that is for every call has when it hit one.
    fn is_unspent(&self) -> bool {
        match self.times {
            Some(left) => left > 0,
            None => self.hits == 0,
        }
    }
}

/// The faults that are ordered, in order, and how many there have been.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    ordered: Vec<Fault>,
    count: u64,
}

impl Faults {
    /// The id of the new fault.
    pub(crate) fn order(&mut self, fault: Fault) -> Result<u64, Pointless> {
        fault.check()?;
        self.count += 1;
        let id = self.count;
        self.ordered.push(Fault {
            id,
            hits: 0,
            ..fault
        });
        Ok(id)
    }

    pub(crate) fn clear(&mut self) {
        self.ordered.clear();
    }

    /// Takes one fault away, spent or not; the others stay.
    pub(crate) fn forget(&mut self, id: u64) -> Option<Fault> {
        let at = self.ordered.iter().position(|fault| fault.id == id)?;
        Some(self.ordered.remove(at))
    }

    /// The faults that may still hit a call, as they stand.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Fault> {
        self.ordered.iter().filter(|fault| !fault.is_over())
    }

    /// A sentence for each fault that has not done what was ordered: a test that ordered it has not shown what it says.
    pub(crate) fn unspent(&self) -> impl Iterator<Item = String> {
        let unspent = self.ordered.iter().filter(|fault| fault.is_unspent());
        unspent.map(|fault| {
            let Fault {
                action,
                parameters,
                hits,
                ..
            } = fault;
            let wanted = fault.times.map_or(1, |left| left + hits);
            format!("a fault of {action} {parameters:?} has hit {hits} of {wanted} calls")
        })
    }

    /// The oldest fault for this call that is not over, unless it lets the call pass.
    pub(crate) fn take(&mut self, form: &Form) -> Option<Fault> {
        let mut standing = self.ordered.iter_mut().filter(|fault| !fault.is_over());
        let fault = standing.find(|fault| fault.is_for(form))?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times = fault.times.map(|times| times - 1);
        fault.hits += 1;
        Some(fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fault: &str) -> Result<Faults, String> {
        let fault: Fault = serde_json::from_str(fault).map_err(|error| error.to_string())?;
        let mut faults = Faults::default();
        let ordered = faults.order(fault).map_err(|error| error.to_string());
        ordered.map(|_| faults)
    }

    fn ordered(fault: &str) -> Faults {
        order(fault).unwrap()
    }

    fn unspent(faults: &Faults) -> Vec<String> {
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
        let left: Vec<Option<u32>> = faults.standing().map(|fault| fault.times).collect();
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
        assert_eq!((forgotten.delay_ms, forgotten.hits), (1, 0));
        assert_eq!(faults.forget(1), None);
        let left: Vec<u64> = faults.standing().map(|fault| fault.id).collect();
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
