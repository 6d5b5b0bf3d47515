//! The network configuration on stdin, judged no further than a verb needs it.

use std::{ffi::OsStr, io::Read, path::PathBuf};

use crate::{
    environment::is_identifier,
    error::{CniError, code},
    json::Json,
    protocol::Attachment,
    version::SpecVersion,
};

/// The annotation by which a pod asks for an ENI. The same word as `api::name::CLASS`, which this small binary does not link.
pub const CLASS_ANNOTATION: &str = "eniclaim.io/class";
/// The annotation by which it asks for several: `api::name::INTERFACES`.
pub const INTERFACES_ANNOTATION: &str = "eniclaim.io/interfaces";
/// The capability under which containerd and CRI-O hand the pod's annotations to a plugin.
pub const ANNOTATIONS_CAPABILITY: &str = "io.kubernetes.cri.pod-annotations";
/// Where the agent listens unless `socket` says otherwise.
pub const SOCKET: &str = "/run/eniclaim/agent.sock";

/// The plugin, as configurations name it in `type`.
pub const PLUGIN: &str = "eniclaim";
/// Plugins whose configurations it reads as well. Runtimes find it under their names by a link.
pub const REPLACED: [&str; 4] = ["ecs-eni", "ecs-bridge", ECS_IPAM, ENIM];
/// Those of them that give addresses to others: of the node's bridges, and of claims.
const ECS_IPAM: &str = "ecs-ipam";
const ENIM: &str = "enim";

/// No runtime sends more; a cap keeps a mistake from becoming an out-of-memory kill.
const LARGEST: u64 = 1 << 20;
/// Keys of ours.
const OWN_KEYS: [&str; 2] = ["socket", "pods"];
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

/// What the key `pods` may say: each pod of the network asks, or those with the annotation.
const ALL: &str = "All";
const ANNOTATED: &str = "Annotated";

/// Whether the pod asks for an ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// It has the annotation, or the configuration says that every pod asks.
    Yes,
    /// The runtime handed over the pod's annotations, and ours is not among them.
    No,
    /// The runtime handed over no annotations.
    Unknown,
}

/// The network configuration: a JSON object of which nothing else is known yet.
#[derive(Debug, Clone)]
pub struct Config {
    text: Vec<u8>,
    replaced: Option<&'static str>,
}

impl Config {
    /// Reads stdin, for the plugin that was run as `program`.
    pub fn read(program: &OsStr, stdin: &mut impl Read) -> Result<Self, CniError> {
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
        let json = Json::parse(&text).map_err(|e| {
            CniError::new(
                code::DECODING,
                format!("the network configuration on stdin is not JSON: {e}"),
            )
        })?;
        if !json.text().starts_with(b"{") {
            return Err(malformed(
                "the network configuration on stdin is JSON, but not an object",
            ));
        }
        let name = program
            .as_encoded_bytes()
            .rsplit(|byte| *byte == b'/')
            .next();
        let is = |plugin: &&str| name == Some(plugin.as_bytes());
        // An IPAM plugin gets the configuration of the one that asks: its own name counts, and not what that says.
        let replaced = REPLACED.into_iter().find(is).or_else(|| {
            let plugin = json.get("type")?.string()?;
            REPLACED.into_iter().find(|replaced| *replaced == plugin)
        });
        Ok(Self {
            text: json.text().to_vec(),
            replaced,
        })
    }

    /// Whether the pod asks for an ENI. What is not where the runtime puts annotations is no annotation: such a pod does not ask.
    pub fn asks(&self) -> bool {
        self.asking() == Asking::Yes
    }

    /// What is known of whether the pod asks.
    pub fn asking(&self) -> Asking {
        match self.annotations() {
            // It names what it wants.
            _ if self.replaced().is_some() => Asking::Yes,
            _ if self.own_string("pods").is_some_and(|pods| pods == ALL) => Asking::Yes,
            Some(annotations) if annotations.get(CLASS_ANNOTATION).is_some() => Asking::Yes,
            Some(_) => Asking::No,
            None => Asking::Unknown,
        }
    }

    /// The interfaces that the pod asks for by name, as its annotation says. Whether that makes sense, the agent says.
    pub fn interfaces(&self) -> Result<Option<String>, CniError> {
        let annotations = self.annotations();
        let Some(json) = annotations.and_then(|all| all.get(INTERFACES_ANNOTATION)) else {
            return Ok(None);
        };
        json.string().map(Some).ok_or_else(|| {
            malformed(&format!(
                "the annotation {INTERFACES_ANNOTATION} in runtimeConfig is {json}, and must be a string"
            ))
        })
    }

