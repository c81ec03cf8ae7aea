//! The papers' tables as data: manifests, and the plan of cells and runs that one makes.

mod manifest;
mod plan;

pub(crate) use manifest::{Manifest, MetricSpec, Scale};
pub(crate) use plan::{Choice, TablePlan, Work, deviations, is_same_run, plan, slug};
