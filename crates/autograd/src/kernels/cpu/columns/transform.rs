//! The transforms of Winograd F(4, r), on vectors of 16 lanes.
//!
//! Interpolation points: 0, `P` pairs of ± and infinity: N = 2 P + 2 = r + 3 of them. With `d` the N inputs, `g` the
//! r taps and `y` the four outputs, `y = At [(G g) . (Bt d)]`. Points of a pair share their even and odd parts.

use crate::kernels::cpu::lanes::Lanes;

/// The outputs of a tile.
pub(super) const OUTPUTS: usize = 4;

/// What the transforms multiply by.
pub(super) struct Scheme<const P: usize> {
    /// The positive points a.
    points: [f32; P],
    /// Coefficients of the product of all `x - a^2` but that of the highest power, which is 1.
    all: [f32; P],
    /// For each point those of the product over the others; the last is 1.
    others: [[f32; P]; P],
    /// For each point `1 / (2 a^2 Q(a^2))`, Q being that product.
    scales: [f32; P],
}

impl<const P: usize> Scheme<P> {
    /// From the positive points.
    pub(super) const fn new(points: [f64; P]) -> Self {
        let mut scheme = Self { points: [0.0; P], all: [0.0; P], others: [[0.0; P]; P], scales: [0.0; P] };
        let (all, _) = product(&points, P);
        let mut i = 0;
        while i < P {
            scheme.points[i] = points[i] as f32;
            scheme.all[i] = all[i] as f32;
            let (others, top) = product(&points, i);
            let square = points[i] * points[i];
            let (mut value, mut k) = (top, P - 1);
            scheme.others[i][P - 1] = top as f32;
            while k > 0 {
                k -= 1;
                scheme.others[i][k] = others[k] as f32;
                value = value * square + others[k];
            }
            scheme.scales[i] = (1.0 / (2.0 * square * value)) as f32;
            i += 1;
        }
        scheme
    }
}

/// Coefficients of the product of `x - a^2` over all points but `skipped`, and that of the highest power.
const fn product<const P: usize>(points: &[f64; P], skipped: usize) -> ([f64; P], f64) {
    let mut coefficients = [0.0; P];
    let (mut degree, mut i) = (0, 0);
    while i < P {
        if i != skipped {
            // Times x, less a^2 times the old ones; the highest is 1.
            let square = points[i] * points[i];
            let mut k = degree + 1;
            while k > 0 {
                k -= 1;
                let old = if k == degree { 1.0 } else { coefficients[k] };
                let lower = if k == 0 { 0.0 } else { coefficients[k - 1] };
                coefficients[k] = lower - square * old;
            }
            degree += 1;
        }
        i += 1;
    }
    (coefficients, 1.0)
}

/// `Bt d`: inputs to the transform domain.
#[inline(always)]
pub(super) fn input<V: Lanes, const P: usize, const N: usize>(s: &Scheme<P>, d: [V; N]) -> [V; N] {
    let mut v = [V::zero(); N];
    (v[0], v[N - 1]) = (d[N - 2], d[N - 1]);
    for k in 0..P {
        v[0] = V::mul_add(V::splat(s.all[k]), d[2 * k], v[0]);
        v[N - 1] = V::mul_add(V::splat(s.all[k]), d[2 * k + 1], v[N - 1]);
    }
    for i in 0..P {
        let (mut even, mut odd) = (d[N - 2], d[N - 3]);
        for k in 0..P - 1 {
            even = V::mul_add(V::splat(s.others[i][k]), d[2 * k + 2], even);
            odd = V::mul_add(V::splat(s.others[i][k]), d[2 * k + 1], odd);
        }
        v[2 * i + 1] = V::mul_add(V::splat(s.points[i]), odd, even);
        v[2 * i + 2] = V::neg_mul_add(V::splat(s.points[i]), odd, even);
    }
    v
}

/// `G g`: filter taps to the transform domain.
#[inline(always)]
pub(super) fn filter<V: Lanes, const P: usize, const N: usize>(s: &Scheme<P>, g: &[V]) -> [V; N] {
    let mut v = [V::zero(); N];
    v[0] = V::div(g[0], V::splat(s.all[0]));
    v[N - 1] = g[g.len() - 1];
    for i in 0..P {
        let square = V::splat(s.points[i] * s.points[i]);
        let [mut even, mut odd] = [V::zero(); 2];
        for (k, tap) in g.iter().enumerate().rev() {
            let part = if k % 2 == 0 { &mut even } else { &mut odd };
            *part = V::mul_add(square, *part, *tap);
        }
        odd = V::mul(V::splat(s.points[i]), odd);
        v[2 * i + 1] = V::mul(V::splat(s.scales[i]), V::add(even, odd));
        v[2 * i + 2] = V::mul(V::splat(s.scales[i]), V::sub(even, odd));
    }
    v
}

/// `At m`: transform domain to four outputs.
#[inline(always)]
pub(super) fn output<V: Lanes, const P: usize, const N: usize>(s: &Scheme<P>, m: [V; N]) -> [V; OUTPUTS] {
    let mut y = [m[0], V::zero(), V::zero(), m[N - 1]];
    for i in 0..P {
        let (sum, difference) = (V::add(m[2 * i + 1], m[2 * i + 2]), V::sub(m[2 * i + 1], m[2 * i + 2]));
        let a = s.points[i];
        y[0] = V::add(y[0], sum);
        y[1] = V::mul_add(V::splat(a), difference, y[1]);
        y[2] = V::mul_add(V::splat(a * a), sum, y[2]);
        y[3] = V::mul_add(V::splat(a * a * a), difference, y[3]);
    }
    y
}
