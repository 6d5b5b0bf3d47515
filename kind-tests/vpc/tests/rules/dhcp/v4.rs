//! DHCPv4.

use std::net::Ipv4Addr;

use vpc::{
    Counts, Eni, Mac, Vpc,
    dhcp::v4::{Answer, Asked, Message, Told},
    world,
};

use super::an_attached_eni;
use crate::makers::a_world;

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

fn an_eni(vpc: &mut Vpc) -> Eni {
    an_attached_eni(vpc, world::SUBNET_NODES, Counts::default())
}

fn asked(eni: &Eni, message: Message) -> Asked {
    Asked {
        message,
        xid: 7,
        chaddr: eni.mac,
        client: None,
        requested: None,
        server: None,
        broadcast: false,
        relayed: false,
    }
}

fn selecting(eni: &Eni) -> Asked {
    Asked {
        requested: eni.address,
        server: Some(ROUTER),
        ..asked(eni, Message::Request)
    }
}

fn renewing(eni: &Eni) -> Asked {
    Asked {
        client: eni.address,
        ..asked(eni, Message::Request)
    }
}

fn answer(vpc: &Vpc, eni: &Eni, asked: &Asked) -> Option<Answer> {
    vpc.dhcpv4(&eni.id, asked).map(|told| told.answer)
}

#[test]
fn interface_is_offered_and_leased_its_primary_address_for_an_hour() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc);
    let offer = vpc
        .dhcpv4(&eni.id, &asked(&eni, Message::Discover))
        .unwrap();
    let Told {
        answer,
        xid,
        chaddr,
        client,
        broadcast,
        address,
        lease_seconds,
        server,
        network,
        from,
        to,
    } = offer.clone();
    assert_eq!((answer, xid, chaddr), (Answer::Offer, 7, eni.mac));
    assert_eq!((client, broadcast), (None, false));
    assert_eq!((address, lease_seconds), (eni.address, Some(3600)));
    assert_eq!((server, from, Some(to)), (ROUTER, ROUTER, eni.address));
    let network = network.unwrap();
    assert_eq!(network.subnet.mask(), Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!(network.subnet.broadcast(), Ipv4Addr::new(10, 0, 1, 255));
    assert_eq!(network.domain_name_servers, [Ipv4Addr::new(10, 0, 0, 2)]);
    assert_eq!(network.domain_name, "ec2.internal");
    assert_eq!((network.mtu, network.ntp_servers.len()), (9001, 0));
    let [.., last] = eni.address.unwrap().octets();
    assert_eq!(network.host_name, format!("ip-10-0-1-{last}"));
    let ack = vpc.dhcpv4(&eni.id, &selecting(&eni)).unwrap();
    let wanted = Told {
        answer: Answer::Ack,
        ..offer
    };
    assert_eq!(ack, wanted);
}

#[test]
fn offer_is_of_the_primary_address_whatever_was_asked_for() {
    let mut vpc = a_world();
    let counts = Counts {
        secondary: Some(1),
        ..Counts::default()
    };
    let eni = an_attached_eni(&mut vpc, world::SUBNET_NODES, counts);
    let discover = Asked {
        requested: Some(eni.others.ipv4[0]),
        ..asked(&eni, Message::Discover)
    };
    let offer = vpc.dhcpv4(&eni.id, &discover).unwrap();
    assert_eq!((offer.answer, offer.address), (Answer::Offer, eni.address));
}

#[test]
fn request_for_another_address_is_refused_by_broadcast() {
    let mut vpc = a_world();
    let counts = Counts {
        secondary: Some(1),
        ..Counts::default()
    };
    let eni = an_attached_eni(&mut vpc, world::SUBNET_NODES, counts);
    let secondary = Some(eni.others.ipv4[0]);
    for other in [secondary, Some(Ipv4Addr::new(10, 0, 1, 99))] {
        let states = [
            Asked {
                requested: other,
                ..selecting(&eni)
            },
            // After a reboot.
            Asked {
                requested: other,
                ..asked(&eni, Message::Request)
            },
            Asked {
                client: other,
                ..renewing(&eni)
            },
        ];
        for asked in states {
            let nak = vpc.dhcpv4(&eni.id, &asked).unwrap();
            assert_eq!((nak.answer, nak.to), (Answer::Nak, Ipv4Addr::BROADCAST));
            assert_eq!((nak.address, nak.lease_seconds), (None, None));
            assert_eq!((nak.client, nak.network), (None, None));
        }
    }
    let nothing = asked(&eni, Message::Request);
    assert_eq!(answer(&vpc, &eni, &nothing), None);
}

#[test]
fn address_is_leased_again_after_a_reboot_a_release_and_a_decline() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc);
    for message in [Message::Release, Message::Decline] {
        let gone = Asked {
            client: eni.address,
            server: Some(ROUTER),
            ..asked(&eni, message)
        };
        assert_eq!(answer(&vpc, &eni, &gone), None);
    }
    let rebooted = Asked {
        requested: eni.address,
        ..asked(&eni, Message::Request)
    };
    assert_eq!(answer(&vpc, &eni, &rebooted), Some(Answer::Ack));
}

