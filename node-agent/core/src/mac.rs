//! A MAC address: the truth about a device.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Six bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

/// A text or a number of bytes that is no MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a MAC address, for example 0a:1b:2c:3d:4e:5f")]
pub struct NotAMac(String);

impl Mac {
    /// The name that the device has on the host while no pod has it: 14 of the 15 letters that the kernel allows.
    pub fn home_name(self) -> String {
        format!("ec{self}").replace(':', "")
    }

    /// Names for the way back to the host, the best first. A pod with `NET_ADMIN` can take any of them; the kernel finds a
    /// free number for `%d` (`dev_alloc_name`). Each has at most 15 letters.
    pub fn home_names(self) -> [String; 3] {
        let numbered = format!("e{self}%d").replace(':', "");
        [self.home_name(), numbered, "eniclaim%d".to_owned()]
    }

    /// Its bytes.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl TryFrom<String> for Mac {
    type Error = NotAMac;

    fn try_from(text: String) -> Result<Self, NotAMac> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl From<[u8; 6]> for Mac {
    fn from(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for Mac {
    type Error = NotAMac;
    fn try_from(bytes: &[u8]) -> Result<Self, NotAMac> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| NotAMac(format!("{bytes:02x?}")))
    }
}

impl FromStr for Mac {
    type Err = NotAMac;
    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let refusal = || NotAMac(text.to_owned());
        let bytes: Vec<u8> = text
            .split(':')
            .map(|part| {
                if part.len() == 2 {
                    u8::from_str_radix(part, 16).ok()
                } else {
                    None
                }
            })
            .collect::<Option<_>>()
            .ok_or_else(refusal)?;
        Self::try_from(bytes.as_slice()).map_err(|_| refusal())
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(i, byte)| write!(f, "{}{byte:02x}", if i == 0 { "" } else { ":" }))
    }
}
