//! Training: one explicit step, runs that resume bit for bit, monitors and logs.
//!
//! A [`Config`] says everything that a result depends on. [`Plan::new`] reads and checks it all and writes nothing;
//! [`Plan::run`] trains. [`Trainer::step`] is the paper's algorithm, [`Objective`] its equations.

mod atomic;
mod augmentation;
mod config;
mod dotted;
mod early_stop;
mod error;
mod estimate;
mod evaluation;
mod fit;
mod floor;
mod grid;
mod interrupt;
mod library;
mod log;
mod monitor;
mod nonfinite;
mod objective;
mod observer;
mod outcome;
mod path_length;
mod projection;
mod ranks;
mod recipe;
mod run;
mod run_dir;
mod setup;
mod snapshot;
mod state;
mod stats;
mod tensor_file;
mod tensorboard;
mod tick;
mod trainer;
mod transfer;

pub use atomic::write as write_atomic;
pub use augmentation::{AugmentDraws, Augmentation};
pub use config::{Config, EmaConfig, First, KeepSnapshots, Lazy, OptimConfig, TrainConfig};
pub use early_stop::EarlyStopConfig;
pub use error::{Error, Result};
pub use estimate::Estimate;
pub use evaluation::Evaluation;
pub use floor::read_floor;
pub use grid::{Grid, tiled};
pub use interrupt::Interrupt;
pub use library::Library;
pub use monitor::{
    COLLAPSED_DISTANCE, DECEIVED_P, EXPLODING_NORM, OVERFITTING_GAP, SATURATED_R_T, UNSTABLE_LOSS, Warning, warnings,
};
pub use nonfinite::Nonfinite;
pub use objective::{DBatch, DDraws, DLosses, GBatch, GDraws, GLosses, NoiseDraws, Objective, PenaltyDraws};
pub use observer::{Observer, Silent, Speed};
pub use outcome::{Outcome, Status, distance};
pub use path_length::path_lengths;
pub use projection::{Projection, ProjectionConfig, project};
pub use ranks::{Member, RanksConfig, Room, Through, follow};
pub use recipe::departures;
pub use run::Plan;
pub use run_dir::{RunDir, newest_state};
pub use setup::Setup;
pub use snapshot::{About, Draw, Snapshot, class_rows, fakes};
pub use stats::{Record, read_records};
pub use tensorboard::{EventWriter, Hparam};
pub use trainer::Trainer;
pub use transfer::{TransferConfig, TransferMode};
