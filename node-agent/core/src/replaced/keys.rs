//! The keys of a configuration, in any letter case, as Go's `encoding/json` matches them.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// Keys that the specification gives to every plugin, and our own.
const OF_EVERY_PLUGIN: [&str; 11] = [
    "cniversion",
    "name",
    "type",
    "args",
    "ipmasq",
    "ipam",
    "dns",
    "capabilities",
    "runtimeconfig",
    "prevresult",
    "socket",
];

/// The keys that nobody has asked for yet, and what there is to say of those before.
pub(super) struct Keys {
    left: Map<String, Value>,
    warnings: Vec<String>,
}

impl Keys {
    pub fn parse(text: &str) -> Result<Self, String> {
        let left = serde_json::from_str(text);
        Ok(Self {
            left: left.map_err(|error| format!("the configuration is no JSON object: {error}"))?,
            warnings: Vec::new(),
        })
    }

    /// A key; null is as good as none.
    fn take(&mut self, key: &str) -> Option<Value> {
        let mut names = self.left.keys();
        let name = names.find(|name| name.eq_ignore_ascii_case(key))?.clone();
        self.left.remove(&name).filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{key} {other} must be a string")),
        }
    }

    pub fn texts(&mut self, key: &str) -> Result<Vec<String>, String> {
        let Some(value) = self.take(key) else {
            return Ok(Vec::new());
        };
        serde_json::from_value(value.clone())
            .map_err(|_| format!("{key} {value} must be a list of strings"))
    }

    pub fn flag(&mut self, key: &str) -> Result<bool, String> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(format!("{key} {other} must be true or false")),
        }
    }

    pub fn number(&mut self, key: &str) -> Result<Option<i64>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(format!("{key} {value} must be a whole number")),
            },
        }
    }

    /// An object in it, with keys of its own.
    pub fn section(&mut self, key: &str) -> Result<Option<Self>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(left)) => Ok(Some(Self {
                left,
                warnings: Vec::new(),
            })),
            Some(other) => Err(format!("{key} {other} must be an object")),
        }
    }

    /// Routes: each a destination, with or without a router.
    pub fn routes(&mut self, key: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let list = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(format!("{key} {other} must be a list")),
        };
        let mut routes = Vec::new();
        for value in list {
            let Value::Object(left) = value else {
                return Err(format!(
                    "{key}: {value} must be an object, for example {{\"dst\": \"169.254.170.2/32\"}}"
                ));
            };
            let mut route = Self {
                left,
                warnings: Vec::new(),
            };
            let to = route.text("dst")?;
            let to =
                to.ok_or_else(|| format!("{key}: a route has no dst; write its destination"))?;
            routes.push((to, route.text("gw")?));
            self.adopt(route);
        }
        Ok(routes)
    }

    /// Lists of objects, in a list.
    pub fn sets(&mut self, key: &str) -> Result<Vec<Vec<Self>>, String> {
        let Some(value) = self.take(key) else {
            return Ok(Vec::new());
        };
        let sets: Result<Vec<Vec<Map<String, Value>>>, _> = serde_json::from_value(value.clone());
        let sets = sets.map_err(|_| format!("{key} {value} must be a list of lists of objects"))?;
        let keys = |left| Self {
            left,
            warnings: Vec::new(),
        };
        let sets = sets.into_iter();
        Ok(sets
            .map(|set| set.into_iter().map(keys).collect())
            .collect())
    }

    /// Nothing is to be said of this key.
    pub fn ignore(&mut self, key: &str) {
        self.take(key);
    }

    /// Takes over what is to be said of another set of keys.
    pub fn adopt(&mut self, other: Self) {
        self.warnings.extend(other.warnings());
    }

    /// Something has no effect.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// What has been said, and the keys that mean nothing.
    pub fn warnings(mut self) -> Vec<String> {
        let means_something = |name: &str| {
            let name = name.to_ascii_lowercase();
            OF_EVERY_PLUGIN.contains(&&*name) || name.starts_with("cni.dev/")
        };
        let unknown = self.left.keys().filter(|name| !means_something(name));
        self.warnings
            .extend(unknown.map(|name| format!("unknown key {name:?} has no effect")));
        self.warnings
    }
}

/// An address with or without the length of its subnet's prefix. One of IPv4 that is written as one of IPv6 is one of IPv4.
pub(super) fn address(key: &str, text: &str) -> Result<(IpAddr, Option<u8>), String> {
    let refuse = || format!("{key} {text:?} is no IP address, for example \"10.0.1.50/24\"");
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => {
            let prefix = prefix.parse::<u8>().map_err(|_| refuse())?;
            (address, Some(prefix))
        }
        None => (text, None),
    };
    let written: IpAddr = address.parse().map_err(|_| refuse())?;
    let address = written.to_canonical();
    let (longest, offset) = match (address, written) {
        (IpAddr::V4(_), IpAddr::V6(_)) => (128, 96),
        (IpAddr::V4(_), IpAddr::V4(_)) => (32, 0),
        (IpAddr::V6(_), _) => (128, 0),
    };
    let prefix = match prefix {
        None => None,
        Some(prefix) if (offset..=longest).contains(&prefix) => Some(prefix - offset),
        Some(_) => return Err(refuse()),
    };
    Ok((address, prefix))
}
