//! Adversarial losses and regularisers of GANs.
