//! Made up and damaged packets, with the machine in every state behind the codec.

use std::collections::BTreeSet;

use node_agent_core::dhcp::{
    Boot, BootTime, Moment,
    v6::{Binding, Client, Exchange, Input, Lease, Mode, Output, Resources, State},
};

use super::*;

const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x50);
const XID: u32 = 0x0002_0304;

fn prefix() -> Ipv6Net {
    "2001:db8:1:0:8000::/80".parse().unwrap()
}

fn server() -> Duid {
    Duid(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1])
}

/// A client whose transactions all have one id.
#[derive(Clone)]
struct Life {
    client: Client,
    lease: Lease,
    now: BootTime,
}

impl Life {
    fn new(mode: Mode) -> Self {
        let mac = [2, 0xec, 0, 0, 0, 0xa].into();
        let client = Client { mac, mode };
        assert_eq!(client.iaid(), IAID);
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
        let packet = decode(&answer(message_type, &self.client), IAID).unwrap();
        self.input(Input::Received(Box::new(packet)));
    }

    fn exchange(&self) -> Option<&Exchange> {
        match &self.lease.state {
            State::Soliciting(exchange, _)
            | State::Requesting(exchange, _)
            | State::Confirming(exchange, _)
            | State::Renewing(exchange, _)
            | State::Rebinding(exchange, _)
            | State::Informing(exchange, _) => Some(exchange),
            State::Init { .. }
            | State::Probing { .. }
            | State::Bound(_)
            | State::Informed { .. }
            | State::Released => None,
        }
    }

