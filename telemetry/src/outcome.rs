//! How something ended: the one list of words for metrics and logs of every program.

api::words! {
    /// How a call, a write or a request ended.
    pub enum Outcome {
        /// What was asked for was done.
        Success = "success",
        /// It cannot be done yet; the answer says what is awaited, and it is asked again.
        Waiting = "waiting",
        /// It came too late to be begun: another operator may lead by the time it ends.
        Withheld = "withheld",
        /// Too many calls: the next ones come more slowly.
        Throttled = "throttled",
        /// No answer in time, or a fault on the other side: what became of it is not known, and is found out.
        Unavailable = "unavailable",
        /// There is no such object, or not yet.
        NotFound = "not_found",
        /// The object is not as it was when that was decided; it is read, and decided anew.
        Conflict = "conflict",
        /// The instance takes no more ENIs.
        NodeFull = "node_full",
        /// The subnet has no free address.
        SubnetFull = "subnet_full",
        /// The account may have no more ENIs in this region.
        QuotaFull = "quota_full",
        /// IAM does not allow the action.
        Denied = "denied",
        /// AWS does not take the credentials, the region or the clock.
        NoCredentials = "no_credentials",
        /// It is refused as it is, and would be again: a person must act.
        Refused = "refused",
        /// It failed for another reason, which the log names; it is tried again.
        Error = "error",
    }
}
