//! What shall go wrong with which answer of DHCP.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use vpc::{
    EniId, Mac,
    dhcp::{Message, v4, v6},
};

use super::{Count, Order, Pointless};
use crate::dhcp::Told;

/// One order, as a test gives it: `{"eni": "eni-0a", "message": "DHCPREQUEST", "answers": [{"nak": true}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DhcpFault {
    /// How often.
    #[serde(flatten)]
    count: Count,
    /// Only messages of this interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eni: Option<EniId>,
    /// Only this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    /// What is sent instead of the one answer: nothing, or this many, each changed so.
    answers: Vec<Change>,
}

/// How one answer differs from what it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    /// How long it waits.
    delay_ms: u64,
    /// It is a DHCPNAK.
    #[serde(skip_serializing_if = "is_false")]
    nak: bool,
    /// It gives nothing, of DHCPv6, because of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<v6::Status>,
    /// It gives this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    /// These parts are of somebody else's exchange.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    forged: BTreeSet<Part>,
    /// So many bytes of it are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate_to: Option<usize>,
}

/// A part of an answer by which a client knows it for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Part {
    /// The transaction.
    Xid,
    /// The server: of DHCPv4 its address, of DHCPv6 its DUID.
    ServerId,
    /// The client: of DHCPv4 `chaddr`, of DHCPv6 its DUID.
    Client,
}

/// An answer on its way.
pub(crate) struct Sending {
    pub(crate) told: Told,
    pub(crate) delay: Duration,
    pub(crate) truncate_to: Option<usize>,
}

// What serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl DhcpFault {
    /// What is sent instead of `told`.
    pub(crate) fn changed(&self, told: &Told) -> Vec<Sending> {
        let sending = |change: &Change| Sending {
            told: change.made(told.clone()),
            delay: Duration::from_millis(change.delay_ms),
            truncate_to: change.truncate_to,
        };
        self.answers.iter().map(sending).collect()
    }
}

impl Order for DhcpFault {
    type Event = (EniId, Message);
    const HITS: &'static str = "messages";

    fn count(&self) -> &Count {
        &self.count
    }

    fn count_mut(&mut self) -> &mut Count {
        &mut self.count
    }

    fn name(&self) -> String {
        let message = self.message.map_or("DHCP", Message::name);
        let eni = self.eni.as_ref().map(EniId::as_str);
        format!("a fault of {message} of {}", eni.unwrap_or("any interface"))
    }

    fn check(&self) -> Result<(), Pointless> {
        let (v4, v6) = match self.message {
            Some(Message::V4(message)) if !message.is_answered() => {
                return Err(Pointless::NoAnswer(message.name()));
            }
            Some(Message::V4(_)) => (true, false),
            Some(Message::V6(_)) => (false, true),
            None => (false, false),
        };
        if self.answers == [Change::default()] {
            return Err(Pointless::AsItIs);
        }
        for change in &self.answers {
            let needs = |is_set: bool, what, is_of_it: bool, version| {
                if is_set && !is_of_it {
                    return Err(Pointless::OfVersion(what, version));
                }
                Ok(())
            };
            needs(change.nak, "nak", v4, "DHCPv4")?;
            needs(change.status.is_some(), "status", v6, "DHCPv6")?;
            let is_v4 = |address: IpAddr| address.is_ipv4();
            let address = change.address.map(is_v4);
            needs(address == Some(true), "an IPv4 address", v4, "DHCPv4")?;
            needs(address == Some(false), "an IPv6 address", v6, "DHCPv6")?;
        }
        Ok(())
    }

    fn is_for(&self, (eni, message): &(EniId, Message)) -> bool {
        self.eni.as_ref().is_none_or(|own| own == eni)
            && self.message.is_none_or(|own| own == *message)
    }
}

impl Change {
    fn made(&self, told: Told) -> Told {
        match told {
            Told::V4(told) => Told::V4(self.made_v4(told)),
            Told::V6(told) => Told::V6(self.made_v6(told)),
        }
    }

    fn made_v4(&self, mut told: v4::Told) -> v4::Told {
        if self.nak {
            told = v4::Told {
                answer: v4::Answer::Nak,
                client: None,
                address: None,
                lease_seconds: None,
                network: None,
                to: Ipv4Addr::BROADCAST,
                ..told
            };
        }
        if let Some(IpAddr::V4(address)) = self.address {
            // Nobody is reached there.
            told.to = Ipv4Addr::BROADCAST;
            told.address = Some(address);
        }
        for part in &self.forged {
            match part {
                Part::Xid => told.xid ^= 1,
                // base + 3, which EC2 keeps for itself.
                Part::ServerId => told.server = Ipv4Addr::from_bits(told.server.to_bits() ^ 2),
                Part::Client => {
                    let Mac(mut bytes) = told.chaddr;
                    if let Some(last) = bytes.last_mut() {
                        *last ^= 1;
                    }
                    told.chaddr = Mac(bytes);
                }
            }
        }
        told
    }

