//! What several runs share: data sets and feature networks are opened once.

use std::collections::BTreeMap;
use std::sync::Arc;

use frugan_data::{DataConfig, Splits};

use crate::error::Result;

/// Data sets and evaluators by their configuration.
#[derive(Default)]
pub struct Library {
    splits: BTreeMap<String, Arc<Splits>>,
    pub(crate) evaluators: BTreeMap<String, Arc<std::sync::Mutex<frugan_metrics::Evaluator>>>,
}

impl Library {
    /// Nothing is open yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The data set of a configuration, opened at the first call.
    ///
    /// # Errors
    /// If the data cannot be found or read.
    pub fn splits(&mut self, config: &DataConfig) -> Result<Arc<Splits>> {
        let key = toml::to_string(config).expect("a config is plain values");
        if let Some(open) = self.splits.get(&key) {
            return Ok(open.clone());
        }
        let opened = Arc::new(frugan_data::open(config)?);
        self.splits.insert(key, opened.clone());
        Ok(opened)
    }
}
