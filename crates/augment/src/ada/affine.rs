//! Affine maps of the plane, as the two upper rows of 3x3 matrices.

/// `(x, y) -> (a x + b y + tx, c x + d y + ty)` as `[[a, b, tx], [c, d, ty]]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine(pub(super) [[f64; 3]; 2]);

impl Affine {
    pub(super) const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    pub(super) fn scale(x: f64, y: f64) -> Self {
        Self([[x, 0.0, 0.0], [0.0, y, 0.0]])
    }

    pub(super) fn translate(x: f64, y: f64) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y]])
    }

    pub(super) fn rotate(angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self::turn(sin, cos)
    }

    /// `quarters` quarter turns, with exact entries.
    pub(super) fn rotate90(quarters: f64) -> Self {
        match quarters as u8 % 4 {
            0 => Self::IDENTITY,
            1 => Self::turn(1.0, 0.0),
            2 => Self::turn(0.0, -1.0),
            _ => Self::turn(-1.0, 0.0),
        }
    }

    fn turn(sin: f64, cos: f64) -> Self {
        Self([[cos, -sin, 0.0], [sin, cos, 0.0]])
    }

    /// The matrix product `self other`: `other` is applied first.
    pub(super) fn after(self, other: Self) -> Self {
        let [x, y] = other.0;
        Self(self.0.map(|[a, b, shift]| {
            let mut row: [f64; 3] = std::array::from_fn(|j| a * x[j] + b * y[j]);
            row[2] += shift;
            row
        }))
    }

    pub(super) fn apply(self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.0.map(|[a, b, shift]| a * x + b * y + shift)
    }
}
