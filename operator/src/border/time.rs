//! Times as Kubernetes writes them, and as the core counts them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time as Second};
use operator_core::Time;

pub(crate) fn second(time: Time) -> Second {
    Second(timestamp(time))
}

pub(crate) fn micro(time: Time) -> MicroTime {
    MicroTime(timestamp(time))
}

pub(super) fn from_second(time: &Second) -> Time {
    Time(time.0.as_millisecond())
}

pub(super) fn from_micro(time: &MicroTime) -> Time {
    Time(time.0.as_millisecond())
}

/// Every time of the core stems from a clock or from an object, so it is within the range of a timestamp.
fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH)
}
