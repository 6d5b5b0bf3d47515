//! DHCP: the lease of an ENI as a value, and what follows from time, packets and the link; sockets and codecs are the shell's.

mod moment;
mod names;
mod outcome;
mod standing;
pub mod v4;
pub mod v6;

pub use self::{
    moment::{Boot, BootTime, Moment},
    outcome::{Change, Ignored, Loss},
    standing::{Contents, Leases, Standing, Times},
};
