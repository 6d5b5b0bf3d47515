//! A program that does nothing: the peer of every program's start.

fn main() {}
