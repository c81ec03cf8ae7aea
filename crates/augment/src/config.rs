//! `[augment]` of a run.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::ada::AdaConfig;
use crate::{AugmentError, Policy, PolicyError};

/// `[augment]`: what the augmentation T does, and where: DiffAugment's policy, ADA's pipe, or both ([`Augmentation`]).
///
/// [`Augmentation`]: crate::Augmentation
///
/// ```
/// use frugan_augment::AugmentConfig;
/// # fn main() -> Result<(), frugan_augment::PolicyError> {
/// let config = AugmentConfig::default();
/// assert_eq!(config.policy()?.to_string(), "translation,cutout");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// The policy: a comma-separated list of `color` (or its parts `brightness`, `saturation`, `contrast`), `translation`, `cutout`,
    /// and, beyond the paper, `grayscale`, in the order in which they act; empty for none. Default: `translation,cutout` (BigGAN on
    /// CIFAR). StyleGAN2 on little data: `color,translation,cutout`.
    #[serde(deserialize_with = "known_policy")]
    pub policy: String,
    /// Where T acts: the policy and the pipe. Default: everywhere.
    pub on: On,
    /// ADA, acting before the policy. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ada: Option<AdaConfig>,
}

/// `[augment.on]`: the places where T acts, the rows of table 1 of the paper.
///
/// ```
/// use frugan_augment::On;
/// assert_eq!(On::default(), On { d_real: true, d_fake: true, g_fake: true }); // DiffAugment
/// assert!(On { d_fake: false, g_fake: false, ..On::default() }.any()); // "augment reals only"
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct On {
    /// Reals in D's step. Default: true.
    pub d_real: bool,
    /// Fakes in D's step. Default: true.
    pub d_fake: bool,
    /// Fakes in G's step, with G's gradient through the augmentation. Default: true.
    pub g_fake: bool,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self { policy: "translation,cutout".into(), on: On::default(), ada: None }
    }
}

impl Default for On {
    fn default() -> Self {
        Self { d_real: true, d_fake: true, g_fake: true }
    }
}

impl AugmentConfig {
    /// The policy, read.
    ///
    /// ```
    /// use frugan_augment::AugmentConfig;
    /// let config = AugmentConfig { policy: "colour".into(), ..Default::default() };
    /// assert!(config.policy().is_err());
    /// ```
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        Policy::parse(&self.policy)
    }

    /// Checks the policy's and the pipe's names, and ADA's numbers.
    ///
    /// ```
    /// assert!(frugan_augment::AugmentConfig::default().check().is_ok());
    /// ```
    pub fn check(&self) -> Result<(), AugmentError> {
        self.policy()?;
        Ok(self.ada.as_ref().map_or(Ok(()), AdaConfig::check)?)
    }

    /// T in words, for logs.
    ///
    /// ```
    /// use frugan_augment::{AugmentConfig, ada::AdaConfig};
    /// let config = AugmentConfig { ada: Some(AdaConfig::default()), ..AugmentConfig::default() };
    /// assert_eq!(config.describe(), "ADA \"bgc\" then \"translation,cutout\"");
    /// assert_eq!(AugmentConfig::default().describe(), "\"translation,cutout\"");
    /// ```
    pub fn describe(&self) -> String {
        match &self.ada {
            Some(ada) if self.policy.trim().is_empty() => format!("ADA \"{}\"", ada.pipe),
            Some(ada) => format!("ADA \"{}\" then \"{}\"", ada.pipe, self.policy),
            None => format!("\"{}\"", self.policy),
        }
    }

    /// Whether T acts on D's reals: consistency regularisation wants to know.
    ///
    /// ```
    /// use frugan_augment::AugmentConfig;
    /// assert!(AugmentConfig::default().acts_on_reals());
    /// assert!(!AugmentConfig { policy: String::new(), ..Default::default() }.acts_on_reals());
    /// ```
    pub fn acts_on_reals(&self) -> bool {
        self.on.d_real && self.acts()
    }

    /// Whether T does anything at some time of a run.
    ///
    /// ```
    /// use frugan_augment::AugmentConfig;
    /// let none = AugmentConfig { policy: String::new(), ..Default::default() };
    /// assert!(!none.acts());
    /// assert!(AugmentConfig { ada: Some(Default::default()), ..none }.acts());
    /// ```
    pub fn acts(&self) -> bool {
        !self.policy.trim().is_empty() || self.ada.as_ref().is_some_and(AdaConfig::acts)
    }
}

impl On {
    /// Whether T acts at all.
    ///
    /// ```
    /// use frugan_augment::On;
    /// assert!(!On { d_real: false, d_fake: false, g_fake: false }.any());
    /// ```
    pub fn any(self) -> bool {
        self.d_real || self.d_fake || self.g_fake
    }
}

/// An unknown name in a config is an error of the key that holds it, with its place in the file.
fn known_policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Policy::parse(&text).map_err(D::Error::custom)?;
    Ok(text)
}