    fn made_v6(&self, mut told: v6::Told) -> v6::Told {
        if let Some(status) = self.status {
            told.addresses.iter_mut().for_each(|ia| refuse(ia, status));
            told.prefixes.iter_mut().for_each(|ia| refuse(ia, status));
        }
        if let Some(IpAddr::V6(address)) = self.address {
            let leases = told.addresses.iter_mut().flat_map(|ia| &mut ia.holds);
            leases.for_each(|lease| lease.of = address);
        }
        for part in &self.forged {
            match part {
                Part::Xid => told.xid ^= 1,
                Part::ServerId => flip(&mut told.server),
                Part::Client => told.client.iter_mut().for_each(|duid| flip(duid)),
            }
        }
        told
    }
}

fn refuse<T>(association: &mut v6::Granted<T>, status: v6::Status) {
    association.holds.clear();
    association.status = Some(status);
}

/// Makes a DUID that of somebody else.
fn flip(duid: &mut [u8]) {
    if let Some(last) = duid.last_mut() {
        *last ^= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Faults;

    fn order(fault: &str) -> Result<Faults<DhcpFault>, String> {
        let fault: DhcpFault = serde_json::from_str(fault).map_err(|error| error.to_string())?;
        let mut faults = Faults::default();
        let ordered = faults.order(fault).map_err(|error| error.to_string());
        ordered.map(|_| faults)
    }

    fn ack() -> v4::Told {
        v4::Told {
            answer: v4::Answer::Ack,
            xid: 6,
            chaddr: Mac([6, 0, 0, 0, 0, 2]),
            client: None,
            broadcast: false,
            address: Some(Ipv4Addr::new(10, 0, 1, 5)),
            lease_seconds: Some(6),
            server: Ipv4Addr::new(10, 0, 1, 1),
            network: None,
            from: Ipv4Addr::new(10, 0, 1, 1),
            to: Ipv4Addr::new(10, 0, 1, 5),
        }
    }

    #[test]
    fn fault_hits_one_message_of_one_interface() {
        let mut faults =
            order(r#"{"eni": "eni-a", "message": "DHCPDISCOVER", "times": null, "answers": []}"#)
                .unwrap();
        let mut hits = |eni: &str, message| {
            let event = (EniId::from(eni), Message::named(message).unwrap());
            faults.take(&event).is_some()
        };
        assert!(!hits("eni-b", "DHCPDISCOVER") && !hits("eni-a", "DHCPREQUEST"));
        assert!(hits("eni-a", "DHCPDISCOVER"));
        let unspent: Vec<String> = order(r#"{"answers": []}"#).unwrap().unspent().collect();
        let sentence = "a fault of DHCP of any interface has hit 0 of 1 messages";
        assert_eq!(unspent, [sentence]);
    }

    #[test]
    fn each_answer_is_changed_as_ordered() {
        let fault = r#"{"message": "DHCPREQUEST", "answers": [{"forged": ["xid", "serverId", "client"], "truncateTo": 9},
            {"nak": true}, {"address": "10.0.1.9", "delayMs": 5}, {}]}"#;
        let fault: DhcpFault = serde_json::from_str(fault).unwrap();
        let sent = fault.changed(&Told::V4(ack()));
        let told: Vec<&v4::Told> = sent
            .iter()
            .map(|sending| match &sending.told {
                Told::V4(told) => told,
                Told::V6(told) => panic!("{told:?}"),
            })
            .collect();
        let [forged, nak, other, plain] = told[..] else {
            panic!("{told:?}");
        };
        let wanted = v4::Told {
            xid: 7,
            server: Ipv4Addr::new(10, 0, 1, 3),
            chaddr: Mac([6, 0, 0, 0, 0, 3]),
            ..ack()
        };
        assert_eq!((forged, sent[0].truncate_to), (&wanted, Some(9)));
        assert_eq!((nak.answer, nak.address), (v4::Answer::Nak, None));
        assert_eq!(other.address, Some(Ipv4Addr::new(10, 0, 1, 9)));
        assert_eq!(other.to, Ipv4Addr::BROADCAST);
        assert_eq!(sent[2].delay, Duration::from_millis(5));
        assert_eq!(plain, &ack());
    }

    #[test]
    fn fault_that_could_never_do_what_it_says_is_refused() {
        for (fault, why) in [
            (r#"{"answers": [{}]}"#, "one answer as it is"),
            (r"{}", "missing field `answers`"),
            (r#"{"answers": [], "times": 0}"#, "times is 0"),
            (r#"{"answers": [], "hits": 1}"#, "not ordered but told"),
            (r#"{"answers": [], "delay": 1}"#, "unknown field `delay`"),
            (r#"{"answers": [{"delay": 1}]}"#, "unknown field `delay`"),
            (
                r#"{"answers": [{"nak": true}]}"#,
                "nak needs a message of DHCPv4",
            ),
            (
                r#"{"message": "RENEW", "answers": [{"address": "10.0.1.9"}]}"#,
                "an IPv4 address needs a message of DHCPv4",
            ),
            (
                r#"{"message": "DHCPREQUEST", "answers": [{"status": "NoBinding"}]}"#,
                "status needs a message of DHCPv6",
            ),
            (
                r#"{"message": "DHCPRELEASE", "answers": []}"#,
                "DHCPRELEASE is not answered",
            ),
            (
                r#"{"message": "DHCPOFFER", "answers": []}"#,
                "no DHCP client sends",
            ),
            (
                r#"{"answers": [{"forged": ["chaddr"]}]}"#,
                "unknown variant `chaddr`",
            ),
        ] {
            let refused = order(fault).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
