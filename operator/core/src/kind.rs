//! What to make of an EC2 error code: one match into a closed enum.

/// What an error asks of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Too many calls: slower.
    Throttled,
    /// EC2 or the way to it failed: the same call again; whether it took effect is unknown.
    Transient,
    /// EC2 does not know the ENI: so soon after its creation that only means not yet.
    NotYet,
    /// Something is not as we thought: read, then decide.
    State,
    /// The instance takes no more ENIs.
    NodeFull,
    /// The subnet has no free address.
    SubnetFull,
    /// The account takes no more ENIs in this region.
    QuotaFull,
    /// The request cannot succeed as it is.
    Terminal,
    /// We are not allowed to.
    Config,
    /// Our credentials or region are missing or expired.
    Credentials,
}

/// Every kind, for metrics and tests.
pub const KINDS: [Kind; 10] = [
    Kind::Throttled,
    Kind::Transient,
    Kind::NotYet,
    Kind::State,
    Kind::NodeFull,
    Kind::SubnetFull,
    Kind::QuotaFull,
    Kind::Terminal,
    Kind::Config,
    Kind::Credentials,
];

impl Kind {
    /// Whether a Create answered so has certainly made nothing: only then may the next one be another request.
    pub fn definite(self) -> bool {
        match self {
            Self::SubnetFull | Self::QuotaFull | Self::Terminal | Self::Config => true,
            Self::Throttled
            | Self::Transient
            | Self::NotYet
            | Self::State
            | Self::NodeFull
            | Self::Credentials => false,
        }
    }

    /// One word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::NotYet => "not_yet",
            Self::State => "state",
            Self::NodeFull => "node_full",
            Self::SubnetFull => "subnet_full",
            Self::QuotaFull => "quota_full",
            Self::Terminal => "terminal",
            Self::Config => "config",
            Self::Credentials => "credentials",
        }
    }
}

/// The kind of an error that EC2 answered, or that our client made up where EC2 did not answer ([`code`]).
///
/// An unknown code is [`Kind::State`]: read and try again, and nothing is concluded from it.
pub fn classify(code: &str, message: &str) -> Kind {
    match code {
        "RequestLimitExceeded"
        | "EC2ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException" => Kind::Throttled,
        "InternalError"
        | "InternalFailure"
        | "Unavailable"
        | "ServiceUnavailable"
        | "ConcurrentTagAccess"
        | code::TIMEOUT
        | code::NO_ANSWER => Kind::Transient,
        "InvalidNetworkInterfaceID.NotFound" => Kind::NotYet,
        "AttachmentLimitExceeded" => Kind::NodeFull,
        "InsufficientFreeAddressesInSubnet" | "InsufficientCidrBlocks" => Kind::SubnetFull,
        "NetworkInterfaceLimitExceeded" | "AddressLimitExceeded" => Kind::QuotaFull,
        "InvalidParameterValue" if state_in_disguise(message) => Kind::State,
        "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "PrivateIpAddressLimitExceeded"
        | "SecurityGroupsPerInterfaceLimitExceeded"
        | "InvalidGroup.NotFound"
        | "InvalidGroupId.Malformed"
        | "InvalidSecurityGroupID.NotFound"
        | "InvalidSubnetID.NotFound"
        | "InvalidIPAddress.InUse"
        | "Resource.AlreadyAssociated"
        | "Gateway.NotAttached"
        | "TagLimitExceeded"
        | "FilterLimitExceeded"
        | "InvalidMaxResults"
        | "UnsupportedOperation" => Kind::Terminal,
        "UnauthorizedOperation" | "AuthFailure" | "OptInRequired" | "PendingVerification" => {
            Kind::Config
        }
        "ExpiredToken"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | code::NOT_SIGNED => Kind::Credentials,
        _ => Kind::State,
    }
}

/// EC2 reports an occupied device index and an ENI in use as invalid parameters; only the message tells them from others.
fn state_in_disguise(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("device index") || message.contains("in use")
}

