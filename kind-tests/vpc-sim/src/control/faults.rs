//! `/sim/faults` and `/sim/dhcp/faults`: how tests order, list and forget what shall go wrong.

use hyper::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Refusal, unknown};
use crate::{
    fault::{Faults, Order},
    state::{Sim, World},
};

/// All faults of one kind.
pub(super) fn all<F: Order + Serialize + DeserializeOwned>(
    world: &World,
    (method, path): (&Method, &str),
    body: &str,
    of: impl FnOnce(&mut Sim) -> &mut Faults<F>,
) -> Result<Value, Refusal> {
    match *method {
        Method::GET => Ok(world.note(|sim| json!(of(sim).standing().collect::<Vec<_>>()))),
        Method::POST => {
            let fault: F = serde_json::from_str(body)?;
            let id = world.note(|sim| of(sim).order(fault))?;
            Ok(json!({ "id": id }))
        }
        Method::DELETE => {
            world.note(|sim| of(sim).clear());
            Ok(json!({}))
        }
        _ => Err(unknown(method, path)),
    }
}

/// Forgets the fault `id`, and answers it.
pub(super) fn forget<F: Order + Serialize>(
    world: &World,
    id: &str,
    of: impl FnOnce(&mut Sim) -> &mut Faults<F>,
) -> Result<Value, Refusal> {
    let parsed = id.parse().ok();
    let forgotten = parsed.and_then(|id| world.note(|sim| of(sim).forget(id)));
    let none = || Refusal(StatusCode::NOT_FOUND, format!("there is no fault {id}"));
    Ok(json!(forgotten.ok_or_else(none)?))
}
