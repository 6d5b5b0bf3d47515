//! Made up and damaged packets, with the machine in every state behind the codec.

use node_agent_core::dhcp::{
    Boot, BootTime, Moment,
    v4::{Client, Exchange, Input, Lease, Mode, Output, State, Term},
};

use super::*;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 50);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const XID: u32 = 0x0102_0304;

/// A client whose transactions all have one id.
#[derive(Clone)]
struct Life {
    client: Client,
    lease: Lease,
    now: BootTime,
}

impl Life {
    fn new(mode: Mode) -> Self {
        let client = Client {
            mac: MAC.into(),
            host_name: None,
            mode,
        };
        let now = BootTime(1_000_000);
        let lease = client.begin(moment(now));
        Self { client, lease, now }
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        let (lease, outputs) = self
            .client
            .step(self.lease.clone(), input, moment(self.now));
        self.lease = lease;
        outputs
    }

    fn fire(&mut self) {
        self.now = self.lease.wake_at().unwrap();
        self.input(Input::Timer);
    }

    fn answer(&mut self, message_type: MessageType) {
        let packet = decode(&answer(message_type)).unwrap();
        self.input(Input::Received(Box::new(packet)));
    }

    fn exchange(&self) -> Option<&Exchange> {
        match &self.lease.state {
            State::Selecting(exchange)
            | State::Requesting(exchange, _)
            | State::Rebooting(exchange, _)
            | State::Renewing(exchange, _)
            | State::Rebinding(exchange, _) => Some(exchange),
            State::Init { .. } | State::Probing { .. } | State::Bound(_) | State::Released => None,
        }
    }

    /// The address and the server that it asked; `None`: any.
    fn asked(&self) -> (Option<Ipv4Addr>, Option<Ipv4Addr>) {
        match &self.lease.state {
            State::Requesting(_, offer) => (Some(offer.address), Some(offer.server)),
            State::Rebooting(_, None) => (self.lease.remembered, None),
            State::Rebooting(_, Some(binding)) | State::Rebinding(_, binding) => {
                (Some(binding.parameters.address), None)
            }
            State::Renewing(_, binding) => (
                Some(binding.parameters.address),
                Some(binding.parameters.server),
            ),
            _ => (None, None),
        }
    }
}

fn moment(now: BootTime) -> Moment {
    Moment {
        now,
        xid: XID,
        jitter: 0,
    }
}

/// What the server says to a client that asks.
fn answer(message_type: MessageType) -> Vec<u8> {
    let nak = message_type == MessageType::Nak;
    encode(&Packet {
        message_type,
        xid: XID,
        secs: 0,
        broadcast: true,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: if nak { Ipv4Addr::UNSPECIFIED } else { ADDRESS },
        chaddr: MAC.into(),
        options: Options {
            server: Some(SERVER),
            lease_time: (!nak).then_some(3_600),
            subnet_mask: (!nak).then_some(Ipv4Addr::new(255, 255, 255, 0)),
            ..Options::default()
        },
    })
}

/// One of each state, in both modes.
fn lives() -> Vec<Life> {
    [Mode::Maintain(ADDRESS), Mode::Configure]
        .into_iter()
        .flat_map(lives_of)
        .collect()
}

fn lives_of(mode: Mode) -> Vec<Life> {
    let init = Life::new(mode);
    let after = |life: &Life, change: &dyn Fn(&mut Life)| {
        let mut life = life.clone();
        change(&mut life);
        life
    };
    let selecting = after(&init, &|life| life.fire());
    let requesting = after(&selecting, &|life| life.answer(MessageType::Offer));
    let probing = after(&requesting, &|life| life.answer(MessageType::Ack));
    let bound = after(&probing, &|life| {
        life.input(Input::Free(ADDRESS));
    });
    assert!(matches!(bound.lease.state, State::Bound(_)));
    let renewing = after(&bound, &|life| life.fire());
    let rebinding = after(&renewing, &|life| {
        while !matches!(life.lease.state, State::Rebinding(..)) {
            life.fire();
        }
    });
    let blinked = after(&bound, &|life| {
        life.input(Input::LinkRestarted);
        life.fire();
    });
    let rebooted = after(&bound, &|life| {
        life.input(Input::Resumed(Boot::Other));
        life.fire();
    });
    let released = after(&bound, &|life| {
        life.input(Input::Release);
    });
    let lives = vec![
        init, selecting, requesting, probing, bound, renewing, rebinding, blinked, rebooted,
        released,
    ];
    let asking = lives.iter().filter(|life| life.exchange().is_some());
    assert_eq!(asking.count(), 6);
    lives
}

