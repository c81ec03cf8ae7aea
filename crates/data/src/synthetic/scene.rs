//! One image: its random choices and how it is lit.

use super::shape::Shape;
use frugan_nn::{Purpose, Stream};

type Rgb = [f32; 3];

/// The set is one fixed object, so its seed is a constant and no option.
const SEED: u64 = 2020;
/// Unit vector towards the light: from the upper left, in front.
const LIGHT: [f32; 3] = [-0.48, 0.6, 0.64];
/// Unit vector half-way between the light and the viewer at [0, 0, 1].
const HALF_WAY: [f32; 3] = [-0.265, 0.331_3, 0.905_5];
const SHADOW: [f32; 2] = [0.09, -0.12];

/// Lengths are in halves of the image's side; x to the right, y upwards.
pub(super) struct Scene {
    shape: Shape,
    centre: [f32; 2],
    radius: f32,
    /// Cosine and sine of the rotation.
    turn: [f32; 2],
    colours: [Rgb; 2],
    background: [Rgb; 2],
    /// Unit vector along which the background changes.
    slope: [f32; 2],
}

impl Scene {
    pub(super) fn draw(purpose: Purpose, index: usize) -> Self {
        let uniforms = Stream::new(SEED, purpose, index as u64).uniforms(13);
        let between = |i: usize, low: f32, high: f32| low + (high - low) * uniforms[i];
        let back_hue = uniforms[0];
        let hue = back_hue + between(1, 0.3, 0.7);
        let bright = between(2, 0.72, 0.98);
        Self {
            shape: Shape::ALL[index % Shape::ALL.len()],
            centre: [between(3, -0.17, 0.17), between(4, -0.17, 0.17)],
            radius: between(5, 0.54, 0.78),
            turn: unit_vector(between(6, -0.2, 0.2)),
            colours: [
                colour(hue, between(7, 0.6, 0.92), between(8, 0.85, 1.0)),
                colour(hue + between(9, 0.09, 0.18), 0.3, 1.0),
            ],
            background: [
                colour(back_hue, between(10, 0.15, 0.45), bright),
                colour(back_hue + between(11, -0.12, 0.12), 0.5, bright * 0.55),
            ],
            slope: unit_vector(between(12, -1.0, 1.0)),
        }
    }

    /// Writes `[3, resolution, resolution]`.
    pub(super) fn render(&self, resolution: usize, image: &mut [u8]) {
        let plane = resolution * resolution;
        let pixel = 2.0 / resolution as f32;
        for place in 0..plane {
            let (row, column) = (place / resolution, place % resolution);
            let p = [(column as f32 + 0.5) * pixel - 1.0, 1.0 - (row as f32 + 0.5) * pixel];
            for (channel, value) in self.pixel(p, pixel).into_iter().enumerate() {
                image[channel * plane + place] = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
            }
        }
    }

    fn pixel(&self, p: [f32; 2], pixel: f32) -> Rgb {
        // The slope points up or down, never mostly aside: light falls from above.
        let along = 0.5 + 0.5 * (self.slope[0] * p[1] + 0.5 * self.slope[1] * p[0]).clamp(-1.0, 1.0);
        let back = mix(self.background[1], self.background[0], smooth(along));
        let shade = 0.38 * smooth((0.12 - self.distance([p[0] - SHADOW[0], p[1] - SHADOW[1]])) / 0.3);
        let back = back.map(|v| v * (1.0 - shade));
        let distance = self.distance(p);
        let cover = (0.5 - distance / pixel).clamp(0.0, 1.0);
        if cover == 0.0 { back } else { mix(back, self.surface(p, distance), cover) }
    }

    /// A rounded edge under one light: Lambert's cosine, an ambient part and a small highlight.
    fn surface(&self, p: [f32; 2], distance: f32) -> Rgb {
        let depth = (-distance / (self.shape.bevel() * self.radius)).clamp(0.0, 1.0);
        let step = 0.02;
        let outwards = [
            self.distance([p[0] + step, p[1]]) - self.distance([p[0] - step, p[1]]),
            self.distance([p[0], p[1] + step]) - self.distance([p[0], p[1] - step]),
        ];
        let length = (outwards[0] * outwards[0] + outwards[1] * outwards[1]).sqrt().max(1e-6);
        let (aside, up) = (1.0 - depth, (depth * (2.0 - depth)).sqrt());
        let normal = [aside * outwards[0] / length, aside * outwards[1] / length, up];
        let dot = |v: [f32; 3]| (normal[0] * v[0] + normal[1] * v[1] + normal[2] * v[2]).max(0.0);
        let (diffuse, mut highlight) = (0.42 + 0.74 * dot(LIGHT), dot(HALF_WAY));
        for _ in 0..5 {
            highlight *= highlight;
        }
        let own = self.colours[usize::from(self.shape.is_second_colour(self.local(p)))];
        own.map(|v| v * diffuse + 0.4 * highlight)
    }

    fn distance(&self, p: [f32; 2]) -> f32 {
        self.shape.distance(self.local(p)) * self.radius
    }

    /// `p` in the shape's own frame, in units of its radius.
    fn local(&self, p: [f32; 2]) -> [f32; 2] {
        let (x, y) = ((p[0] - self.centre[0]) / self.radius, (p[1] - self.centre[1]) / self.radius);
        let [cos, sin] = self.turn;
        [cos * x + sin * y, cos * y - sin * x]
    }
}

/// Cosine and sine of twice the arc tangent of `t`, without a library's trigonometry.
fn unit_vector(t: f32) -> [f32; 2] {
    let scale = 1.0 / (1.0 + t * t);
    [(1.0 - t * t) * scale, 2.0 * t * scale]
}

/// Hue (1 is a full turn), saturation and value to RGB.
fn colour(hue: f32, saturation: f32, value: f32) -> Rgb {
    let sixths = (hue - hue.floor()) * 6.0;
    let pure = [(sixths - 3.0).abs() - 1.0, 2.0 - (sixths - 2.0).abs(), 2.0 - (sixths - 4.0).abs()];
    pure.map(|v| value * (1.0 - saturation * (1.0 - v.clamp(0.0, 1.0))))
}

fn mix(a: Rgb, b: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share)
}

/// 3t² - 2t³ on [0, 1].
fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
