//! What is said about a lease and about packets.

use serde::{Deserialize, Serialize};

/// What became of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There is one.
    Obtained,
    /// It holds longer, and says what it said. Nothing to be reported to the API server.
    Renewed,
    /// It holds longer, and says something else.
    Altered,
    /// An offer was not taken, because it is not for the claim's address. It is in the lease.
    Differs,
    /// There is none any more.
    Lost(Loss),
}

/// Why a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Loss {
    /// Its time is over.
    Expired,
    /// A server refused it.
    Refused,
    /// Another host uses its address.
    Conflict,
    /// It was given back.
    Released,
    /// It is not for the address that the claim has now.
    Unwanted,
}

/// Why a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// Nothing of its type is waited for: a duplicate, a late answer, or nothing that a server sends.
    Unexpected,
    /// Its transaction, MAC address or client identifier is another's.
    NotOurs,
    /// Another server sent it than the one that was asked.
    OtherServer,
    /// It is for another address than the one that was asked for.
    OtherAddress,
    /// It lacks what the RFCs say that it must have.
    Incomplete,
    /// No interface can have its address, or no server is there where it says it is.
    Impossible,
    /// The lease would be over at once.
    TooShort,
}
