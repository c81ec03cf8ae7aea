//! What 16 places of a filter read, as vectors: a tap's lanes are picked up from where the image lies.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::ops::Range;

use super::{LANES, Lanes};
use crate::kernels::cpu::im2col::inside;
use crate::ops::conv::ConvShape;

/// How many channels ahead of its use an input is fetched.
const AHEAD: usize = 4;

/// Places of a filter over all images of a batch, image by image and row by row, in groups of 16.
pub(in crate::kernels::cpu) struct Patches {
    batch: usize,
    channels: usize,
    /// Rows and columns of an input plane.
    size: [usize; 2],
    /// Rows and columns of places.
    out: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    /// For each row, and each column, of the filter the places where it reads inside the image.
    inside: [Vec<Range<usize>>; 2],
}

/// Neighbouring lanes of a group in a row of places.
pub(in crate::kernels::cpu) struct Run {
    pub(in crate::kernels::cpu) lane: usize,
    pub(in crate::kernels::cpu) len: usize,
    pub(in crate::kernels::cpu) image: usize,
    pub(in crate::kernels::cpu) y: usize,
    pub(in crate::kernels::cpu) x: usize,
}

impl Run {
    /// Its lanes that are in these columns.
    fn mask(&self, columns: &Range<usize>) -> u16 {
        let bits = |end: usize| (1_u32 << (self.lane + end.clamp(self.x, self.x + self.len) - self.x)) - 1;
        (bits(columns.end) & !bits(columns.start)) as u16
    }

    /// All its lanes, lane 0 at `offset` less the first one's number.
    pub(in crate::kernels::cpu) fn piece(&self, offset: usize) -> Piece {
        Piece { mask: self.mask(&(0..usize::MAX)), offset: offset as isize - self.lane as isize }
    }
}

/// Some lanes of a vector and where lane 0 lies in channel 0, even if it is none of them.
#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Piece {
    pub(in crate::kernels::cpu) mask: u16,
    pub(in crate::kernels::cpu) offset: isize,
}

impl Piece {
    /// The same lanes `offset` further on.
    pub(in crate::kernels::cpu) fn shifted(self, offset: usize) -> Self {
        Self { offset: self.offset + offset as isize, ..self }
    }
}

/// The first windows of [`Patches::of_phases`] on each axis.
pub(in crate::kernels::cpu) fn first_windows(s: &ConvShape) -> [usize; 2] {
    s.padding.map(|padding| padding / 2)
}

/// What the taps of a group read.
pub(in crate::kernels::cpu) enum Sources {
    /// Neighbouring lanes read neighbouring pixels: the pieces of tap t end at `ends[t]`, a piece a run.
    Pieces { pieces: Vec<Piece>, ends: Vec<usize> },
    /// Any stride: where a lane reads as its distance from where the tap's piece lies.
    Gather(Vec<(Piece, [i32; LANES])>),
}

impl Patches {
    /// Each output pixel is a place.
    pub(in crate::kernels::cpu) fn of_pixels(s: &ConvShape) -> Self {
        let (size, out) = ([s.height, s.width], [s.out_height(), s.out_width()]);
        let pointwise = s.kernel == [1, 1] && s.stride == 1 && s.padding == [0, 0];
        // A 1x1 filter may see an image as one row.
        let [size, out] = if pointwise { [[1, s.height * s.width]; 2] } else { [size, out] };
        Self::new(s, (size, out), s.kernel, [s.stride; 2])
    }

    /// `rows` output pixels of a column are a place, and their window has `height` rows; stride 1.
    pub(in crate::kernels::cpu) fn of_columns(s: &ConvShape, rows: usize, height: usize) -> Self {
        let (size, out) = ([s.height, s.width], [s.out_height().div_ceil(rows), s.out_width()]);
        Self::new(s, (size, out), [height, s.kernel[1]], [rows, 1])
    }

    /// Places of a 2x2 window over the cotangent of a stride-2 convolution with a filter of `s.kernel`, at most 4x4: window
    /// (T, U) holds the rows T - 1 and T and the columns U - 1 and U, which is what the input's pixels 2 T and 2 T + 1 by
    /// 2 U and 2 U + 1, counted with the padding, need. The first windows are those of `first_windows`.
    pub(in crate::kernels::cpu) fn of_phases(s: &ConvShape) -> Self {
        let size = [s.out_height(), s.out_width()];
        let first = first_windows(s);
        let image = [s.height, s.width];
        let out = [0, 1].map(|i| (image[i] - 1 + s.padding[i]) / 2 + 1 - first[i]);
        let padding = first.map(|first| 1 - first);
        let windows = ConvShape { in_channels: s.out_channels, padding, ..*s };
        Self::new(&windows, (size, out), [2, 2], [1, 1])
    }

    fn new(s: &ConvShape, (size, out): ([usize; 2], [usize; 2]), kernel: [usize; 2], stride: [usize; 2]) -> Self {
        let inside = [0, 1].map(|i| {
            let places = |tap| inside(tap, s.padding[i], stride[i], size[i], out[i]);
            (0..kernel[i]).map(places).collect()
        });
        Self { batch: s.batch, channels: s.in_channels, size, out, kernel, stride, padding: s.padding, inside }
    }

    pub(in crate::kernels::cpu) fn groups(&self) -> usize {
        (self.batch * self.out[0] * self.out[1]).div_ceil(LANES)
    }

