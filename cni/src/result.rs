//! The CNI result: that of the plugins before us, and the ENI as a further interface.

use serde_json::{Map, Value, json};

use crate::{
    error::{CniError, code},
    protocol::Added,
    version::SpecVersion,
};

/// The previous result as ours, unchanged but for the version that the specification asks for.
pub fn pass_through(version: SpecVersion, previous: &Map<String, Value>) -> Value {
    let mut result = previous.clone();
    result.insert("cniVersion".to_owned(), version.as_str().into());
    Value::Object(result)
}

/// The previous result with the plugged interface behind its own.
pub fn with_interface(
    version: SpecVersion,
    previous: &Map<String, Value>,
    added: &Added,
    sandbox: &str,
) -> Result<Value, CniError> {
    let mut result = pass_through(version, previous);
    let interfaces = list(&mut result, "interfaces")?;
    let index = interfaces.len();
    interfaces.push(interface(version, added, sandbox));
    let ips = list(&mut result, "ips")?;
    for address in &added.addresses {
        let mut ip = json!({
            "address": address.address,
            "gateway": address.gateway,
            "interface": index,
        });
        if version < SpecVersion::V1_0_0 {
            insert(
                &mut ip,
                "version",
                if address.address.contains(':') {
                    "6"
                } else {
                    "4"
                }
                .into(),
            );
        }
        ips.push(ip);
    }
    Ok(result)
}

fn interface(version: SpecVersion, added: &Added, sandbox: &str) -> Value {
    let mut interface = json!({ "name": added.name, "mac": added.mac, "sandbox": sandbox });
    if version >= SpecVersion::V1_1_0 {
        insert(&mut interface, "mtu", added.mtu.into());
        if let Some(pci) = &added.pci_id {
            insert(&mut interface, "pciID", pci.as_str().into());
        }
    }
    interface
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(object) = object {
        object.insert(key.to_owned(), value);
    }
}

fn list<'a>(result: &'a mut Value, key: &str) -> Result<&'a mut Vec<Value>, CniError> {
    let refusal = || {
        CniError::new(
            code::CONFIGURATION,
            format!("{key} in prevResult must be a list"),
        )
    };
    let object = result.as_object_mut().ok_or_else(refusal)?;
    let list = object.entry(key).or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut().ok_or_else(refusal)
}
