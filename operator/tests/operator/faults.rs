//! What goes wrong between the operator and the rest of the world, by the seed.

use kube_api::{Answer, Id, Refusal, Request, json::put};
use serde_json::json;

use super::{connection::parts_of, world::State};

/// Chances in a thousand; none of them by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// A call to EC2 never arrives.
    pub ec2_silence: u64,
    /// A call to EC2 is done, its answer lost.
    pub ec2_reply_lost: u64,
    /// EC2 says `InternalError`; nothing was done.
    pub ec2_error: u64,
    /// EC2 says `RequestLimitExceeded`.
    pub ec2_throttle: u64,
    /// EC2 says `UnauthorizedOperation`.
    pub ec2_denied: u64,
    /// A write meets 409, 429 or 500.
    pub api_refused: u64,
    /// A write is done, its answer lost.
    pub api_reply_lost: u64,
    /// A request never arrives.
    pub api_silence: u64,
    /// A watch ends.
    pub watch_ends: u64,
    /// The operator dies after an effect.
    pub crash: u64,
}

/// What becomes of a call to EC2.
pub enum Ec2Fault {
    Refused(u16, &'static str),
    NeverArrives,
    ReplyLost,
}

/// What becomes of a request to the API server.
pub enum ApiFault {
    Refused(Answer),
    NeverArrives,
    ReplyLost,
}

impl Faults {
    /// A bit of everything.
    pub fn swarm() -> Self {
        Self {
            ec2_silence: 5,
            ec2_reply_lost: 20,
            ec2_error: 30,
            ec2_throttle: 30,
            ec2_denied: 10,
            api_refused: 30,
            api_reply_lost: 10,
            api_silence: 5,
            watch_ends: 1,
            crash: 10,
        }
    }
}

impl State {
    fn chance(&mut self, in_a_thousand: u64) -> bool {
        in_a_thousand > 0 && self.roll(1000) < in_a_thousand
    }

    pub fn crashes(&mut self) -> bool {
        self.chance(self.faults.crash)
    }

    pub fn watch_ends(&mut self) -> bool {
        self.chance(self.faults.watch_ends)
    }

    pub fn ec2_fault(&mut self, action: &str) -> Option<Ec2Fault> {
        let faults = self.faults;
        let is_read = action.starts_with("Describe");
        if self.chance(faults.ec2_silence) {
            return Some(Ec2Fault::NeverArrives);
        }
        if self.chance(faults.ec2_error) {
            return Some(Ec2Fault::Refused(500, "InternalError"));
        }
        if self.chance(faults.ec2_throttle) {
            return Some(Ec2Fault::Refused(503, "RequestLimitExceeded"));
        }
        if !is_read && self.chance(faults.ec2_denied) {
            return Some(Ec2Fault::Refused(403, "UnauthorizedOperation"));
        }
        self.chance(faults.ec2_reply_lost)
            .then_some(Ec2Fault::ReplyLost)
    }

    pub fn api_fault(&mut self, request: &Request) -> Option<ApiFault> {
        let faults = self.faults;
        if self.chance(faults.api_silence) {
            return Some(ApiFault::NeverArrives);
        }
        if request.is_write() && self.chance(faults.api_refused) {
            let refusal = match self.roll(4) {
                0 => Refusal::too_many_requests(1),
                1 => Refusal::internal("etcdserver: request timed out"),
                2 => Refusal::timeout("etcdserver: leader changed"),
                _ => self.conflict(request),
            };
            return Some(ApiFault::Refused(refusal.into()));
        }
        (request.is_write() && self.chance(faults.api_reply_lost)).then_some(ApiFault::ReplyLost)
    }

    /// 409: somebody else wrote the object first, or a quota that a new one counts in.
    fn conflict(&mut self, request: &Request) -> Refusal {
        let (namespace, parts) = parts_of(&request.path);
        let stamp = self.stamp();
        let Some(name) = parts.get(1) else {
            let quotas = self.api.kinds().named("resourcequotas");
            return Refusal::modified(quotas.unwrap(), "claims");
        };
        let resource = self.api.kinds().named(parts[0]).unwrap().resource();
        self.api
            .edit(&Id::new(&resource, namespace, name), |object| {
                put(object, "metadata.annotations.touched", json!(stamp));
            });
        Refusal::modified(self.api.kinds().named(&resource).unwrap(), name)
    }
}
