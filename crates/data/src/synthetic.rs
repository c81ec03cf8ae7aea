//! The embedded data set: softly lit, coloured shapes before a gradient, 10 classes, drawn by the program.
//!
//! It stands in where no data set is at hand: nothing to download, learnable by a small GAN in minutes, and its
//! classes are told apart at a glance. Every image is a pure function of its split and index, computed with +, -, ·,
//! / and square roots only, so it has the same bytes on every platform.

mod scene;
mod shape;

use crate::dataset::Dataset;
use frugan_nn::Purpose;
use rayon::prelude::*;
use scene::Scene;
use shape::Shape;

/// Side of an image unless the configuration asks for another.
///
/// ```
/// assert_eq!(frugan_data::synthetic::RESOLUTION, 32);
/// ```
pub const RESOLUTION: usize = 32;
/// Images of the training split: 500 a class.
///
/// ```
/// assert_eq!(frugan_data::synthetic::NUM_TRAIN % 10, 0);
/// ```
pub const NUM_TRAIN: usize = 5000;
/// Images of the test split: 100 a class.
///
/// ```
/// assert_eq!(frugan_data::synthetic::NUM_TEST % 10, 0);
/// ```
pub const NUM_TEST: usize = 1000;

/// The training split: `[5000, 3, resolution, resolution]`; image i is of class i mod 10.
///
/// ```
/// let train = frugan_data::synthetic::train(16);
/// assert_eq!(train.class_counts(), [500; 10]);
/// ```
pub fn train(resolution: usize) -> Dataset {
    draw("synthetic train", Purpose::new("synthetic.train"), NUM_TRAIN, resolution)
}

/// The test split: `[1000, 3, resolution, resolution]`, other images of the same kind.
///
/// ```
/// let test = frugan_data::synthetic::test(16);
/// assert_eq!(&*test.class_names[3], "star");
/// ```
pub fn test(resolution: usize) -> Dataset {
    draw("synthetic test", Purpose::new("synthetic.test"), NUM_TEST, resolution)
}

fn draw(name: &str, purpose: Purpose, count: usize, resolution: usize) -> Dataset {
    let shape = [3, resolution, resolution];
    let mut images = vec![0; count * 3 * resolution * resolution];
    images.par_chunks_exact_mut(3 * resolution * resolution).enumerate().for_each(|(index, image)| {
        Scene::draw(purpose, index).render(resolution, image);
    });
    let labels = (0..count).map(|index| (index % Shape::ALL.len()) as u32).collect();
    let class_names = Shape::ALL.iter().map(|shape| shape.name().to_owned()).collect();
    Dataset::new(name, shape, images, labels, class_names).expect("one label below 10 for each image")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes on every platform: a change here changes every published number on this set.
    #[test]
    fn content_is_pinned() {
        let pinned = [
            "efa51221812ef76f9c04816c33fee6c570a62d1f3079a950fc6a4b68580c1e03",
            "f2377a0e35e89b0606b9130571d3acf79d7fc300506c2eaad84bff63c4480c5f",
        ];
        assert_eq!([train(RESOLUTION), test(RESOLUTION)].map(|split| split.fingerprint), pinned);
    }

    #[test]
    fn images_differ_within_and_between_splits() {
        let (train, test) = (train(16), test(16));
        let mut images: Vec<&[u8]> = (0..1000).flat_map(|i| [train.image(i), test.image(i)]).collect();
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), 2000);
    }

    /// Class means differ: what makes a class is in the pixels, not in the colours, which are drawn alike for all.
    #[test]
    fn a_nearest_mean_classifier_beats_chance() {
        let (train, test) = (train(16), test(16));
        let luma = |image: &[u8]| -> Vec<f32> {
            let plane = image.len() / 3;
            let grey = (0..plane).map(|i| (0..3).map(|c| f32::from(image[c * plane + i])).sum::<f32>());
            let grey: Vec<f32> = grey.collect();
            // Contrast to the corner, in absolute value: shape without colour.
            grey.iter().map(|v| (v - grey[0]).abs()).collect()
        };
        let mut means = vec![vec![0.0_f32; 256]; 10];
        for i in 0..train.len() {
            for (mean, v) in means[train.labels[i] as usize].iter_mut().zip(luma(train.image(i))) {
                *mean += v / 500.0;
            }
        }
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let right = (0..test.len())
            .filter(|i| {
                let image = luma(test.image(*i));
                let best = (0..10).min_by(|a, b| distance(&means[*a], &image).total_cmp(&distance(&means[*b], &image)));
                best == Some(test.labels[*i] as usize)
            })
            .count();
        assert!(right > 200, "{right} of 1000, chance is 100");
    }
}
