//! Bad input ends in one clear sentence, exit code 2, and nothing half written.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it saw")]

mod broken;
mod case;
mod data;
mod disk;
mod measures;
mod packs;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod training;

use case::check_all;

#[test]
fn overrides_that_cannot_be() {
    check_all(&training::overrides());
}

#[test]
fn data_that_cannot_be() {
    check_all(&data::data());
}

#[test]
fn places_that_cannot_be() {
    check_all(&training::places());
}

#[test]
fn tables_that_cannot_be() {
    check_all(&tables::tables());
}

#[test]
fn packs_that_cannot_be() {
    check_all(&packs::packs());
}

#[test]
fn measures_that_cannot_be() {
    check_all(&measures::measures());
}

#[test]
fn a_full_table_of_cases() {
    let training = training::overrides().len() + training::places().len();
    let others = data::data().len() + tables::tables().len() + packs::packs().len() + measures::measures().len();
    assert!(training + others >= 25, "{training} and {others}");
}
