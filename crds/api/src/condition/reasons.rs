//! Reasons of the conditions of claims and nodes, each condition with its own.

crate::words! {
    /// Reasons of the condition Plugged.
    pub enum PluggedReason {
        /// The device is on the node and waits for its pod.
        Seen,
        /// The device is in the pod, addressed and routed.
        Plugged,
        /// The device is in the pod without its IPv6 addresses, since the pod or the node's kernel has no IPv6.
        WithoutIpv6,
        /// The device is in no network namespace that the agent can enter, and not known to be gone.
        Hidden,
        /// The device is back on the node.
        Home,
        /// The device is given back and may be detached.
        Released,
    }
}

crate::words! {
    /// Reasons of the condition SecurityGroupsInSync.
    pub enum GroupsReason {
        /// The ENI has the groups of its class.
        InSync,
        /// The groups of the class are being set.
        Setting,
        /// Other ENIs of the class get the groups first.
        Waiting,
        /// The class's rollout is halted: EC2 refuses the groups, or a claim whose ENI got them is not Ready any more.
        Halted,
        /// EC2 refuses to set the groups on this ENI.
        Refused,
        /// Somebody else changed the groups in EC2.
        Drifted,
        /// The ENI carries the tag eniclaim.io/hold, so its groups are left as they are.
        Held,
    }
}

crate::words! {
    /// Reasons of the condition MetadataBlocked.
    pub enum MetadataReason {
        /// Routing rules and a packet filter on the device refuse it.
        Blocked,
        /// Routing rules alone refuse it: raw sockets pass them, and a packet filter needs Linux 5.16 or later.
        NoEgressHook,
        /// A container of the pod is privileged or has NET_ADMIN or SYS_ADMIN and can undo the block.
        NetAdmin,
        /// The class allows the instance metadata service.
        Allowed,
    }
}

crate::words! {
    /// Reasons of the condition Leased.
    pub enum LeasedReason {
        /// They do.
        Leased,
        /// A server offers other addresses than the claim's.
        Differs,
        /// A server refused what was asked for.
        Refused,
        /// The lease ended, and no server prolonged it.
        Expired,
        /// Another host uses the address that was leased, and the lease was declined.
        Conflict,
        /// No server answers.
        NoAnswer,
    }
}

crate::words! {
    /// Reasons of the condition AgentReady.
    pub enum AgentReason {
        /// The agent is ready and has reported in this boot of the node.
        Reported,
        /// No pod of the agent runs on the node.
        NoAgent,
        /// The agent's pod on the node is not ready.
        AgentNotReady,
        /// The agent's pod on the node has not reported in this boot of the node.
        NotReported,
    }
}

crate::words! {
    /// Reasons of the condition NodeSupported.
    pub enum SupportReason {
        /// It is.
        Supported,
        /// The node has no EC2 instance that can hold an ENI.
        NodeUnsupported,
    }
}

crate::words! {
    /// Reasons of the condition CapacityFenced.
    pub enum CapacityReason {
        /// The VPC CNI is set to take no more than is left to it.
        Fenced,
        /// The VPC CNI does not run.
        NoVpcCni,
        /// The VPC CNI may take every free slot: its MAX_ENI is not set, or is no less than what the instance can hold.
        Unlimited,
        /// The VPC CNI may take more than is left to it.
        ReserveTooSmall,
    }
}

crate::words! {
    /// Reasons of the condition PluginInstalled.
    pub enum PluginReason {
        /// It is.
        Installed,
        /// It is by all that the agent can do, but the container runtime was not seen reading it.
        Unverified,
        /// The node has no network: no CNI configuration.
        NoNetwork,
        /// The node's network takes no further plugin.
        UnsuitableNetwork,
        /// The container runtime does not read drop-ins, and only a drop-in is allowed.
        DropInIgnored,
        /// Cilium renames the agent's list.
        RenamedByCilium,
        /// Somebody on the node keeps removing or changing the agent's files.
        Contested,
        /// A file cannot be read or written; it is tried again.
        Failed,
    }
}
