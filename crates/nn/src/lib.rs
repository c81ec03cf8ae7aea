//! Random streams, named parameters, layers, optimisers and parameter averages.

mod stream;

pub use stream::{Purpose, Stream};
