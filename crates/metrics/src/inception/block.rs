use frugan_autograd::{Var, concat};

use crate::Result;
use crate::inception::Weights;
use crate::inception::conv::{Chain, Conv};

/// The six kinds of mixed blocks.
///
/// ```
/// use frugan_metrics::inception::BlockKind;
/// assert_ne!(BlockKind::A { pool: 32 }, BlockKind::A { pool: 64 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// 35x35; `pool` channels behind the average.
    A {
        /// Channels of `branch_pool`.
        pool: usize,
    },
    /// 35x35 to 17x17.
    B,
    /// 17x17; `width` channels inside the 7x7 branches.
    C {
        /// Channels inside `branch7x7` and `branch7x7dbl`.
        width: usize,
    },
    /// 17x17 to 8x8.
    D,
    /// 8x8, average pooling.
    E1,
    /// 8x8, **max** pooling: the last block of the 2015 graph.
    E2,
}

/// A mixed block: branches side by side, concatenated.
///
/// ```
/// use frugan_metrics::inception::{Block, BlockKind, Weights};
/// let error = Block::load(&Weights::from_tensors(Default::default()), "Mixed_6a.", BlockKind::B, 288).unwrap_err();
/// assert!(error.to_string().contains("Mixed_6a.branch3x3"));
/// ```
#[derive(Debug)]
pub struct Block {
    branches: Vec<Branch>,
}

#[derive(Debug)]
enum Branch {
    Chain(Chain),
    /// A chain, then two convolutions of its output side by side.
    Fork(Chain, [Conv; 2]),
    AverageThen(Conv),
    MaxThen(Conv),
    MaxHalving,
}

/// Loads a block's convolutions by the names of their branches.
struct Loader<'a> {
    weights: &'a Weights,
    prefix: &'a str,
}

impl Loader<'_> {
    /// The filter's extent gives the padding that keeps the size, unless the stride is 2 (no padding).
    fn conv(&self, name: &str, outputs: usize, inputs: usize, kernel: [usize; 2], stride: usize) -> Result<Conv> {
        let padding = if stride == 1 { [kernel[0] / 2, kernel[1] / 2] } else { [0, 0] };
        let shape = [outputs, inputs, kernel[0], kernel[1]];
        Conv::load(self.weights, &format!("{}{name}", self.prefix), shape, stride, padding)
    }

    /// Steps of (suffix, outputs, kernel), stride 1; `halving` gives the last one stride 2.
    fn chain(&self, branch: &str, inputs: usize, steps: &[(&str, usize, [usize; 2])], halving: bool) -> Result<Chain> {
        let mut convs = Vec::new();
        let mut channels = inputs;
        for (i, (suffix, outputs, kernel)) in steps.iter().enumerate() {
            let stride = if halving && i + 1 == steps.len() { 2 } else { 1 };
            convs.push(self.conv(&format!("{branch}{suffix}"), *outputs, channels, *kernel, stride)?);
            channels = *outputs;
        }
        Ok(Chain(convs))
    }
}

const K1: [usize; 2] = [1, 1];
const K3: [usize; 2] = [3, 3];
const K5: [usize; 2] = [5, 5];
const ROW3: [usize; 2] = [1, 3];
const COLUMN3: [usize; 2] = [3, 1];
const ROW7: [usize; 2] = [1, 7];
const COLUMN7: [usize; 2] = [7, 1];

impl Block {
    /// The block whose tensors' names start with `prefix` (`Mixed_5b.`), for `inputs` channels.
    ///
    /// # Errors
    /// Names the first tensor that is missing or of another shape.
    ///
    /// ```
    /// # use frugan_metrics::inception::{Block, BlockKind, Weights};
    /// assert!(Block::load(&Weights::from_tensors(Default::default()), "Mixed_7a.", BlockKind::D, 768).is_err());
    /// ```
    pub fn load(weights: &Weights, prefix: &str, kind: BlockKind, inputs: usize) -> Result<Self> {
        let loader = Loader { weights, prefix };
        let branches = match kind {
            BlockKind::A { pool } => a(&loader, inputs, pool)?,
            BlockKind::B => b(&loader, inputs)?,
            BlockKind::C { width } => c(&loader, inputs, width)?,
            BlockKind::D => d(&loader, inputs)?,
            BlockKind::E1 => e(&loader, inputs, Branch::AverageThen)?,
            BlockKind::E2 => e(&loader, inputs, Branch::MaxThen)?,
        };
        Ok(Self { branches })
    }

    /// The same block with each of its convolutions changed.
    pub(crate) fn map(&self, change: &dyn Fn(&Conv) -> Result<Conv>) -> Result<Self> {
        let changed = |branch: &Branch| {
            Ok(match branch {
                Branch::Chain(chain) => Branch::Chain(chain.map(change)?),
                Branch::Fork(chain, [a, b]) => Branch::Fork(chain.map(change)?, [change(a)?, change(b)?]),
                Branch::AverageThen(conv) => Branch::AverageThen(change(conv)?),
                Branch::MaxThen(conv) => Branch::MaxThen(change(conv)?),
                Branch::MaxHalving => Branch::MaxHalving,
            })
        };
        Ok(Self { branches: self.branches.iter().map(changed).collect::<Result<_>>()? })
    }

