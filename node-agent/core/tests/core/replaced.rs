//! Configurations of ecs-eni, as its documentation has them, and as they are written wrong.

use node_agent_core::{
    claim::{DefaultRoute, DhcpMode, Metadata, Mtu},
    facts::{Explicit, Wanted},
    replaced::{Asked, WithoutSubnet},
};

use crate::makers::read;

/// The example of its documentation, to the letter.
const DOCUMENTED: &str = r#"{
"type":"ecs-eni",
"cniVersion":"0.3.0",
"eni":"eni-eni01en1",
"ipv4-address":"172.31.31.65/20",
"mac":"01:23:45:67:89:ab",
"block-instance-metadata":true
}"#;

fn later(rest: &str) -> String {
    format!(
        r#"{{"type":"ecs-eni","cniVersion":"0.3.0","eni":"eni-0123456789abcdef0","mac":"0e:aa:bb:cc:dd:01",{rest}}}"#
    )
}

fn asked(text: &str) -> Asked {
    read("ecs-eni", text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn understood(text: &str) -> Explicit {
    let asked = asked(text);
    assert_eq!(asked.warnings, [""; 0], "{text}");
    explicit(asked)
}

fn explicit(asked: Asked) -> Explicit {
    match asked.wanted {
        Wanted::Explicit(explicit) => *explicit,
        other => panic!("{other:?}"),
    }
}

/// Addresses with prefix and gateway, as text.
fn addresses(explicit: &Explicit) -> Vec<String> {
    let addresses = explicit.interface.addresses.iter();
    let text = addresses.map(|address| {
        let gateway = address.gateway.map(|gateway| format!(" via {gateway}"));
        format!(
            "{}/{}{}",
            address.ip,
            address.prefix,
            gateway.unwrap_or_default()
        )
    });
    text.collect()
}

#[test]
fn example_of_the_documentation_is_understood_to_the_letter() {
    let explicit = understood(DOCUMENTED);
    assert_eq!(explicit.eni.id, "eni-eni01en1");
    assert_eq!(explicit.eni.mac.to_string(), "01:23:45:67:89:ab");
    assert_eq!(addresses(&explicit), ["172.31.31.65/20 via 172.31.16.1"]);
    let interface = explicit.interface;
    assert_eq!((&*interface.name, interface.up), ("eth0", true));
    assert_eq!(
        (interface.metadata, interface.mtu, interface.default_route),
        (Metadata::Blocked, Mtu::AsFound, DefaultRoute::Fallback)
    );
    assert_eq!(
        (interface.dhcp.ipv4, interface.dhcp.ipv6),
        (DhcpMode::Maintain, DhcpMode::Disabled)
    );
}

/// Cases: C03.
#[test]
fn documented_form_has_its_gateway_from_a_key_of_its_own_or_is_in_its_subnet() {
    for (keys, expected) in [
        (
            r#""ipv4-address":"172.31.31.65","subnetgateway-ipv4-address":"172.31.16.1/20""#,
            &["172.31.31.65/20 via 172.31.16.1"][..],
        ),
        // The example of its documentation, which is the address of a network.
        (
            r#""ipv4-address":"10.15.145.200","subnetgateway-ipv4-address":"10.15.145.128/25""#,
            &["10.15.145.200/25 via 10.15.145.128"],
        ),
        (
            r#""ipv4-address":"10.0.1.50/24","ipv6-address":"2001:db8::50""#,
            &[
                "10.0.1.50/24 via 10.0.1.1",
                "2001:db8::50/64 via fe80:ec2::1",
            ],
        ),
        (
            r#""ipv4-address":"10.0.1.50/24","ipv6-address":"2001:db8::50/56""#,
            &[
                "10.0.1.50/24 via 10.0.1.1",
                "2001:db8::50/56 via fe80:ec2::1",
            ],
        ),
    ] {
        assert_eq!(addresses(&understood(&later(keys))), expected, "{keys}");
    }
}

#[test]
fn later_form_has_addresses_and_gateways_of_both_families() {
    for (keys, expected) in [
        (
            r#""ip-addresses":["172.31.31.65/20"],"gateway-ip-addresses":["172.31.16.1"]"#,
            &["172.31.31.65/20 via 172.31.16.1"][..],
        ),
        (
            r#""ip-addresses":["172.31.31.65/20"],"gateway-ip-addresses":["172.31.16.1/20"]"#,
            &["172.31.31.65/20 via 172.31.16.1"],
        ),
        (
            r#""ip-addresses":["172.31.31.65/20"]"#,
            &["172.31.31.65/20"],
        ),
        (
            r#""ip-addresses":["172.31.31.65/20","2001:DB8::65/64"],"gateway-ip-addresses":["172.31.16.1","2001:db8::1"]"#,
            &[
                "172.31.31.65/20 via 172.31.16.1",
                "2001:db8::65/64 via 2001:db8::1",
            ],
        ),
        // The router advertises itself in a VPC, and nobody listens to it here.
        (
            r#""ip-addresses":["2001:db8::65/64"],"gateway-ip-addresses":null"#,
            &["2001:db8::65/64 via fe80:ec2::1"],
        ),
        (
            r#""ip-addresses":["::ffff:172.31.31.65/116"]"#,
            &["172.31.31.65/20"],
        ),
        (
            r#""ip-addresses":["10.0.1.50/32"],"gateway-ip-addresses":["10.0.1.1"]"#,
            &["10.0.1.50/32 via 10.0.1.1"],
        ),
    ] {
        let explicit = understood(&later(keys));
        assert_eq!(addresses(&explicit), expected, "{keys}");
        assert_eq!(explicit.interface.dhcp.ipv4, DhcpMode::Disabled, "{keys}");
    }
}

#[test]
fn keys_match_in_any_letter_case_and_a_mac_in_any_spelling() {
    let text = r#"{"TYPE":"ecs-eni","ENI":"eni-1","MAC":"0E:AA:BB:CC:DD:01","IP-Addresses":["10.0.1.50/24"],"MTU":1400,"cni.dev/x":1}"#;
    let explicit = understood(text);
    assert_eq!(explicit.interface.mtu, Mtu::Bytes(1400));
    for spelling in ["0e:aa:bb:cc:dd:01", "0E-AA-BB-CC-DD-01", "0eaa.bbcc.dd01"] {
        let text = later(r#""ip-addresses":["10.0.1.50/24"]"#);
        let explicit = understood(&text.replace("0e:aa:bb:cc:dd:01", spelling));
        assert_eq!(explicit.eni.mac.to_string(), "0e:aa:bb:cc:dd:01");
    }
}

#[test]
fn device_that_stays_down_gets_a_name_and_nothing_else() {
    let everything = r#""ip-addresses":["10.0.1.50/24"],"gateway-ip-addresses":["10.0.1.1"],"stay-down":true,"mtu":1400"#;
    for keys in [everything, r#""stay-down":true"#] {
        let interface = understood(&later(keys)).interface;
        assert!(!interface.up && interface.addresses.is_empty(), "{keys}");
        assert_eq!(interface.mtu, Mtu::AsFound, "{keys}");
    }
}

#[test]
fn what_has_no_effect_is_said() {
    let gateways = r#""ip-addresses":["10.0.1.50/24","10.0.1.50/24"],"gateway-ip-addresses":["10.0.1.1","10.0.1.2","2001:db8::1"],"colour":"red""#;
    let asked = asked(&later(gateways));
    let warnings = asked.warnings.clone();
    assert_eq!(addresses(&explicit(asked)), ["10.0.1.50/24 via 10.0.1.1"]);
    assert_eq!(
        warnings,
        [
            "gateway-ip-addresses has 10.0.1.2 behind 10.0.1.1, which is the gateway",
            "ip-addresses has 10.0.1.50 twice",
            "gateway-ip-addresses has 2001:db8::1, and ip-addresses no address of its family",
            "unknown key \"colour\" has no effect",
        ]
    );
}

const ENI: &str = r#""eni":"eni-1""#;
const MAC: &str = r#""mac":"0e:aa:bb:cc:dd:01""#;
const IP: &str = r#""ip-addresses":["10.0.1.50/24"]"#;

fn refused(keys: &str, sentence: &str) {
    let error = read("ecs-eni", &format!("{{{keys}}}")).unwrap_err();
    assert!(error.contains(sentence), "{keys}: {error}");
}

#[test]
fn key_that_is_missing_or_no_configuration_is_refused() {
    refused(&format!("{MAC},{IP}"), "eni is missing");
    refused(&format!(r#""eni":"",{MAC},{IP}"#), "eni is missing");
    refused(&format!("{ENI},{IP}"), "mac is missing");
    refused(&format!("{ENI},{MAC}"), "ip-addresses is missing");
    let none = format!(r#"{ENI},{MAC},"ip-addresses":[]"#);
    refused(&none, "ip-addresses is missing");
    let error = read("ecs-eni", "[]").unwrap_err();
    assert!(error.contains("no JSON object"), "{error}");
    let error = read("another", "{}").unwrap_err();
    assert!(error.contains("does not know"), "{error}");
}

#[test]
fn what_is_wrong_is_refused_with_the_name_of_its_key() {
    for (key, sentence) in [
        (r#""eni":7"#, "eni 7 must be a string"),
        (r#""mac":"0e:aa""#, "mac \"0e:aa\" is no MAC address"),
        (r#""mac":"zz:aa:bb:cc:dd:01""#, "is no MAC address"),
        (
            r#""ip-addresses":"10.0.1.50/24""#,
            "must be a list of strings",
        ),
        (r#""ip-addresses":["10.0.1.50"]"#, "has no prefix length"),
        (r#""ip-addresses":["10.0.1.50/33"]"#, "is no IP address"),
        (r#""ip-addresses":["ten/24"]"#, "is no IP address"),
        (
            r#""gateway-ip-addresses":["ten"]"#,
            "gateway-ip-addresses \"ten\" is no IP address",
        ),
        (
            r#""ipv4-address":"10.0.1.50/24""#,
            "both say the ENI's addresses",
        ),
        (r#""mtu":"1400""#, "mtu \"1400\" must be a whole number"),
        (r#""mtu":60"#, "mtu 60 must be 68 to 65535"),
        (r#""mtu":-1"#, "mtu -1 must be 68 to 65535"),
        (r#""mtu":70000"#, "mtu 70000 must be 68 to 65535"),
        (
            r#""stay-down":"yes""#,
            "stay-down \"yes\" must be true or false",
        ),
        (
            r#""block-instance-metadata":1"#,
            "block-instance-metadata 1 must be true or false",
        ),
    ] {
        let name = key.split(':').next().unwrap();
        let others = [ENI, MAC, IP].into_iter();
        let others = others.filter(|other| !other.starts_with(name));
        let keys: Vec<&str> = others.chain([key]).collect();
        refused(&keys.join(","), sentence);
    }
    refused(
        &format!(r#"{ENI},{MAC},"ip-addresses":["2001:db8::5/64"],"mtu":1000"#),
        "mtu 1000 is too small for the addresses of IPv6",
    );
}

#[test]
fn documented_form_that_is_wrong_is_refused_with_the_name_of_its_key() {
    for (keys, sentence) in [
        (
            r#""ipv4-address":"172.31.31.65""#,
            "ipv4-address 172.31.31.65 has no prefix length; write that of its subnet, for example \"172.31.31.65/24\", or add subnetgateway-ipv4-address",
        ),
        (r#""ipv4-address":"172.31.31.65/29""#, "16 to 28"),
        (r#""ipv4-address":"2001:db8::1/64""#, "no address of IPv4"),
        (
            r#""ipv4-address":"10.0.1.5","subnetgateway-ipv4-address":"10.0.1.1""#,
            "with a prefix length",
        ),
        (
            r#""ipv4-address":"10.0.1.5/24","ipv6-address":"10.0.1.6""#,
            "no address of IPv6",
        ),
    ] {
        refused(&format!("{ENI},{MAC},{keys}"), sentence);
    }
}

#[test]
fn subnet_that_the_documented_form_leaves_out_is_added_and_no_other_form_lacks_one() {
    const SUBNET: &str = "172.31.16.0/20";
    let lacking = |text: &str| WithoutSubnet::find("ecs-eni", text);
    for keys in [
        r#""ipv4-address":"172.31.31.65""#,
        r#""IPv4-Address":"172.31.31.65","ipv6-address":"2001:db8::65","mtu":1400"#,
        r#""ipv4-address":"172.31.31.65","SubnetGateway-ipv4-address":"""#,
        r#""ipv4-address":"172.31.31.65","subnetgateway-ipv4-address":null,"ip-addresses":null"#,
    ] {
        let without = lacking(&later(keys)).expect(keys);
        assert_eq!(without.mac.to_string(), "0e:aa:bb:cc:dd:01");
        let complete = without.complete(SUBNET.parse().unwrap()).unwrap();
        assert_eq!(lacking(&complete), None, "{complete}");
        let explicit = understood(&complete);
        assert_eq!(
            addresses(&explicit)[0],
            "172.31.31.65/20 via 172.31.16.1",
            "{keys}"
        );
        let has_ipv6 = keys.contains("ipv6");
        assert_eq!(addresses(&explicit).len(), 1 + usize::from(has_ipv6));
    }
    for keys in [
        r#""ipv4-address":"172.31.31.65/20""#,
        r#""ipv4-address":"172.31.31.65","subnetgateway-ipv4-address":"172.31.16.1/20""#,
        r#""ipv4-address":"172.31.31.65","ip-addresses":["172.31.31.65/20"]"#,
        r#""ip-addresses":["172.31.31.65"]"#,
        r#""ipv4-address":7"#,
        r#""ipv4-address":"2001:db8::65""#,
    ] {
        assert_eq!(lacking(&later(keys)), None, "{keys}");
    }
    let text = later(r#""ipv4-address":"172.31.31.65""#);
    assert_eq!(WithoutSubnet::find("ecs-bridge", &text), None);
    let elsewhere = lacking(&text).unwrap();
    let error = elsewhere.complete("10.0.0.0/16".parse().unwrap());
    let error = error.unwrap_err();
    assert!(
        error.contains("ipv4-address 172.31.31.65 is not in 10.0.0.0/16"),
        "{error}"
    );
}
