//! Where a configuration leaves the recipe of the paper that one of its tricks comes from.

use frugan_augment::ada::ControllerKind;
use frugan_losses::{GradientPenaltyKind, LossName};
use frugan_models::{DiscriminatorNorm, ModelConfig};

use crate::config::Config;
use crate::monitor::Warning;

/// The share of flipped labels above which D learns noise rather than sometimes being wrong.
const MANY_FLIPS: f64 = 0.1;
/// The smoothing of Salimans et al. 2016, doubled.
const MUCH_SMOOTHING: f64 = 0.2;
/// Of ADA's controller where a run starts from a trained model.
const TRANSFER_ADA_KIMG: f64 = 100.0;
/// Images below which the mean of their features is mostly noise; the paper's batch is 100.
const FEW_FEATURES: usize = 32;

/// One sentence for each value that does not fit its trick's paper: the value, the recipe, what to try. Nothing is wrong
/// with them as such, and a run goes on.
pub fn departures(config: &Config) -> Vec<Warning> {
    let mut found = Vec::new();
    penalties(config, &mut found);
    labels(config, &mut found);
    transfer(config, &mut found);
    lengths(config, &mut found);
    found.into_iter().map(|text| Warning { kind: "recipe", text }).collect()
}

/// Gradient penalties, by their loss, D's norm and each other.
fn penalties(config: &Config, found: &mut Vec<String>) {
    let loss = &config.loss;
    let Some(penalty) = &loss.gradient_penalty else { return };
    let name = loss.name.as_str();
    match (penalty.kind, loss.name) {
        (GradientPenaltyKind::WganGp, LossName::Wasserstein)
        | (GradientPenaltyKind::Dragan, LossName::Bce | LossName::NonSaturating) => {}
        (GradientPenaltyKind::WganGp, _) => found.push(format!(
            "loss.gradient_penalty.kind = \"wgan_gp\" with loss.name = \"{name}\": its paper bounds the slope of a Wasserstein \
             critic; try loss.name=wasserstein"
        )),
        (GradientPenaltyKind::Dragan, _) => found.push(format!(
            "loss.gradient_penalty.kind = \"dragan\" with loss.name = \"{name}\": its paper has the logistic loss; try \
             loss.name=non_saturating"
        )),
    }
    if penalty.kind == GradientPenaltyKind::WganGp && config.optim.num_d_steps == 1 {
        found.push(
            "loss.gradient_penalty.kind = \"wgan_gp\" with optim.num_d_steps = 1: its paper trains the critic 5 times a step \
             of G; try optim.num_d_steps=5"
                .into(),
        );
    }
    if loss.r1.is_some() {
        found.push(
            "loss.gradient_penalty beside loss.r1: both hold D's gradient at images; published recipes have one of them".into(),
        );
    }
    if let Some(what) = joined_images(&config.model) {
        found.push(format!(
            "loss.gradient_penalty with {what}: a logit then depends on the whole batch, and the penalty wants each image's \
             own gradient (Gulrajani et al. 2017, section 4); try D without it"
        ));
    }
}

/// What of D makes a logit depend on other images.
fn joined_images(model: &ModelConfig) -> Option<&'static str> {
    match model {
        ModelConfig::Dcgan(dcgan) if dcgan.d_norm == DiscriminatorNorm::Batch => Some("model.d_norm = \"batch\""),
        ModelConfig::Dcgan(dcgan) if dcgan.minibatch_kernels > 0 => Some("model.minibatch_kernels above 0"),
        ModelConfig::StyleGan2(style) if style.mbstd_channels > 0 => Some("model.mbstd_channels above 0"),
        _ => None,
    }
}

/// What D is told of real and fake, and what it sees.
fn labels(config: &Config, found: &mut Vec<String>) {
    let loss = &config.loss;
    if let Some(share) = loss.label_flip.filter(|share| *share > MANY_FLIPS) {
        found.push(format!(
            "loss.label_flip = {share} (above {MANY_FLIPS}): labels are to be wrong now and then, D now learns little else; \
             try 0.05"
        ));
    }
    if loss.label_smoothing > MUCH_SMOOTHING {
        found.push(format!(
            "loss.label_smoothing = {} (above {MUCH_SMOOTHING}): the paper's target is 0.9; try 0.1",
            loss.label_smoothing
        ));
    }
    if loss.apa.is_some() && config.augment.ada.as_ref().is_some_and(|ada| ada.acts()) {
        found.push(
            "loss.apa beside augment.ada: two controllers follow the same sign of D, and each sees the other's work as its \
             own; try one of them, or augment.ada.controller=fixed"
                .into(),
        );
    }
    if let Some(matching) = loss.feature_matching.filter(|_| config.optim.batch < FEW_FEATURES) {
        found.push(format!(
            "loss.feature_matching.weight = {} with optim.batch = {} (below {FEW_FEATURES}): the mean of so few features is \
             mostly noise, the paper's batch is 100; try a larger batch",
            matching.weight, config.optim.batch
        ));
    }
    if config.optim.d.lr < config.optim.g.lr {
        found.push(format!(
            "optim.d.lr = {} below optim.g.lr = {}: in two-time-scale training D is the faster one (Heusel et al. 2017); try \
             to exchange them",
            config.optim.d.lr, config.optim.g.lr
        ));
    }
}

