//! Spectral normalisation: a power step of many weights in three launches, their quotients in one, their gradients in two.

use candle_core::Result;

use super::filter::place;
use super::update::CHUNK;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::{Element, SPECTRAL};
use crate::cuda::words::{Address, words};

/// Columns of a block of `power_columns`, as in `spectral.cu`.
const COLUMNS: usize = 32;

/// A weight `[rows, rest]` and where its power iteration stands.
pub(crate) struct Weight<'a> {
    pub(crate) w: CudaTensor,
    /// `[1, rows]`
    pub(crate) u: &'a CudaTensor,
    pub(crate) epsilon: f64,
    /// Of the quotient: the weight's or a half.
    pub(crate) element: Element,
    /// Where the last `u` and `sigma` go too.
    pub(crate) kept: Option<[&'a CudaTensor; 2]>,
}

/// What the power steps of a weight find.
pub(crate) struct Found {
    /// `[1, rows]`
    pub(crate) u: CudaTensor,
    /// `[1, rest]`
    pub(crate) v: CudaTensor,
    /// `[1]`
    pub(crate) sigma: CudaTensor,
    /// `W / sigma`
    pub(crate) normal: CudaTensor,
}

impl Weight<'_> {
    fn rows(&self) -> usize {
        self.u.len()
    }

    fn rest(&self) -> usize {
        self.w.len() / self.u.len()
    }

    /// Of the quotient: that in which convolutions of its type take filters.
    fn order(&self) -> Order {
        let is_filter = self.w.dims().len() == 4 && self.element != self.w.element();
        if is_filter && self.w.gpu().wants_pixels(self.element) { Order::Pixels } else { Order::Planes }
    }

    fn room(&self) -> Result<Found> {
        let (rows, rest) = (self.rows(), self.rest());
        Ok(Found {
            u: self.w.like(&[1, rows])?,
            v: self.w.like(&[1, rest])?,
            sigma: self.w.like(&[1])?,
            normal: self.w.of_type(self.element, self.order())?,
        })
    }
}

