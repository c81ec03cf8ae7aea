//! The ten shapes as signed distances: negative inside, in units of the shape's radius, y upwards.

type Point = [f32; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Ball,
    Box,
    Triangle,
    Star,
    Ring,
    Cross,
    Heart,
    Moon,
    Flower,
    Capsule,
}

const BOX: [Point; 4] = [[-0.72, -0.72], [0.72, -0.72], [0.72, 0.72], [-0.72, 0.72]];
const TRIANGLE: [Point; 3] = [[-0.91, -0.6], [0.91, -0.6], [0.0, 0.97]];
const HEART: [Point; 4] = [[0.0, -0.95], [0.82, 0.06], [0.0, 0.5], [-0.82, 0.06]];
/// Tips on radius 1 and notches on radius 0.48, every 36 degrees from the top.
const STAR: [Point; 10] = [
    [0.0, 1.0],
    [-0.282_137, 0.388_328],
    [-0.951_057, 0.309_017],
    [-0.456_507, -0.148_328],
    [-0.587_785, -0.809_017],
    [0.0, -0.48],
    [0.587_785, -0.809_017],
    [0.456_507, -0.148_328],
    [0.951_057, 0.309_017],
    [0.282_137, 0.388_328],
];
const CROSS: [Point; 12] = [
    [-0.3, -0.95],
    [0.3, -0.95],
    [0.3, -0.3],
    [0.95, -0.3],
    [0.95, 0.3],
    [0.3, 0.3],
    [0.3, 0.95],
    [-0.3, 0.95],
    [-0.3, 0.3],
    [-0.95, 0.3],
    [-0.95, -0.3],
    [-0.3, -0.3],
];
const PETALS: [Point; 5] =
    [[0.0, 0.58], [-0.551_613, 0.179_230], [-0.340_915, -0.469_230], [0.340_915, -0.469_230], [0.551_613, 0.179_230]];

impl Shape {
    /// In the order of the classes.
    pub(super) const ALL: [Self; 10] = [
        Self::Ball,
        Self::Box,
        Self::Triangle,
        Self::Star,
        Self::Ring,
        Self::Cross,
        Self::Heart,
        Self::Moon,
        Self::Flower,
        Self::Capsule,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ball => "ball",
            Self::Box => "box",
            Self::Triangle => "triangle",
            Self::Star => "star",
            Self::Ring => "ring",
            Self::Cross => "cross",
            Self::Heart => "heart",
            Self::Moon => "moon",
            Self::Flower => "flower",
            Self::Capsule => "capsule",
        }
    }

    pub(super) fn distance(self, p: Point) -> f32 {
        match self {
            Self::Ball => circle(p, [0.0, 0.0], 0.95),
            Self::Box => polygon(p, &BOX) - 0.1,
            Self::Triangle => polygon(p, &TRIANGLE) - 0.06,
            Self::Star => polygon(p, &STAR) - 0.05,
            Self::Ring => circle(p, [0.0, 0.0], 0.7).abs() - 0.27,
            Self::Cross => polygon(p, &CROSS) - 0.06,
            Self::Heart => {
                let lobes = circle(p, [0.45, 0.36], 0.49).min(circle(p, [-0.45, 0.36], 0.49));
                lobes.min(polygon(p, &HEART)) - 0.02
            }
            Self::Moon => circle(p, [-0.05, 0.0], 0.98).max(-circle(p, [0.42, 0.16], 0.74)),
            Self::Flower => PETALS.iter().fold(circle(p, [0.0, 0.0], 0.4), |d, centre| d.min(circle(p, *centre, 0.4))),
            Self::Capsule => segment(p, [-0.55, -0.28], [0.55, 0.28]).sqrt() - 0.42,
        }
    }

    /// How far inwards the edge is rounded off.
    pub(super) fn bevel(self) -> f32 {
        match self {
            Self::Ball => 0.95,
            Self::Ring => 0.27,
            Self::Capsule => 0.42,
            Self::Flower | Self::Heart => 0.38,
            Self::Moon => 0.3,
            _ => 0.24,
        }
    }

    /// Whether `p` has the second colour: the flower's eye and one half of the capsule.
    pub(super) fn is_second_colour(self, p: Point) -> bool {
        match self {
            Self::Flower => p[0] * p[0] + p[1] * p[1] < 0.08,
            Self::Capsule => 0.55 * p[0] + 0.28 * p[1] > 0.0,
            _ => false,
        }
    }
}

fn circle(p: Point, centre: Point, radius: f32) -> f32 {
    let (x, y) = (p[0] - centre[0], p[1] - centre[1]);
    (x * x + y * y).sqrt() - radius
}

/// Squared distance to the segment from `a` to `b`.
fn segment(p: Point, a: Point, b: Point) -> f32 {
    let (edge, to) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let along = (to[0] * edge[0] + to[1] * edge[1]) / (edge[0] * edge[0] + edge[1] * edge[1]);
    let along = along.clamp(0.0, 1.0);
    let (x, y) = (to[0] - edge[0] * along, to[1] - edge[1] * along);
    x * x + y * y
}

/// The nearest edge gives the distance, the parity of edges crossed to the right gives the side.
fn polygon(p: Point, corners: &[Point]) -> f32 {
    let (mut nearest, mut inside) = (f32::INFINITY, false);
    let mut a = corners[corners.len() - 1];
    for &b in corners {
        nearest = nearest.min(segment(p, a, b));
        if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
            inside = !inside;
        }
        a = b;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_the_right_sign_and_size() {
        assert_eq!(polygon([0.0, 0.0], &BOX), -0.72);
        assert!((polygon([1.72, 0.0], &BOX) - 1.0).abs() < 1e-6);
        assert!((polygon([1.02, 1.12], &BOX) - 0.5).abs() < 1e-6);
        for shape in Shape::ALL {
            assert!(shape.distance([1.5, 1.5]) > 0.3, "{shape:?} fills the corner");
            let inside = (0..400).any(|i| shape.distance([i as f32 * 0.1 % 2.0 - 1.0, i as f32 * 0.005 - 1.0]) < -0.1);
            assert!(inside, "{shape:?} is empty");
        }
    }
}
