//! Scenarios on a real cluster, through kubectl and traffic only.

pub mod raw;