    /// The server that it asked; `None`: any.
    fn asked(&self) -> Option<&Duid> {
        match &self.lease.state {
            State::Requesting(_, server) => Some(server),
            State::Renewing(_, binding) => Some(&binding.parameters.server),
            _ => None,
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
fn answer(message_type: MessageType, client: &Client) -> Vec<u8> {
    let association = |net| Association {
        iaid: IAID,
        renewal_time: 70,
        rebinding_time: 112,
        leased: vec![Leased {
            net,
            preferred: 140,
            valid: 450,
        }],
        status: Status::Success,
    };
    encode(&Packet {
        message_type,
        xid: XID,
        options: Options {
            client_id: Some(client.duid()),
            server_id: Some(server()),
            addresses: Some(association(ADDRESS.into())),
            prefixes: Some(association(prefix())),
            ..Options::default()
        },
    })
}

/// One of each state, in each mode.
fn lives() -> Vec<Life> {
    let claimed = Resources {
        addresses: BTreeSet::from([ADDRESS]),
        prefixes: BTreeSet::from([prefix()]),
    };
    let nothing = Life::new(Mode::Maintain(Resources::default()));
    let mut informing = nothing.clone();
    informing.fire();
    let mut informed = informing.clone();
    informed.answer(MessageType::Reply);
    assert!(matches!(informed.lease.state, State::Informed { .. }));
    let modes = [
        Mode::Maintain(claimed),
        Mode::Configure { prefixes: true },
        Mode::Configure { prefixes: false },
    ];
    let lives = modes.into_iter().flat_map(lives_of);
    lives.chain([nothing, informing, informed]).collect()
}

fn lives_of(mode: Mode) -> Vec<Life> {
    let init = Life::new(mode);
    let after = |life: &Life, change: &dyn Fn(&mut Life)| {
        let mut life = life.clone();
        change(&mut life);
        life
    };
    let soliciting = after(&init, &|life| life.fire());
    let advertised = after(&soliciting, &|life| life.answer(MessageType::Advertise));
    let requesting = after(&advertised, &|life| life.fire());
    let probing = after(&requesting, &|life| life.answer(MessageType::Reply));
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
    let confirming = after(&bound, &|life| {
        life.input(Input::LinkRestarted);
        life.fire();
    });
    let rebooted = after(&bound, &|life| {
        life.input(Input::Resumed(Boot::Other));
    });
    let released = after(&bound, &|life| {
        life.input(Input::Release);
    });
    let lives = vec![
        init, soliciting, advertised, requesting, probing, bound, renewing, rebinding, confirming,
        rebooted, released,
    ];
    let asking = lives.iter().filter(|life| life.exchange().is_some());
    assert_eq!(asking.count(), 6);
    lives
}

/// An answer with some bytes changed, cut off or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let types = vec![MessageType::Advertise, MessageType::Reply];
    let client = Life::new(Mode::Configure { prefixes: true }).client;
    let length = answer(MessageType::Reply, &client).len();
    let place = 0..length;
    let changes = prop::collection::vec((place.clone(), any::<u8>()), 0..3);
    // An option at the end, or anything anywhere.
    let status = (0..8_u8).prop_map(move |status| (length, vec![0, 13, 0, 2, 0, status]));
    let anything = (place, prop::collection::vec(any::<u8>(), 1..8));
    let insertion = prop::option::weighted(0.4, prop_oneof![status, anything]);
    let cut = prop::option::weighted(0.1, 0..length);
    (prop::sample::select(types), changes, insertion, cut).prop_map(
        move |(message_type, changes, insertion, cut)| {
            let mut bytes = answer(message_type, &client);
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

/// RFC 8415 section 18.2.9 and 18.2.10, for what a packet can do.
fn check(
    before: &Life,
    packet: &Packet,
    after: &Lease,
    outputs: &[Output],
) -> Result<(), TestCaseError> {
    let sends = outputs
        .iter()
        .any(|output| matches!(output, Output::Send(_)));
    if *after == before.lease {
        prop_assert!(!sends);
        return Ok(());
    }
    let options = &packet.options;
    prop_assert!(before.exchange().is_some(), "{:?}", before.lease);
    prop_assert_eq!(
        (packet.xid, options.client_id.as_ref()),
        (XID, Some(&before.client.duid()))
    );
    let asked = before.asked();
    prop_assert!(
        options.server_id.is_some() && (asked.is_none() || asked == options.server_id.as_ref())
    );
    let advertise = matches!(before.lease.state, State::Soliciting(..));
    let expected = if advertise {
        MessageType::Advertise
    } else {
        MessageType::Reply
    };
    prop_assert_eq!(packet.message_type, expected);
    match (&before.lease.state, &after.state) {
        (State::Soliciting(..), State::Requesting(_, server)) => {
            prop_assert_eq!(Some(server), options.server_id.as_ref());
            prop_assert!(sends);
            return Ok(());
        }
        (State::Soliciting(..) | State::Informing(..), State::Init { .. }) => {
            return Err(TestCaseError::fail("given up"));
        }
        (_, State::Init { .. })
        | (State::Soliciting(..), State::Soliciting(..))
        | (State::Informing(..), State::Informed { .. }) => {}
        (from, State::Bound(binding) | State::Probing { binding, .. }) => {
            let confirmed = matches!(from, State::Confirming(_, old) if old == binding);
            let had = before.lease_binding();
            for (leased, had, given) in [
                (
                    &binding.addresses,
                    had.map(|had| &had.addresses),
                    &options.addresses,
                ),
                (
                    &binding.prefixes,
                    had.map(|had| &had.prefixes),
                    &options.prefixes,
                ),
            ] {
                for item in leased {
                    let had = had.is_some_and(|had| had.contains(item));
                    let mut given = given.iter().flat_map(|ia| &ia.leased);
                    let given =
                        given.any(|leased| leased.net.trunc() == item.net && leased.valid > 0);
                    prop_assert!(had || given, "{item:?}");
                }
            }
            prop_assert!(
                confirmed || Some(&binding.parameters.server) == options.server_id.as_ref()
            );
        }
        // What a server says about pauses, or has that is not the claim's.
        (from, to) => prop_assert_eq!(from, to),
    }
    prop_assert!(!sends);
    Ok(())
}

impl Life {
    fn lease_binding(&self) -> Option<&Binding> {
        match &self.lease.state {
            State::Confirming(_, binding)
            | State::Renewing(_, binding)
            | State::Rebinding(_, binding) => Some(binding),
            _ => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_answer_does_what_the_rfc_lets_it_do(bytes in damaged()) {
        thread_local!(static LIVES: Vec<Life> = lives());
        let Ok(packet) = decode(&bytes, IAID) else {
            return Ok(());
        };
        prop_assert_eq!(decode(&encode(&packet), IAID), Ok(packet.clone()));
        LIVES.with(|lives| {
            for life in lives {
                let mut after = life.clone();
                let outputs = after.input(Input::Received(Box::new(packet.clone())));
                check(life, &packet, &after.lease, &outputs)?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn whatever_the_bytes_are_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), typed in any::<bool>()) {
        let bytes = if typed { reply(&[&bytes]) } else { bytes };
        if let Ok(packet) = decode(&bytes, IAID) {
            prop_assert_eq!(decode(&encode(&packet), IAID), Ok(packet));
        }
    }
}

/// The oracle is of use only if answers get through to it.
#[test]
fn an_answer_as_it_was_moves_who_waits_for_it() {
    for message_type in [MessageType::Advertise, MessageType::Reply] {
        let lives = lives();
        let packet = decode(&answer(message_type, &lives[0].client), IAID).unwrap();
        let moved = lives.into_iter().filter(|life| {
            let mut after = life.clone();
            after.input(Input::Received(Box::new(packet.clone())));
            after.lease != life.lease
        });
        // Of three modes; the last one asks for information.
        let expected = if message_type == MessageType::Advertise {
            3
        } else {
            3 * 4 + 1
        };
        assert_eq!(moved.count(), expected, "{message_type:?}");
    }
}
