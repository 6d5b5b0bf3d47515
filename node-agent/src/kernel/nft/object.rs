//! Tables, chains and rules, and the messages that create, delete and show them.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_NONREC};

use crate::kernel::nft::{
    attribute::{all, find, find_number, find_string, nested, number, string},
    expression::{Expression, Verdict},
    header::{
        NF_ARP_OUT, NF_INET_FORWARD, NF_INET_POST_ROUTING, NF_NETDEV_EGRESS, NF_NETDEV_INGRESS,
        NFPROTO_ARP, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_NETDEV, NFT_MSG_DELCHAIN,
        NFT_MSG_DELTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETTABLE, NFT_MSG_NEWCHAIN,
        NFT_MSG_NEWRULE, NFT_MSG_NEWTABLE, NFT_TABLE_F_OWNER, NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME,
        NFTA_CHAIN_POLICY, NFTA_CHAIN_TABLE, NFTA_CHAIN_TYPE, NFTA_DEVICE_NAME, NFTA_HOOK_DEVS,
        NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY, NFTA_LIST_ELEM, NFTA_RULE_CHAIN,
        NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, NFTA_TABLE_FLAGS, NFTA_TABLE_NAME,
    },
};

/// A request about nftables, without its header.
#[derive(Debug, Clone)]
pub struct Message {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) family: Family,
    pub(super) attributes: Vec<u8>,
}

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// Those of IPv4 and of IPv6.
    Inet = NFPROTO_INET,
    /// Those of devices, at their ingress or egress.
    Netdev = NFPROTO_NETDEV,
    /// Those of IPv4.
    Ipv4 = NFPROTO_IPV4,
    /// Those of ARP.
    Arp = NFPROTO_ARP,
}

/// A table: a family and a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table<'a> {
    /// Which packets it sees.
    pub family: Family,
    /// Its name.
    pub name: &'a str,
}

/// A chain of a table, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain<'a> {
    /// Its table.
    pub table: Table<'a>,
    /// Its name.
    pub name: &'a str,
}

/// Where packets enter a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Where on a packet's way.
    pub place: Place,
    /// Lower is asked first.
    pub priority: i32,
    /// What its rules do.
    pub kind: Kind,
    /// Names of the devices, of a family that is theirs.
    pub devices: Vec<String>,
    /// What becomes of a packet that no rule decides about.
    pub policy: Verdict,
}

/// What the rules of a chain do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Decide about packets.
    Filter,
    /// Change addresses, and are asked for the first packet of a connection alone.
    Nat,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }
}

/// A place on a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where a device hands a frame to the kernel (Linux 4.2), before a bridge sees it.
    Ingress,
    /// Between two devices of the node.
    Forward,
    /// Before the device's queue (Linux 5.16), where packet sockets pass as well.
    Egress,
    /// Behind the routing of what leaves.
    PostRouting,
    /// Where ARP leaves.
    ArpOutput,
}

impl Place {
    fn number(self) -> u32 {
        match self {
            Self::Ingress => NF_NETDEV_INGRESS,
            Self::Forward => NF_INET_FORWARD,
            Self::Egress => NF_NETDEV_EGRESS,
            Self::PostRouting => NF_INET_POST_ROUTING,
            Self::ArpOutput => NF_ARP_OUT,
        }
    }
}

impl Table<'_> {
    /// Creates it or keeps it, and wakes it up if it is dormant.
    pub fn create(&self) -> Message {
        self.message(
            NFT_MSG_NEWTABLE,
            NLM_F_CREATE,
            &[number(NFTA_TABLE_FLAGS, 0)],
        )
    }

    /// Creates it for as long as the socket is open (Linux 5.12); before, `EOPNOTSUPP`.
    pub fn create_owned(&self) -> Message {
        let flags = number(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
        self.message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, &[flags])
    }

    /// Deletes it with its chains; ENOENT if there is none.
    pub fn delete(&self) -> Message {
        self.message(NFT_MSG_DELTABLE, 0, &[])
    }

    /// Deletes it if it has no chains; EBUSY otherwise.
    pub fn delete_empty(&self) -> Message {
        self.message(NFT_MSG_DELTABLE, NLM_F_NONREC, &[])
    }

    pub(super) fn get(&self) -> Message {
        self.message(NFT_MSG_GETTABLE, 0, &[])
    }

    /// Whether packets reach its chains, from what the kernel says about it.
    pub(super) fn is_awake(shown: &[u8]) -> bool {
        find_number(shown, NFTA_TABLE_FLAGS).is_none_or(|flags| flags == 0)
    }

    fn message(&self, kind: u16, flags: u16, attributes: &[Vec<u8>]) -> Message {
        Message {
            kind,
            flags,
            family: self.family,
            attributes: [string(NFTA_TABLE_NAME, self.name), attributes.concat()].concat(),
        }
    }
}

