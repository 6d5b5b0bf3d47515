//! How the operator reacts to an error of EC2: one match of codes into a closed enum.

use std::fmt;

/// How the operator reacts to an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Too many calls: the action's rate is lowered.
    Throttled,
    /// EC2 or the way to it failed: the same call again; whether it took effect is unknown.
    Transient,
    /// EC2 does not know the ENI: soon after its creation that only means not yet.
    NotYet,
    /// Something is not as we thought: read, then decide.
    State,
    /// The token was used with other parameters: an ENI may exist, and is searched for by tag.
    TokenReused,
    /// The instance takes no more ENIs.
    NodeFull,
    /// The subnet has no free address.
    SubnetFull,
    /// The account takes no more ENIs in this region.
    QuotaFull,
    /// The request cannot succeed as it is.
    Terminal,
    /// The action is not allowed.
    Denied,
    /// Credentials, region or clock are not what AWS takes.
    Credentials,
    /// A 4xx that the table does not list.
    Unlisted,
}

/// A call that EC2 refused, or that never got an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ec2Error {
    /// How to react.
    pub class: ErrorClass,
    /// AWS's code, or ours ([`code`]) where AWS never answered.
    pub code: String,
    /// AWS's message without what differs at each call, or ours.
    pub message: String,
    /// AWS's request id.
    pub request_id: Option<String>,
}

impl fmt::Display for Ec2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message.trim_end_matches('.'))
    }
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

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 12] = [
        Self::Throttled,
        Self::Transient,
        Self::NotYet,
        Self::State,
        Self::TokenReused,
        Self::NodeFull,
        Self::SubnetFull,
        Self::QuotaFull,
        Self::Terminal,
        Self::Denied,
        Self::Credentials,
        Self::Unlisted,
    ];

    /// Whether this answer to one send of a Create excludes that the send made an ENI.
    pub fn is_definite(self) -> bool {
        match self {
            Self::Throttled
            | Self::SubnetFull
            | Self::QuotaFull
            | Self::Terminal
            | Self::Denied
            | Self::Credentials
            | Self::NodeFull
            | Self::Unlisted => true,
            Self::Transient | Self::NotYet | Self::State | Self::TokenReused => false,
        }
    }
}

/// The class of an error that EC2 answered with this HTTP status, or that our client made up where EC2 did not answer.
/// Codes: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
pub fn classify(code: &str, message: &str, status: u16) -> ErrorClass {
    match code {
        "RequestLimitExceeded"
        | "EC2ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException" => ErrorClass::Throttled,
        "InternalError"
        | "InternalFailure"
        | "Unavailable"
        | "ServiceUnavailable"
        | "ConcurrentTagAccess"
        | code::TIMEOUT
        | code::NO_ANSWER => ErrorClass::Transient,
        "InvalidNetworkInterfaceID.NotFound" => ErrorClass::NotYet,
        "AttachmentLimitExceeded" => ErrorClass::NodeFull,
        "InsufficientFreeAddressesInSubnet" | "InsufficientCidrBlocks" => ErrorClass::SubnetFull,
        "NetworkInterfaceLimitExceeded" | "AddressLimitExceeded" => ErrorClass::QuotaFull,
        "IdempotentParameterMismatch" => ErrorClass::TokenReused,
        "InvalidParameterValue" if is_state_in_disguise(message) => ErrorClass::State,
        "InvalidParameterValue" if is_full_subnet_in_disguise(message) => ErrorClass::SubnetFull,
        "InvalidNetworkInterface.InUse"
        | "InvalidAttachmentID.NotFound"
        | "InvalidNetworkInterfaceAttachmentId.Malformed"
        | "IncorrectInstanceState"
        | "InvalidInstanceID.NotFound"
        | "IncorrectState"
        | "InvalidState"
        | "OperationNotPermitted"
        | "DependencyViolation"
        | "Resource.AlreadyAssociated"
        | "Gateway.NotAttached" => ErrorClass::State,
        "InvalidParameter"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "UnknownParameter"
        | "PrivateIpAddressLimitExceeded"
        | "SecurityGroupsPerInterfaceLimitExceeded"
        | "InvalidGroup.NotFound"
        | "InvalidGroupId.Malformed"
        | "InvalidSecurityGroupID.NotFound"
        | "InvalidSubnetID.NotFound"
        | "InvalidIPAddress.InUse"
        | "TagLimitExceeded"
        | "FilterLimitExceeded"
        | "InvalidMaxResults"
        | "UnsupportedOperation" => ErrorClass::Terminal,
        "UnauthorizedOperation" | "OptInRequired" | "PendingVerification" | "Blocked" => {
            ErrorClass::Denied
        }
        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "SignatureDoesNotMatch"
        | code::NOT_SIGNED => ErrorClass::Credentials,
        _ if (400..500).contains(&status) => ErrorClass::Unlisted,
        _ => ErrorClass::Transient,
    }
}

/// EC2 reports an occupied device index and an ENI in use as invalid parameters; only the message tells them from others.
fn is_state_in_disguise(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("attached at device index") || message.contains("is currently in use")
}

/// Create may say so of a subnet without addresses: <https://github.com/cilium/cilium/pull/31016>
fn is_full_subnet_in_disguise(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("sufficient free ipv4 addresses")
}
