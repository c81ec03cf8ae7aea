//! What each trick of the trade changes in a training step, and that its state survives.
#![allow(clippy::unwrap_used, missing_docs)]

use frugan_autograd::{Device, Ints};
use frugan_data::{DataConfig, DataName, Splits};
use frugan_losses::{
    AcganConfig, ApaConfig, BcrConfig, FeatureMatchingConfig, GradientPenaltyConfig, GradientPenaltyKind,
    InstanceNoiseConfig, LossName, ZcrConfig,
};
use frugan_models::{DLabels, DcganConfig, DiscriminatorNorm, ModelConfig};
use frugan_nn::Mode;
use frugan_train::{Config, DBatch, First, GBatch, Objective, Trainer};

fn data() -> Splits {
    let config = DataConfig { name: DataName::Synthetic, num_images: Some(40), ..DataConfig::default() };
    frugan_data::open(&config).unwrap()
}

fn dcgan(config: &mut Config) -> &mut DcganConfig {
    let ModelConfig::Dcgan(dcgan) = &mut config.model else { panic!("the base is a DCGAN") };
    dcgan
}

/// A narrow DCGAN without T; spectral norm off, so that a pass over other batches changes nothing by itself.
fn base() -> Config {
    let model = DcganConfig { g_ch: 8, d_ch: 8, latent_dim: 16, d_norm: DiscriminatorNorm::None, ..Default::default() };
    let mut config = Config { model: ModelConfig::Dcgan(model), ..Config::default() };
    config.augment.policy = String::new();
    config.data = DataConfig { name: DataName::Synthetic, num_images: Some(40), ..DataConfig::default() };
    config.optim.batch = 8;
    config.optim.num_d_steps = 1;
    config.optim.ema.start_itr = 2;
    config
}

fn new(config: &Config) -> Trainer {
    config.check().unwrap();
    Trainer::new(config, &data(), &Device::Cpu).unwrap()
}

fn after(config: &Config, steps: usize) -> Trainer {
    let mut trainer = new(config);
    (0..steps).for_each(|_| trainer.step().unwrap());
    trainer
}

fn weights(trainer: &Trainer, of_g: bool) -> Vec<f32> {
    let params = if of_g { trainer.generator.params() } else { trainer.discriminator.params() };
    params.weights().into_iter().flat_map(|var| var.to_vec::<f32>().unwrap()).collect()
}

/// (G, D) moved otherwise than without the change, in the first iteration; D steps first, so a change of D reaches G too.
fn moves(first: First, change: impl Fn(&mut Config)) -> (bool, bool) {
    let (mut plain, mut changed) = (base(), base());
    (plain.optim.first, changed.optim.first) = (first, first);
    change(&mut changed);
    let (plain, changed) = (after(&plain, 1), after(&changed, 1));
    (weights(&plain, true) != weights(&changed, true), weights(&plain, false) != weights(&changed, false))
}

#[test]
fn each_regulariser_of_d_moves_d_and_not_g() {
    // G steps first, so what changes D's loss alone leaves G's first step as it was.
    let d_alone = |change: fn(&mut Config)| assert_eq!(moves(First::G, change), (false, true));
    d_alone(|c| c.loss.bcr = Some(BcrConfig::default()));
    d_alone(|c| c.loss.zcr = Some(ZcrConfig { d_weight: 5.0, g_weight: 0.0, ..Default::default() }));
    d_alone(|c| c.loss.gradient_penalty = Some(GradientPenaltyConfig::default()));
    d_alone(|c| {
        c.loss.gradient_penalty =
            Some(GradientPenaltyConfig { kind: GradientPenaltyKind::Dragan, ..Default::default() });
    });
    d_alone(|c| c.loss.label_flip = Some(0.4));
}

#[test]
fn each_part_of_gs_loss_moves_g_and_not_d() {
    // D steps first: G's loss cannot reach it within the iteration.
    let g_alone = |change: fn(&mut Config)| assert_eq!(moves(First::D, change), (true, false));
    g_alone(|c| c.loss.zcr = Some(ZcrConfig { d_weight: 0.0, g_weight: 0.5, ..Default::default() }));
    g_alone(|c| c.loss.feature_matching = Some(FeatureMatchingConfig::default()));
    g_alone(|c| c.loss.feature_matching = Some(FeatureMatchingConfig { alone: true, ..Default::default() }));
}

