//! Differentiable augmentation for GANs: DiffAugment.