/// A kernel's name for arrays of one type beside weights of another.
fn variant(names: [&'static str; 3], array: Element, weight: Element) -> &'static str {
    match array {
        same if same == weight => names[0],
        Element::F16 => names[2],
        _ => names[1],
    }
}

/// The tables of the launches, one behind the other in one upload.
#[derive(Default)]
struct Tables(Vec<u64>);

/// A table's place in words, and the blocks of its launch.
#[derive(Clone, Copy)]
struct Table {
    start: usize,
    blocks: usize,
}

impl Tables {
    /// A row a weight; `row` gives its words, and how many blocks it takes from the number given on.
    fn add<'a, T: 'a>(
        &mut self,
        weights: impl Iterator<Item = T>,
        row: impl Fn(T, usize) -> (Vec<u64>, usize),
    ) -> Table {
        let (start, mut blocks) = (self.0.len(), 0);
        for weight in weights {
            let (words, own) = row(weight, blocks);
            self.0.extend(words);
            blocks += own;
        }
        Table { start, blocks }
    }
}

/// Of each weight, `steps` times `v = unit(u W)`, `u' = unit(v W^T)`, `sigma = v W^T u'^T`, and `W / sigma`. All are of one device
/// and type.
pub(crate) fn normalise(weights: &[Weight<'_>], steps: usize) -> Result<Vec<Found>> {
    let Some(first) = weights.first() else { return Ok(Vec::new()) };
    let found: Vec<Found> = weights.iter().map(Weight::room).collect::<Result<_>>()?;
    let products =
        weights.iter().map(|weight| Ok([weight.w.like(&[weight.rest()])?, weight.w.like(&[weight.rows()])?]));
    let products: Vec<[CudaTensor; 2]> = products.collect::<Result<_>>()?;
    let all = || weights.iter().zip(&found).zip(&products);
    let mut tables = Tables::default();
    // The first step starts from the weight's own u, further ones from what the last found.
    let mut columns = |is_first: bool| {
        tables.add(all(), |((weight, found), [y, _]), block| {
            let (rows, rest) = (weight.rows(), weight.rest());
            let u = if is_first { weight.u } else { &found.u };
            (words![&weight.w, u, y, rows, rest, block], rest.div_ceil(COLUMNS))
        })
    };
    let (first_columns, next_columns) = (columns(true), (steps > 1).then(|| columns(false)));
    let rows = tables
        .add(all(), |((weight, _), [y, z]), block| (words![&weight.w, y, z, weight.rest(), block], weight.rows()));
    let finishes = tables.add(all(), |((weight, found), [y, z]), _| {
        let kept = weight.kept.map_or([None, None], |kept| kept.map(Some));
        let out = words![&found.v, &found.u, &found.sigma, kept];
        (words![y, z, *out.as_slice(), weight.rows(), weight.rest(), weight.epsilon], 1)
    });
    let mut quotients: Vec<(Element, Table, usize)> = Vec::new();
    for element in [first.w.element(), Element::Bf16, Element::F16] {
        let of_type = || all().filter(move |((weight, _), _)| weight.element == element);
        let count = of_type().count();
        if count > 0 && !quotients.iter().any(|(known, ..)| *known == element) {
            let table = tables.add(of_type(), |((weight, found), _), block| {
                let len = weight.w.len();
                let (arrays, place) = (words![&weight.w, &found.sigma, &found.normal], place(&found.normal));
                ([arrays, place, words![len, block]].concat(), len.div_ceil(CHUNK))
            });
            quotients.push((element, table, count));
        }
    }

    let memory = first.w.gpu().table(&tables.0)?;
    let run = |function: &'static str, table: Table, count: usize| {
        let place = Address(memory.address().0 + 8 * table.start as u64);
        first.w.blocks(&SPECTRAL, function, &words![table.blocks, place, count])
    };
    let all = weights.len();
    for step in 0..steps {
        run("power_columns", next_columns.filter(|_| step > 0).unwrap_or(first_columns), all)?;
        run("power_rows", rows, all)?;
        run("power_finish", finishes, all)?;
    }
    for (element, table, count) in quotients {
        run(variant(["quotient", "quotient_bf16", "quotient_f16"], element, first.w.element()), table, count)?;
    }
    Ok(found)
}

/// What the gradient of a quotient reads.
pub(crate) struct Divided<'a> {
    /// The cotangent of `W / sigma`, which may be of a half type and in any order.
    pub(crate) g: &'a CudaTensor,
    pub(crate) w: &'a CudaTensor,
    /// As [`Found`] has them.
    pub(crate) u: &'a CudaTensor,
    pub(crate) v: &'a CudaTensor,
    pub(crate) sigma: &'a CudaTensor,
}

/// The cotangents of weights from those of their quotients. All are of one device, the weights and likewise the cotangents of one type.
pub(crate) fn quotient_grads(weights: &[Divided<'_>]) -> Result<Vec<CudaTensor>> {
    let Some(Divided { g, w: first, .. }) = weights.first() else { return Ok(Vec::new()) };
    let chunks = |weight: &Divided<'_>| weight.w.len().div_ceil(CHUNK);
    let room = weights.iter().map(|weight| Ok([weight.w.like(&[chunks(weight)])?, weight.w.like(weight.w.dims())?]));
    let room: Vec<[CudaTensor; 2]> = room.collect::<Result<_>>()?;
    let all = || weights.iter().zip(&room);
    let mut tables = Tables::default();
    let dots = tables.add(all(), |(weight, [parts, _]), block| {
        let arrays = words![weight.g, weight.w, parts];
        ([arrays, place(weight.g), words![weight.w.len(), block]].concat(), chunks(weight))
    });
    let grads = tables.add(all(), |(weight, [parts, out]), block| {
        let arrays = words![weight.g, parts, weight.u, weight.v, weight.sigma, out];
        ([arrays, place(weight.g), words![weight.w.len(), chunks(weight), block]].concat(), chunks(weight))
    });
    let memory = first.gpu().table(&tables.0)?;
    let run = |names: [&'static str; 3], table: Table| {
        let place = Address(memory.address().0 + 8 * table.start as u64);
        let function = variant(names, g.element(), first.element());
        first.blocks(&SPECTRAL, function, &words![table.blocks, place, weights.len()])
    };
    run(["quotient_dots", "quotient_dots_bf16", "quotient_dots_f16"], dots)?;
    run(["quotient_grad", "quotient_grad_bf16", "quotient_grad_f16"], grads)?;
    Ok(room.into_iter().map(|[_, out]| out).collect())
}
