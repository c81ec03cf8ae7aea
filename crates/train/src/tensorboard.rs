//! TensorBoard event files: scalars, images, histograms, hyperparameters.
//!
//! The records and message types are those of tensorboard-rs. Its own writer thread panics on a full disk and has no
//! hyperparameters, hence the small writer here.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use protobuf::{Message, RepeatedField, well_known_types};
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionStartInfo};
use tensorboard_proto::summary::{
    HistogramProto, Summary, Summary_Image, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData,
};
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary::scalar;

use crate::error::{Error, Result};

/// Writes one `events.out.tfevents.*` file.
pub struct EventWriter {
    path: PathBuf,
    records: RecordWriter<BufWriter<File>>,
}

impl EventWriter {
    /// A new file in `dir`. Events of earlier files from `step` on are hidden by TensorBoard: a resumed run repeats them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(dir: &Path, step: u64) -> Result<Self> {
        let now = wall_time();
        let path = dir.join(format!("events.out.tfevents.{:010}.{}.{step}", now as u64, std::process::id()));
        let file = File::create(&path).map_err(Error::file("create", &path))?;
        let mut writer = Self { path, records: RecordWriter::new(BufWriter::new(file)) };
        let mut version = Event::new();
        version.set_wall_time(now);
        version.set_file_version("brain.Event:2".into());
        writer.write(&version)?;
        let mut session = SessionLog::new();
        session.set_status(SessionLog_SessionStatus::START);
        let mut start = Event::new();
        start.set_wall_time(now);
        start.set_step(step as i64);
        start.set_session_log(session);
        writer.write(&start)?;
        Ok(writer)
    }

    /// One number.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalar(&mut self, tag: &str, value: f64, step: u64) -> Result<()> {
        self.summary(scalar(tag, value as f32), step)
    }

    /// A PNG file's bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn image(&mut self, tag: &str, png: Vec<u8>, [height, width]: [usize; 2], step: u64) -> Result<()> {
        let mut image = Summary_Image::new();
        image.set_height(height as i32);
        image.set_width(width as i32);
        image.set_colorspace(3);
        image.set_encoded_image_string(png);
        let mut value = Summary_Value::new();
        value.set_tag(tag.into());
        value.set_image(image);
        self.summary(one(value), step)
    }

    /// The distribution of `values` in 30 equal buckets; nothing if there is none.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn histogram(&mut self, tag: &str, values: &[f32], step: u64) -> Result<()> {
        let Some(histogram) = histogram(values) else { return Ok(()) };
        let mut value = Summary_Value::new();
        value.set_tag(tag.into());
        value.set_histo(histogram);
        self.summary(one(value), step)
    }

    /// The run's hyperparameters, as the HPARAMS tab shows them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn hparams(&mut self, values: &[(String, Hparam)]) -> Result<()> {
        let mut info = SessionStartInfo::new();
        info.set_start_time_secs(wall_time());
        for (name, value) in values {
            let mut wrapped = well_known_types::Value::new();
            match value {
                Hparam::Number(v) => wrapped.set_number_value(*v),
                Hparam::Text(v) => wrapped.set_string_value(v.clone()),
                Hparam::Switch(v) => wrapped.set_bool_value(*v),
            }
            info.mut_hparams().insert(name.clone(), wrapped);
        }
        let mut data = HParamsPluginData::new();
        data.set_session_start_info(info);
        let content = data.write_to_bytes().expect("a message in memory");
        let mut plugin = SummaryMetadata_PluginData::new();
        plugin.set_plugin_name("hparams".into());
        plugin.set_content(content);
        let mut metadata = SummaryMetadata::new();
        metadata.set_plugin_data(plugin);
        let mut value = Summary_Value::new();
        value.set_tag("_hparams_/session_start_info".into());
        value.set_metadata(metadata);
        self.summary(one(value), 0)
    }

    /// Hands everything to the system, so that a running TensorBoard sees it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.records.flush().map_err(Error::file("write", &self.path))
    }

    fn summary(&mut self, summary: Summary, step: u64) -> Result<()> {
        let mut event = Event::new();
        event.set_wall_time(wall_time());
        event.set_step(step as i64);
        event.set_summary(summary);
        self.write(&event)
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        let bytes = event.write_to_bytes().expect("a message in memory");
        self.records.write(&bytes).map_err(Error::file("write", &self.path))
    }
}

/// A hyperparameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Hparam {
    /// Any number.
    Number(f64),
    /// A name or a list.
    Text(String),
    /// On or off.
    Switch(bool),
}

fn one(value: Summary_Value) -> Summary {
    let mut summary = Summary::new();
    summary.set_value(RepeatedField::from_vec(vec![value]));
    summary
}

fn histogram(values: &[f32]) -> Option<HistogramProto> {
    const BUCKETS: usize = 30;
    let finite: Vec<f64> = values.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).collect();
    let low = finite.iter().copied().reduce(f64::min)?;
    let high = finite.iter().copied().reduce(f64::max)?;
    let width = ((high - low) / BUCKETS as f64).max(f64::MIN_POSITIVE);
    let mut counts = vec![0.0; BUCKETS];
    for value in &finite {
        counts[(((value - low) / width) as usize).min(BUCKETS - 1)] += 1.0;
    }
    let mut proto = HistogramProto::new();
    proto.set_min(low);
    proto.set_max(high);
    proto.set_num(finite.len() as f64);
    proto.set_sum(finite.iter().sum());
    proto.set_sum_squares(finite.iter().map(|v| v * v).sum());
    proto.set_bucket_limit((1..=BUCKETS).map(|i| low + width * i as f64).collect());
    proto.set_bucket(counts);
    Some(proto)
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
