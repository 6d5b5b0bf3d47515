//! The versions of the CNI specification that the plugin speaks.

use serde::Serialize;

/// A version of the specification, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecVersion {
    /// 0.3.0, the first with chains.
    V0_3_0,
    /// 0.3.1
    V0_3_1,
    /// 0.4.0, the first with CHECK.
    V0_4_0,
    /// 1.0.0, the first without `version` in the addresses of a result.
    V1_0_0,
    /// 1.1.0, the first with STATUS, GC and the MTU of an interface.
    V1_1_0,
}

/// The answer to VERSION.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Supported {
    cni_version: &'static str,
    supported_versions: Vec<&'static str>,
}

impl SpecVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// As it is written in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The version that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == text)
    }

    /// The answer to VERSION of a caller that speaks this version.
    ///
    /// 0.1.0 and 0.2.0 know no list of interfaces, so that they serve only pods that do not ask. They are listed because CRI-O leaves
    /// out a whole network if one of its plugins does not list the network's version (`ValidateNetworkList` of libcni, called by
    /// `loadNetworks` of ocicni); no cniVersion means 0.1.0 there.
    pub fn answer(self) -> Supported {
        let rich = Self::ALL.into_iter().map(Self::as_str);
        Supported {
            cni_version: self.as_str(),
            supported_versions: ["0.1.0", "0.2.0"].into_iter().chain(rich).collect(),
        }
    }
}
