//! Composition of a run's config from groups, manifests and arguments.
//!
//! A value's layers, the later winning: the struct's default, a run's whole config, the group files
//! (`configs/<group>/<choice>.toml`), an experiment's manifest, the command line with the group files that it picks. Every
//! value knows the file and line or the argument it came from, and a key or value that nothing knows is an error that says
//! where it stands and what was probably meant.

mod check;
mod compose;
mod layer;
mod library;
mod reference;
mod render;
mod suggest;
mod sweep;
mod words;

pub(crate) use compose::{Composer, Resolved, leaves_of, show};
pub(crate) use layer::{Argument, Layer, toml_error};
pub(crate) use library::{GROUPS, Library};
pub(crate) use reference::reference;
pub(crate) use render::annotated;
pub(crate) use suggest::did_you_mean;
pub(crate) use sweep::product;
