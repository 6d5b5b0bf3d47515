//! What RFC 2131 says about how often a client may ask, of the packets alone.

use node_agent_core::dhcp::v4::{LEAST_RENEWAL_PAUSE, MessageType, Packet, SOONEST_START, To};

/// The last packet that asked for something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Pace {
    last: Option<Asked>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    ask: Ask,
    xid: u32,
    /// How often it was sent.
    times: u32,
    /// Milliseconds since it was sent.
    ago: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ask {
    Discovery,
    Request,
    Renewal,
    Rebinding,
}

impl Pace {
    /// Milliseconds pass. Beyond some minutes they make no difference.
    pub fn pass(&mut self, millis: u64) {
        if let Some(last) = &mut self.last {
            last.ago = last.ago.saturating_add(millis).min(200_000);
        }
    }

    /// The transaction of the last packet.
    pub fn xid(&self) -> Option<u32> {
        self.last.as_ref().map(|last| last.xid)
    }

    /// Notes a packet, or says how it is too early.
    pub fn send(&mut self, packet: &Packet, to: To) -> Result<(), String> {
        let ask = match (packet.message_type, packet.ciaddr.is_unspecified(), to) {
            (MessageType::Discover, ..) => Ask::Discovery,
            (MessageType::Request, true, _) => Ask::Request,
            (MessageType::Request, false, To::Server { .. }) => Ask::Renewal,
            (MessageType::Request, false, To::Everybody) => Ask::Rebinding,
            _ => return Ok(()),
        };
        let last = self.last.take();
        let again = (last.as_ref()).filter(|last| (last.ask, last.xid) == (ask, packet.xid));
        let before = again.map_or(0, |again| again.times);
        self.last = Some(Asked {
            ask,
            xid: packet.xid,
            // More make no difference.
            times: (before + 1).min(6),
            ago: 0,
        });
        let Some(last) = last else {
            return Ok(());
        };
        let pause = match ask {
            // RFC 2131 section 4.1.
            Ask::Discovery | Ask::Request if before > 0 => {
                [4_000, 8_000, 16_000, 32_000, 64_000][before.min(5) as usize - 1] - 1_000
            }
            // Section 4.4.5.
            Ask::Renewal | Ask::Rebinding if before > 0 => LEAST_RENEWAL_PAUSE,
            // The answer to an offer, and T2.
            Ask::Request if last.ask == Ask::Discovery && last.xid == packet.xid => 0,
            Ask::Rebinding if last.ask == Ask::Renewal => 0,
            // Section 4.4.1.
            Ask::Discovery | Ask::Request | Ask::Renewal | Ask::Rebinding => SOONEST_START,
        };
        if last.ago >= pause {
            Ok(())
        } else {
            Err(format!("{ask:?} {} ms after {last:?}", last.ago))
        }
    }
}
