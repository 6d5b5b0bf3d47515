//! A DHCPv6 message as data: what RFC 8415 says that a client sends and reads.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::parameters::Duid;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Its type.
    pub message_type: MessageType,
    /// The id of the transaction, of 24 bits.
    pub xid: u32,
    /// Its options.
    pub options: Options,
}

/// The types of message that a client sends or reads (RFC 8415 section 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 1: who has addresses and prefixes for me?
    Solicit,
    /// 2: a server has.
    Advertise,
    /// 3: these, please.
    Request,
    /// 4: do my addresses belong to this link?
    Confirm,
    /// 5: for longer, please, of this server.
    Renew,
    /// 6: for longer, please, of any server.
    Rebind,
    /// 7: so be it.
    Reply,
    /// 8: they are given back.
    Release,
    /// 9: somebody else uses one.
    Decline,
    /// 11: no addresses, information only.
    InformationRequest,
}

/// Options by their number. An option that is absent, or that a codec cannot read, is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// 1.
    pub client_id: Option<Duid>,
    /// 2.
    pub server_id: Option<Duid>,
    /// 3: addresses, as prefixes of 128 bits.
    pub addresses: Option<Association>,
    /// 25: prefixes.
    pub prefixes: Option<Association>,
    /// 6: the options that the client asks for.
    pub option_request: Vec<u16>,
    /// 7: the server with the highest one is taken.
    pub preference: u8,
    /// 8: since the client began to ask, in hundredths of a second.
    pub elapsed: Option<u16>,
    /// 13, outside of every association; absent: success.
    pub status: Status,
    /// 23 (RFC 3646), the best first.
    pub dns: Vec<Ipv6Addr>,
    /// 24 (RFC 3646).
    pub search: Vec<String>,
    /// 32: when information is to be asked for again, in seconds.
    pub refresh_time: Option<u32>,
    /// 56 (RFC 5908): addresses only, the best first.
    pub ntp: Vec<Ipv6Addr>,
    /// 82, in seconds.
    pub solicit_limit: Option<u32>,
    /// 83, in seconds.
    pub information_limit: Option<u32>,
}

/// An identity association: addresses or prefixes that are leased together. Those of another client's or another interface's id do not
/// pass the codec, nor does a second one of the same sort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Association {
    /// Its id.
    pub iaid: u32,
    /// T1, in seconds; 0: as the client likes, `u32::MAX`: never.
    pub renewal_time: u32,
    /// T2, likewise.
    pub rebinding_time: u32,
    /// What is leased, or asked for.
    pub leased: Vec<Leased>,
    /// Option 13 in it.
    pub status: Status,
}

/// An address or a prefix in an association. One with a status other than success does not pass the codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leased {
    /// The prefix, or the address with 128 bits.
    pub net: Ipv6Net,
    /// In seconds; `u32::MAX`: for ever.
    pub preferred: u32,
    /// In seconds; 0: not any more; `u32::MAX`: for ever.
    pub valid: u32,
}

/// What a server thinks of what it was asked (RFC 8415 section 21.13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0, or no such option.
    #[default]
    Success,
    /// 2 and 6: it has nothing to give.
    NothingAvailable,
    /// 3: it does not know what the client says it has.
    NoBinding,
    /// 4: the addresses do not belong to this link.
    NotOnLink,
    /// Anything else.
    Failure,
}

impl MessageType {
    /// As RFC 8415 section 7.3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solicit => "SOLICIT",
            Self::Advertise => "ADVERTISE",
            Self::Request => "REQUEST",
            Self::Confirm => "CONFIRM",
            Self::Renew => "RENEW",
            Self::Rebind => "REBIND",
            Self::Reply => "REPLY",
            Self::Release => "RELEASE",
            Self::Decline => "DECLINE",
            Self::InformationRequest => "INFORMATION-REQUEST",
        }
    }
}
