//! Who may call what: everybody everything, but what a test denies.

use std::fmt::Write as _;

use crate::{Ec2Error, Request, Vpc, world};

/// Who calls, as refusals name it.
const CALLER: &str = "arn:aws:sts::000000000000:assumed-role/eniclaim/session";
const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Shorter than most real ones, which have from some hundred to some thousand letters.
const ENCODED_LENGTH: usize = 640;

impl Vpc {
    /// Refuses what is denied. Each refusal has another encoded part, as EC2's have.
    pub(crate) fn authorize(&mut self, request: &Request) -> Result<(), Ec2Error> {
        let action = request.action();
        if !self.settings.denied.contains(&action) {
            return Ok(());
        }
        self.denials += 1;
        Err(Ec2Error::UnauthorizedOperation {
            caller: CALLER,
            action,
            resource: self.resource(request),
            encoded: encoded(self.denials),
        })
    }

    /// How a refusal names what is acted on: an ARN, or nothing for a read (unverified).
    fn resource(&self, request: &Request) -> String {
        if !request.action().is_mutating() {
            return String::new();
        }
        let (region, account) = (world::REGION, world::ACCOUNT);
        let named = self.named(request);
        let id = named.first().map_or("*", |id| id.as_str());
        format!(" on resource: arn:aws:ec2:{region}:{account}:network-interface/{id}")
    }
}

/// What only AWS can read. The `n`-th is always the same.
fn encoded(n: u64) -> String {
    let mut text = String::new();
    let mut state = n;
    while text.len() < ENCODED_LENGTH {
        // SplitMix64, <https://prng.di.unimi.it/splitmix64.c>
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        for letter in bits.to_be_bytes() {
            let letter = BASE64URL.get(usize::from(letter & 63)).copied();
            // Writing to a string cannot fail.
            let _ = write!(text, "{}", char::from(letter.unwrap_or(b'A')));
        }
    }
    text
}
