//! The network that pods get, as libcni reads it from a file.

use serde_json::{Map, Value, json};

use crate::install::decision::PLUGIN;

/// A network configuration of any cniVersion.
pub struct List {
    /// Name of the network; it can be the name of a folder.
    pub network: String,
    /// The file holds one plugin, and libcni makes a list of it (`ConfListFromConf`).
    pub is_single: bool,
    /// Drop-ins are not read for it.
    pub only_inlined: bool,
    content: Map<String, Value>,
}

impl List {
    /// Reads the file `name`. The error says what is wrong, and the cure.
    pub fn parse(name: &str, content: &[u8]) -> Result<Self, String> {
        // go-cni and ocicni take everything but .conflist for a single plugin.
        let is_single = !name.ends_with(".conflist");
        let content: Map<String, Value> = serde_json::from_slice(content).map_err(|error| {
            format!(
                "it is no JSON object ({error}); the network plugin that wrote it has to correct it"
            )
        })?;
        let network = match content.get("name").and_then(Value::as_str) {
            // It becomes the name of a folder.
            Some(name) if !name.is_empty() && !name.starts_with('.') && !name.contains('/') => {
                name.to_owned()
            }
            Some(name) => {
                return Err(format!(
                    "its network's name \"{name}\" cannot be the name of a folder; rename the network"
                ));
            }
            None => return Err("its network has no name; add \"name\"".to_owned()),
        };
        if is_single && !content.get("type").is_some_and(Value::is_string) {
            return Err("it names no plugin; add \"type\", or name the file .conflist if it has a plugins list".to_owned());
        }
        if !is_single
            && content
                .get("plugins")
                .is_some_and(|plugins| !plugins.is_array())
        {
            return Err(
                "its \"plugins\" is no list; the network plugin that wrote it has to correct it"
                    .to_owned(),
            );
        }
        let only_inlined = content
            .get("loadOnlyInlinedPlugins")
            .is_some_and(|value| match value {
                Value::String(text) => text.eq_ignore_ascii_case("true"),
                other => *other == json!(true),
            });
        Ok(Self {
            network,
            is_single,
            only_inlined,
            content,
        })
    }

    /// Whether the list names our plugin itself, and then whether pods can ask it.
    pub fn names_plugin(&self) -> Option<bool> {
        let single = self.is_single.then_some(&self.content);
        let inlined = self.content.get("plugins").and_then(Value::as_array);
        let mut plugins = single
            .into_iter()
            .chain(inlined.into_iter().flatten().filter_map(Value::as_object));
        let ours = plugins.find(|plugin| plugin.get("type").is_some_and(|name| name == PLUGIN))?;
        let capable = ours
            .get("capabilities")
            .and_then(|all| all.get(cni::config::ANNOTATIONS_CAPABILITY));
        Some(capable == Some(&json!(true)))
    }

    /// The same network with one plugin more at its end.
    pub fn with(&self, plugin: Value) -> Value {
        let mut list = if self.is_single {
            let mut list = Map::from_iter([("plugins".to_owned(), json!([self.content]))]);
            for key in ["name", "cniVersion"] {
                list.extend(
                    self.content
                        .get_key_value(key)
                        .map(|(k, v)| (k.clone(), v.clone())),
                );
            }
            list
        } else {
            self.content.clone()
        };
        match list.get_mut("plugins").and_then(Value::as_array_mut) {
            Some(plugins) => plugins.push(plugin),
            None => drop(list.insert("plugins".to_owned(), json!([plugin]))),
        }
        Value::Object(list)
    }
}