/// An answer with some bytes changed, cut off or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let types = vec![MessageType::Offer, MessageType::Ack, MessageType::Nak];
    // The header without its empty fields, and the options.
    let place = prop_oneof![0..34_usize, 236..275_usize];
    let changes = prop::collection::vec((place.clone(), any::<u8>()), 0..4);
    let insertion = prop::option::weighted(0.2, (place, prop::collection::vec(any::<u8>(), 1..8)));
    let cut = prop::option::weighted(0.1, 0..300_usize);
    (prop::sample::select(types), changes, insertion, cut).prop_map(
        |(message_type, changes, insertion, cut)| {
            let mut bytes = answer(message_type);
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if let Some((at, inserted)) = insertion {
                bytes.splice(at..at, inserted);
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            bytes
        },
    )
}

/// RFC 2131 figure 5, for what a packet can do.
fn check(
    before: &Life,
    packet: &Packet,
    after: &Lease,
    outputs: &[Output],
) -> Result<(), TestCaseError> {
    let sent = outputs
        .iter()
        .find(|output| matches!(output, Output::Send(..)));
    if *after == before.lease {
        prop_assert_eq!(sent, None);
        return Ok(());
    }
    prop_assert!(before.exchange().is_some(), "{:?}", before.lease);
    prop_assert_eq!((packet.xid, packet.chaddr), (XID, before.client.mac));
    let server = packet.options.server;
    let (address, asked) = before.asked();
    prop_assert!(asked.is_none() || asked == server);
    match (&before.lease.state, &after.state) {
        (State::Selecting(_), State::Selecting(_)) => {
            prop_assert_eq!(packet.message_type, MessageType::Offer);
            prop_assert_eq!(
                after.differing.map(|offer| offer.address),
                Some(packet.yiaddr)
            );
            prop_assert_ne!(packet.yiaddr, ADDRESS);
        }
        (State::Selecting(_), State::Requesting(_, offer)) => {
            prop_assert_eq!(packet.message_type, MessageType::Offer);
            prop_assert_eq!((offer.address, Some(offer.server)), (packet.yiaddr, server));
            let Some(Output::Send(request, _)) = sent else {
                return Err(TestCaseError::fail("no request"));
            };
            prop_assert_eq!(request.message_type, MessageType::Request);
            return Ok(());
        }
        (_, State::Init { .. }) => prop_assert_eq!(packet.message_type, MessageType::Nak),
        (_, State::Bound(binding) | State::Probing { binding, .. }) => {
            prop_assert_eq!(packet.message_type, MessageType::Ack);
            let parameters = &binding.parameters;
            prop_assert_eq!(Some(parameters.address), address);
            prop_assert_eq!(packet.yiaddr, parameters.address);
            prop_assert_eq!(Some(parameters.server), server);
            let told = packet
                .options
                .lease_time
                .map(|secs| before.now.after(u64::from(secs) * 1_000));
            match binding.term {
                Term::Forever => prop_assert_eq!(packet.options.lease_time, Some(u32::MAX)),
                Term::Until { expires_at, .. } => prop_assert!(Some(expires_at) <= told),
            }
        }
        (from, to) => return Err(TestCaseError::fail(format!("{from:?} to {to:?}"))),
    }
    prop_assert_eq!(sent, None);
    Ok(())
}

fn hear_in_every_state(lives: &[Life], bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(packet) = decode(bytes) else {
        return Ok(());
    };
    prop_assert_eq!(decode(&encode(&packet)), Ok(packet.clone()));
    for life in lives {
        let mut after = life.clone();
        let outputs = after.input(Input::Received(Box::new(packet.clone())));
        check(life, &packet, &after.lease, &outputs)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_answer_does_what_the_rfc_lets_it_do(bytes in damaged()) {
        thread_local!(static LIVES: Vec<Life> = lives());
        LIVES.with(|lives| hear_in_every_state(lives, &bytes))?;
    }

    #[test]
    fn whatever_the_options_are_nothing_panics(options in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut options = options;
        options.splice(0..0, [53, 1, 5]);
        options.push(END);
        if let Ok(packet) = decode(&raw(&options)) {
            prop_assert_eq!(decode(&encode(&packet)), Ok(packet));
        }
    }

    #[test]
    fn whatever_the_bytes_are_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(decode(&bytes).is_err());
    }
}

/// The oracle is of use only if answers get through to it.
#[test]
fn an_answer_as_it_was_moves_who_waits_for_it() {
    for message_type in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
        let packet = decode(&answer(message_type)).unwrap();
        let moved = lives().into_iter().filter(|life| {
            let mut after = life.clone();
            after.input(Input::Received(Box::new(packet.clone())));
            after.lease != life.lease
        });
        let expected = if message_type == MessageType::Offer {
            2
        } else {
            10
        };
        assert_eq!(moved.count(), expected, "{message_type:?}");
    }
}
