//! A grid of samples, a row a class.

use anyhow::Result;

use super::picture::write_png;
use super::subject::Subject;
use super::{Args, Drawn};

pub(super) fn draw(subject: &Subject, args: &Args, classes: &[i32]) -> Result<Drawn> {
    let (rows, columns) = (classes.len(), args.per_class.unwrap_or(10) as usize);
    let labels: Vec<i32> = classes.iter().flat_map(|class| std::iter::repeat_n(*class, columns)).collect();
    let z = subject.to_z(subject.latents(args.seed, 0, labels.len()))?;
    let pixels = subject.batch(&z, &labels)?;
    write_png(&args.out, &pixels, subject.generator().image_shape(), rows, columns)?;
    Ok((vec![args.out.clone()], format!("{rows} classes, {columns} samples each")))
}
