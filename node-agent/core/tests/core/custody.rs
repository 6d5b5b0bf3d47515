//! What of a borrowed device is ours.

use node_agent_core::{
    claim::DefaultRoute,
    custody::{Custody, Loan},
    diff::{Step, diff},
    layout::{Surroundings, layout, steer},
    picture::{Link, Picture, PodSlot},
};

use crate::makers::{ENA, FULL, an_interface};

fn found(addresses: &[&str]) -> Picture {
    Picture {
        link: Some(Link {
            name: "eth0".into(),
            up: true,
            mtu: 1500,
        }),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        ..Picture::default()
    }
}

/// The custody of a device that was found like that, and what is wanted of it.
fn borrowed(seen: &Picture) -> (Custody, Picture) {
    let mut custody = Custody::Borrowed(Loan::new("eth0", 1500));
    let interface = custody.interface(an_interface());
    let mut wanted = layout(&interface, PodSlot(0), FULL, ENA);
    custody.claim(seen, &mut wanted);
    (custody, wanted)
}

fn loan(custody: &Custody) -> &Loan {
    match custody {
        Custody::Borrowed(loan) => loan,
        Custody::Ours => panic!("not borrowed"),
    }
}

#[test]
fn name_stays_and_mtu_goes_back() {
    let seen = found(&[]);
    let (custody, wanted) = borrowed(&seen);
    assert_eq!(wanted.link.as_ref().unwrap().name, "eth0");
    let steps = diff(&custody.ours(seen), &wanted);
    assert!(steps.contains(&Step::Mtu(9001)));
    assert!(
        !steps
            .iter()
            .any(|step| matches!(step, Step::Rename { .. } | Step::Down))
    );
    let back = loan(&custody).give_back(&wanted);
    assert_eq!(back.last(), Some(&Step::Mtu(1500)));
    let address = "10.0.1.50/32".parse().unwrap();
    assert!(back.contains(&Step::DelAddress(address)));
}

#[test]
fn addresses_of_others_stay_whatever_their_prefix() {
    let seen = found(&["10.0.1.50/24", "192.168.1.1/24"]);
    let (custody, wanted) = borrowed(&seen);
    assert!(wanted.addresses.is_empty(), "the address is there");
    let touches = |step: &Step| matches!(step, Step::AddAddress(_) | Step::DelAddress(_));
    assert!(
        !diff(&custody.ours(seen.clone()), &wanted)
            .iter()
            .any(touches)
    );
    assert!(!loan(&custody).give_back(&seen).iter().any(touches));
}

#[test]
fn what_was_ours_stays_ours_when_it_is_asked_for_again() {
    let seen = found(&["192.168.1.1/24"]);
    let (mut custody, wanted) = borrowed(&seen);
    let plugged = found(&["10.0.1.50/32", "192.168.1.1/24"]);
    let mut again = layout(&custody.interface(an_interface()), PodSlot(0), FULL, ENA);
    let before = custody.clone();
    custody.claim(&plugged, &mut again);
    assert_eq!((&custody, &again), (&before, &wanted));
}

/// The routes of table main that the claim would have as the pod's only interface.
#[test]
fn routes_in_main_are_of_whoever_gave_the_device_its_addresses() {
    let only = |seen: Picture| {
        let mut custody = Custody::Borrowed(Loan::new("eth0", 1500));
        let mut interface = custody.interface(an_interface());
        interface.default_route = DefaultRoute::Fallback;
        let mut wanted = layout(&interface, PodSlot(0), FULL, ENA);
        steer(
            &mut wanted,
            &interface,
            PodSlot(0),
            &Surroundings::default(),
        );
        custody.claim(&seen, &mut wanted);
        wanted.main_routes().len()
    };
    assert_eq!(only(found(&[])), 1);
    assert_eq!(only(found(&["10.0.1.50/24"])), 0);
}
