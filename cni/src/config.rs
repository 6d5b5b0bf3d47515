//! The network configuration on stdin.

use std::{io::Read, path::PathBuf};

use serde_json::{Map, Value};

use crate::{
    environment::is_identifier,
    error::{CniError, code},
    version::SpecVersion,
};

/// The annotation by which a pod asks for an ENI. The same word as `api::name::CLASS`, which this small binary does not link.
pub const CLASS_ANNOTATION: &str = "eniclaim.io/class";
/// The capability under which containerd and CRI-O hand the pod's annotations to a plugin.
pub const ANNOTATIONS_CAPABILITY: &str = "io.kubernetes.cri.pod-annotations";
/// Where the agent listens unless `socket` says otherwise.
pub const SOCKET: &str = "/run/eniclaim/agent.sock";

/// No runtime sends more; a cap keeps a mistake from becoming an out-of-memory kill.
const LARGEST: u64 = 1 << 20;
/// Keys that the specification gives to every plugin.
const KEYS_OF_THE_SPECIFICATION: [&str; 10] = [
    "cniVersion",
    "name",
    "type",
    "args",
    "ipMasq",
    "ipam",
    "dns",
    "capabilities",
    "runtimeConfig",
    "prevResult",
];

/// The network configuration, parsed as far as every verb needs it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The version of the specification to speak.
    pub version: SpecVersion,
    document: Map<String, Value>,
}

impl Config {
    /// Reads and parses stdin.
    pub fn read(stdin: &mut impl Read) -> Result<Self, CniError> {
        let mut text = Vec::new();
        stdin
            .take(LARGEST + 1)
            .read_to_end(&mut text)
            .map_err(|e| {
                CniError::new(
                    code::IO,
                    format!("cannot read the network configuration from stdin: {e}"),
                )
            })?;
        if text.len() as u64 > LARGEST {
            return Err(CniError::new(
                code::DECODING,
                "the network configuration on stdin is larger than 1 MiB",
            ));
        }
        Self::parse(&text)
    }

    /// Parses a configuration.
    pub fn parse(text: &[u8]) -> Result<Self, CniError> {
        let document: Value = serde_json::from_slice(text).map_err(|e| {
            CniError::new(
                code::DECODING,
                format!("the network configuration on stdin is not JSON: {e}"),
            )
        })?;
        let Value::Object(document) = document else {
            return Err(malformed(
                "the network configuration on stdin is JSON, but not an object",
            ));
        };
        let version = match document.get("cniVersion") {
            Some(Value::String(text)) => SpecVersion::parse(text)?,
            Some(_) => {
                return Err(malformed(
                    "cniVersion must be a string, for example \"1.1.0\"",
                ));
            }
            None => {
                return Err(malformed(
                    "cniVersion is missing in the network configuration",
                ));
            }
        };
        Ok(Self { version, document })
    }

    /// The name of the network.
    pub fn network(&self) -> Result<&str, CniError> {
        match self.document.get("name") {
            Some(Value::String(name)) if is_identifier(name) => Ok(name),
            Some(name) => Err(malformed(&format!(
                "name {name} of the network must begin with a letter or digit, hold only letters, digits, '_', '.', '-', and have at most 128 characters"
            ))),
            None => Err(malformed("name is missing in the network configuration")),
        }
    }

    /// The class that the pod asks for; `None` for the many pods that do not ask.
    pub fn class(&self) -> Result<Option<&str>, CniError> {
        let Some(runtime) = self.object("runtimeConfig")? else {
            return Ok(None);
        };
        match runtime.get(ANNOTATIONS_CAPABILITY) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(annotations)) => match annotations.get(CLASS_ANNOTATION) {
                None => Ok(None),
                Some(Value::String(class)) => Ok(Some(class)),
                Some(_) => Err(malformed(&format!(
                    "the annotation {CLASS_ANNOTATION} must be a string"
                ))),
            },
            Some(_) => Err(malformed(&format!(
                "runtimeConfig[{ANNOTATIONS_CAPABILITY:?}] must be an object"
            ))),
        }
    }

    /// The result of the plugins before this one.
    pub fn previous_result(&self) -> Result<&Map<String, Value>, CniError> {
        self.object("prevResult")?.ok_or_else(|| {
            malformed("eniclaim adds an interface to a pod that has a network already: put it behind another plugin in the plugins list")
        })
    }

    /// Where the agent listens.
    pub fn socket(&self) -> Result<PathBuf, CniError> {
        match self.document.get("socket") {
            None => Ok(PathBuf::from(SOCKET)),
            Some(Value::String(path)) if path.starts_with('/') => Ok(PathBuf::from(path)),
            Some(other) => Err(malformed(&format!(
                "socket {other} must be an absolute path, for example {SOCKET:?}"
            ))),
        }
    }

    /// Refuses keys that nobody knows: a misspelled one must not be ignored silently.
    pub fn refuse_unknown_keys(&self) -> Result<(), CniError> {
        let known = |key: &str| {
            key == "socket"
                || key.starts_with("cni.dev/")
                || KEYS_OF_THE_SPECIFICATION.contains(&key)
        };
        match self.document.keys().find(|key| !known(key)) {
            None => Ok(()),
            Some(key) => Err(malformed(&format!(
                "unknown key {key:?} in the configuration of the plugin eniclaim; remove it"
            ))),
        }
    }

    fn object(&self, key: &str) -> Result<Option<&Map<String, Value>>, CniError> {
        match self.document.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(malformed(&format!("{key} must be an object"))),
        }
    }
}

fn malformed(message: &str) -> CniError {
    CniError::new(code::CONFIGURATION, message)
}
