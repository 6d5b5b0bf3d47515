//! The fields of log lines: one name for one thing, in every program.

/// A field and what it says.
pub type Field = (&'static str, &'static str);

/// Fields of every line, in this order.
pub const ALWAYS: [Field; 4] = [
    ("timestamp", "When, in UTC (RFC 3339)."),
    (
        "level",
        "`ERROR`: a person must act. `WARN`: it is tried again. `INFO`: one line a decision. `DEBUG`, `TRACE`: for developers.",
    ),
    ("target", "The module of the program."),
    ("message", "What happened, always in the same words."),
];

/// Fields of the lines that they concern, by name.
pub const FIELDS: &[Field] = &[
    (
        "action",
        "Action of the EC2 API, for example `CreateNetworkInterface`.",
    ),
    (
        "address",
        "Address of a container on a bridge of the node, the first one of its port.",
    ),
    ("bridge", "Name of the bridge on the node."),
    ("capacity", "How many ENIs the node can hold."),
    ("claim", "The EniClaim, as namespace/name."),
    ("class", "The EniClass."),
    (
        "code",
        "Code of the error: AWS's, or the reason of the API server.",
    ),
    (
        "command",
        "Command of the CNI: ADD, CHECK or DEL; IPAM where it asks for addresses alone.",
    ),
    ("container", "Id of the pod's sandbox, `CNI_CONTAINERID`."),
    (
        "egress_hook",
        "Whether the kernel has nftables' egress hook (Linux 5.16).",
    ),
    ("eni", "Id of the ENI."),
    ("error", "What went wrong, in one sentence."),
    ("events", "How many Events."),
    ("family", "IPv4 or IPv6."),
    ("holder", "Who holds the Lease."),
    ("instance", "Id of the EC2 instance."),
    ("ipv6", "Whether the kernel has IPv6."),
    ("lease", "Name of the operator's Lease."),
    ("location", "Place in the source."),
    ("mac", "MAC address of the device."),
    ("name", "The object, as namespace/name."),
    (
        "node",
        "The node. The agent names its own in every line of JSON.",
    ),
    ("note", "What the condition, the Event or the hook says."),
    ("object", "Kind of the object, for example `EniClaim`."),
    ("orders", "How many calls and writes."),
    (
        "outcome",
        "How it ended, in the words of [metrics.md](metrics.md#outcomes).",
    ),
    ("path", "A file on the node."),
    ("peer", "Address of the client."),
    ("phase", "`status.phase` of the claim."),
    ("pod", "The pod, as namespace/name."),
    ("port", "Port of the HTTP server."),
    (
        "reason",
        "Reason of a condition or an Event: of Ready where an operator's line is about a claim, of Plugged in an agent's.",
    ),
    ("request_id", "AWS's id of the call."),
    ("seconds", "How long it took."),
    ("signal", "Name of the signal."),
];

/// Whether lines may have the field.
pub fn is_known(name: &str) -> bool {
    FIELDS.iter().any(|(field, _)| *field == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_order_and_none_is_in_every_line() {
        assert!(FIELDS.is_sorted_by_key(|(name, _)| *name));
        assert!(!ALWAYS.iter().any(|(name, _)| is_known(name)));
    }
}