#[test]
fn answer_goes_where_the_client_is_reached() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc);
    let to = |asked: &Asked| vpc.dhcpv4(&eni.id, asked).unwrap().to;
    let own = eni.address.unwrap();
    // Unicast to the router or broadcast, a client that has its address is answered there.
    assert_eq!(to(&renewing(&eni)), own);
    let broadcast = |asked: Asked| Asked {
        broadcast: true,
        ..asked
    };
    assert_eq!(to(&broadcast(renewing(&eni))), own);
    assert_eq!(to(&selecting(&eni)), own);
    assert_eq!(to(&broadcast(selecting(&eni))), Ipv4Addr::BROADCAST);
}

#[test]
fn others_and_what_is_meant_for_others_are_not_answered() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc);
    let neighbour = an_eni(&mut vpc);
    let discover = asked(&eni, Message::Discover);
    for silent in [
        Asked {
            chaddr: Mac([2, 0, 0, 0, 0, 1]),
            ..discover.clone()
        },
        Asked {
            chaddr: neighbour.mac,
            ..discover.clone()
        },
        Asked {
            relayed: true,
            ..discover.clone()
        },
        Asked {
            server: Some(Ipv4Addr::new(10, 0, 1, 3)),
            ..selecting(&eni)
        },
    ] {
        assert_eq!(answer(&vpc, &eni, &silent), None, "{silent:?}");
    }
    assert_eq!(answer(&vpc, &eni, &discover), Some(Answer::Offer));
    let free = vpc::EniId::from("eni-0a");
    assert_eq!(vpc.dhcpv4(&free, &discover), None);
}

#[test]
fn interface_of_ipv6_alone_has_no_lease() {
    let mut vpc = a_world();
    let eni = an_attached_eni(&mut vpc, world::SUBNET_IPV6, Counts::default());
    assert_eq!(answer(&vpc, &eni, &asked(&eni, Message::Discover)), None);
}

#[test]
fn who_has_an_address_is_told_the_rest() {
    let mut vpc = a_world();
    let eni = an_eni(&mut vpc);
    let inform = Asked {
        client: eni.address,
        ..asked(&eni, Message::Inform)
    };
    let ack = vpc.dhcpv4(&eni.id, &inform).unwrap();
    assert_eq!((ack.answer, Some(ack.to)), (Answer::Ack, eni.address));
    assert_eq!((ack.address, ack.lease_seconds), (None, None));
    assert!(ack.network.is_some());
}

#[test]
fn resolver_is_the_networks_or_what_the_option_set_says() {
    let mut vpc = a_world();
    let other = an_attached_eni(&mut vpc, world::SUBNET_OTHER, Counts::default());
    let eni = an_eni(&mut vpc);
    let network = |vpc: &Vpc, eni: &Eni| {
        let offer = vpc.dhcpv4(&eni.id, &asked(eni, Message::Discover)).unwrap();
        offer.network.unwrap()
    };
    let servers = network(&vpc, &other).domain_name_servers;
    assert_eq!(servers, [Ipv4Addr::new(10, 9, 0, 2)]);
    let dhcp = &mut vpc.settings.dhcp;
    dhcp.domain_name_servers = Some(vec![[192, 0, 2, 53].into(), [192, 0, 2, 54].into()]);
    dhcp.domain_name = "example.com".to_owned();
    dhcp.ntp_servers = vec![[169, 254, 169, 123].into()];
    let told = network(&vpc, &eni);
    assert_eq!(told.domain_name_servers.len(), 2);
    assert_eq!(told.domain_name, "example.com");
    assert_eq!(told.ntp_servers, [Ipv4Addr::new(169, 254, 169, 123)]);
}

#[test]
fn server_can_be_silent_brief_or_wrong_about_one_interface() {
    let mut vpc = a_world();
    let (eni, other) = (an_eni(&mut vpc), an_eni(&mut vpc));
    let wrong = Ipv4Addr::new(10, 0, 1, 99);
    vpc.settings.dhcp.lease_seconds = 6;
    vpc.settings.dhcp.addresses.insert(eni.id.clone(), wrong);
    let offer = vpc
        .dhcpv4(&eni.id, &asked(&eni, Message::Discover))
        .unwrap();
    assert_eq!((offer.address, offer.lease_seconds), (Some(wrong), Some(6)));
    // No neighbour of the router has it.
    assert_eq!(offer.to, Ipv4Addr::BROADCAST);
    let wanted = Asked {
        requested: Some(wrong),
        ..selecting(&eni)
    };
    assert_eq!(answer(&vpc, &eni, &wanted), Some(Answer::Ack));
    assert_eq!(answer(&vpc, &eni, &selecting(&eni)), Some(Answer::Nak));
    assert_eq!(answer(&vpc, &other, &selecting(&other)), Some(Answer::Ack));
    vpc.settings.dhcp.answers = false;
    assert_eq!(answer(&vpc, &other, &selecting(&other)), None);
}
