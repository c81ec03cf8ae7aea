//! `log.txt` and the TensorBoard events of a run.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::atomic;
use crate::config::Config;
use crate::dotted;
use crate::error::Result;
use crate::grid::Grid;
use crate::observer::Speed;
use crate::run_dir::RunDir;
use crate::stats::Record;
use crate::tensorboard::{EventWriter, Hparam};
use crate::trainer::Trainer;

/// Where a run writes what people read.
pub(crate) struct Log {
    text: PathBuf,
    events: EventWriter,
}

impl Log {
    pub(crate) fn open(run: &RunDir, config: &Config, step: u64) -> Result<Self> {
        // The records of the step that a state was written at are there already.
        let mut events = EventWriter::create(run.path(), step + 1)?;
        events.hparams(&hparams(config))?;
        events.flush()?;
        Ok(Self { text: run.file("log.txt"), events })
    }

    pub(crate) fn line(&mut self, line: &str) -> Result<()> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        atomic::append_line(&self.text, &format!("{seconds} {line}"))
    }

    pub(crate) fn tick(&mut self, record: &Record, speed: Speed) -> Result<()> {
        self.scalars(record)?;
        self.events.scalar("time/sec_per_kimg", speed.sec_per_kimg, record.step)?;
        let loss = |name: &str| record.get(name).map_or("-".into(), |v| format!("{v:.3}"));
        self.line(&format!(
            "step {} kimg {:.1} loss/d {} loss/g {} d/gap {} sec/kimg {:.1}",
            record.step,
            record.kimg,
            loss("loss/d"),
            loss("loss/g"),
            loss("d/gap"),
            speed.sec_per_kimg
        ))?;
        self.events.flush()
    }

    pub(crate) fn evaluation(&mut self, record: &Record) -> Result<()> {
        let tagged = Record {
            values: record.values.iter().map(|(name, value)| (format!("metrics/{name}"), *value)).collect(),
            ..record.clone()
        };
        self.scalars(&tagged)?;
        let values: Vec<String> = record
            .values
            .iter()
            .map(|(name, value)| format!("{name} {}", value.map_or("n/a".into(), |v| format!("{v:.4}"))))
            .collect();
        self.line(&format!("evaluation at step {}: {}", record.step, values.join(" ")))?;
        self.events.flush()
    }

    pub(crate) fn samples(&mut self, grid: Grid, step: u64) -> Result<()> {
        self.events.image("samples", grid.png, grid.size, step)
    }

    pub(crate) fn histograms(&mut self, trainer: &Trainer) -> Result<()> {
        for (letter, params) in trainer.networks() {
            for (name, weight) in params.named_weights() {
                self.events.histogram(&format!("{letter}/{name}"), &weight.to_vec::<f32>()?, trainer.itr)?;
            }
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.events.flush()
    }

    pub(crate) fn scalars(&mut self, record: &Record) -> Result<()> {
        for (name, value) in &record.values {
            if let Some(value) = value {
                self.events.scalar(name, *value, record.step)?;
            }
        }
        Ok(())
    }
}

/// Every value of the configuration by its dotted name.
fn hparams(config: &Config) -> Vec<(String, Hparam)> {
    let hparam = |value| match value {
        toml::Value::Integer(v) => Hparam::Number(v as f64),
        toml::Value::Float(v) => Hparam::Number(v),
        toml::Value::Boolean(v) => Hparam::Switch(v),
        toml::Value::String(v) => Hparam::Text(v),
        other => Hparam::Text(other.to_string()),
    };
    dotted::values(config).into_iter().map(|(name, value)| (name, hparam(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyperparameters_have_dotted_names() {
        let found = hparams(&Config::default());
        assert!(found.contains(&("optim.num_d_steps".into(), Hparam::Number(4.0))));
        assert!(found.contains(&("augment.on.d_real".into(), Hparam::Switch(true))));
    }
}
