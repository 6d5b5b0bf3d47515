//! Ports of the node's bridges: how they are made, compared, deleted, and found without a journal.

mod add;
mod bridges;
mod check;
mod delete;
pub mod files;
mod guard;
mod host;
mod survey;

pub use self::{
    add::{Failed, Left, Made, add},
    bridges::delete_bridges,
    check::check,
    delete::delete,
    files::Files,
    guard::{guard, unguarded},
    survey::survey,
};
use crate::{error::Error, kernel::netlink::Netlink};

fn open() -> Result<Netlink, Error> {
    Netlink::route().map_err(Error::netlink("open a netlink socket"))
}
