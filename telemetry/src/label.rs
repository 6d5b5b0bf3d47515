//! The labels of metrics: one name for one thing, in every program.

api::words! {
    /// Name of a label, and what its values are.
    pub enum Label {
        /// An action of the EC2 API as IAM policies spell it, for example `CreateNetworkInterface`.
        Action = "action",
        /// Why a packet of DHCP was not believed.
        Cause = "cause",
        /// A command of the CNI: ADD, CHECK or DEL; IPAM where it asks for addresses alone.
        Command = "command",
        /// IPv4 or IPv6.
        Family = "family",
        /// A message of DHCP as its RFC spells it.
        Message = "message",
        /// Name of a node.
        Node = "node",
        /// A Kubernetes kind as manifests spell it, for example `EniClaim`.
        Object = "object",
        /// How it ended, in the words of the table of outcomes.
        Outcome = "outcome",
        /// status.phase of a claim.
        Phase = "phase",
        /// Reason of an Event, as in events.md.
        Reason = "reason",
        /// How far a claim is: created (EC2 made the ENI), attached, ready (the pod has its interface).
        Stage = "stage",
        /// State of a DHCP client: bound, renewing, and so on as its RFC calls them.
        State = "state",
        /// Id of a subnet.
        Subnet = "subnet",
        /// Version of the program.
        Version = "version",
        /// Name of an availability zone.
        Zone = "zone",
    }
}