/// Codes of our own, where AWS never answered.
pub mod code {
    /// No answer in time.
    pub const TIMEOUT: &str = "Timeout";
    /// No connection, or an answer that is no EC2 answer.
    pub const NO_ANSWER: &str = "NoAnswer";
    /// The call could not be signed or addressed: no credentials or no region.
    pub const NOT_SIGNED: &str = "NoCredentials";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_has_its_kind() {
        let table: [(Kind, &[&str]); 10] = [
            (
                Kind::Throttled,
                &[
                    "RequestLimitExceeded",
                    "EC2ThrottledException",
                    "Throttling",
                    "ThrottlingException",
                ],
            ),
            (
                Kind::Transient,
                &[
                    "InternalError",
                    "InternalFailure",
                    "Unavailable",
                    "ServiceUnavailable",
                    "ConcurrentTagAccess",
                    "Timeout",
                    "NoAnswer",
                ],
            ),
            (Kind::NotYet, &["InvalidNetworkInterfaceID.NotFound"]),
            (
                Kind::State,
                &[
                    "InvalidNetworkInterface.InUse",
                    "InvalidAttachmentID.NotFound",
                    "InvalidNetworkInterfaceAttachmentId.Malformed",
                    "IncorrectInstanceState",
                    "InvalidInstanceID.NotFound",
                    "IncorrectState",
                    "InvalidState",
                    "OperationNotPermitted",
                    "DependencyViolation",
                    "IdempotentParameterMismatch",
                    "SomethingNew",
                ],
            ),
            (Kind::NodeFull, &["AttachmentLimitExceeded"]),
            (
                Kind::SubnetFull,
                &[
                    "InsufficientFreeAddressesInSubnet",
                    "InsufficientCidrBlocks",
                ],
            ),
            (
                Kind::QuotaFull,
                &["NetworkInterfaceLimitExceeded", "AddressLimitExceeded"],
            ),
            (
                Kind::Terminal,
                &[
                    "InvalidParameterValue",
                    "InvalidParameterCombination",
                    "PrivateIpAddressLimitExceeded",
                    "SecurityGroupsPerInterfaceLimitExceeded",
                    "InvalidGroup.NotFound",
                    "InvalidSecurityGroupID.NotFound",
                    "InvalidSubnetID.NotFound",
                    "InvalidIPAddress.InUse",
                    "Resource.AlreadyAssociated",
                    "Gateway.NotAttached",
                    "TagLimitExceeded",
                    "FilterLimitExceeded",
                    "InvalidMaxResults",
                    "UnsupportedOperation",
                ],
            ),
            (
                Kind::Config,
                &[
                    "UnauthorizedOperation",
                    "AuthFailure",
                    "OptInRequired",
                    "PendingVerification",
                ],
            ),
            (
                Kind::Credentials,
                &[
                    "ExpiredToken",
                    "RequestExpired",
                    "InvalidClientTokenId",
                    "NoCredentials",
                ],
            ),
        ];
        for (kind, codes) in table {
            for code in codes {
                assert_eq!(classify(code, "no more than that"), kind, "{code}");
            }
        }
    }

    #[test]
    fn two_invalid_parameters_are_states_in_disguise() {
        let index = "Instance 'i-0' already has an interface attached at device index '3'.";
        assert_eq!(classify("InvalidParameterValue", index), Kind::State);
        assert_eq!(
            classify(
                "InvalidParameterValue",
                "Network interface 'eni-0' is currently in use."
            ),
            Kind::State
        );
        assert_eq!(
            classify(
                "InvalidParameterValue",
                "Address 10.0.1.5 does not fall within the subnet's address range"
            ),
            Kind::Terminal
        );
    }

    #[test]
    fn nothing_unclear_counts_as_a_definite_refusal() {
        for kind in KINDS {
            assert_eq!(
                kind.definite(),
                matches!(
                    kind,
                    Kind::SubnetFull | Kind::QuotaFull | Kind::Terminal | Kind::Config
                ),
                "{kind:?}"
            );
        }
    }
}
