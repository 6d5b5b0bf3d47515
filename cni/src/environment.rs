//! What the runtime says in environment variables.

use std::ffi::OsString;

use crate::{
    error::{CniError, code},
    protocol::{Pod, Sandbox},
};

/// What the plugin is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Give the container its interface.
    Add,
    /// Take it away.
    Del,
    /// Compare.
    Check,
    /// Can ADD work?
    Status,
    /// Remove what no container uses.
    Gc,
    /// Which versions are spoken?
    Version,
}

/// Environment variables by name.
pub struct Environment<'a>(pub &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
    /// `CNI_COMMAND`.
    pub fn verb(&self) -> Result<Verb, CniError> {
        match self.required("CNI_COMMAND")?.as_str() {
            "ADD" => Ok(Verb::Add),
            "DEL" => Ok(Verb::Del),
            "CHECK" => Ok(Verb::Check),
            "STATUS" => Ok(Verb::Status),
            "GC" => Ok(Verb::Gc),
            "VERSION" => Ok(Verb::Version),
            other => Err(malformed(&format!(
                "CNI_COMMAND={other:?} is not one of ADD, DEL, CHECK, GC, STATUS, VERSION"
            ))),
        }
    }

    /// Which attachment of the network `network` is meant: `CNI_CONTAINERID` and `CNI_IFNAME`.
    pub fn sandbox(&self, network: String) -> Result<Sandbox, CniError> {
        let container_id = self.required("CNI_CONTAINERID")?;
        if !is_identifier(&container_id) {
            return Err(malformed(&format!(
                "CNI_CONTAINERID={container_id:?} must begin with a letter or digit, hold only letters, digits, '_', '.', '-', and have at most 128 characters"
            )));
        }
        let if_name = self.required("CNI_IFNAME")?;
        if !is_interface_name(&if_name) {
            return Err(malformed(&format!(
                "CNI_IFNAME={if_name:?} must have 1 to 15 characters, none of them '/', ':' or a space, and not be '.' or '..'"
            )));
        }
        Ok(Sandbox {
            network,
            container_id,
            if_name,
        })
    }

    /// The pod, from `CNI_ARGS`.
    pub fn pod(&self) -> Result<Pod, CniError> {
        let args = self.optional("CNI_ARGS")?.unwrap_or_default();
        let (mut namespace, mut name, mut uid) = (None, None, None);
        for pair in args.split(';').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(malformed(&format!(
                    "CNI_ARGS: {pair:?} is not of the form key=value"
                )));
            };
            match key {
                "K8S_POD_NAMESPACE" => namespace = Some(value.to_owned()),
                "K8S_POD_NAME" => name = Some(value.to_owned()),
                "K8S_POD_UID" => uid = Some(value.to_owned()),
                _ => {}
            }
        }
        match (namespace, name, uid) {
            (Some(namespace), Some(name), Some(uid)) => Ok(Pod {
                namespace,
                name,
                uid,
                interfaces: None,
            }),
            _ => Err(malformed(
                "CNI_ARGS must hold K8S_POD_NAMESPACE, K8S_POD_NAME and K8S_POD_UID: only pods of Kubernetes can have a claim",
            )),
        }
    }

    /// The address that `CNI_ARGS` asks for: `ip`, in any letter case.
    pub fn ip(&self) -> Result<Option<String>, CniError> {
        let args = self.optional("CNI_ARGS")?.unwrap_or_default();
        let mut pairs = args.split(';').filter_map(|pair| pair.split_once('='));
        let ip = pairs.find(|(key, value)| key.eq_ignore_ascii_case("ip") && !value.is_empty());
        Ok(ip.map(|(_, value)| value.to_owned()))
    }

    /// A variable that must be set, and not to the empty string.
    pub(crate) fn required(&self, name: &str) -> Result<String, CniError> {
        self.optional(name)?.ok_or_else(|| {
            malformed(&format!(
                "{name} is not set; the container runtime must set it"
            ))
        })
    }

    fn optional(&self, name: &str) -> Result<Option<String>, CniError> {
        match (self.0)(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) if value.is_empty() => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(value)) => Err(malformed(&format!(
                "{name}={} is not UTF-8",
                value.display()
            ))),
        }
    }
}

fn malformed(message: &str) -> CniError {
    CniError::new(code::ENVIRONMENT, message)
}

/// What the specification allows for network names and container ids; it also makes them safe as file names.
pub(crate) fn is_identifier(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// What the kernel allows (`dev_valid_name` in net/core/dev.c), whose white space is that of Latin-1.
fn is_interface_name(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && !matches!(text, "." | "..")
        && !text
            .bytes()
            .any(|b| matches!(b, b'/' | b':' | b'\t'..=b'\r' | b' ' | 0xa0))
}