    /// `[N, inputs, H, W]` to `[N, outputs, H, W]`, or half the size for kinds B and D.
    ///
    /// # Errors
    /// If a layer fails.
    ///
    /// ```no_run
    /// # use frugan_metrics::inception::{Block, BlockKind, Weights};
    /// # use frugan_autograd::Var;
    /// # fn f(block: Block, x: Var) -> frugan_metrics::Result<()> {
    /// let y = block.forward(&x)?;
    /// # Ok(()) }
    /// ```
    pub fn forward(&self, x: &Var) -> Result<Var> {
        let mut parts = Vec::new();
        for branch in &self.branches {
            match branch {
                Branch::Chain(chain) => parts.push(chain.forward(x)?),
                Branch::Fork(chain, ends) => {
                    let x = chain.forward(x)?;
                    parts.push(ends[0].forward(&x)?);
                    parts.push(ends[1].forward(&x)?);
                }
                Branch::AverageThen(conv) => parts.push(conv.forward_on_average(x)?),
                Branch::MaxThen(conv) => parts.push(conv.forward(&x.max_pool2d(3, 1, 1)?)?),
                Branch::MaxHalving => parts.push(x.max_pool2d(3, 2, 0)?),
            }
        }
        Ok(concat(&parts.iter().collect::<Vec<_>>(), 1)?)
    }
}

fn a(l: &Loader<'_>, inputs: usize, pool: usize) -> Result<Vec<Branch>> {
    Ok(vec![
        Branch::Chain(l.chain("branch1x1", inputs, &[("", 64, K1)], false)?),
        Branch::Chain(l.chain("branch5x5", inputs, &[("_1", 48, K1), ("_2", 64, K5)], false)?),
        Branch::Chain(l.chain("branch3x3dbl", inputs, &[("_1", 64, K1), ("_2", 96, K3), ("_3", 96, K3)], false)?),
        Branch::AverageThen(l.conv("branch_pool", pool, inputs, K1, 1)?),
    ])
}

fn b(l: &Loader<'_>, inputs: usize) -> Result<Vec<Branch>> {
    Ok(vec![
        Branch::Chain(l.chain("branch3x3", inputs, &[("", 384, K3)], true)?),
        Branch::Chain(l.chain("branch3x3dbl", inputs, &[("_1", 64, K1), ("_2", 96, K3), ("_3", 96, K3)], true)?),
        Branch::MaxHalving,
    ])
}

fn c(l: &Loader<'_>, inputs: usize, width: usize) -> Result<Vec<Branch>> {
    let single = [("_1", width, K1), ("_2", width, ROW7), ("_3", 192, COLUMN7)];
    let double =
        [("_1", width, K1), ("_2", width, COLUMN7), ("_3", width, ROW7), ("_4", width, COLUMN7), ("_5", 192, ROW7)];
    Ok(vec![
        Branch::Chain(l.chain("branch1x1", inputs, &[("", 192, K1)], false)?),
        Branch::Chain(l.chain("branch7x7", inputs, &single, false)?),
        Branch::Chain(l.chain("branch7x7dbl", inputs, &double, false)?),
        Branch::AverageThen(l.conv("branch_pool", 192, inputs, K1, 1)?),
    ])
}

fn d(l: &Loader<'_>, inputs: usize) -> Result<Vec<Branch>> {
    let seven = [("_1", 192, K1), ("_2", 192, ROW7), ("_3", 192, COLUMN7), ("_4", 192, K3)];
    Ok(vec![
        Branch::Chain(l.chain("branch3x3", inputs, &[("_1", 192, K1), ("_2", 320, K3)], true)?),
        Branch::Chain(l.chain("branch7x7x3", inputs, &seven, true)?),
        Branch::MaxHalving,
    ])
}

fn e(l: &Loader<'_>, inputs: usize, pool: fn(Conv) -> Branch) -> Result<Vec<Branch>> {
    let fork = |chain: Chain, branch: &str, channels, ends: [&str; 2]| -> Result<Branch> {
        let row = l.conv(&format!("{branch}{}", ends[0]), 384, channels, ROW3, 1)?;
        let column = l.conv(&format!("{branch}{}", ends[1]), 384, channels, COLUMN3, 1)?;
        Ok(Branch::Fork(chain, [row, column]))
    };
    let single = l.chain("branch3x3", inputs, &[("_1", 384, K1)], false)?;
    let double = l.chain("branch3x3dbl", inputs, &[("_1", 448, K1), ("_2", 384, K3)], false)?;
    Ok(vec![
        Branch::Chain(l.chain("branch1x1", inputs, &[("", 320, K1)], false)?),
        fork(single, "branch3x3", 384, ["_2a", "_2b"])?,
        fork(double, "branch3x3dbl", 384, ["_3a", "_3b"])?,
        pool(l.conv("branch_pool", 192, inputs, K1, 1)?),
    ])
}
