//! DHCPv6.

use std::net::Ipv6Addr;

use vpc::{
    Cidr6, Counts, Eni, Vpc,
    dhcp::v6::{Answer, Asked, Association, Granted, Lease, Message, Status, Told},
    world,
};

use super::an_attached_eni;
use crate::makers::a_world;

/// DUID-LL of the router of the nodes' subnet.
const ROUTER: [u8; 10] = [0, 3, 0, 1, 0x06, 0xec, 0x2f, 0, 0, 0xa1];

fn an_eni(vpc: &mut Vpc, ipv6: u32, ipv6_prefixes: u32) -> Eni {
    let some = |count| (count > 0).then_some(count);
    let counts = Counts {
        ipv6: some(ipv6),
        ipv6_prefixes: some(ipv6_prefixes),
        ..Counts::default()
    };
    an_attached_eni(vpc, world::SUBNET_NODES, counts)
}

fn asked(message: Message) -> Asked {
    Asked {
        message,
        xid: 7,
        client: Some(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1]),
        server: None,
        rapid_commit: false,
        unicast: false,
        addresses: vec![Association {
            id: 1,
            holds: vec![],
        }],
        prefixes: vec![],
    }
}

fn of_server(asked: Asked) -> Asked {
    Asked {
        server: Some(ROUTER.to_vec()),
        ..asked
    }
}

fn leased<T>(of: T) -> Lease<T> {
    Lease {
        of,
        preferred_seconds: 140,
        valid_seconds: 450,
    }
}

fn lost<T>(of: T) -> Lease<T> {
    Lease {
        of,
        preferred_seconds: 0,
        valid_seconds: 0,
    }
}

fn granted<T>(id: u32, holds: Vec<Lease<T>>) -> Granted<T> {
    Granted {
        id,
        renew_seconds: 70,
        rebind_seconds: 112,
        holds,
        status: None,
    }
}

fn nothing<T>(id: u32, status: Status) -> Granted<T> {
    Granted {
        id,
        renew_seconds: 0,
        rebind_seconds: 0,
        holds: vec![],
        status: Some(status),
    }
}

#[test]
fn interface_is_advertised_and_leased_its_first_address() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc, 2, 0);
    let advertise = vpc.dhcpv6(&eni.id, &asked(Message::Solicit)).unwrap();
    let wanted = Told {
        answer: Answer::Advertise,
        xid: 7,
        client: asked(Message::Solicit).client,
        server: ROUTER.to_vec(),
        status: None,
        addresses: vec![granted(1, vec![leased(eni.others.ipv6[0])])],
        prefixes: vec![],
        domain_name_servers: vec![],
    };
    assert_eq!(advertise, wanted);
    let reply = vpc.dhcpv6(&eni.id, &of_server(asked(Message::Request)));
    let wanted = Told {
        answer: Answer::Reply,
        ..wanted
    };
    assert_eq!(reply, Some(wanted));
}

#[test]
fn prefixes_are_delegated_and_a_second_association_gets_nothing() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc, 0, 2);
    let association = |id| Association { id, holds: vec![] };
    let request = Asked {
        prefixes: vec![association(5), association(6)],
        ..of_server(asked(Message::Request))
    };
    let reply = vpc.dhcpv6(&eni.id, &request).unwrap();
    let prefixes = eni.others.ipv6_prefixes.iter().copied();
    assert_eq!(
        reply.prefixes,
        [
            granted(5, prefixes.map(leased).collect()),
            nothing(6, Status::NoPrefixAvail)
        ]
    );
    assert_eq!(reply.addresses, [nothing(1, Status::NoAddrsAvail)]);
}

#[test]
fn renewal_keeps_what_is_the_interfaces_and_ends_the_rest() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc, 1, 0);
    let (own, foreign): (_, Ipv6Addr) =
        (eni.others.ipv6[0], "2001:db8:ec2:a1::99".parse().unwrap());
    let prefix = Cidr6::new("2001:db8:ec2:a1:7::".parse().unwrap(), 80);
    let kept = |message| Asked {
        addresses: vec![Association {
            id: 1,
            holds: vec![own, foreign],
        }],
        prefixes: vec![Association {
            id: 2,
            holds: vec![prefix],
        }],
        ..asked(message)
    };
    for asked in [of_server(kept(Message::Renew)), kept(Message::Rebind)] {
        let reply = vpc.dhcpv6(&eni.id, &asked).unwrap();
        let addresses = vec![leased(own), lost(foreign)];
        assert_eq!(reply.addresses, [granted(1, addresses)]);
        let prefixes = Granted {
            holds: vec![lost(prefix)],
            ..nothing(2, Status::NoBinding)
        };
        assert_eq!(reply.prefixes, [prefixes]);
    }
}

