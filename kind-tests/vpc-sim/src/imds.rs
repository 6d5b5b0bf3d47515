//! Instance metadata, version 2, as a pure function.
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>

use std::net::{IpAddr, Ipv6Addr};

use jiff::Timestamp;
use vpc::{Eni, Instance, Mac, Vpc, world::REGION};

/// The role that every instance has; its credentials open nothing.
const ROLE: &str = "vpc-sim-node";
const MAX_TTL_SECONDS: u64 = 21_600;

/// A question to the metadata service.
pub(crate) struct Question<'a> {
    pub(crate) from: IpAddr,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// `X-aws-ec2-metadata-token-ttl-seconds`
    pub(crate) ttl: Option<&'a str>,
    /// `X-aws-ec2-metadata-token`
    pub(crate) token: Option<&'a str>,
}

/// An HTTP status and a text.
pub(crate) fn answer(vpc: &Vpc, question: &Question, now_ms: u64) -> (u16, String) {
    let Question {
        from,
        method,
        path,
        ttl,
        token,
    } = question;
    let Some(instance) = asker(vpc, *from) else {
        return (404, String::new());
    };
    match (*method, *path) {
        ("PUT", "/latest/api/token") => match ttl.and_then(|ttl| ttl.parse().ok()) {
            Some(ttl @ 1..=MAX_TTL_SECONDS) => {
                (200, format!("{}.{}", instance.id, now_ms + ttl * 1000))
            }
            _ => (400, String::new()),
        },
        ("GET", path) if token.is_some_and(|token| is_valid(token, instance, now_ms)) => {
            metadata(vpc, instance, path, now_ms).map_or((404, String::new()), |text| (200, text))
        }
        ("GET", _) => (401, String::new()),
        _ => (405, String::new()),
    }
}

/// A token says for whom and until when it is good; it needs no memory.
fn is_valid(token: &str, instance: &Instance, now_ms: u64) -> bool {
    let parts = token
        .split_once('.')
        .and_then(|(id, until)| Some((id, until.parse::<u64>().ok()?)));
    parts.is_some_and(|(id, until)| id == instance.id.as_str() && now_ms < until)
}

fn metadata(vpc: &Vpc, instance: &Instance, path: &str, now_ms: u64) -> Option<String> {
    let role = format!("iam/security-credentials/{ROLE}");
    Some(match path.strip_prefix("/latest/meta-data/")? {
        "instance-id" => instance.id.to_string(),
        "instance-type" => instance.kind.name.to_owned(),
        "placement/availability-zone" => vpc.subnet(&instance.subnet)?.zone.clone(),
        "placement/region" => REGION.to_owned(),
        "iam/security-credentials" | "iam/security-credentials/" => ROLE.to_owned(),
        path if path == role => credentials(now_ms),
        _ => return None,
    })
}

fn credentials(now_ms: u64) -> String {
    let at = |ms: u64| {
        i64::try_from(ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or_default()
    };
    serde_json::json!({
        "Code": "Success",
        "LastUpdated": at(now_ms),
        "Type": "AWS-HMAC",
        "AccessKeyId": "ASIAVPCSIMNODE000000",
        "SecretAccessKey": "vpc-sim",
        "Token": "vpc-sim",
        "Expiration": at(now_ms + MAX_TTL_SECONDS * 1000),
    })
    .to_string()
}

/// The instance behind an address: whichever of its ENIs carries it, or the route that leads there.
fn asker(vpc: &Vpc, from: IpAddr) -> Option<&Instance> {
    let carries = |eni: &&Eni| match from {
        IpAddr::V4(address) => {
            let prefixes = &eni.others.ipv4_prefixes;
            eni.ipv4().any(|own| own == address) || prefixes.iter().any(|p| p.contains(address))
        }
        IpAddr::V6(address) => {
            let prefixes = &eni.others.ipv6_prefixes;
            link_local(eni.mac) == address
                || eni.others.ipv6.contains(&address)
                || prefixes.iter().any(|p| p.contains(address))
        }
    };
    let owner = vpc
        .enis()
        .find(carries)
        .and_then(Eni::plugged_into)
        .and_then(|id| vpc.instance(id));
    let routed = |instance: &&Instance| match from {
        IpAddr::V4(address) => instance.routes.iter().any(|route| route.contains(address)),
        IpAddr::V6(_) => false,
    };
    owner.or_else(|| vpc.instances().find(routed))
}

/// The address that the kernel gives a device by itself (RFC 4291, appendix A).
fn link_local(Mac([b0, b1, b2, b3, b4, b5]): Mac) -> Ipv6Addr {
    let identifier = [b0 ^ 2, b1, b2, 0xff, 0xfe, b3, b4, b5];
    Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(u64::from_be_bytes(identifier)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vpc::{Delays, Launch, world};

    const ID: &str = "/latest/meta-data/instance-id";

    fn a_world() -> Vpc {
        let mut vpc = Vpc::new(Delays::default());
        for host in [11, 12] {
            let launch = Launch {
                name: format!("n{host}"),
                instance_type: "m5.large".to_owned(),
                subnet: world::SUBNET_NODES.into(),
                address: Some([10, 0, 1, host].into()),
                groups: [world::GROUP_NODES.into()].into(),
                routes: vec![format!("10.244.{host}.0/24").parse().unwrap()],
                ipv6: None,
                source_dest_check: false,
            };
            vpc.launch(launch, 0).unwrap();
        }
        vpc
    }

    fn ask(vpc: &Vpc, from: &str, path: &str, token: Option<&str>, now_ms: u64) -> (u16, String) {
        answer(
            vpc,
            &Question {
                from: from.parse().unwrap(),
                method: "GET",
                path,
                ttl: None,
                token,
            },
            now_ms,
        )
    }

    fn token(vpc: &Vpc, from: &str, ttl: &str) -> (u16, String) {
        let from = from.parse().unwrap();
        answer(
            vpc,
            &Question {
                from,
                method: "PUT",
                path: "/latest/api/token",
                ttl: Some(ttl),
                token: None,
            },
            0,
        )
    }

    #[test]
    fn metadata_needs_a_token_of_this_instance_that_is_still_good() {
        let vpc = a_world();
        let (status, token) = token(&vpc, "10.0.1.11", "60");
        assert_eq!(status, 200);
        let id = vpc.instances().next().unwrap().id.to_string();
        assert_eq!(
            ask(&vpc, "10.0.1.11", ID, Some(&token), 59_999),
            (200, id.clone())
        );
        assert_eq!(ask(&vpc, "10.244.11.7", ID, Some(&token), 0), (200, id));
        assert_eq!(ask(&vpc, "10.0.1.11", ID, Some(&token), 60_000).0, 401);
        assert_eq!(ask(&vpc, "10.0.1.12", ID, Some(&token), 0).0, 401);
        assert_eq!(ask(&vpc, "10.0.1.11", ID, None, 0).0, 401);
    }

    #[test]
    fn token_lives_from_a_second_to_six_hours() {
        let vpc = a_world();
        let status = |ttl| token(&vpc, "10.0.1.11", ttl).0;
        assert_eq!(
            [
                status("0"),
                status("1"),
                status("21600"),
                status("21601"),
                status("x")
            ],
            [400, 200, 200, 400, 400]
        );
    }

    #[test]
    fn stranger_learns_nothing() {
        assert_eq!(token(&a_world(), "10.0.1.99", "60").0, 404);
    }

    #[test]
    fn instance_is_known_by_its_link_local_address_too() {
        assert_eq!(token(&a_world(), "fe80::4ec:20ff:fe00:1", "60").0, 200);
    }
}
