//! Where the plugin can stand, with upstream's own tools: libcni's cnitool and the plugins of containernetworking.

#[path = "places/access.rs"]
mod access;
#[path = "places/chained.rs"]
mod chained;
#[path = "places/documents.rs"]
mod documents;
#[path = "places/families.rs"]
mod families;
#[path = "places/first.rs"]
mod first;
#[path = "places/host_device.rs"]
mod host_device;
#[path = "places/ipam.rs"]
mod ipam;
#[path = "places/replaced.rs"]
mod replaced;
#[path = "places/runtime.rs"]
mod runtime;
