use frugan_autograd::{Result, Var};

/// `a + (b - a) t`, broadcasting: a path in w.
///
/// # Errors
/// If the shapes do not broadcast.
///
/// ```
/// use frugan_autograd::{DType, Device, Var};
/// let full = |value| Var::full(value, &[2, 3], DType::F64, &Device::Cpu);
/// let t = Var::full(0.25, &[2, 1], DType::F64, &Device::Cpu)?;
/// assert_eq!(frugan_metrics::lerp(&full(1.0)?, &full(3.0)?, &t)?.to_vec::<f64>()?, [1.5; 6]);
/// # Ok::<(), frugan_autograd::Error>(())
/// ```
pub fn lerp(a: &Var, b: &Var, t: &Var) -> Result<Var> {
    b.sub(a)?.mul(t)?.add(a)
}

/// The point at `t` on the great circle from the direction of `a` to that of `b`, of unit length: a path in z.
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// use frugan_metrics::slerp;
/// let half = slerp(&[2.0, 0.0], &[0.0, 5.0], 0.5);
/// assert!((half[0] - 0.5_f32.sqrt()).abs() < 1e-6 && (half[1] - 0.5_f32.sqrt()).abs() < 1e-6);
/// ```
pub fn slerp(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "slerp of two lengths");
    let unit = |v: &[f64]| -> Vec<f64> {
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Equal directions leave no perpendicular: the path stays where it is.
        v.iter().map(|x| if length > 0.0 { x / length } else { 0.0 }).collect()
    };
    let wide = |v: &[f32]| unit(&v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
    let (a, b) = (wide(a), wide(b));
    let cosine: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>().clamp(-1.0, 1.0);
    let angle = t * cosine.acos();
    let perpendicular = unit(&a.iter().zip(&b).map(|(a, b)| b - cosine * a).collect::<Vec<_>>());
    let (sin, cos) = angle.sin_cos();
    let point: Vec<f64> = a.iter().zip(&perpendicular).map(|(a, c)| a * cos + c * sin).collect();
    unit(&point).into_iter().map(|x| x as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_z_begins_and_ends_at_the_directions_and_keeps_its_speed() {
        let (a, b) = ([1.0, 2.0, -2.0], [0.5, -1.0, 3.0]);
        let angle = |x: &[f32], y: &[f32]| {
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
            (dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()).clamp(-1.0, 1.0).acos()
        };
        assert!(angle(&slerp(&a, &b, 0.0), &a) < 1e-3 && angle(&slerp(&a, &b, 1.0), &b) < 1e-3);
        let (quarter, whole) = (angle(&slerp(&a, &b, 0.5), &slerp(&a, &b, 0.75)), angle(&a, &b));
        assert!((quarter - whole / 4.0).abs() < 1e-4, "{quarter} of {whole}");
        assert!(slerp(&a, &a, 0.3).iter().all(|x| x.is_finite()));
    }
}
