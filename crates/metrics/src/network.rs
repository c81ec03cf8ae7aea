use std::path::Path;

use frugan_autograd::{Device, cuda, no_grad};
use frugan_nn::Precision;

use crate::inception::Inception;
use crate::{Error, EvalConfig, Features, Images, Network, RandomNetwork, Result, Tap, locate};

/// Images in one pass of the Inception network: its first layers take 6 MB an image, and more in flight is slower.
const INCEPTION_BATCH: usize = 16;

/// A feature network, opened once.
///
/// ```
/// use frugan_metrics::{FeatureNetwork, Images, Tap};
/// let network = FeatureNetwork::random()?;
/// let features = network.extract(Images::new(&[0; 3 * 3 * 8 * 8], [3, 8, 8])?)?;
/// assert_eq!((features.len(), network.tap()), (3, Tap::Random));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Debug)]
pub struct FeatureNetwork {
    kind: Kind,
    sha256: String,
    source: String,
    batch: usize,
    device: Device,
    precision: Precision,
}

#[derive(Debug)]
enum Kind {
    Inception(Box<Inception>),
    Random(RandomNetwork),
}

impl FeatureNetwork {
    /// The network that `config` names, with its weights found or brought ([`locate::weights`]).
    ///
    /// # Errors
    /// If the config is out of range, or the weights are missing or another network's.
    ///
    /// ```
    /// use frugan_metrics::{EvalConfig, FeatureNetwork, Network};
    /// let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// assert_eq!(FeatureNetwork::open(&config)?.source(), "random features");
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn open(config: &EvalConfig) -> Result<Self> {
        config.validate()?;
        let inception = || Self::inception(&locate::weights(config.weights.as_deref(), config.download)?);
        let mut network = match config.network {
            Network::Random => Self::random()?,
            Network::Inception => inception()?.in_precision(config.precision)?,
        };
        network.batch = config.batch;
        Ok(network)
    }

    /// The Inception network from a `.pth` or `.safetensors` file.
    ///
    /// # Errors
    /// If the file cannot be read or holds another network.
    ///
    /// ```
    /// use frugan_metrics::FeatureNetwork;
    /// let error = FeatureNetwork::inception("no-such-file.pth".as_ref()).unwrap_err();
    /// assert!(error.to_string().starts_with("no-such-file.pth: "));
    /// ```
    pub fn inception(path: &Path) -> Result<Self> {
        let weights = crate::inception::Weights::read(path)?;
        let network = Inception::new(&weights)?;
        let source = path.display().to_string();
        Ok(Self {
            kind: Kind::Inception(Box::new(network)),
            sha256: weights.sha256().to_string(),
            source,
            batch: 50,
            device: Device::Cpu,
            precision: Precision::F32,
        })
    }

    /// The random-feature network.
    ///
    /// # Errors
    /// As [`RandomNetwork::new`].
    ///
    /// ```
    /// # use frugan_metrics::FeatureNetwork;
    /// assert!(!FeatureNetwork::random()?.has_logits());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn random() -> Result<Self> {
        let network = RandomNetwork::new()?;
        let sha256 = network.sha256().to_string();
        Ok(Self {
            kind: Kind::Random(network),
            sha256,
            source: "random features".into(),
            batch: 50,
            device: Device::Cpu,
            precision: Precision::F32,
        })
    }

    /// The same network with the factors of Inception's convolutions rounded ([`Inception::in_precision`]), which its name then says.
    /// The random one stays in F32.
    ///
    /// # Errors
    /// If the device has no such numbers.
    ///
    /// ```
    /// # use frugan_metrics::FeatureNetwork;
    /// let network = FeatureNetwork::random()?.in_precision(frugan_nn::Precision::Bf16)?;
    /// assert_eq!(network.precision(), frugan_nn::Precision::F32);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn in_precision(self, precision: Precision) -> Result<Self> {
        let Kind::Inception(network) = &self.kind else { return Ok(self) };
        if precision == self.precision {
            return Ok(self);
        }
        let kind = Kind::Inception(Box::new(network.in_precision(precision)?));
        let source = format!("{} in {precision}", self.source);
        Ok(Self { kind, source, precision, ..self })
    }

    /// The same network with its weights on a device, where it then computes: whether or not training may round to TF32 there.
    ///
    /// # Errors
    /// If the device cannot be opened.
    ///
    /// ```
    /// # use frugan_metrics::FeatureNetwork;
    /// let network = FeatureNetwork::random()?.to_device(&"cpu".parse()?)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn to_device(self, device: &Device) -> Result<Self> {
        let kind = match &self.kind {
            Kind::Inception(network) => Kind::Inception(Box::new(network.to_device(device)?)),
            Kind::Random(network) => Kind::Random(network.to_device(device)?),
        };
        Ok(Self { kind, device: *device, ..self })
    }

    /// Features, and logits where the network has them, in batches that bound memory.
    ///
    /// # Errors
    /// If there are no images or a layer fails.
    ///
    /// ```
    /// # use frugan_metrics::{FeatureNetwork, Images};
    /// assert!(FeatureNetwork::random()?.extract(Images::new(&[], [3, 8, 8])?).is_err());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn extract(&self, images: Images<'_>) -> Result<Features> {
        let mut all: Option<Features> = None;
        let batch = match self.kind {
            Kind::Inception(_) => self.device.at_once(self.batch, INCEPTION_BATCH),
            Kind::Random(_) => self.batch,
        };
        for start in (0..images.len()).step_by(batch) {
            let batch = images.slice(start, batch);
            let extract = || match &self.kind {
                Kind::Inception(network) => network.extract(batch),
                Kind::Random(network) => network.extract(batch),
            };
            let features = cuda::with_tf32(self.device, self.precision == Precision::Tf32, || no_grad(extract))??;
            match &mut all {
                Some(all) => all.append(features)?,
                None => all = Some(features),
            }
        }
        all.ok_or_else(|| Error::input("features", "no images"))
    }

    /// Which features it gives.
    ///
    /// ```
    /// # use frugan_metrics::{FeatureNetwork, Tap};
    /// assert_eq!(FeatureNetwork::random()?.tap().dims(), 256);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn tap(&self) -> Tap {
        match &self.kind {
            Kind::Inception(network) => network.tap(),
            Kind::Random(_) => Tap::Random,
        }
    }

    /// Whether it has its last layer, which the Inception score needs.
    ///
    /// ```
    /// # use frugan_metrics::FeatureNetwork;
    /// assert!(!FeatureNetwork::random()?.has_logits());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn has_logits(&self) -> bool {
        match &self.kind {
            Kind::Inception(network) => network.has_logits(),
            Kind::Random(_) => false,
        }
    }

    /// sha256 of the weights, in hex: names the network in records and caches.
    ///
    /// ```
    /// # use frugan_metrics::FeatureNetwork;
    /// assert_eq!(FeatureNetwork::random()?.sha256().len(), 64);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How it rounds.
    ///
    /// ```
    /// # use frugan_metrics::FeatureNetwork;
    /// assert!(FeatureNetwork::random()?.precision().is_default());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Where the weights come from, and how they are rounded, for logs.
    ///
    /// ```
    /// # use frugan_metrics::FeatureNetwork;
    /// assert_eq!(FeatureNetwork::random()?.source(), "random features");
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn source(&self) -> &str {
        &self.source
    }
}
