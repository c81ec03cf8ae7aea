//! Whole training steps of BigGAN, without augmentation, against the reference implementation.
#![allow(clippy::unwrap_used)]

#[path = "../../nn/tests/golden_file/mod.rs"]
mod golden_file;

use frugan_autograd::{DType, GraphMode, Ints, Result, Var, concat, grad_of_scalar, no_grad};
use frugan_models::{BigganConfig, ModelConfig, Models, Placement};
use frugan_nn::{Adam, AdamConfig, Ema, Mode, Params};
use golden_file::{GoldenFile, open};

fn exact() -> Placement {
    Placement { dtype: DType::F64, ..Placement::default() }
}

/// The draws of a file, one after the other.
struct Draws<'a> {
    file: &'a GoldenFile,
    batch: usize,
    sampled: usize,
    fetched: usize,
}

impl Draws<'_> {
    fn latent(&mut self) -> (Var, Ints) {
        let at = self.sampled;
        self.sampled += 1;
        let z = Var::constant(self.file.tensor("in.z").get(at).unwrap());
        (z, ints(&self.file.tensors["in.gy"].get(at).unwrap()))
    }

    fn reals(&mut self) -> (Var, Ints) {
        let at = self.fetched * self.batch;
        self.fetched += 1;
        let x = Var::constant(self.file.tensor("in.x").narrow(0, at, self.batch).unwrap().contiguous().unwrap());
        (x, ints(&self.file.tensors["in.y"].narrow(0, at, self.batch).unwrap()))
    }
}

fn ints(tensor: &frugan_autograd::Tensor) -> Ints {
    tensor.flatten_all().unwrap().to_vec1::<i64>().unwrap().into_iter().map(|v| v as i32).collect()
}

fn joined(a: &Ints, b: &Ints) -> Result<Ints> {
    Ok(a.to_vec()?.into_iter().chain(b.to_vec()?).collect())
}

fn descend(loss: &Var, adam: &mut Adam, params: &Params) -> Result<()> {
    adam.step(params, &grad_of_scalar(loss, &params.weights(), GraphMode::Free)?)
}

/// One step of D by the hinge loss; gives the parts of the loss on reals and fakes.
fn d_step(models: &Models, adam: &mut Adam, draws: &mut Draws<'_>) -> Result<[f64; 2]> {
    let (z, fake_labels) = draws.latent();
    let fake = no_grad(|| models.generator.generate(&z, &fake_labels, Mode::Train))?;
    let (real, labels) = draws.reals();
    let logits =
        models.discriminator.logits(&concat(&[&fake, &real], 0)?, &joined(&fake_labels, &labels)?, Mode::Train)?;
    let fake_loss = logits.narrow(0, 0, draws.batch)?.affine(1.0, 1.0)?.relu()?.mean()?;
    let real_loss = logits.narrow(0, draws.batch, draws.batch)?.affine(-1.0, 1.0)?.relu()?.mean()?;
    descend(&real_loss.add(&fake_loss)?, adam, models.discriminator.params())?;
    Ok([real_loss.item()?, fake_loss.item()?])
}

fn g_step(models: &Models, adam: &mut Adam, draws: &mut Draws<'_>) -> Result<f64> {
    let (z, labels) = draws.latent();
    let fake = models.generator.generate(&z, &labels, Mode::Train)?;
    let loss = models.discriminator.logits(&fake, &labels, Mode::Train)?.mean()?.neg()?;
    descend(&loss, adam, models.generator.params())?;
    loss.item()
}

fn check_state(file: &GoldenFile, prefix: &str, params: &Params) {
    for (name, _, var) in params.iter() {
        file.check_var(&format!("out.{prefix}.{name}"), var);
    }
}

#[test]
fn two_plain_iterations() {
    let Some(file) = open("biggan_step_plain") else { return };
    let ch = file.usize("ch");
    let config = BigganConfig {
        g_ch: ch,
        d_ch: ch,
        latent_dim: file.usize("dim_z"),
        bn_eps: file.f64("BN_eps"),
        sn_eps: file.f64("SN_eps"),
        ..Default::default()
    };
    let config = ModelConfig::Biggan(config);
    let models = config.build_at(file.usize("n_classes"), 32, 0, exact()).unwrap();
    let average = config.build_generator(file.usize("n_classes"), 32, 0, exact()).unwrap();
    let (g, d) = (models.generator.params(), models.discriminator.params());
    g.load(&file.under("param.G.")).unwrap();
    d.load(&file.under("param.D.")).unwrap();
    average.params().copy_from(g).unwrap();
    let adam = AdamConfig { lr: file.f64("lr"), eps: file.f64("adam_eps"), ..Default::default() };
    let (mut adam_g, mut adam_d) = (Adam::new(adam, g).unwrap(), Adam::new(adam, d).unwrap());
    let ema = Ema { decay: file.f64("ema_decay"), start_itr: file.usize("ema_start") as u64 };
    let mut draws = Draws { file: &file, batch: file.usize("batch"), sampled: 0, fetched: 0 };
    for itr in 0..file.usize("iters") {
        let mut parts = [0.0; 2];
        for _ in 0..file.usize("num_D_steps") {
            parts = d_step(&models, &mut adam_d, &mut draws).unwrap();
        }
        let g_loss = g_step(&models, &mut adam_g, &mut draws).unwrap();
        ema.update(average.params(), g, itr as u64).unwrap();
        file.check(&format!("out.it{itr}.D_loss_real"), &parts[..1]);
        file.check(&format!("out.it{itr}.D_loss_fake"), &parts[1..]);
        file.check(&format!("out.it{itr}.G_loss"), &[g_loss]);
    }
    check_state(&file, "G", g);
    check_state(&file, "D", d);
    check_state(&file, "Gema", average.params());
}