#[test]
fn bcr_is_cr_on_reals_and_fakes() {
    let (d, g) = (new(&base()).discriminator, new(&base()).generator);
    let trainer_batch = |n: usize| {
        let z = frugan_autograd::Tensor::ones((n, 16), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let labels = Ints::from(vec![3; n]);
        (g.generate(&frugan_autograd::Var::constant(z), &labels, Mode::Batch).unwrap(), labels)
    };
    let (fake, labels) = trainer_batch(8);
    let loss = |real: f64, fake_weight: f64| {
        let mut config = base();
        config.loss.bcr = Some(BcrConfig { real, fake: fake_weight, ..BcrConfig::default() });
        let mut objective = Objective::new(&config, &Device::Cpu).unwrap();
        let draws = objective.d_draws(8, [3, 32, 32], 0, 0, 0.0);
        let images = DBatch { fake: &fake, fake_labels: &labels, moved_fake: None, real: &fake, real_labels: &labels };
        let losses = objective.discriminator(d.as_ref(), &images, &draws, 0, false).unwrap();
        losses.penalty("bcr").unwrap().item().unwrap()
    };
    let (both, reals, fakes) = (loss(10.0, 10.0), loss(10.0, 0.0), loss(0.0, 10.0));
    assert!(reals > 0.0 && fakes > 0.0 && reals != fakes, "draws of their own: {reals} {fakes}");
    assert!((both - reals - fakes).abs() < 1e-5 * both, "{both} for {reals} and {fakes}");
}

#[test]
fn a_gradient_penalty_holds_the_slope_at_its_target() {
    let slope_after = |penalty: Option<GradientPenaltyConfig>| {
        let mut config = base();
        config.loss.name = LossName::Wasserstein;
        config.loss.gradient_penalty = penalty;
        config.optim.d.lr = 2e-3;
        let trainer = after(&config, 25);
        let pixels = &data().train.images[..8 * 3 * 32 * 32];
        let pixels: Vec<f32> = pixels.iter().map(|p| f32::from(*p) / 127.5 - 1.0).collect();
        let tensor = frugan_autograd::Tensor::from_vec(pixels, (8, 3, 32, 32), &candle_core::Device::Cpu).unwrap();
        let reals = frugan_autograd::Var::constant(tensor);
        let labels = Ints::from(data().train.labels[..8].iter().map(|l| *l as i32).collect::<Vec<_>>());
        let critic = |x: &frugan_autograd::Var| trainer.discriminator.logits(x, &labels, Mode::Running);
        frugan_losses::gradient_norms(critic, &reals).unwrap().mean().unwrap().item().unwrap()
    };
    let free = slope_after(None);
    for kind in [GradientPenaltyKind::WganGp, GradientPenaltyKind::Dragan] {
        let held = slope_after(Some(GradientPenaltyConfig { kind, ..Default::default() }));
        assert!(free > 3.0 && (held - 1.0).abs() < 0.6, "{kind:?}: {held} against {free}");
    }
}

#[test]
fn apa_shows_d_fakes_as_reals_once_it_is_sure_and_goes_on_from_its_state() {
    let mut config = base();
    // Any sign is above the target, so p rises by 8 images of 16 each step.
    config.loss.apa = Some(ApaConfig { target: -0.999, kimg: 0.016, interval_steps: 1 });
    let plain = after(&base(), 1);
    let mut trainer = after(&config, 1);
    assert!(weights(&plain, false) == weights(&trainer, false), "p is 0 in the first step");
    let p = |trainer: &Trainer| trainer.objective().apa.as_ref().unwrap().p();
    let first = p(&trainer);
    trainer.step().unwrap();
    let second = p(&trainer);
    assert!(first == 0.5 && second > first, "{first} {second}");
    // At p = 0.5 half of 8 images give way in the second step.
    assert!(weights(&after(&base(), 2), false) != weights(&trainer, false), "D was shown fakes as reals");
}

#[test]
fn instance_noise_fades_and_then_changes_nothing() {
    let noisy = |until_kimg: f64| {
        let mut config = base();
        config.loss.instance_noise = Some(InstanceNoiseConfig { std0: 0.5, until_kimg });
        config
    };
    let same =
        |config: &Config, steps: usize| weights(&after(config, steps), false) == weights(&after(&base(), steps), false);
    assert!(!same(&noisy(1.0), 1), "noise at the start");
    // At the first step nothing has been seen, so only an interval of 0 would be free of noise: compare D's losses later.
    let objective = Objective::new(&noisy(0.1), &Device::Cpu).unwrap();
    let (d, (fake, labels)) = (new(&base()).discriminator, fakes(8));
    let at = |kimg: f64| {
        let batch = GBatch { fake: &fake, fake_labels: &labels, moved_fake: None, real: None };
        let draws = objective.g_draws(8, [3, 32, 32], 0, 5, kimg);
        objective.generator(d.as_ref(), batch, &draws).unwrap().total.item().unwrap()
    };
    let clean = Objective::new(&base(), &Device::Cpu).unwrap();
    let batch = GBatch { fake: &fake, fake_labels: &labels, moved_fake: None, real: None };
    let clean = clean.generator(d.as_ref(), batch, &Default::default()).unwrap().total.item().unwrap();
    assert_ne!(at(0.0), clean);
    assert!((at(0.09) - clean).abs() < (at(0.0) - clean).abs(), "it fades");
    assert_eq!(at(0.1), clean);
}

fn fakes(n: usize) -> (frugan_autograd::Var, Ints) {
    let g = new(&base()).generator;
    let z = frugan_nn::Stream::new(0, frugan_nn::Purpose::new("test.z"), 0).normals(n * 16);
    let z = frugan_autograd::Tensor::from_vec(z, (n, 16), &candle_core::Device::Cpu).unwrap();
    let labels = Ints::from((0..n as i32).collect::<Vec<_>>());
    (g.generate(&frugan_autograd::Var::constant(z), &labels, Mode::Batch).unwrap(), labels)
}

#[test]
fn feature_matching_alone_leaves_the_adversarial_loss_out() {
    let (d, (fake, labels)) = (new(&base()).discriminator, fakes(8));
    let real = fake.scale(-1.0).unwrap();
    let total = |matching: Option<FeatureMatchingConfig>, real| {
        let mut config = base();
        config.loss.feature_matching = matching;
        let objective = Objective::new(&config, &Device::Cpu).unwrap();
        assert_eq!(objective.generator_needs_real(), matching.is_some());
        let batch = GBatch { fake: &fake, fake_labels: &labels, moved_fake: None, real: Some((real, &labels)) };
        objective.generator(d.as_ref(), batch, &Default::default()).unwrap().total.item().unwrap()
    };
    let adversarial = total(None, &real);
    let beside = total(Some(FeatureMatchingConfig::default()), &real);
    let alone = total(Some(FeatureMatchingConfig { alone: true, ..Default::default() }), &real);
    assert!(alone > 0.0 && (beside - adversarial - alone).abs() < 1e-5, "{adversarial} {beside} {alone}");
    let at_its_goal = total(Some(FeatureMatchingConfig { alone: true, ..Default::default() }), &fake);
    assert!(at_its_goal.abs() < 1e-9, "fakes with the reals' features: {at_its_goal}");
}

#[test]
fn acgan_teaches_d_the_classes() {
    let accuracy_after = |steps: usize| {
        let mut config = base();
        dcgan(&mut config).d_labels = DLabels::Classifier;
        config.loss.acgan = Some(AcganConfig { d_fake: false, ..Default::default() });
        config.optim.d.lr = 2e-3;
        config.optim.batch = 20;
        let trainer = after(&config, steps);
        let set = data().train;
        let pixels: Vec<f32> = set.images.iter().map(|p| f32::from(*p) / 127.5 - 1.0).collect();
        let n = set.len();
        let images = frugan_autograd::Tensor::from_vec(pixels, (n, 3, 32, 32), &candle_core::Device::Cpu).unwrap();
        let labels = Ints::from(vec![0; n]);
        let said =
            trainer.discriminator.judge(&frugan_autograd::Var::constant(images), &labels, Mode::Running).unwrap();
        let logits = said.class_logits.unwrap().to_vec::<f32>().unwrap();
        let rows = logits.chunks(logits.len() / n);
        let named = rows.map(|row| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap());
        named.zip(set.labels.iter()).filter(|(named, label)| *named == **label as usize).count() as f64 / n as f64
    };
    let learned = accuracy_after(40);
    assert!(learned > 0.6, "{learned} of 10 classes");
}

#[test]
fn a_class_reaches_d_in_each_of_the_three_ways() {
    let (images, _) = fakes(4);
    let logits = |way: DLabels, class: i32| {
        let mut config = base();
        dcgan(&mut config).d_labels = way;
        let d = new(&config).discriminator;
        // Fresh weights are small, so the classes' embeddings are drawn larger to be seen.
        d.logits(&images, &Ints::from(vec![class; 4]), Mode::Running).unwrap().to_vec::<f32>().unwrap()
    };
    for way in [DLabels::Projection, DLabels::Concat, DLabels::Channel] {
        let (one, other) = (logits(way, 1), logits(way, 2));
        assert_ne!(one, other, "{way:?}");
        // The class meets the image: it is no constant that is added to every logit.
        let shifts: Vec<f32> = one.iter().zip(&other).map(|(a, b)| a - b).collect();
        assert!(shifts.iter().any(|shift| *shift != shifts[0]), "{way:?}: {shifts:?}");
    }
}

#[test]
fn minibatch_discrimination_sees_that_fakes_are_alike() {
    let mut config = base();
    dcgan(&mut config).minibatch_kernels = 20;
    let d = new(&config).discriminator;
    assert!(d.mixes_batch());
    let (images, labels) = fakes(4);
    let first =
        |images: &frugan_autograd::Var| d.logits(images, &labels, Mode::Running).unwrap().to_vec::<f32>().unwrap()[0];
    let one = images.narrow(0, 0, 1).unwrap();
    let alike = frugan_autograd::concat(&[&one, &one, &one, &one], 0).unwrap();
    let plain = new(&base()).discriminator;
    let plain = |images: &frugan_autograd::Var| {
        plain.logits(images, &labels, Mode::Running).unwrap().to_vec::<f32>().unwrap()[0]
    };
    assert_ne!(first(&images), first(&alike), "the same image among others, and among its copies");
    assert_eq!(plain(&images), plain(&alike), "a D without the layer sees no difference");
    assert_eq!(after(&config, 2).itr, 2, "it trains");
}

#[test]
fn two_time_scales_move_each_network_at_its_own_rate() {
    let mut config = base();
    (config.optim.g.lr, config.optim.d.lr) = (1e-4, 4e-4);
    let (before, after) = (new(&config), after(&config, 1));
    let largest = |of_g: bool| {
        let pairs = weights(&before, of_g).into_iter().zip(weights(&after, of_g));
        pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
    };
    // Adam's first step is as long as the rate, whatever the gradient.
    assert!((largest(true) / 1e-4 - 1.0).abs() < 1e-2 && (largest(false) / 4e-4 - 1.0).abs() < 1e-2);
}

#[test]
fn smoothed_labels_bound_ds_logits() {
    let real_logit_after = |smoothing: f64| {
        let mut config = base();
        config.loss.name = LossName::Bce;
        config.loss.label_smoothing = smoothing;
        // D alone learns: G's rate is next to nothing.
        (config.optim.g.lr, config.optim.d.lr) = (1e-12, 2e-3);
        let trainer = after(&config, 40);
        let set = data().train;
        let pixels: Vec<f32> = set.images.iter().map(|p| f32::from(*p) / 127.5 - 1.0).collect();
        let images = frugan_autograd::Tensor::from_vec(pixels, (40, 3, 32, 32), &candle_core::Device::Cpu).unwrap();
        let labels = Ints::from(set.labels.iter().map(|l| *l as i32).collect::<Vec<_>>());
        let logits = trainer.discriminator.logits(&frugan_autograd::Var::constant(images), &labels, Mode::Running);
        logits.unwrap().mean().unwrap().item().unwrap()
    };
    let (hard, smooth) = (real_logit_after(0.0), real_logit_after(0.2));
    // The optimum of a target of 0.8 against nothing is log(0.8 / 0.2) = 1.4.
    assert!(smooth < 0.7 * hard, "{smooth} against {hard}");
}