#[test]
fn what_is_not_for_this_server_is_not_answered() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc, 1, 0);
    let other = Some(vec![0, 3, 0, 1, 9, 9, 9, 9, 9, 9]);
    for silent in [
        // Whoever names a server where none may be named, none where one must be, or another one.
        of_server(asked(Message::Solicit)),
        of_server(asked(Message::Confirm)),
        of_server(asked(Message::Rebind)),
        asked(Message::Request),
        asked(Message::Renew),
        asked(Message::Release),
        asked(Message::Decline),
        Asked {
            server: other.clone(),
            ..asked(Message::Renew)
        },
        Asked {
            server: other,
            ..asked(Message::InformationRequest)
        },
        Asked {
            client: None,
            ..asked(Message::Solicit)
        },
        Asked {
            rapid_commit: true,
            ..asked(Message::Solicit)
        },
        Asked {
            unicast: true,
            ..of_server(asked(Message::Renew))
        },
        Asked {
            addresses: vec![],
            ..asked(Message::Solicit)
        },
    ] {
        assert_eq!(vpc.dhcpv6(&eni.id, &silent), None, "{silent:?}");
    }
    assert!(vpc.dhcpv6(&eni.id, &asked(Message::Solicit)).is_some());
    vpc.settings.dhcp.answers = false;
    assert_eq!(vpc.dhcpv6(&eni.id, &asked(Message::Solicit)), None);
}

#[test]
fn interface_without_ipv6_is_not_answered() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc, 0, 0);
    assert_eq!(vpc.dhcpv6(&eni.id, &asked(Message::Solicit)), None);
    let small = an_attached_eni(&mut vpc, world::SUBNET_SMALL, Counts::default());
    let inform = asked(Message::InformationRequest);
    assert_eq!(vpc.dhcpv6(&small.id, &inform), None);
}

#[test]
fn addresses_are_confirmed_by_their_subnet() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc, 1, 0);
    let confirm = |addresses: &[&str]| {
        let holds = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let confirm = Asked {
            addresses: vec![Association { id: 1, holds }],
            ..asked(Message::Confirm)
        };
        vpc.dhcpv6(&eni.id, &confirm).map(|told| told.status)
    };
    let here = "2001:db8:ec2:a1::99";
    assert_eq!(confirm(&[here]), Some(Some(Status::Success)));
    let elsewhere = [here, "2001:db8:ec2:a0::99"];
    assert_eq!(confirm(&elsewhere), Some(Some(Status::NotOnLink)));
    assert_eq!(confirm(&[]), None);
}

#[test]
fn released_and_declined_addresses_stay_the_interfaces() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc, 1, 0);
    for message in [Message::Release, Message::Decline] {
        let reply = vpc.dhcpv6(&eni.id, &of_server(asked(message))).unwrap();
        assert_eq!(reply.status, Some(Status::Success));
    }
    let advertise = vpc.dhcpv6(&eni.id, &asked(Message::Solicit)).unwrap();
    assert_eq!(advertise.addresses[0].holds, [leased(eni.others.ipv6[0])]);
}

#[test]
fn resolver_is_told_where_there_is_no_ipv4() {
    let mut vpc = a_world();
    let dual = an_eni(&mut vpc, 1, 0);
    let alone = an_attached_eni(&mut vpc, world::SUBNET_IPV6, Counts::default());
    let servers = |eni: &Eni| {
        let inform = Asked {
            client: None,
            addresses: vec![],
            ..asked(Message::InformationRequest)
        };
        let reply = vpc.dhcpv6(&eni.id, &inform).unwrap();
        assert_eq!((reply.answer, reply.client), (Answer::Reply, None));
        reply.domain_name_servers
    };
    assert_eq!(servers(&dual), [] as [Ipv6Addr; 0]);
    let resolver: Ipv6Addr = "fd00:ec2::253".parse().unwrap();
    assert_eq!(servers(&alone), [resolver]);
}
