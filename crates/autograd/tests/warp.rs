//! Affine resampling and colour matrices: against their definitions, and twice differentiable.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{DType, Result, Tensor, Var, Warp};

/// The low-pass filter of sym6, with sum 1.
fn sym6() -> [f64; 12] {
    let taps = [
        0.015404109327027373,
        0.0034907120842174702,
        -0.11799011114819057,
        -0.048311742585633,
        0.4910559419267466,
        0.787641141030194,
        0.3379294217276218,
        -0.07263752278646252,
        -0.021060292512300564,
        0.04472490177066578,
        0.0017677118642428036,
        -0.007800708325034148,
    ];
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}

type Map = [[f64; 3]; 2];

const IDENTITY: Map = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];

fn rotation(angle: f64, scale: f64, [tx, ty]: [f64; 2]) -> Map {
    let (sin, cos) = angle.sin_cos();
    [[scale * cos, -scale * sin, tx], [scale * sin, scale * cos, ty]]
}

/// A plane of numbers, row by row.
struct Plane {
    width: usize,
    values: Vec<f64>,
}

impl Plane {
    fn new(height: usize, width: usize, value: impl Fn(isize, isize) -> f64) -> Self {
        let places = (0..height as isize).flat_map(|y| (0..width as isize).map(move |x| (y, x)));
        Self { width, values: places.map(|(y, x)| value(y, x)).collect() }
    }

    fn height(&self) -> usize {
        self.values.len() / self.width
    }

    /// Zero outside.
    fn at(&self, y: isize, x: isize) -> f64 {
        let inside = (0..self.height() as isize).contains(&y) && (0..self.width as isize).contains(&x);
        if inside { self.values[y as usize * self.width + x as usize] } else { 0.0 }
    }
}

/// The definition, a step at a time on whole planes.
fn reference(image: &Plane, map: &Map, [left, right, top, bottom]: [usize; 4]) -> Plane {
    let taps = sym6();
    let (height, width) = (image.height() as isize, image.width as isize);
    let mirror = |at: isize, size: isize| if at.abs() < size { at.abs() } else { 2 * size - 2 - at };
    let (high, wide) = (image.height() + top + bottom, image.width + left + right);
    let padded =
        Plane::new(high, wide, |y, x| image.at(mirror(y - top as isize, height), mirror(x - left as isize, width)));
    // Zeros after each pixel, six before and five behind all, then the convolution; twice the gain an axis.
    let doubled = Plane::new(2 * high, 2 * wide, |y, x| {
        let mut sum = 0.0;
        for (i, j) in (0..12).flat_map(|i| (0..12).map(move |j| (i, j))) {
            let (y, x) = (y + i as isize - 6, x + j as isize - 6);
            if y.rem_euclid(2) == 0 && x.rem_euclid(2) == 0 {
                sum += 4.0 * taps[11 - i] * taps[11 - j] * padded.at(y / 2, x / 2);
            }
        }
        sum
    });
    let sampled = Plane::new(2 * image.height() + 12, 2 * image.width + 12, |y, x| {
        let centre = |at: isize, size: isize| (at as f64 + 0.5 - (size + 6) as f64 + 0.5) / 2.0;
        let (v, u) = (centre(y, height), centre(x, width));
        let place = |row: [f64; 3], size: usize, before: usize, after: usize| {
            let pixel = row[0] * u + row[1] * v + row[2] + (before as f64 - after as f64) / 2.0;
            2.0 * pixel - 0.5 + (size + before + after) as f64 - 0.5
        };
        let (px, py) = (place(map[0], image.width, left, right), place(map[1], image.height(), top, bottom));
        let (x0, y0) = (px.floor(), py.floor());
        let corner = |dy: f64, dx: f64| {
            let weight = (1.0 - (py - y0 - dy).abs()) * (1.0 - (px - x0 - dx).abs());
            weight * doubled.at((y0 + dy) as isize, (x0 + dx) as isize)
        };
        corner(0.0, 0.0) + corner(0.0, 1.0) + corner(1.0, 0.0) + corner(1.0, 1.0)
    });
    Plane::new(image.height(), image.width, |y, x| {
        let places = (0..12).flat_map(|i| (0..12).map(move |j| (i, j)));
        places.map(|(i, j)| taps[i] * taps[j] * sampled.at(2 * y + i as isize + 1, 2 * x + j as isize + 1)).sum()
    })
}