/// What changes where a run starts from a trained model (the transfer settings of StyleGAN2-ADA's code).
fn transfer(config: &Config, found: &mut Vec<String>) {
    if config.transfer.is_none() {
        return;
    }
    let ada = config.augment.ada.as_ref().filter(|ada| ada.controller != ControllerKind::Fixed);
    if let Some(ada) = ada.filter(|ada| ada.kimg > TRANSFER_ADA_KIMG) {
        found.push(format!(
            "augment.ada.kimg = {} with transfer: ADA's code lets p rise five times as fast from a trained model; try \
             augment.ada.kimg={TRANSFER_ADA_KIMG}",
            ada.kimg
        ));
    }
    if let Some(rampup) = config.optim.ema.rampup {
        found.push(format!(
            "optim.ema.rampup = {rampup} with transfer: ADA's code has no ramp from a trained model, whose average is no \
             longer young; try to leave it out"
        ));
    }
}

/// What a run's length decides.
fn lengths(config: &Config, found: &mut Vec<String>) {
    let run_kimg = crate::tick::kimg(config, config.train.steps);
    if let Some(noise) = config.loss.instance_noise.filter(|noise| noise.until_kimg >= run_kimg) {
        found.push(format!(
            "loss.instance_noise.until_kimg = {} in a run of {run_kimg} kimg: noise that stays is learned by G; try {}",
            noise.until_kimg,
            (run_kimg / 2.0).max(0.001)
        ));
    }
    if let Some(stop) = config.train.early_stop.as_ref().filter(|stop| stop.patience == 1) {
        found.push(format!(
            "train.early_stop.patience = 1: one unlucky evaluation of {} ends the run; try 3 or more",
            stop.metric
        ));
    }
}

#[cfg(test)]
mod tests {
    use frugan_augment::ada::AdaConfig;
    use frugan_losses::{FeatureMatchingConfig, GradientPenaltyConfig, InstanceNoiseConfig, R1Config};

    use super::*;
    use crate::early_stop::EarlyStopConfig;

    fn texts(change: impl Fn(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        departures(&config).into_iter().map(|warning| warning.text).collect()
    }

    fn penalty(kind: GradientPenaltyKind) -> Option<GradientPenaltyConfig> {
        Some(GradientPenaltyConfig { kind, ..GradientPenaltyConfig::default() })
    }

    #[test]
    fn the_papers_own_recipes_are_silent() {
        assert!(texts(|_| {}).is_empty());
        assert!(
            texts(|c| {
                c.loss.name = LossName::Wasserstein;
                c.loss.gradient_penalty = penalty(GradientPenaltyKind::WganGp);
                c.optim.num_d_steps = 5;
                c.loss.label_flip = Some(0.05);
                c.loss.feature_matching = Some(FeatureMatchingConfig::default());
                c.loss.instance_noise = Some(InstanceNoiseConfig::default());
                c.optim.d.lr = 4e-4;
                c.train.early_stop = Some(EarlyStopConfig::default());
            })
            .is_empty()
        );
    }

    /// A change of the defaults, and a part of what is said of it.
    type Case<'a> = (&'a dyn Fn(&mut Config), &'a str);

    #[test]
    fn each_departure_is_told_with_its_value_and_the_recipe() {
        let cases: [Case<'_>; 14] = [
            (&|c| c.loss.gradient_penalty = penalty(GradientPenaltyKind::WganGp), "try loss.name=wasserstein"),
            (&|c| c.loss.gradient_penalty = penalty(GradientPenaltyKind::Dragan), "try loss.name=non_saturating"),
            (
                &|c| {
                    c.loss.gradient_penalty = penalty(GradientPenaltyKind::WganGp);
                    c.optim.num_d_steps = 1;
                },
                "try optim.num_d_steps=5",
            ),
            (
                &|c| {
                    c.loss.gradient_penalty = penalty(GradientPenaltyKind::Dragan);
                    c.loss.r1 = Some(R1Config::default());
                },
                "beside loss.r1",
            ),
            (
                &|c| {
                    c.loss.gradient_penalty = penalty(GradientPenaltyKind::Dragan);
                    c.model = ModelConfig::StyleGan2(Default::default());
                },
                "model.mbstd_channels above 0",
            ),
            (&|c| c.loss.label_flip = Some(0.3), "loss.label_flip = 0.3 (above 0.1)"),
            (&|c| c.loss.label_smoothing = 0.4, "loss.label_smoothing = 0.4 (above 0.2)"),
            (
                &|c| {
                    c.loss.apa = Some(Default::default());
                    c.augment.ada = Some(AdaConfig::default());
                },
                "loss.apa beside augment.ada",
            ),
            (
                &|c| {
                    c.loss.feature_matching = Some(FeatureMatchingConfig::default());
                    c.optim.batch = 8;
                },
                "optim.batch = 8 (below 32)",
            ),
            (&|c| c.optim.g.lr = 1e-3, "optim.d.lr = 0.0002 below optim.g.lr = 0.001"),
            (
                &|c| {
                    c.loss.instance_noise = Some(InstanceNoiseConfig::default());
                    c.train.steps = 1000;
                },
                "in a run of 200 kimg",
            ),
            (
                &|c| {
                    c.transfer = Some(Default::default());
                    c.augment.ada = Some(AdaConfig::default());
                },
                "augment.ada.kimg = 500 with transfer",
            ),
            (
                &|c| {
                    c.transfer = Some(Default::default());
                    c.optim.ema.rampup = Some(0.05);
                },
                "optim.ema.rampup = 0.05 with transfer",
            ),
            (
                &|c| c.train.early_stop = Some(EarlyStopConfig { patience: 1, ..EarlyStopConfig::default() }),
                "train.early_stop.patience = 1",
            ),
        ];
        for (change, part) in cases {
            let found = texts(change);
            assert!(found.iter().any(|text| text.contains(part)), "no {part:?} in {found:?}");
        }
    }
}
