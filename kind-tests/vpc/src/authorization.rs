//! Who may call what: everybody everything, but what a test denies.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{Action, Create, Ec2Error, Request, Settings, Tags, Vpc, world};

/// Who calls, as refusals name it.
const CALLER: &str = "arn:aws:sts::000000000000:assumed-role/eniclaim/session";
const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Shorter than most real ones, which have from some hundred to some thousand letters.
const ENCODED_LENGTH: usize = 640;

/// One thing that a policy is asked about: an action, on an interface with these tags. `*` is one that is not made yet.
struct Question {
    action: Action,
    interface: String,
    tags: Tags,
}

impl Vpc {
    /// Refuses what is denied. Each refusal has another encoded part, as EC2's have.
    pub(crate) fn authorize(&mut self, request: &Request) -> Result<(), Ec2Error> {
        let questions = self.questions(request);
        let refused = questions
            .iter()
            .find_map(|question| Some((question, self.settings.refusal(question)?)));
        let Some((question, why)) = refused else {
            return Ok(());
        };
        self.denials += 1;
        Err(Ec2Error::UnauthorizedOperation {
            caller: CALLER,
            action: question.action,
            resource: question.resource(),
            why,
            encoded: encoded(self.denials),
        })
    }

    /// Whoever makes an interface with tags must be allowed to tag, too: <https://github.com/cilium/cilium/pull/14500>.
    /// One that does not exist has no tags (unverified).
    fn questions(&self, request: &Request) -> Vec<Question> {
        let question = |action, interface: &str, tags: &Tags| Question {
            action,
            interface: interface.to_owned(),
            tags: tags.clone(),
        };
        let (action, none) = (request.action(), Tags::new());
        if let Request::CreateNetworkInterface(Create { tags, .. }) = request {
            let tagging = (!tags.is_empty()).then(|| question(Action::CreateTags, "*", tags));
            return [question(action, "*", tags)]
                .into_iter()
                .chain(tagging)
                .collect();
        }
        let named = self.named(request);
        if named.is_empty() {
            return vec![question(action, "*", &none)];
        }
        let tags = |id| self.eni(id).map_or(&none, |eni| &eni.tags);
        named
            .iter()
            .map(|id| question(action, id.as_str(), tags(id)))
            .collect()
    }
}

impl Settings {
    /// Why the answer is no, if it is.
    fn refusal(&self, question: &Question) -> Option<Why> {
        let Question { action, tags, .. } = question;
        let has = |(key, value): (&String, &String)| tags.get(key) == Some(value);
        let conditions = |all: &BTreeMap<Action, Tags>| all.get(action).cloned();
        let forbidden = conditions(&self.denied_tags).is_some_and(|tags| tags.iter().any(has));
        let lacking = conditions(&self.required_tags).is_some_and(|tags| !tags.iter().all(has));
        if forbidden {
            return Some(Why::Denied);
        }
        (lacking || self.denied.contains(action)).then_some(Why::NotAllowed)
    }
}

impl Question {
    /// How a refusal names what is acted on: an ARN, or nothing for a read (unverified).
    fn resource(&self) -> String {
        if !self.action.is_mutating() {
            return String::new();
        }
        let (region, account, id) = (world::REGION, world::ACCOUNT, &self.interface);
        format!(" on resource: arn:aws:ec2:{region}:{account}:network-interface/{id}")
    }
}

/// Why a call is not authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// No policy allows it.
    NotAllowed,
    /// A policy denies it. <https://github.com/aws/karpenter-provider-aws/issues/8190> has the sentence of another kind of
    /// policy; that this kind is named in its place is unverified.
    Denied,
}

impl Why {
    /// As a part of EC2's sentence.
    pub(crate) fn clause(self, action: Action) -> String {
        match self {
            Self::NotAllowed => {
                format!("because no identity-based policy allows the ec2:{action} action")
            }
            Self::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        }
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
