//! Style mixing (Karras et al. 2019, section 3.1): the coarse, middle or fine styles of one image in another.

use anyhow::Result;
use frugan_autograd::{concat, no_grad};

use super::picture::{WHITE, write_png};
use super::subject::{Subject, stacked, truncation};
use super::{Args, Drawn};
use crate::failure::input;

/// Sources on each side.
const SOURCES: u32 = 5;

pub(super) fn draw(subject: &Subject, args: &Args, classes: &[i32], layers: &str) -> Result<Drawn> {
    let style = subject.style("--mix", "style mixing is for StyleGAN2's snapshots")?;
    let from_above = chosen(layers, style.num_ws())?;
    let truncation = truncation(style, args.single_psi()?.unwrap_or(1.0), args.cutoff)?;
    let n = args.per_class.unwrap_or(SOURCES) as usize;
    let source = |set: usize| {
        let labels: Vec<i32> = (0..n).map(|i| classes[(set * n + i) % classes.len()]).collect();
        let ws = subject.map(style, subject.latents(args.seed, set as u64, n), &labels)?;
        no_grad(|| style.truncate(&ws, truncation))
    };
    let (left, above) = (source(0)?, source(1)?);
    let mut mixed = vec![left.clone(), above.clone()];
    for row in 0..n {
        let own = no_grad(|| left.narrow(0, row, 1)?.broadcast_to(above.dims()))?;
        let layer = |layer: usize| if from_above[layer] { &above } else { &own };
        let parts = (0..style.num_ws()).map(|l| layer(l).narrow(1, l, 1)).collect::<Result<Vec<_>, _>>()?;
        mixed.push(concat(&parts.iter().collect::<Vec<_>>(), 1)?);
    }
    let pixels = subject.synthesize(style, &stacked(&mixed)?)?;
    let shape = subject.generator().image_shape();
    let images: Vec<&[u8]> = pixels.chunks_exact(shape.iter().product()).collect();
    let (left, rest) = images.split_at(n);
    let (above, mixed) = rest.split_at(n);
    let corner = vec![WHITE; images[0].len()];
    let mut tiles: Vec<&[u8]> = vec![&corner];
    tiles.extend(above);
    for (left, row) in left.iter().zip(mixed.chunks_exact(n)) {
        tiles.push(left);
        tiles.extend(row);
    }
    write_png(&args.out, &tiles.concat(), shape, n + 1, n + 1)?;
    let words = format!("the left images with the upper images' styles in the layers {layers} of {}", style.num_ws());
    Ok((vec![args.out.clone()], words))
}

/// Which of the layers `0-3` or `0,2,5` names.
fn chosen(text: &str, num_layers: usize) -> Result<Vec<bool>> {
    let wrong = || {
        let last = num_layers - 1;
        input(format!("--mix {text}: expected layers of 0 to {last}, as 0-3 or 0,2,5"))
    };
    let mut chosen = vec![false; num_layers];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number =
            |text: &str| text.trim().parse::<usize>().ok().filter(|layer| *layer < num_layers).ok_or_else(wrong);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        chosen[first..=last].fill(true);
    }
    Ok(chosen)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_ranges_and_lists() {
        assert_eq!(chosen("0-1,3", 5).unwrap(), [true, true, false, true, false]);
        for wrong in ["", "5", "3-1", "0-9", "a", "-1"] {
            assert!(chosen(wrong, 5).unwrap_err().to_string().contains("0 to 4"), "{wrong}");
        }
    }
}
