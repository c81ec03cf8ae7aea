//! DCGAN and BigGAN.
