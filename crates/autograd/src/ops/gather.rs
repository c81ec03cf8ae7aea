//! Rows of a table by index (an embedding), and the adjoint.

use candle_core::Result;

use crate::check_shapes::rank2;
use crate::fusion;
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

/// Rows of a table plus a number, which were found with those of other tables.
struct Found {
    rows: Value,
    gather: Gather,
}

impl Op for Found {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn forward(&self, _: &[&Value]) -> Result<Value> {
        Ok(self.rows.clone())
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        self.gather.vjp(cx, g)
    }
}

/// [`Var::gather`] of many tables by the same index, each plus a number; on a GPU in one launch.
///
/// # Errors
/// As [`Var::gather`].
pub fn gather_all(tables: &[(&Var, f64)], index: &Ints) -> Result<Vec<Var>> {
    let mut counts = Vec::with_capacity(tables.len());
    for (table, _) in tables {
        counts.push(rank2("gather", "the table", "[R, D]", table)?[0]);
    }
    let values: Vec<_> = tables.iter().map(|(table, plus)| (table.value(), *plus)).collect();
    let together = if fusion::is_off() { None } else { index::gather_tables(&values, index)? };
    let Some(together) = together else {
        let each = tables.iter().map(|(table, plus)| {
            let rows = table.gather(index)?;
            if *plus == 0.0 { Ok(rows) } else { rows.affine(1.0, *plus) }
        });
        return each.collect();
    };
    let found = tables.iter().zip(counts).zip(together).map(|(((table, _), rows), found)| {
        apply(Found { rows: found, gather: Gather { index: index.clone(), rows } }, &[table])
    });
    found.collect()
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
