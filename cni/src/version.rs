//! The versions of the CNI specification that the plugin speaks.

use serde_json::{Value, json};

use crate::error::{CniError, code};

/// A version of the specification, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecVersion {
    /// 0.3.1
    V0_3_1,
    /// 0.4.0, the first with CHECK.
    V0_4_0,
    /// 1.0.0, the first without `version` in the addresses of a result.
    V1_0_0,
    /// 1.1.0, the first with STATUS, GC and the MTU of an interface.
    V1_1_0,
}

impl SpecVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// As it is written in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The version that `text` names.
    pub fn parse(text: &str) -> Result<Self, CniError> {
        Self::ALL.into_iter().find(|v| v.as_str() == text).ok_or_else(|| {
            CniError::new(
                code::INCOMPATIBLE_VERSION,
                format!("cniVersion {text:?} is not supported; use one of 0.3.1, 0.4.0, 1.0.0, 1.1.0"),
            )
        })
    }

    /// The answer to VERSION.
    pub fn answer(self) -> Value {
        let supported: Vec<_> = Self::ALL.into_iter().map(Self::as_str).collect();
        json!({ "cniVersion": self.as_str(), "supportedVersions": supported })
    }
}
