//! How weights start.

use crate::stream::Stream;

/// The law that a tensor's first values are drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All the same.
    Constant(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform on [-bound, bound): torch's default for biases, with bound `1 / sqrt(fan_in)`.
    Uniform(f64),
    /// Uniform with bound `sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010).
    XavierUniform,
    /// A matrix `[shape[0], rest]` with orthonormal rows, or columns if there are more rows (Saxe et al. 2014).
    Orthogonal,
}

impl Init {
    /// All zero.
    pub const ZEROS: Self = Self::Constant(0.0);
    /// All one.
    pub const ONES: Self = Self::Constant(1.0);
    /// `N(0, 0.02)`: the published BigGAN settings for CIFAR call it "N02".
    pub const N02: Self = Self::Normal(0.02);

    /// The values of a tensor of this shape.
    pub(crate) fn values(self, shape: &[usize], stream: &mut Stream) -> Vec<f32> {
        let count = shape.iter().product();
        match self {
            Self::Constant(value) => vec![value as f32; count],
            Self::Normal(deviation) => stream.normals(count).into_iter().map(|v| v * deviation as f32).collect(),
            Self::Uniform(bound) => uniform(count, bound, stream),
            Self::XavierUniform => {
                let (fan_in, fan_out) = fans(shape);
                uniform(count, (6.0 / (fan_in + fan_out) as f64).sqrt(), stream)
            }
            Self::Orthogonal => orthogonal(shape, stream),
        }
    }
}

fn uniform(count: usize, bound: f64, stream: &mut Stream) -> Vec<f32> {
    stream.uniforms(count).into_iter().map(|u| ((2.0 * f64::from(u) - 1.0) * bound) as f32).collect()
}

/// Inputs and outputs of one element, for weights laid out `[out, in, ..kernel]`.
fn fans(shape: &[usize]) -> (usize, usize) {
    let kernel: usize = shape.iter().skip(2).product();
    (shape.get(1).copied().unwrap_or(1) * kernel, shape.first().copied().unwrap_or(1) * kernel)
}

/// Gram and Schmidt in f64 on normal vectors, as many as the shorter side, each as long as the longer one. The diagonal
/// of the implied R is positive, so the law is the uniform one over orthogonal matrices.
fn orthogonal(shape: &[usize], stream: &mut Stream) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let rows = shape.first().copied().unwrap_or(1).max(1);
    let columns = count / rows;
    let (vectors, length) = (rows.min(columns), rows.max(columns));
    let draws: Vec<f64> = stream.normals(vectors * length).into_iter().map(f64::from).collect();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(vectors);
    for draw in draws.chunks_exact(length.max(1)) {
        let mut vector = draw.to_vec();
        // Twice is enough for orthogonality to rounding (Giraud and Langou 2005).
        for earlier in basis.iter().chain(&basis) {
            let along = dot(earlier, &vector);
            vector.iter_mut().zip(earlier).for_each(|(v, e)| *v -= along * e);
        }
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
        basis.push(vector);
    }
    let element = |row: usize, column: usize| if rows <= columns { basis[row][column] } else { basis[column][row] };
    (0..count).map(|i| element(i / columns, i % columns) as f32).collect()
}

/// In eight lanes, which the compiler can put into vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a.zip(b) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Purpose;

    fn draw(init: Init, shape: &[usize]) -> Vec<f32> {
        init.values(shape, &mut Stream::new(1, Purpose::new("test"), 0))
    }

    fn deviation(values: &[f32]) -> f64 {
        (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn laws_have_their_scale() {
        assert!((deviation(&draw(Init::N02, &[200, 300])) - 0.02).abs() < 2e-4);
        let uniform = draw(Init::Uniform(0.5), &[60_000]);
        assert!(uniform.iter().all(|v| (-0.5..=0.5).contains(v)));
        assert!((deviation(&uniform) - 0.5 / 3f64.sqrt()).abs() < 3e-3);
        // fan_in = 4 * 9, fan_out = 8 * 9
        let bound = (6.0f64 / 108.0).sqrt();
        let xavier = draw(Init::XavierUniform, &[8, 4, 3, 3]);
        let largest = xavier.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
        assert!(largest <= bound && largest > 0.97 * bound, "{largest} {bound}");
        assert_eq!(draw(Init::ONES, &[3]), [1.0; 3]);
    }

    #[test]
    fn orthogonal_sides_are_orthonormal() {
        for (rows, shape) in [(6, vec![6, 2, 3, 3]), (9, vec![9, 4])] {
            let q = draw(Init::Orthogonal, &shape);
            let columns = q.len() / rows;
            let at = |r: usize, c: usize| f64::from(q[r * columns + c]);
            let short = rows.min(columns);
            for i in 0..short {
                for j in 0..short {
                    let product: f64 = if rows <= columns {
                        (0..columns).map(|c| at(i, c) * at(j, c)).sum()
                    } else {
                        (0..rows).map(|r| at(r, i) * at(r, j)).sum()
                    };
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-6, "{i} {j} {product}");
                }
            }
        }
    }
}
