//! What tests of whole steps share: models of a few thousand weights, as the beginnings of configurations. A test goes on in their
//! last table, `[data]`, and with tables of its own.
#![allow(unused_imports, unused_macros, reason = "each test file uses a part of it")]

/// A BigGAN with DiffAugment.
macro_rules! biggan {
    () => {
        r#"
[model]
name = "biggan"
g_ch = 4
d_ch = 4
latent_dim = 16
shared_dim = 8
[augment]
policy = "color,translation,cutout"
[data]
name = "synthetic"
"#
    };
}
pub(crate) use biggan;

/// A StyleGAN2 with its loss, and with no augmentation.
macro_rules! stylegan2 {
    () => {
        r#"
[model]
name = "stylegan2"
channel_max = 8
latent_dim = 16
w_dim = 16
mapping_layers = 2
[augment]
policy = ""
[loss]
name = "non_saturating"
[data]
name = "synthetic"
"#
    };
}
pub(crate) use stylegan2;
