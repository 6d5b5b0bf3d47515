//! What shall go wrong with which requests.

use crate::{
    Refusal,
    request::{Method, Target},
};

/// An order to fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Requests of this method.
    pub method: Method,
    /// About this resource with its group, such as `eniclaims.eniclaim.io`.
    pub resource: String,
    /// How many of them pass first.
    pub skip: u32,
    /// How many of them it then hits.
    pub times: u32,
    /// In which way.
    pub how: How,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// 409, as if somebody had been faster.
    Conflict,
    /// 429, to be tried again after so many seconds.
    TooManyRequests(u32),
    /// 500, and nothing was done.
    Internal,
    /// 504, and it was done.
    TimeoutAfterCommit,
    /// 403 by some policy; nothing was done.
    Forbidden,
    /// A watch that shows nothing and never ends.
    DeadWatch,
}

/// All orders, in order.
#[derive(Debug, Clone, Default)]
pub struct Failures(Vec<Failure>);

impl Failures {
    /// From now on this goes wrong, too.
    pub fn order(&mut self, failure: Failure) {
        self.0.push(failure);
    }

    /// Nothing goes wrong any more; whether every order was spent.
    pub fn clear(&mut self) -> bool {
        let spent = self.0.iter().all(|failure| failure.times == 0);
        self.0.clear();
        spent
    }

    /// The oldest order for this request that is not spent, unless it lets the request pass.
    pub(crate) fn strike(&mut self, method: Method, target: Target) -> Option<Failure> {
        if self.0.is_empty() {
            return None;
        }
        let resource = target.kind.resource();
        let failure = self.0.iter_mut().find(|failure| {
            failure.times > 0 && failure.method == method && failure.resource == resource
        })?;
        if failure.skip > 0 {
            failure.skip -= 1;
            return None;
        }
        failure.times -= 1;
        Some(failure.clone())
    }
}

impl How {
    /// The refusal instead of doing it; none where it is done or stays silent.
    pub(crate) fn refusal(self, target: Target) -> Option<Refusal> {
        match self {
            Self::Conflict => Some(Refusal::modified(target.kind, target.name)),
            Self::TooManyRequests(seconds) => Some(Refusal::too_many_requests(seconds)),
            Self::Internal => Some(Refusal::internal("etcdserver: leader changed")),
            Self::Forbidden => Some(Refusal::forbidden(
                target.kind,
                target.name,
                "denied the request: by a policy of this cluster",
            )),
            Self::TimeoutAfterCommit | Self::DeadWatch => None,
        }
    }
}
