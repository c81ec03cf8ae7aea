//! A run from its plan to its end: steps, ticks, evaluations, states.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use frugan_autograd::{Device, Ranks, cuda, detect_nonfinite};

use crate::atomic;
use crate::config::{Config, KeepSnapshots};
use crate::early_stop::EarlyStop;
use crate::error::{Error, Result, first_line};
use crate::evaluation::Evaluation;
use crate::fit;
use crate::floor;
use crate::interrupt::Interrupt;
use crate::library::Library;
use crate::log::Log;
use crate::monitor::{Warning, warnings};
use crate::observer::{Observer, Speed};
use crate::outcome::{Outcome, Status, evaluations};
use crate::ranks::{Member, check_devices};
use crate::recipe;
use crate::run_dir::{RunDir, newest_state};
use crate::setup::Setup;
use crate::snapshot::{self, About};
use crate::state::{self, Progress};
use crate::stats::{Record, cut_after};
use crate::tick::{self, due};
use crate::trainer::Trainer;
use crate::transfer;

/// A run that can start: everything has been read and checked, nothing written.
pub struct Plan {
    config: Config,
    dir: PathBuf,
    device: Device,
    splits: Arc<frugan_data::Splits>,
    evaluation: Evaluation,
    /// What `config.toml` will hold; the plain configuration by default. Comments may say where values come from.
    pub config_text: String,
}

impl Plan {
    /// Opens the data and the feature network and checks that they fit the configuration. Writes nothing in `dir`.
    ///
    /// # Errors
    /// One sentence on the first value that cannot be used.
    pub fn new(config: Config, dir: PathBuf, library: &mut Library) -> Result<Self> {
        config.check()?;
        let input = |e: frugan_autograd::Error| Error::Config(e.to_string());
        let device = config.device.parse::<Device>().map_err(input)?.open().map_err(input)?;
        check_devices(&config, device)?;
        let newest = newest_state(&dir)?;
        newest.map_or(Ok(()), |step| state::check(&RunDir::state_in(&dir, step), &config))?;
        config.precision.apply(device).map_err(input)?;
        let splits = library.splits(&config.data)?;
        let evaluation = Evaluation::new(&config, &splits, library)?;
        // Building the networks is the check of everything that depends on the data.
        let built = match newest {
            None => Trainer::transferred(&config, &splits, &device),
            // The run goes on from its own state.
            Some(_) => Trainer::new(&config, &splits, &device),
        };
        built.map_err(|error| fit::advise(error, &config, &splits, device))?;
        if dir.exists() && !dir.is_dir() {
            return Err(Error::Config(format!("--out {}: that is a file; give a folder", dir.display())));
        }
        Ok(Self { config_text: config.to_toml(), config, dir, device, splits, evaluation })
    }

    /// The resolved configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it computes: the config's device, `auto` resolved.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The run directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The data.
    pub fn splits(&self) -> &frugan_data::Splits {
        &self.splits
    }

    /// The metrics.
    pub fn evaluation(&self) -> &Evaluation {
        &self.evaluation
    }

