//! Convolution by its definition, and its gradients, in f64.

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) image: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) padding: [usize; 2],
}

impl Sizes {
    pub(crate) fn output(&self) -> [usize; 2] {
        [0, 1].map(|i| (self.image[i] + 2 * self.padding[i] - self.kernel[i]) / self.stride + 1)
    }

    pub(crate) fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.in_channels, self.image[0], self.image[1]]
    }

    pub(crate) fn filter_shape(&self) -> [usize; 4] {
        [self.out_channels, self.in_channels, self.kernel[0], self.kernel[1]]
    }

    pub(crate) fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.output()[0], self.output()[1]]
    }

    /// Calls `f(output, input, filter)` with the places of each product in the sum.
    fn each_product(&self, mut f: impl FnMut(usize, usize, usize)) {
        let ([oh, ow], [ih, iw], [kh, kw]) = (self.output(), self.image, self.kernel);
        for (n, o, i) in triples(self.batch, self.out_channels, self.in_channels) {
            for (y, a, b) in triples(oh, kh, kw) {
                let Some(row) = (y * self.stride + a).checked_sub(self.padding[0]).filter(|row| *row < ih) else {
                    continue;
                };
                for x in 0..ow {
                    let column = (x * self.stride + b).checked_sub(self.padding[1]);
                    if let Some(column) = column.filter(|column| *column < iw) {
                        f(
                            ((n * self.out_channels + o) * oh + y) * ow + x,
                            ((n * self.in_channels + i) * ih + row) * iw + column,
                            ((o * self.in_channels + i) * kh + a) * kw + b,
                        );
                    }
                }
            }
        }
    }

    /// The output, and the gradients of `<cotangent, output>` by input and filter.
    pub(crate) fn reference(&self, x: &[f64], w: &[f64], cotangent: &[f64]) -> [Vec<f64>; 3] {
        let (mut y, mut gx, mut gw) = (vec![0.0; cotangent.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        self.each_product(|out, input, filter| {
            y[out] += x[input] * w[filter];
            gx[input] += cotangent[out] * w[filter];
            gw[filter] += cotangent[out] * x[input];
        });
        [y, gx, gw]
    }
}

fn triples(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}
