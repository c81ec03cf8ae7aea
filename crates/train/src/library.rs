//! What several runs share: data sets are opened once, feature networks checked once.

use std::collections::BTreeMap;
use std::sync::Arc;

use frugan_data::{DataConfig, Splits};
use frugan_metrics::{EvalConfig, FeatureNetwork};

use crate::error::Result;

/// Data sets and networks by their configuration.
#[derive(Default)]
pub struct Library {
    splits: BTreeMap<String, Arc<Splits>>,
    networks: BTreeMap<String, String>,
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
        let key = format!("{config:?}");
        if let Some(open) = self.splits.get(&key) {
            return Ok(open.clone());
        }
        let opened = Arc::new(frugan_data::open(config)?);
        self.splits.insert(key, opened.clone());
        Ok(opened)
    }

    /// The name of a feature network that has been opened, and so is known to be whole.
    ///
    /// # Errors
    /// If its weights are missing or of another network.
    pub fn network(&mut self, config: &EvalConfig) -> Result<String> {
        let key = format!("{:?} {:?} {}", config.network, config.weights, config.precision);
        if let Some(name) = self.networks.get(&key) {
            return Ok(name.clone());
        }
        let name = FeatureNetwork::open(config)?.source().to_string();
        self.networks.insert(key, name.clone());
        Ok(name)
    }
}
