//! Names derived from UIDs by hash: the `ClientToken` of a Create and the name of a pod's claim.

use api::id::{ClaimUid, InterfaceName, PodName, PodUid};
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters of the pod UID's hash in the name of its claim.
const SUFFIX: usize = 5;
/// A claim's name is a label value: at most 63 characters.
const NAME: usize = 63;

/// `ClientToken` of a claim's n-th request: 52 characters of the 64 that EC2 takes.
pub fn client_token(claim: &ClaimUid, incarnation: u32) -> String {
    base32(
        &Sha256::new()
            .chain_update(claim.as_str())
            .chain_update([0])
            .chain_update(incarnation.to_be_bytes())
            .finalize(),
    )
}

/// Name of the claim of a pod: the pod's name, cut where it is long, five characters of its UID's hash, and the interface if the
/// pod asks for interfaces by name.
pub fn claim_name(pod: &PodName, uid: &PodUid, interface: Option<&InterfaceName>) -> String {
    let hash = base32(&Sha256::digest(uid.as_str()));
    let mut end: String = hash.chars().take(SUFFIX).collect();
    if let Some(interface) = interface {
        end = format!("{end}-{interface}");
    }
    let room = NAME.saturating_sub(end.len() + 1);
    let cut: String = pod.as_str().chars().take(room).collect();
    format!("{}-{end}", cut.trim_end_matches(['-', '.']))
}

/// Sixteen characters that stand for these parts: the same parts give the same.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    base32(&hash.finalize()).chars().take(16).collect()
}

/// RFC 4648 in lower case, without padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

fn letter(value: u32) -> char {
    ALPHABET
        .get((value & 31) as usize)
        .map_or('a', |b| char::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        assert_eq!(base32(b"foobar"), "mzxw6ytboi");
        assert_eq!(base32(b""), "");
    }

    #[test]
    fn tokens_differ_by_claim_and_incarnation_and_fit() {
        let a = client_token(&"uid-a".into(), 1);
        assert_eq!(a.len(), 52);
        assert_eq!(a, client_token(&"uid-a".into(), 1));
        assert_ne!(a, client_token(&"uid-a".into(), 2));
        assert_ne!(a, client_token(&"uid-b".into(), 1));
    }

    #[test]
    fn claim_names_fit_a_label_value_whatever_the_pod_is_called() {
        let name = claim_name(
            &"web-0".into(),
            &"1b4e28ba-2fa1-11d2-883f-0016d3cca427".into(),
            None,
        );
        assert!(name.starts_with("web-0-") && name.len() == 11, "{name}");
        let long = format!("{}.{}", "a".repeat(57), "b".repeat(100));
        let long = claim_name(&long.as_str().into(), &"uid".into(), None);
        assert!(long.len() <= 63 && !long.contains('.'), "{long}");
    }

    #[test]
    fn each_interface_of_a_pod_has_a_claim_of_its_own_that_ends_with_its_name() {
        let name = |pod: &str, interface: Option<&str>| {
            let interface = interface.map(|name| name.parse().unwrap());
            claim_name(&pod.into(), &"uid".into(), interface.as_ref())
        };
        let one = name("web-0", None);
        assert_eq!(name("web-0", Some("eni1")), format!("{one}-eni1"));
        let pod = "a".repeat(253);
        for interface in ["e", "eni-5678901-345"] {
            let name = name(&pod, Some(interface));
            assert!(name.len() == 63 && name.ends_with(interface), "{name}");
        }
    }
}
