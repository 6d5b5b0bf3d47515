//! How long connections that security groups track may be idle.

use serde::{Deserialize, Serialize};

use crate::Ec2Error;

/// Time-outs in seconds; what is absent is EC2's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionTracking {
    /// Of established TCP connections.
    pub tcp_established: Option<u32>,
    /// Of UDP flows with more than one request and response.
    pub udp_stream: Option<u32>,
    /// Of other UDP flows.
    pub udp: Option<u32>,
}

impl ConnectionTracking {
    /// Refuses what lies outside of EC2's bounds. The code is unverified.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingSpecificationRequest.html>
    pub(crate) fn check(&self) -> Result<(), Ec2Error> {
        for (name, seconds, least, most) in [
            ("TcpEstablishedTimeout", self.tcp_established, 60, 432_000),
            ("UdpStreamTimeout", self.udp_stream, 60, 180),
            ("UdpTimeout", self.udp, 30, 60),
        ] {
            if let Some(seconds) = seconds.filter(|s| !(least..=most).contains(s)) {
                let value = seconds.to_string();
                return Err(Ec2Error::InvalidParameter { name, value });
            }
        }
        Ok(())
    }

    /// What a change names is replaced, the rest stays (unverified).
    pub(crate) fn change(&mut self, to: Self) {
        self.tcp_established = to.tcp_established.or(self.tcp_established);
        self.udp_stream = to.udp_stream.or(self.udp_stream);
        self.udp = to.udp.or(self.udp);
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
