//! How configs are spelled.
#![allow(clippy::unwrap_used)]

use frugan_models::{BigganConfig, DcganConfig, ModelConfig, StyleGan2Config};

#[test]
fn a_config_is_picked_by_name_and_filled_with_defaults() {
    let config: ModelConfig = toml::from_str("name = \"biggan\"\ng_ch = 16\ninit = \"ortho\"").unwrap();
    let ModelConfig::Biggan(biggan) = config else { panic!("{config:?}") };
    assert_eq!((biggan.g_ch, biggan.d_ch, biggan.latent_dim), (16, 64, 128));
    let config: ModelConfig = toml::from_str("name = \"dcgan\"").unwrap();
    assert_eq!(config, ModelConfig::Dcgan(DcganConfig::default()));
}

#[test]
fn every_default_survives_a_round_trip() {
    for config in [
        ModelConfig::Biggan(BigganConfig::default()),
        ModelConfig::Dcgan(DcganConfig::default()),
        ModelConfig::StyleGan2(StyleGan2Config::default()),
    ] {
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<ModelConfig>(&text).unwrap(), config);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&json).unwrap(), config);
    }
}

#[test]
fn the_published_settings_do_not_change() {
    let text = toml::to_string(&ModelConfig::default()).unwrap();
    let published = [
        "name = \"biggan\"",
        "g_ch = 64",
        "d_ch = 64",
        "latent_dim = 128",
        "shared_dim = 0",
        "hierarchical = false",
        "g_attention = 0",
        "d_attention = 0",
        "bottom_width = 4",
        "d_wide = true",
        "init = \"n02\"",
        "g_norm = \"class\"",
        "bn_eps = 0.00001",
        "bn_momentum = 0.1",
        "bn_group = 0",
        "sn_eps = 0.00000001",
        "sn_num_itrs = 1",
    ];
    assert_eq!(table(&text), table(&published.join("\n")));
}

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

#[test]
fn the_published_settings_of_stylegan2_do_not_change() {
    let text = toml::to_string(&ModelConfig::StyleGan2(StyleGan2Config::default())).unwrap();
    let published = [
        "name = \"stylegan2\"",
        "latent_dim = 512",
        "w_dim = 512",
        "channel_base = 32768",
        "channel_max = 512",
        "mapping_layers = 8",
        "mapping_lr_multiplier = 0.01",
        "w_avg_beta = 0.995",
        "conditional = true",
        "label_embedding = \"separate\"",
        "g_architecture = \"skip\"",
        "d_architecture = \"resnet\"",
        "d_mapping_layers = 8",
        "mbstd_group = 4",
        "mbstd_channels = 1",
        "conv_clamp = 256.0",
        "style_mixing = 0.9",
        "style_mixing_scope = \"batch\"",
    ];
    assert_eq!(table(&text), table(&published.join("\n")));
}

#[test]
fn unknown_keys_and_values_are_errors() {
    for (text, want) in [
        ("name = \"biggan\"\nwidth = 3", "width"),
        ("name = \"dcgan\"\ng_attention = 3", "g_attention"),
        ("name = \"stylegan9\"", "stylegan9"),
        ("name = \"biggan\"\ninit = \"zeros\"", "zeros"),
        ("name = \"stylegan2\"\ng_ch = 3", "g_ch"),
        ("name = \"stylegan2\"\nd_architecture = \"unet\"", "unet"),
        ("g_ch = 3", "name"),
    ] {
        let error = toml::from_str::<ModelConfig>(text).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}
