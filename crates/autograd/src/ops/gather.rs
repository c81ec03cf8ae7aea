//! Rows of a table by index (an embedding), and the adjoint.

use candle_core::Result;

use crate::check_shapes::rank2;
use crate::ints::Ints;
use crate::kernels::index;
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

struct Gather {
    index: Ints,
    rows: usize,
}

struct ScatterAdd {
    index: Ints,
    rows: usize,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        index::gather(inputs[0], &self.index)
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(ScatterAdd { index: self.index.clone(), rows: self.rows }, &[&g])?)])
    }
}

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        index::scatter_add(inputs[0], &self.index, self.rows)
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(Gather { index: self.index.clone(), rows: self.rows }, &[&g])?)])
    }
}

impl Var {
    /// Rows of a table `[R, D]`, as `[index.len(), D]`; an index may come more than once.
    ///
    /// # Errors
    /// If the table is no matrix, or an index is not a row of it.
    pub fn gather(&self, index: &Ints) -> Result<Var> {
        let [rows, _] = rank2("gather", "the table", "[R, D]", self)?;
        apply(Gather { index: index.clone(), rows }, &[self])
    }
}
