//! The labels of metrics: one name for one thing, in every program.

api::words! {
    /// Name of a label, and what its values are.
    pub enum Label {
        /// An action of the EC2 API as IAM policies spell it, for example `CreateNetworkInterface`.
        Action = "action",
        /// A command of the CNI: ADD, CHECK or DEL; IPAM where it asks for addresses alone.
        Command = "command",
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
        /// Id of a subnet.
        Subnet = "subnet",
        /// Version of the program.
        Version = "version",
        /// Name of an availability zone.
        Zone = "zone",
    }
}