fn maps() -> Vec<Map> {
    vec![
        IDENTITY,
        [[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
        rotation(0.7, 1.3, [0.3, -1.2]),
        [[0.4, 0.1, 2.0], [-0.3, 1.9, -0.7]],
        // Out of sight on one axis, then on both, and past all borders.
        rotation(2.0, 0.8, [30.0, 0.0]),
        rotation(1.0, 4.0, [-9.0, 9.0]),
        rotation(0.0, 1.0, [1e9, -1e12]),
    ]
}

#[test]
fn a_warp_is_its_definition() -> Result<()> {
    for ([height, width], margin) in [([7, 9], [4, 6, 3, 5]), ([6, 4], [0, 0, 0, 0]), ([5, 8], [7, 1, 0, 4])] {
        let maps = maps();
        let images = spread(&[maps.len(), 2, height, width], -1.0, 1.0, 3)?;
        let warp = Warp::new(maps.clone(), margin, sym6());
        let double = Var::from(images.clone()).warp2d(&warp)?.to_vec::<f64>()?;
        let single = Var::from(images.to_dtype(DType::F32)?).warp2d(&warp)?.to_vec::<f32>()?;
        let values = images.flatten_all()?.to_vec1::<f64>()?;
        let area = height * width;
        for (i, plane) in values.chunks_exact(area).enumerate() {
            let want = reference(&Plane { width, values: plane.to_vec() }, &maps[i / 2], margin).values;
            for (j, want) in want.iter().enumerate() {
                let (double, single) = (double[i * area + j], f64::from(single[i * area + j]));
                assert!((double - want).abs() < 1e-12, "plane {i}, pixel {j}: {double}, want {want}");
                assert!((single - want).abs() < 3e-6, "f32: plane {i}, pixel {j}: {single}, want {want}");
            }
        }
    }
    Ok(())
}

/// An orthogonal wavelet gives shifts by whole pixels back, turns nearly; what stands in the margin is the mirror image.
#[test]
fn whole_pixel_maps_move_pixels() -> Result<()> {
    let images = Var::from(spread(&[3, 1, 8, 8], -1.0, 1.0, 5)?);
    let maps = vec![IDENTITY, [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]], [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]];
    let warp = Warp::new(maps, [7; 4], sym6());
    let smooth = images.warp2d(&warp)?.to_vec::<f64>()?;
    let exact = images.warp2d(&warp.nearest(vec![true; 3]))?.to_vec::<f64>()?;
    let x = images.to_vec::<f64>()?;
    let mirror = |at: usize, by: isize| {
        let at = (at as isize + by).unsigned_abs();
        if at < 8 { at } else { 14 - at }
    };
    for (y, column) in (0..8).flat_map(|y| (0..8).map(move |column| (y, column))) {
        let want = [
            x[y * 8 + column],
            x[64 + mirror(y, -1) * 8 + mirror(column, 2)],
            // A quarter turn: what was on the right comes to the top.
            x[128 + column * 8 + 7 - y],
        ];
        for (i, want) in want.into_iter().enumerate() {
            assert_eq!(exact[i * 64 + y * 8 + column], want, "image {i}, row {y}, column {column}");
            let change = (smooth[i * 64 + y * 8 + column] - want).abs();
            assert!(change < if i < 2 { 1e-6 } else { 0.5 }, "image {i}, row {y}, column {column}: {change}");
        }
    }
    Ok(())
}

#[test]
fn nearest_pixels_beyond_the_margin_are_zero() -> Result<()> {
    let image = Var::from(Tensor::new(&[[[[1f64, 2., 3., 4.]]]], &candle_core::Device::Cpu)?);
    let shift = vec![[[1.0, 0.0, -2.0], [0.0, 1.0, 0.0]]];
    let warp = Warp::new(shift, [1, 0, 0, 0], sym6()).nearest(vec![true]);
    assert_eq!(image.warp2d(&warp)?.to_vec::<f64>()?, [0., 2., 1., 2.]);
    Ok(())
}

#[test]
fn warps_are_twice_differentiable() -> Result<()> {
    let maps: Vec<Map> = maps().into_iter().take(5).collect();
    let images = spread(&[5, 1, 4, 5], -1.0, 1.0, 4)?;
    for nearest in [vec![false; 5], vec![true, true, false, true, false]] {
        let warp = Warp::new(maps.clone(), [4, 3, 2, 0], sym6()).nearest(nearest);
        gradgradcheck(|v| v[0].warp2d(&warp), std::slice::from_ref(&images))?;
        gradgradcheck(|v| v[0].warp2d(&warp)?.tanh(), std::slice::from_ref(&images))?;
    }
    Ok(())
}

#[test]
fn warps_refuse_what_does_not_fit() -> Result<()> {
    let image = Var::from(spread(&[1, 1, 4, 5], -1.0, 1.0, 4)?);
    let error = |warp: Warp| image.warp2d(&warp).unwrap_err().to_string();
    let refused = error(Warp::new(vec![IDENTITY; 2], [0; 4], sym6()));
    assert!(refused.contains("2 maps and 2 choices of the nearest pixel, expected 1 each"), "{refused}");
    let refused = error(Warp::new(vec![IDENTITY], [0, 0, 4, 0], sym6()));
    assert!(refused.contains("margin [0, 0, 4, 0] for 4 x 5 pixels, expected less than the side"), "{refused}");
    let refused = error(Warp::new(vec![[[f64::NAN, 0.0, 0.0], [0.0, 1.0, 0.0]]], [0; 4], sym6()));
    assert!(refused.contains("the map of image 0 is [[NaN"), "{refused}");
    Ok(())
}

/// A sum over channels as ops of their own, at a size of more than one block.
#[test]
fn a_color_matrix_is_its_formula() -> Result<()> {
    let (x, rows) = (spread(&[2, 3, 20, 31], -1.0, 1.0, 3)?, spread(&[2, 3, 4], -2.0, 2.0, 5)?);
    let (matrix, shift) = (rows.narrow(2, 0, 3)?.contiguous()?, rows.narrow(2, 3, 1)?.contiguous()?);
    let want = matrix.matmul(&x.reshape((2, 3, 620))?)?.broadcast_add(&shift)?.reshape(x.dims())?;
    let got = Var::from(x).color_matrix(&Var::from(rows))?.to_tensor()?;
    let difference = (got - want)?.abs()?.max_all()?.to_scalar::<f64>()?;
    assert!(difference < 1e-14, "{difference}");
    Ok(())
}

#[test]
fn color_matrices_are_twice_differentiable() -> Result<()> {
    let rows = Var::from(spread(&[2, 3, 4], -2.0, 2.0, 5)?);
    let x = spread(&[2, 3, 3, 4], -1.0, 1.0, 3)?;
    gradgradcheck(|v| v[0].color_matrix(&rows), std::slice::from_ref(&x))?;
    gradgradcheck(|v| v[0].color_matrix(&rows)?.tanh(), &[x])
}

#[test]
fn color_matrices_refuse_what_does_not_fit() -> Result<()> {
    let x = Var::from(spread(&[2, 3, 3, 4], -1.0, 1.0, 3)?);
    let error = |rows: Var| x.color_matrix(&rows).unwrap_err().to_string();
    assert!(
        error(Var::from(spread(&[2, 3, 3], 0.0, 1.0, 0)?)).contains("rows has shape [2, 3, 3], expected [2, 3, 4]")
    );
    assert!(error(Var::leaf(spread(&[2, 3, 4], 0.0, 1.0, 0)?)).contains("take no gradient"));
    Ok(())
}