    /// Whether all of this configuration's steps are done and evaluated, or the run ended early by its metric, so that running it again would do
    /// nothing.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn is_finished(&self) -> Result<bool> {
        let evaluations = evaluations(&self.dir)?;
        let (state, last) = (newest_state(&self.dir)?, evaluations.last().map(|record| record.step));
        let ends = state == Some(self.config.train.steps) || EarlyStop::of(&self.config, &evaluations).is_some();
        Ok(ends && state.is_some() && state == last)
    }

    /// Trains from the newest good state, or from the start, to the end.
    ///
    /// # Errors
    /// What [`Error`] names. A run that failed can be started again with the same command.
    pub fn run(self, observer: &dyn Observer, interrupt: &Interrupt) -> Result<Outcome> {
        self.run_with(None, observer, interrupt)
    }

    /// [`Plan::run`] as rank 0 of `ranks.count`, which [`Room::lead`](crate::Room::lead) gave.
    ///
    /// # Errors
    /// As [`Plan::run`], and if another rank is gone or hangs.
    pub fn lead(self, member: Member, observer: &dyn Observer, interrupt: &Interrupt) -> Result<Outcome> {
        self.run_with(Some(Arc::new(member)), observer, interrupt)
    }

    fn run_with(self, member: Option<Arc<Member>>, observer: &dyn Observer, interrupt: &Interrupt) -> Result<Outcome> {
        let run = RunDir::open(&self.dir)?;
        let (ranks, way) = match &member {
            Some(member) => member.ranks(&self.config, self.device).map(|(ranks, way)| (ranks, Some(way)))?,
            None => (Ranks::alone(), None),
        };
        if ranks.size() != self.config.ranks.count {
            return Err(Error::Config(format!(
                "ranks.count = {}: {} came; `frugan train --gpus {}` starts them all",
                self.config.ranks.count,
                ranks.size(),
                self.config.ranks.count
            )));
        }
        let mut trainer = Trainer::in_setup(&self.config, &self.splits, &Setup { ranks, ..Setup::on(self.device) })?;
        let is_new = run.states()?.is_empty();
        let (progress, mut notes) = resume(&run, &mut trainer)?;
        if let Some(from) = self.config.transfer.as_ref().filter(|_| is_new) {
            notes.extend(transfer::apply(from, &trainer)?);
        }
        if let Some(member) = &member {
            member.begin(trainer.itr, trainer.itr > 0)?;
        }
        cut_after(&run.file("stats.jsonl"), trainer.itr)?;
        for metric in run.metrics()? {
            cut_after(&metric, trainer.itr)?;
        }
        atomic::write(&run.file("config.toml"), self.config_text.as_bytes())?;
        let mut running = Running {
            log: Log::open(&run, &self.config, trainer.itr)?,
            tick_started: Instant::now(),
            run,
            trainer,
            progress,
            plan: &self,
            member,
            observer,
            told: 0,
        };
        running.note(&self.headline())?;
        for note in way.into_iter().chain(notes) {
            running.note(&note)?;
        }
        for departure in recipe::departures(&self.config) {
            running.warn(&departure)?;
        }
        if running.member.is_some() && self.device != Device::Cpu {
            // Ahead of the graphs: memory that one rank alone takes later would make all record anew.
            self.evaluation.prepare()?;
        }
        running.train(interrupt)
    }

    /// One line: what is trained on what, measured by what, where.
    pub fn headline(&self) -> String {
        let train = &self.splits.train;
        format!(
            "{} on {} ({} images, {}), T = {}, {} G steps of batch {}, device {}, {}",
            self.config.model.name(),
            train.name,
            train.len(),
            train.fingerprint.get(..12).unwrap_or(&train.fingerprint),
            self.config.augment.describe(),
            self.config.train.steps,
            self.config.optim.batch,
            self.device,
            self.evaluation.describe(),
        )
    }
}

/// The newest state that can be read goes into the trainer; a damaged one is passed over with a note.
fn resume(run: &RunDir, trainer: &mut Trainer) -> Result<(Progress, Vec<String>)> {
    let mut notes = Vec::new();
    let states = run.states()?;
    for (i, step) in states.iter().enumerate() {
        match state::load(&run.state(*step), trainer) {
            Ok(progress) => {
                notes.push(format!("resumed at step {step}"));
                return Ok((progress, notes));
            }
            Err(error) if i + 1 < states.len() => notes.push(format!("passed over a state: {error}")),
            Err(error) => return Err(error),
        }
    }
    Ok((Progress::default(), notes))
}

/// A run under way.
struct Running<'a> {
    plan: &'a Plan,
    run: RunDir,
    trainer: Trainer,
    progress: Progress,
    log: Log,
    tick_started: Instant,
    /// The other ranks, if there are some.
    member: Option<Arc<Member>>,
    observer: &'a dyn Observer,
    /// How many of the device's notes were told.
    told: usize,
}

