//! Which address a new interface gets.

use std::{collections::BTreeSet, net::Ipv4Addr};

use crate::{Ec2Error, Subnet, Vpc};

impl Vpc {
    /// The addresses of `subnet` that no interface has.
    pub(crate) fn free(&self, subnet: &Subnet) -> impl Iterator<Item = Ipv4Addr> {
        let taken: BTreeSet<_> = self
            .enis
            .values()
            .filter(|e| e.subnet == subnet.id)
            .map(|e| e.address)
            .collect();
        subnet
            .cidr
            .usable()
            .filter(move |address| !taken.contains(address))
    }

    /// The address asked for, or the lowest free one. (EC2 picks by a rule it does not tell.)
    pub(crate) fn pick(
        &self,
        subnet: &Subnet,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr, Ec2Error> {
        let Some(wanted) = wanted else {
            return self.free(subnet).next().ok_or(Ec2Error::SubnetFull);
        };
        if !subnet.cidr.is_usable(wanted) {
            return Err(Ec2Error::AddressOutside(wanted));
        }
        if self
            .enis
            .values()
            .any(|eni| eni.vpc == subnet.vpc && eni.address == wanted)
        {
            return Err(Ec2Error::AddressInUse);
        }
        Ok(wanted)
    }
}
