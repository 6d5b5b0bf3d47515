//! `/sim/dhcp`: the messages of clients.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Value, json};
use vpc::{EniId, dhcp::Message};

use super::{Refusal, no_parameter};
use crate::{dhcp::Heard, state::World};

/// The messages from the index `since` on, of one interface `eni` and of one kind `message`.
pub(super) fn heard(world: &World, query: &str) -> Result<Value, Refusal> {
    let bad = |why: String| Refusal(StatusCode::BAD_REQUEST, why);
    let (mut since, mut eni, mut message) = (0, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "since" => {
                let index = value.parse();
                since = index.map_err(|_| bad(format!("{value:?} is no index of a message")))?;
            }
            "eni" => eni = Some(EniId::from(value)),
            "message" => {
                let named = Message::named(&value);
                message = Some(named.map_err(|error| bad(error.to_string()))?);
            }
            other => return Err(no_parameter(other)),
        }
    }
    let wanted = |heard: &&Heard| {
        eni.as_ref().is_none_or(|eni| heard.eni == *eni)
            && message.is_none_or(|message| heard.message == message)
    };
    Ok(world.look(|sim| {
        let heard = sim.dhcp.heard.iter().skip(since).filter(wanted);
        json!(heard.collect::<Vec<_>>())
    }))
}

/// How many messages of each kind each interface has sent.
pub(super) fn counts(world: &World) -> Value {
    world.look(|sim| {
        let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for heard in &sim.dhcp.heard {
            let of_eni = counts.entry(heard.eni.as_str()).or_default();
            *of_eni.entry(heard.message.name()).or_default() += 1;
        }
        json!(counts)
    })
}
