//! The papers' tables as data: manifests, and the plan of cells and runs that one makes.

mod manifest;
mod plan;

pub(crate) use manifest::{Better, Manifest, MetricSpec, Scale};
pub(crate) use plan::{Choice, PlannedRun, TablePlan, deviations, plan, slug};
