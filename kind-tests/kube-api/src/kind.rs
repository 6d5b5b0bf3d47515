//! The kinds of objects that the server knows, and where they differ.

use serde_json::Value;

use crate::{json, schema::Schema};

/// A kind of object.
#[derive(Debug)]
pub struct Kind {
    /// API group; empty for the core.
    pub group: String,
    /// Version, such as `v1`.
    pub version: String,
    /// Name in CamelCase.
    pub kind: String,
    /// Name in paths.
    pub plural: String,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// Whether it has a status of its own endpoint.
    pub has_status: bool,
    /// The fields, besides name and namespace, by which its objects can be selected.
    pub(crate) selectable: Vec<String>,
    /// Which rules of its own it has.
    pub(crate) strategy: Strategy,
    pub(crate) schema: Schema,
}

/// What a kind's own code in the API server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Custom,
    Namespace,
    Node,
    Pod,
    Event,
    Lease,
    Quota,
}

impl Strategy {
    /// What tests here and the operator select by; each kind has more.
    fn selectable(self) -> Vec<String> {
        let fields: &[&str] = match self {
            Self::Pod => &["spec.nodeName", "status.phase"],
            Self::Event => &[
                "involvedObject.kind",
                "involvedObject.name",
                "reason",
                "type",
            ],
            Self::Custom | Self::Namespace | Self::Node | Self::Lease | Self::Quota => &[],
        };
        fields.iter().map(|field| (*field).to_owned()).collect()
    }
}

/// All kinds.
#[derive(Debug)]
pub struct Kinds(Vec<Kind>);

impl Kind {
    /// `eniclaims.eniclaim.io`, or `pods` in the core group.
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `EniClaim.eniclaim.io`, or `Pod` in the core group.
    pub(crate) fn whole_kind(&self) -> String {
        if self.group.is_empty() {
            self.kind.clone()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// `eniclaim.io/v1alpha1`, or `v1` in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.strategy == Strategy::Custom
    }

    /// Whether a PUT without a version overwrites whatever is there.
    pub(crate) fn allows_unconditional_update(&self) -> bool {
        match self.strategy {
            Strategy::Custom | Strategy::Lease => false,
            Strategy::Namespace
            | Strategy::Node
            | Strategy::Pod
            | Strategy::Event
            | Strategy::Quota => true,
        }
    }

    /// Whether a PUT makes what does not exist.
    pub(crate) fn allows_create_on_update(&self) -> bool {
        matches!(self.strategy, Strategy::Lease | Strategy::Event)
    }

    /// Whether `metadata.generation` counts changes of what is asked for.
    pub(crate) fn has_generation(&self) -> bool {
        matches!(self.strategy, Strategy::Custom | Strategy::Pod)
    }

    /// Whether a deletion answers with the object instead of a `Status`.
    pub(crate) fn returns_deleted(&self) -> bool {
        matches!(
            self.strategy,
            Strategy::Pod | Strategy::Namespace | Strategy::Quota
        )
    }

    fn custom(crd: &Value) -> Option<Self> {
        let spec = json::at(crd, "spec");
        let version = json::list(spec, "versions").first()?;
        Some(Self {
            group: json::text(spec, "group").to_owned(),
            version: json::text(version, "name").to_owned(),
            kind: json::text(spec, "names.kind").to_owned(),
            plural: json::text(spec, "names.plural").to_owned(),
            namespaced: json::text(spec, "scope") == "Namespaced",
            has_status: json::at(version, "subresources.status").is_object(),
            selectable: json::list(version, "selectableFields")
                .iter()
                .map(|field| {
                    json::text(field, "jsonPath")
                        .trim_start_matches('.')
                        .to_owned()
                })
                .collect(),
            strategy: Strategy::Custom,
            schema: Schema::of_custom(json::at(version, "schema.openAPIV3Schema")),
        })
    }

    fn built_in(group: &str, kind: &str, strategy: Strategy) -> Self {
        Self {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: !matches!(strategy, Strategy::Namespace | Strategy::Node),
            has_status: !matches!(strategy, Strategy::Event | Strategy::Lease),
            selectable: strategy.selectable(),
            strategy,
            schema: Schema::of_built_in(),
        }
    }
}

impl Kinds {
    /// Some of Kubernetes' own kinds, and those that these `CustomResourceDefinition`s define.
    pub fn new<'a>(crds: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut kinds = vec![
            Kind::built_in("", "Namespace", Strategy::Namespace),
            Kind::built_in("", "Node", Strategy::Node),
            Kind::built_in("", "Pod", Strategy::Pod),
            Kind::built_in("", "Event", Strategy::Event),
            Kind::built_in("", "ResourceQuota", Strategy::Quota),
            Kind::built_in("events.k8s.io", "Event", Strategy::Event),
            Kind::built_in("coordination.k8s.io", "Lease", Strategy::Lease),
        ];
        kinds.extend(crds.into_iter().filter_map(Kind::custom));
        Self(kinds)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.0.iter()
    }

    /// The kind at a path.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Kind> {
        self.0
            .iter()
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// The kind of that resource, such as `eniclaims.eniclaim.io`; the group may be left out.
    pub fn named(&self, resource: &str) -> Option<&Kind> {
        let whole = self.0.iter().find(|kind| kind.resource() == resource);
        whole.or_else(|| self.0.iter().find(|kind| kind.plural == resource))
    }
}
