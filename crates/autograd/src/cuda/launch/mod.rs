//! The ops on a GPU, one file a family: what each launches, with which arguments.

pub(crate) mod affine_sample;
pub(crate) mod bias_act;
pub(crate) mod color;
pub(crate) mod conv;
pub(crate) mod elementwise;
pub(crate) mod fetch;
pub(crate) mod filter;
mod fold;
pub(crate) mod group;
pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod loss;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod philox;
pub(crate) mod planes;
pub(crate) mod pool;
pub(crate) mod ranks;
pub(crate) mod reduce;
pub(crate) mod spectral;
pub(crate) mod update;
pub(crate) mod upfirdn;
pub(crate) mod warp;
