//! What RFC 8415 says about how often a client may ask, of the packets alone.

use node_agent_core::dhcp::v6::{MessageType, Packet, SOONEST_START};

/// The last packet that asked for something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Pace {
    last: Option<Asked>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    message_type: MessageType,
    xid: u32,
    /// The shortest pause that must follow before it is sent again, in milliseconds.
    pause: u64,
    /// How short the longest pause may be.
    longest: u64,
    /// Something came since.
    answered: bool,
    /// Milliseconds since it was sent.
    ago: u64,
}

/// IRT and MRT in milliseconds (RFC 8415 section 7.6), with the shortest limit that a server may set.
fn schedule(message_type: MessageType, last: Option<&Asked>) -> Option<(u64, u64)> {
    match message_type {
        MessageType::Solicit | MessageType::InformationRequest => Some((1_000, 60_000)),
        MessageType::Request => Some((1_000, 30_000)),
        MessageType::Confirm => Some((1_000, 4_000)),
        // In place of CONFIRM, when the link was down (section 18.2.12).
        MessageType::Rebind
            if last.is_none_or(|last| last.message_type != MessageType::Renew || last.answered) =>
        {
            Some((1_000, 4_000))
        }
        MessageType::Renew | MessageType::Rebind => Some((10_000, 600_000)),
        MessageType::Advertise
        | MessageType::Reply
        | MessageType::Release
        | MessageType::Decline => None,
    }
}

impl Pace {
    /// Milliseconds pass. Beyond some minutes they make no difference.
    pub fn pass(&mut self, millis: u64) {
        if let Some(last) = &mut self.last {
            last.ago = last.ago.saturating_add(millis).min(600_000);
        }
    }

    /// The transaction of the last packet.
    pub fn xid(&self) -> Option<u32> {
        self.last.as_ref().map(|last| last.xid)
    }

    /// A packet came.
    pub fn answer(&mut self) {
        if let Some(last) = &mut self.last {
            last.answered = true;
        }
    }

    /// Notes a packet, or says how it is too early.
    pub fn send(&mut self, packet: &Packet) -> Result<(), String> {
        let (message_type, xid) = (packet.message_type, packet.xid);
        let Some((first, longest)) = schedule(message_type, self.last.as_ref()) else {
            return Ok(());
        };
        let last = self.last.take();
        let again = last.as_ref();
        let again = again.filter(|last| (last.message_type, last.xid) == (message_type, xid));
        // Section 15: each is twice as long as the one before, all of them up to a tenth shorter.
        let (pause, longest) = match again {
            None => (first / 10 * 9, longest / 10 * 9),
            Some(again) => ((again.pause / 10 * 19).min(again.longest), again.longest),
        };
        self.last = Some(Asked {
            message_type,
            xid,
            pause,
            longest,
            answered: false,
            ago: 0,
        });
        let Some(last) = last else {
            return Ok(());
        };
        let due = match (last.message_type, message_type) {
            (one, same) if one == same && last.xid == xid => last.pause,
            // The answer to an advertisement, T2, and what was due when CONFIRM was answered.
            (MessageType::Solicit, MessageType::Request)
            | (MessageType::Renew, MessageType::Rebind)
            | (MessageType::Confirm, MessageType::Renew | MessageType::Rebind) => 0,
            _ => SOONEST_START,
        };
        if last.ago >= due {
            Ok(())
        } else {
            Err(format!("{message_type:?} {} ms after {last:?}", last.ago))
        }
    }
}