    pub(in crate::kernels::cpu) fn runs(&self, group: usize) -> Vec<Run> {
        let [height, width] = self.out;
        let (area, first) = (height * width, group * LANES);
        let mut runs = Vec::new();
        let mut lane = 0;
        while lane < LANES && first + lane < self.batch * area {
            let (image, place) = ((first + lane) / area, (first + lane) % area);
            let len = (width - place % width).min(LANES - lane);
            runs.push(Run { lane, len, image, y: place / width, x: place % width });
            lane += len;
        }
        runs
    }

    pub(in crate::kernels::cpu) fn sources(&self, runs: &[Run]) -> Sources {
        if self.stride[1] == 1 { self.pieces(runs, self.taps()) } else { self.gather(runs) }
    }

    /// [`Patches::sources`] of [`Patches::of_phases`] in the order upper left, upper right, lower right, lower left, in
    /// which what a phase reads is one piece.
    pub(in crate::kernels::cpu) fn sources_around(&self, runs: &[Run]) -> Sources {
        self.pieces(runs, [(0, 0), (0, 1), (1, 1), (1, 0)].into_iter())
    }

    /// The lanes of `run` that tap `(a, b)` reads inside the image, and where its first lane would read.
    fn read(&self, run: &Run, (a, b): (usize, usize)) -> (u16, isize) {
        let mask = if self.inside[0][a].contains(&run.y) { run.mask(&self.inside[1][b]) } else { 0 };
        let row = (run.y * self.stride[0] + a) as isize - self.padding[0] as isize;
        let column = (run.x * self.stride[1] + b) as isize - self.padding[1] as isize;
        let image = (run.image * self.channels * self.size[0] * self.size[1]) as isize;
        (mask, image + row * self.size[1] as isize + column)
    }

    fn taps(&self) -> impl Iterator<Item = (usize, usize)> {
        let [height, width] = self.kernel;
        (0..height * width).map(move |i| (i / width, i % width))
    }

    fn pieces(&self, runs: &[Run], taps: impl Iterator<Item = (usize, usize)>) -> Sources {
        let count = self.kernel[0] * self.kernel[1];
        let (mut pieces, mut ends) = (Vec::with_capacity(count * runs.len()), Vec::with_capacity(count));
        for tap in taps {
            for run in runs {
                let (mask, first) = self.read(run, tap);
                if mask != 0 {
                    pieces.push(Piece { mask, offset: first - run.lane as isize });
                }
            }
            ends.push(pieces.len());
        }
        Sources::Pieces { pieces, ends }
    }

    fn gather(&self, runs: &[Run]) -> Sources {
        let taps = self.taps().map(|tap| {
            let (_, base) = self.read(&runs[0], tap);
            let (mut mask, mut distances) = (0, [0; LANES]);
            for run in runs {
                let (lanes, first) = self.read(run, tap);
                mask |= lanes;
                for i in 0..run.len {
                    distances[run.lane + i] = (first - base) as i32 + (i * self.stride[1]) as i32;
                }
            }
            (Piece { mask, offset: base }, distances)
        });
        Sources::Gather(taps.collect())
    }
}

impl Sources {
    /// The taps of one channel, `[tap][16]`, not below `floor`; planes to come, `area` apart, are fetched ahead.
    ///
    /// # Safety
    /// As [`Lanes`]; `plane` is a channel's plane in image 0 of the batch that made the sources; `out` is aligned
    /// and has room for the taps.
    #[inline(always)]
    pub(in crate::kernels::cpu) unsafe fn read<V: Lanes>(
        &self,
        plane: *const f32,
        area: usize,
        floor: V,
        out: *mut f32,
    ) {
        // SAFETY: as the function promises.
        unsafe { self.read_apart(plane, area, floor, (out, LANES)) }
    }

    /// [`Sources::read`] with taps `stride` floats apart.
    ///
    /// # Safety
    /// As [`Sources::read`]; `stride` is a multiple of 16.
    #[inline(always)]
    pub(in crate::kernels::cpu) unsafe fn read_apart<V: Lanes>(
        &self,
        plane: *const f32,
        area: usize,
        floor: V,
        (out, stride): (*mut f32, usize),
    ) {
        match self {
            Self::Pieces { pieces, ends } => {
                let ahead = plane.wrapping_add(AHEAD * area);
                let mut first = 0;
                for (tap, end) in ends.iter().enumerate() {
                    let mut v = V::zero();
                    for piece in &pieces[first..*end] {
                        // SAFETY: lanes outside the mask are not read; a prefetch may point anywhere.
                        unsafe {
                            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_offset(piece.offset).cast());
                            v = V::load_over(v, piece.mask, plane.wrapping_offset(piece.offset));
                        }
                    }
                    first = *end;
                    // SAFETY: as the function promises.
                    unsafe { V::store(out.add(tap * stride), V::max(floor, v)) }; // so a NaN stays
                }
            }
            Self::Gather(taps) => {
                for (tap, (piece, distances)) in taps.iter().enumerate() {
                    let base = plane.wrapping_offset(piece.offset);
                    // SAFETY: lanes outside the mask are not read; else as the function promises.
                    unsafe {
                        let v = V::gather(piece.mask, distances, base);
                        V::store(out.add(tap * stride), V::max(floor, v));
                    }
                }
            }
        }
    }
}
