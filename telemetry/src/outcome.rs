//! How something ended: the one list of words for metrics and logs of every program.

/// How a call, a write or a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// What was asked for was done.
    Success,
    /// It cannot be done yet; the answer says what is awaited, and it is asked again.
    Waiting,
    /// It came too late to be begun.
    Withheld,
    /// Too many calls: the next ones come more slowly.
    Throttled,
    /// No answer in time, or a fault on the other side: what became of it is not known, and is found out.
    Unavailable,
    /// There is no such object, or not yet.
    NotFound,
    /// The object is not as it was when that was decided; it is read, and decided anew.
    Conflict,
    /// The instance takes no more ENIs.
    NodeFull,
    /// The subnet has no free address.
    SubnetFull,
    /// The account may have no more ENIs in this region.
    QuotaFull,
    /// The action is not allowed.
    Denied,
    /// AWS does not take the credentials, the region or the clock.
    NoCredentials,
    /// It is refused as it is, and would be again.
    Refused,
    /// It failed for another reason, which the log names; it is tried again.
    Error,
}

impl Outcome {
    /// Every word.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::Waiting,
        Self::Withheld,
        Self::Throttled,
        Self::Unavailable,
        Self::NotFound,
        Self::Conflict,
        Self::NodeFull,
        Self::SubnetFull,
        Self::QuotaFull,
        Self::Denied,
        Self::NoCredentials,
        Self::Refused,
        Self::Error,
    ];

    /// As metrics and logs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Waiting => "waiting",
            Self::Withheld => "withheld",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::NodeFull => "node_full",
            Self::SubnetFull => "subnet_full",
            Self::QuotaFull => "quota_full",
            Self::Denied => "denied",
            Self::NoCredentials => "no_credentials",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }

    /// What it says, in one sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "What was asked for was done.",
            Self::Waiting => {
                "It cannot be done yet; the answer says what is awaited, and it is asked again."
            }
            Self::Withheld => {
                "It came too late to be begun: another operator may lead by the time it ends."
            }
            Self::Throttled => "Too many calls: the next ones come more slowly.",
            Self::Unavailable => {
                "No answer in time, or a fault on the other side: what became of it is not known, and is found out."
            }
            Self::NotFound => "There is no such object, or not yet.",
            Self::Conflict => {
                "The object is not as it was when that was decided; it is read, and decided anew."
            }
            Self::NodeFull => "The instance takes no more ENIs.",
            Self::SubnetFull => "The subnet has no free address.",
            Self::QuotaFull => "The account may have no more ENIs in this region.",
            Self::Denied => "IAM does not allow the action.",
            Self::NoCredentials => "AWS does not take the credentials, the region or the clock.",
            Self::Refused => "It is refused as it is, and would be again: a person must act.",
            Self::Error => "It failed for another reason, which the log names; it is tried again.",
        }
    }
}