impl Running<'_> {
    fn train(&mut self, interrupt: &Interrupt) -> Result<Outcome> {
        let t = &self.plan.config.train;
        // A run that had ended early is asked for again.
        let mut is_over = self.early_stop()?.is_some();
        while self.trainer.itr < t.steps && !is_over {
            if interrupt.is_requested() {
                self.save()?;
                self.note(&format!("stopped at step {} as asked; the same command goes on", self.trainer.itr))?;
                return Outcome::read(self.run.path(), Status::Interrupted, &self.plan.config.eval);
            }
            self.step().map_err(|error| self.explain(error))?;
            let step = self.trainer.itr;
            let ends = step == t.steps;
            self.observer.step(step, t.steps);
            let (ticks, samples) = (due(t.tick_steps, step) || ends, due(t.sample_every_steps, step) || ends);
            let evaluates = due(self.plan.config.eval.every_steps, step) || ends;
            let saves = due(t.save_every_steps, step) || ends;
            // Nothing is written of weights that a step has spoilt.
            self.trainer.hear_if_due().map_err(|error| self.explain(error))?;
            if ticks {
                self.tick()?;
            }
            if samples {
                self.samples()?;
            }
            if evaluates {
                self.evaluate()?;
                if let Some(stop) = self.early_stop()?.filter(|_| !ends) {
                    is_over = true;
                    self.end_early(&stop, ticks, samples)?;
                }
            }
            if saves || is_over {
                self.save()?;
            }
        }
        Outcome::read(self.run.path(), Status::Finished, &self.plan.config.eval)
    }

    /// A step of all ranks.
    fn step(&mut self) -> Result<()> {
        let Some(member) = &self.member else { return self.trainer.step() };
        member.step(self.trainer.itr)?;
        self.trainer.step().map_err(|error| member.failure().map_or(error, Error::Ranks))
    }

    fn early_stop(&self) -> Result<Option<EarlyStop>> {
        if self.plan.config.train.early_stop.is_none() {
            return Ok(None);
        }
        Ok(EarlyStop::of(&self.plan.config, &evaluations(self.run.path())?))
    }

    /// What the end of a run writes, where it is not there yet, and why it ends here.
    fn end_early(&mut self, stop: &EarlyStop, ticked: bool, sampled: bool) -> Result<()> {
        if !ticked {
            self.tick()?;
        }
        if !sampled {
            self.samples()?;
        }
        let step = self.trainer.itr;
        let record = Record { step, kimg: tick::kimg(&self.plan.config, step), values: stop.values() };
        record.append_to(&self.run.file("stats.jsonl"))?;
        self.log.scalars(&record)?;
        self.note(&format!("ended early at step {step} of {}: {stop}", self.plan.config.train.steps))
    }

    fn tick(&mut self) -> Result<()> {
        let seconds = self.tick_started.elapsed().as_secs_f64();
        let record = tick::record(&mut self.trainer, &self.plan.splits)?;
        record.append_to(&self.run.file("stats.jsonl"))?;
        let t = &self.plan.config.train;
        let steps = (self.trainer.itr - 1) % t.tick_steps + 1;
        let speed = Speed {
            sec_per_kimg: seconds / (record.kimg / record.step as f64 * steps as f64),
            sec_left: seconds / steps as f64 * (t.steps - self.trainer.itr) as f64,
        };
        self.log.tick(&record, speed)?;
        self.observer.tick(&record, speed);
        self.tell_notes()?;
        let found = warnings(&record, t.steps);
        let before = std::mem::replace(&mut self.progress.warned, found.iter().map(|w| w.kind.to_string()).collect());
        for warning in found.iter().filter(|w| !before.iter().any(|kind| kind == w.kind)) {
            self.warn(warning)?;
        }
        if t.histogram_every_steps > 0 && self.trainer.itr.is_multiple_of(t.histogram_every_steps) {
            self.log.histograms(&self.trainer)?;
        }
        self.tick_started = Instant::now();
        Ok(())
    }

    /// What the device does in a slower way than it might, once each.
    fn tell_notes(&mut self) -> Result<()> {
        let notes = cuda::notes(self.plan.device)?;
        for note in notes.iter().skip(std::mem::replace(&mut self.told, notes.len())) {
            self.note(note)?;
        }
        Ok(())
    }

    fn samples(&mut self) -> Result<()> {
        let grid = tick::samples(&self.trainer, self.plan.evaluation.mode())?;
        atomic::write(&self.run.samples(self.trainer.itr), &grid.png)?;
        self.log.samples(grid, self.trainer.itr)
    }

    fn evaluate(&mut self) -> Result<()> {
        let started = Instant::now();
        let record = self.plan.evaluation.run(&self.trainer, &|done, total| self.observer.evaluating(done, total))?;
        for (name, value) in &record.values {
            let line = Record { values: BTreeMap::from([(name.clone(), *value)]), ..record.clone() };
            line.append_to(&self.run.metric(name))?;
        }
        floor::write_once(self.run.path(), &self.plan.evaluation)?;
        snapshot::save(&self.run.snapshot(record.step), self.trainer.ema.as_ref(), &self.about())?;
        let outcome = Outcome::read(self.run.path(), Status::Finished, &self.plan.config.eval)?;
        self.progress.best_step = outcome.best.map(|best| best.step);
        self.log.evaluation(&record)?;
        self.observer.evaluated(&record);
        self.tell_notes()?;
        // An evaluation is not training: the next tick's rate leaves it out.
        self.tick_started += started.elapsed();
        Ok(())
    }

    /// Writes the state, then lets go of what it replaces: one older state and the snapshots nobody asked for.
    fn save(&mut self) -> Result<()> {
        let started = Instant::now();
        // A state is newer than no line of the run's, also where the machine loses its power.
        for lines in self.run.metrics()?.into_iter().chain([self.run.file("stats.jsonl")]).filter(|path| path.exists())
        {
            atomic::sync(&lines)?;
        }
        state::save(&self.run.state(self.trainer.itr), &mut self.trainer, &self.progress)?;
        for step in self.run.states()?.into_iter().skip(2) {
            remove(&self.run.state(step))?;
        }
        if self.plan.config.train.keep_snapshots == KeepSnapshots::BestAndLast {
            let snapshots = self.run.snapshots()?;
            for step in snapshots.iter().skip(1).filter(|step| Some(**step) != self.progress.best_step) {
                remove(&self.run.snapshot(*step))?;
            }
        }
        self.tick_started += started.elapsed();
        self.log.flush()
    }

    /// Runs the failed step again and asks each op, so that the message names the first that went wrong.
    fn explain(&mut self, error: Error) -> Error {
        let Error::NonFinite(sentence) = error else {
            return fit::advise(error, &self.plan.config, &self.plan.splits, self.plan.device);
        };
        let op = match self.trainer.names_ops() {
            true => match detect_nonfinite(|| self.step()) {
                Err(Error::Tensor(op)) => format!("; first: {}", first_line(&op)),
                _ => String::new(),
            },
            // Later steps have changed the weights, or the other ranks would go through this one as a graph.
            false => "; a replay with train.graph=false names the op".into(),
        };
        let state = match self.run.states() {
            Ok(states) if !states.is_empty() => format!("state-{}.safetensors", states[0]),
            _ => "none yet".into(),
        };
        let dir = self.run.path().display();
        let whole = format!(
            "{sentence}{op}; last good state: {state}; replay: frugan train --config {dir}/config.toml --out {dir}; \
             try a lower learning rate, optim.clip_norm=1, or train.nonfinite=skip:3"
        );
        // Where the log cannot be written, the sentence itself is the more telling error.
        let _ = self.log.line(&whole);
        Error::NonFinite(whole)
    }

    fn warn(&mut self, warning: &Warning) -> Result<()> {
        self.observer.warning(self.trainer.itr, warning);
        self.log.line(&format!("warning at step {}: {}", self.trainer.itr, warning.text))
    }

    fn note(&mut self, line: &str) -> Result<()> {
        self.observer.note(line);
        self.log.line(line)
    }

    fn about(&self) -> About {
        let train = &self.plan.splits.train;
        About {
            format: About::FORMAT,
            step: self.trainer.itr,
            kimg: tick::kimg(&self.plan.config, self.trainer.itr),
            num_classes: train.num_classes,
            resolution: train.shape[1],
            data: train.name.clone(),
            fingerprint: train.fingerprint.clone(),
            config: self.plan.config.to_toml(),
        }
    }
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(Error::file("remove", path))
}
