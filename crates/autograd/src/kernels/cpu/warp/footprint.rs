//! Where the samples of an image lie in its doubled image.

use super::{Axes, Axis, BORDER, Element};

/// An even number of places of the doubled grid, from an even place on.
#[derive(Clone, Copy, Default)]
pub(super) struct Window {
    pub(super) start: isize,
    pub(super) len: usize,
}

/// The samples of an image: row by row, in each row the even ones and then the odd ones, as halving reads them.
pub(super) struct Footprint<T> {
    pub(super) rows: Window,
    pub(super) columns: Window,
    /// Place of the upper left neighbour within the windows.
    pub(super) at: Vec<u32>,
    /// Weight of the right neighbours.
    pub(super) right: Vec<T>,
    /// Weight of the lower neighbours.
    pub(super) lower: Vec<T>,
}

impl<T> Default for Footprint<T> {
    fn default() -> Self {
        Self {
            rows: Window::default(),
            columns: Window::default(),
            at: Vec::new(),
            right: Vec::new(),
            lower: Vec::new(),
        }
    }
}

/// One coordinate of the samples: `x step_x + y step_y + origin` for sample (x, y) of the output's doubled grid.
#[derive(Clone, Copy)]
struct Coordinate {
    step: [f64; 2],
    origin: f64,
    lowest: f64,
    highest: f64,
}

impl Coordinate {
    /// A row of the map, as places on the doubled input of that axis.
    fn new([a, b, shift]: [f64; 3], axis: Axis, axes: Axes) -> Self {
        // A sample's centre, from the centre of the output, is (x + 1 - size - BORDER) / 2 pixels and a quarter.
        let centre = [axes.columns, axes.rows].map(|axis| 1.0 - (axis.size + BORDER) as f64);
        let origin = a * centre[0] + b * centre[1] + 2.0 * shift + axis.size as f64 - 1.0;
        let last = [axes.columns, axes.rows].map(|axis| (axis.samples() - 1) as f64);
        let mut coordinate = Self { step: [a, b], origin, lowest: f64::NEG_INFINITY, highest: f64::INFINITY };
        let corners = [[0.0, 0.0], [last[0], 0.0], [0.0, last[1]], last].map(|[x, y]| coordinate.at(x, y));
        // Beyond the borders all is zero: one place past them stands for everything further away.
        let limits = axis.doubled();
        let bound = |v: f64| v.clamp((limits.start - 1) as f64, limits.end as f64);
        coordinate.lowest = bound(corners.into_iter().fold(f64::INFINITY, f64::min));
        coordinate.highest = bound(corners.into_iter().fold(f64::NEG_INFINITY, f64::max));
        coordinate
    }

    #[inline(always)]
    fn at(&self, x: f64, y: f64) -> f64 {
        (x * self.step[0] + (y * self.step[1] + self.origin)).clamp(self.lowest, self.highest)
    }

    /// The places that samples and their next neighbours lie on.
    fn window(&self) -> Window {
        let start = (self.lowest.floor() as isize).div_euclid(2) * 2;
        let end = self.highest.floor() as isize + 2;
        Window { start, len: (end - start + 1) as usize / 2 * 2 }
    }
}

/// The footprint of an image under its map, in the buffers of an earlier one.
#[inline(always)]
pub(super) fn of<T: Element>(map: &[[f64; 3]; 2], axes: Axes, buffers: Footprint<T>) -> Footprint<T> {
    let across = Coordinate::new(map[0], axes.columns, axes);
    let down = Coordinate::new(map[1], axes.rows, axes);
    let mut footprint = Footprint { rows: down.window(), columns: across.window(), ..buffers };
    let (width, count) = (axes.columns.samples(), axes.columns.samples() * axes.rows.samples());
    footprint.at.resize(count, 0);
    footprint.right.resize(count, T::zero());
    footprint.lower.resize(count, T::zero());
    let start = [footprint.columns.start as f64, footprint.rows.start as f64];
    let stride = footprint.columns.len as f64;
    let weights = footprint.right.chunks_exact_mut(width / 2).zip(footprint.lower.chunks_exact_mut(width / 2));
    for (i, (at, (right, lower))) in footprint.at.chunks_exact_mut(width / 2).zip(weights).enumerate() {
        let (y, first) = ((i / 2) as f64, (i % 2) as f64);
        for (m, (at, (right, lower))) in at.iter_mut().zip(right.iter_mut().zip(lower)).enumerate() {
            let x = 2.0 * m as f64 + first;
            let (column, row) = (across.at(x, y), down.at(x, y));
            let (left, upper) = (column.floor(), row.floor());
            *at = ((upper - start[1]) * stride + (left - start[0])) as u32;
            *right = T::of(column - left);
            *lower = T::of(row - upper);
        }
    }
    footprint
}