impl Chain<'_> {
    /// Creates it; EEXIST if there is one of this name.
    pub fn create(&self, hook: &Hook) -> Message {
        let devices: Vec<_> = hook
            .devices
            .iter()
            .map(|device| string(NFTA_DEVICE_NAME, device))
            .collect();
        let mut place = vec![
            number(NFTA_HOOK_HOOKNUM, hook.place.number()),
            number(NFTA_HOOK_PRIORITY, hook.priority.cast_unsigned()),
        ];
        if !devices.is_empty() {
            place.push(nested(NFTA_HOOK_DEVS, &devices));
        }
        let attributes = [
            nested(NFTA_CHAIN_HOOK, &place),
            number(NFTA_CHAIN_POLICY, hook.policy as u32),
            string(NFTA_CHAIN_TYPE, hook.kind.name()),
        ];
        self.message(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, &attributes)
    }

    /// Deletes it with its rules; ENOENT if there is none.
    pub fn delete(&self) -> Message {
        self.message(NFT_MSG_DELCHAIN, 0, &[])
    }

    /// Puts a rule behind those that it has.
    pub fn append(&self, rule: &[Expression]) -> Message {
        let elements: Vec<_> = rule.iter().map(Expression::encode).collect();
        let expressions = nested(NFTA_RULE_EXPRESSIONS, &elements);
        Message {
            kind: NFT_MSG_NEWRULE,
            flags: NLM_F_CREATE | NLM_F_APPEND,
            family: self.table.family,
            attributes: [self.of_rule(), expressions].concat(),
        }
    }

    pub(super) fn get(&self) -> Message {
        self.message(NFT_MSG_GETCHAIN, 0, &[])
    }

    pub(super) fn get_rules(&self) -> Message {
        Message {
            kind: NFT_MSG_GETRULE,
            flags: 0,
            family: self.table.family,
            attributes: self.of_rule(),
        }
    }

    fn of_rule(&self) -> Vec<u8> {
        [
            string(NFTA_RULE_TABLE, self.table.name),
            string(NFTA_RULE_CHAIN, self.name),
        ]
        .concat()
    }

    fn message(&self, kind: u16, flags: u16, attributes: &[Vec<u8>]) -> Message {
        let of_chain = [
            string(NFTA_CHAIN_TABLE, self.table.name),
            string(NFTA_CHAIN_NAME, self.name),
        ];
        Message {
            kind,
            flags,
            family: self.table.family,
            attributes: [of_chain.concat(), attributes.concat()].concat(),
        }
    }
}

impl Hook {
    /// Reads what the kernel says about a chain; nothing if it is a hook that this module does not write.
    pub(super) fn decode(chain: &[u8]) -> Option<Self> {
        let hook = find(chain, NFTA_CHAIN_HOOK)?;
        let devices = all(find(hook, NFTA_HOOK_DEVS).unwrap_or_default())
            .filter(|(kind, _)| *kind == NFTA_DEVICE_NAME)
            .map(|(_, name)| Some(std::str::from_utf8(name.strip_suffix(b"\0")?).ok()?.into()));
        let kinds = [Kind::Filter, Kind::Nat];
        let name = find_string(chain, NFTA_CHAIN_TYPE)?;
        let kind = kinds.into_iter().find(|kind| kind.name() == name)?;
        // The numbers of a family's places are others in another one.
        let place = match (kind, find_number(hook, NFTA_HOOK_HOOKNUM)?) {
            (Kind::Filter, NF_INET_FORWARD) => Place::Forward,
            (Kind::Filter, NF_NETDEV_EGRESS) => Place::Egress,
            (Kind::Filter, NF_NETDEV_INGRESS) => Place::Ingress,
            (Kind::Nat, NF_INET_POST_ROUTING) => Place::PostRouting,
            _ => return None,
        };
        Some(Self {
            place,
            kind,
            priority: find_number(hook, NFTA_HOOK_PRIORITY)?.cast_signed(),
            devices: devices.collect::<Option<_>>()?,
            policy: Verdict::decode(find_number(chain, NFTA_CHAIN_POLICY)?)?,
        })
    }
}

/// Reads what the kernel says about a rule; nothing if it has an expression that this module does not write.
pub(super) fn decode_rule(rule: &[u8]) -> Option<Vec<Expression>> {
    all(find(rule, NFTA_RULE_EXPRESSIONS)?)
        .filter(|(kind, _)| *kind == NFTA_LIST_ELEM)
        .map(|(_, element)| Expression::decode(element))
        .collect()
}
