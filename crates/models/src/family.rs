//! The families of models as one list: what each says of itself, and the config that picks one by its name.

use crate::config::Blueprint;
use crate::error::ModelError;
use crate::traits::{Discriminator, Generator};

/// What the settings of a family of models know: how its two networks are built.
pub trait Family {
    /// Length of the generator's z.
    fn latent_dim(&self) -> usize;

    /// The generator, with first weights drawn from the blueprint's seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no generator can be built from.
    fn generator(&self, blueprint: &Blueprint) -> Result<Box<dyn Generator>, ModelError>;

    /// The discriminator, with first weights drawn from the blueprint's seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no discriminator can be built from.
    fn discriminator(&self, blueprint: &Blueprint) -> Result<Box<dyn Discriminator>, ModelError>;
}

/// [`ModelConfig`](crate::ModelConfig), from a line a family: the variant, which is the module's name but for upper case; `mod`
/// for a file of its own or `use` for a module that is there already; its settings.
macro_rules! families {
    (@declare mod $module:ident) => { mod $module; };
    (@declare use $module:ident) => {};
    ($($(#[$doc:meta])* $variant:ident: $how:tt $module:ident :: $config:ident,)*) => {
        $($crate::family::families!(@declare $how $module);)*
        $(pub use $module::$config;)*

        /// Which networks to train, and how wide. The field `name` picks the family.
        ///
        /// ```
        /// use frugan_models::{BigganConfig, ModelConfig};
        /// let small = ModelConfig::Biggan(BigganConfig { g_ch: 8, d_ch: 8, ..Default::default() });
        /// let models = small.build(10, 32, 0)?;
        /// assert_eq!(models.generator.image_shape(), [3, 32, 32]);
        /// # Ok::<(), frugan_models::ModelError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "name", rename_all = "lowercase")]
        pub enum ModelConfig {
            $($(#[$doc])* $variant($config),)*
        }

        impl ModelConfig {
            /// The family's name, as the config file spells it.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($module),)* }
            }

            /// Every family with its default settings, and the name of the settings' type.
            pub fn all() -> Vec<(Self, &'static str)> {
                vec![$((Self::$variant($config::default()), stringify!($config)),)*]
            }

            pub(crate) fn family(&self) -> &dyn Family {
                match self { $(Self::$variant(config) => config,)* }
            }
        }
    };
}

pub(crate) use families;
