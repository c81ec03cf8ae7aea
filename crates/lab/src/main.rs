//! The `frugan` command.
mod config;
mod failure;
fn main() {}