    /// Whether another plugin asks for addresses: the configuration is that plugin's, and `ipam` in it is ours.
    pub fn is_ipam(&self) -> bool {
        let is_ours = |kind: Option<Json<'_>>| {
            kind.and_then(Json::string)
                .is_some_and(|kind| kind == PLUGIN)
        };
        let ipam = self.get("ipam").and_then(|ipam| ipam.get("type"));
        is_ours(ipam) && !is_ours(self.get("type"))
    }

    /// The plugin that it was written for, if that is one of [`REPLACED`].
    pub fn replaced(&self) -> Option<&'static str> {
        self.replaced
    }

    /// Whether that is one that gives addresses to others, and touches nothing.
    pub fn gives_addresses(&self) -> bool {
        self.releases() || self.is_of_claims()
    }

    /// Whether its DEL gives addresses back.
    pub fn releases(&self) -> bool {
        self.replaced == Some(ECS_IPAM)
    }

    /// Whether the addresses are those of a pod's claim.
    pub fn is_of_claims(&self) -> bool {
        self.replaced == Some(ENIM)
    }

    /// All of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// The DNS settings that the configuration has for the result, whatever they are.
    pub fn dns(&self) -> Option<Json<'_>> {
        self.get("dns")
    }

    /// The result of the plugins before this one, whatever it is.
    pub fn previous_result(&self) -> Option<Json<'_>> {
        self.get("prevResult")
    }

    /// The result of ADD, with which CHECK compares.
    pub fn result_to_check(&self) -> Result<Json<'_>, CniError> {
        self.previous_result().ok_or_else(|| {
            malformed("prevResult is missing in the network configuration: CHECK compares with it")
        })
    }

    /// The version of the specification to speak.
    pub fn version(&self) -> Result<SpecVersion, CniError> {
        let Some(json) = self.get("cniVersion") else {
            // As the replaced plugins have it: without the key it is 0.1.0.
            let code = match self.replaced {
                Some(_) => code::INCOMPATIBLE_VERSION,
                None => code::CONFIGURATION,
            };
            return Err(CniError::new(
                code,
                "cniVersion is missing in the network configuration",
            ));
        };
        let Some(text) = json.string() else {
            return Err(malformed(
                "cniVersion must be a string, for example \"1.1.0\"",
            ));
        };
        SpecVersion::parse(&text).ok_or_else(|| {
            CniError::new(
                code::INCOMPATIBLE_VERSION,
                format!("cniVersion {json} is not supported for pods with an ENI; use one of 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"),
            )
        })
    }

    /// The version of the specification to speak, for a verb that came with `first`.
    pub fn version_since(&self, first: SpecVersion) -> Result<SpecVersion, CniError> {
        let version = self.version()?;
        if version >= first {
            return Ok(version);
        }
        let (is, first) = (version.as_str(), first.as_str());
        Err(CniError::new(
            code::INCOMPATIBLE_VERSION,
            format!("cniVersion {is} does not have this verb; it came with {first}"),
        ))
    }

    /// The name of the network.
    pub fn network(&self) -> Result<String, CniError> {
        let json = match (self.get("name"), self.replaced) {
            (Some(json), _) => json,
            // The ECS plugins needed none.
            (None, Some(plugin)) if plugin != ENIM => return Ok(plugin.to_owned()),
            (None, _) => {
                return Err(malformed("name is missing in the network configuration"));
            }
        };
        json.string().filter(|name| is_identifier(name)).ok_or_else(|| {
            malformed(&format!(
                "name {json} of the network must begin with a letter or digit, hold only letters, digits, '_', '.', '-', and have at most 128 characters"
            ))
        })
    }

    /// Where the agent listens.
    pub fn socket(&self) -> Result<PathBuf, CniError> {
        let Some(json) = self.own().get("socket") else {
            return Ok(PathBuf::from(SOCKET));
        };
        match json.string() {
            Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
            _ => Err(malformed(&format!(
                "socket {json} must be an absolute path, for example {SOCKET}"
            ))),
        }
    }

    /// The attachments that GC must spare; `None` where the runtime lists none, which does not mean that none is valid.
    pub fn valid_attachments(&self) -> Result<Option<Vec<Attachment>>, CniError> {
        const KEY: &str = "cni.dev/valid-attachments";
        let Some(json) = self.get(KEY) else {
            return Ok(None);
        };
        let attachment = |json: Json<'_>| {
            Some(Attachment {
                container_id: json.get("containerID")?.string()?,
                if_name: json.get("ifname")?.string()?,
            })
        };
        json.elements()
            .and_then(|list| list.into_iter().map(attachment).collect())
            .map(Some)
            .ok_or_else(|| {
                malformed(&format!(
                    "{KEY} must be a list of objects with containerID and ifname"
                ))
            })
    }

    /// Refuses keys that nobody knows: a misspelled one must not be ignored silently.
    pub fn refuse_unknown_keys(&self) -> Result<(), CniError> {
        let known = |key: &str| {
            OWN_KEYS.contains(&key)
                || key.starts_with("cni.dev/")
                || KEYS_OF_THE_SPECIFICATION.contains(&key)
        };
        let entries = self.own().entries().unwrap_or_default();
        if let Some((key, _)) = entries.iter().find(|(key, _)| !known(key)) {
            return Err(malformed(&format!(
                "unknown key {key:?} in the configuration of the plugin eniclaim; remove it"
            )));
        }
        match self.own().get("pods").map(|pods| (pods, pods.string())) {
            None => Ok(()),
            Some((_, Some(pods))) if [ALL, ANNOTATED].contains(&pods.as_str()) => Ok(()),
            Some((pods, _)) => Err(malformed(&format!(
                "pods {pods} must be \"{ANNOTATED}\" or \"{ALL}\""
            ))),
        }
    }

    fn annotations(&self) -> Option<Json<'_>> {
        self.get("runtimeConfig")?.get(ANNOTATIONS_CAPABILITY)
    }

    /// The object that holds our own keys.
    fn own(&self) -> Json<'_> {
        match self.get("ipam") {
            Some(ipam) if self.is_ipam() => ipam,
            Some(_) | None => Json::of(&self.text),
        }
    }

    fn own_string(&self, key: &str) -> Option<String> {
        self.own().get(key)?.string()
    }

    fn get(&self, key: &str) -> Option<Json<'_>> {
        Json::of(&self.text).get(key)
    }
}

fn malformed(message: &str) -> CniError {
    CniError::new(code::CONFIGURATION, message)
}
