//! The `frugan` command.
fn main() {}
