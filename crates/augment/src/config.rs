//! `[augment]` of a run.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{Policy, PolicyError};

/// `[augment]`: what DiffAugment does, and where.
///
/// ```
/// use frugan_augment::AugmentConfig;
/// # fn main() -> Result<(), frugan_augment::PolicyError> {
/// let config = AugmentConfig::default();
/// assert_eq!(config.policy()?.to_string(), "translation,cutout");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// The policy: a comma-separated list of `color`, `translation`, `cutout`, in the order in which they act; empty for
    /// none. Default: `translation,cutout` (BigGAN on CIFAR). StyleGAN2 on little data: `color,translation,cutout`.
    #[serde(deserialize_with = "known_policy")]
    pub policy: String,
    /// Where the policy acts. Default: everywhere.
    pub on: On,
}

/// `[augment.on]`: the places where the policy acts, the rows of table 1 of the paper.
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
        Self { policy: "translation,cutout".into(), on: On::default() }
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

    /// Checks the policy's names. Reading a config checks them too; this is for one that was made in code.
    ///
    /// ```
    /// assert!(frugan_augment::AugmentConfig::default().check().is_ok());
    /// ```
    pub fn check(&self) -> Result<(), PolicyError> {
        self.policy().map(drop)
    }

    /// Whether T acts on D's reals: consistency regularisation wants to know.
    ///
    /// ```
    /// use frugan_augment::AugmentConfig;
    /// assert!(AugmentConfig::default().acts_on_reals());
    /// assert!(!AugmentConfig { policy: String::new(), ..Default::default() }.acts_on_reals());
    /// ```
    pub fn acts_on_reals(&self) -> bool {
        self.on.d_real && !self.policy.trim().is_empty()
    }
}

impl On {
    /// Whether the policy acts at all.
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
