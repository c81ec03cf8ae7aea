//! Where a data set lies: `data.root`, `$FRUGAN_DATA`, the user's cache.

use crate::cifar::Format;
use crate::config::{DataConfig, DataName};
use crate::kept;
use std::path::{Path, PathBuf};

/// The environment variable that names the folder of data sets.
///
/// ```
/// assert_eq!(frugan_data::locate::ENV, "FRUGAN_DATA");
/// ```
pub const ENV: &str = "FRUGAN_DATA";

/// The folders that are looked at.
///
/// ```
/// use frugan_data::locate::Places;
/// let places = Places { root: Some("/data".into()), env: Some("/other".into()), cache: None };
/// assert_eq!(places.folders().count(), 1); // an explicit root is the only place
/// ```
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `data.root`. When it is set, no other folder is looked at, and nothing is downloaded.
    pub root: Option<PathBuf>,
    /// `$FRUGAN_DATA`.
    pub env: Option<PathBuf>,
    /// The user's cache folder, sub-folder `frugan`. Downloads go there.
    pub cache: Option<PathBuf>,
}

impl Places {
    /// Those of this process and configuration.
    ///
    /// ```
    /// use frugan_data::{DataConfig, locate::Places};
    /// let config = DataConfig { root: Some("/data".into()), ..DataConfig::default() };
    /// assert_eq!(Places::of(&config).root, config.root);
    /// ```
    pub fn of(config: &DataConfig) -> Self {
        let env = std::env::var_os(ENV).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { root: config.root.clone(), env, cache: cache_folder() }
    }

    /// In the order in which they are looked at.
    ///
    /// ```
    /// use frugan_data::locate::Places;
    /// let places = Places { root: None, env: Some("/a".into()), cache: Some("/b".into()) };
    /// let order: Vec<_> = places.folders().collect();
    /// assert_eq!(order, ["/a", "/b"].map(std::path::Path::new));
    /// ```
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let others = if self.root.is_some() { [&None, &None] } else { [&self.env, &self.cache] };
        [&self.root].into_iter().chain(others).filter_map(|folder| folder.as_deref())
    }

    /// The folder that holds the files of a CIFAR set: one of [`folders`](Self::folders), or its sub-folder with the
    /// name that the official archive gives it. A folder counts when any of the files is there, so that what is
    /// missing is reported by name; so does a part of the set ([`crate::kept`]).
    ///
    /// ```
    /// use frugan_data::{cifar::CIFAR10, locate::Places};
    /// let home = tempfile::tempdir().unwrap();
    /// let places = Places { env: Some(home.path().to_owned()), ..Places::default() };
    /// assert_eq!(places.find(&CIFAR10), None);
    /// std::fs::write(home.path().join("test_batch.bin"), b"").unwrap();
    /// assert_eq!(places.find(&CIFAR10).as_deref(), Some(home.path()));
    /// ```
    pub fn find(&self, format: &Format) -> Option<PathBuf> {
        self.folders().flat_map(|folder| [folder.join(format.folder), folder.to_owned()]).find(|folder| {
            format.files().map(|file| file.name).chain([kept::INDEX]).any(|name| folder.join(name).is_file())
        })
    }
}

/// The user's cache folder for this program (`$XDG_CACHE_HOME/frugan` or `~/.cache/frugan` on Linux); none for a
/// user without a home.
///
/// ```
/// if let Some(cache) = frugan_data::locate::cache_folder() {
///     assert!(cache.ends_with("frugan"));
/// }
/// ```
pub fn cache_folder() -> Option<PathBuf> {
    dirs::cache_dir().map(|cache| cache.join("frugan"))
}

/// Where the data that `config` names lie on this machine, without downloading anything. The synthetic set needs no
/// folder and answers an empty path.
///
/// ```
/// use frugan_data::{DataConfig, DataName, locate};
/// let config = DataConfig { name: DataName::Cifar10, root: Some("/nowhere".into()), ..DataConfig::default() };
/// assert_eq!(locate::locate(&config), None);
/// ```
pub fn locate(config: &DataConfig) -> Option<PathBuf> {
    match config.name {
        DataName::Synthetic => Some(PathBuf::new()),
        DataName::Folder => config.root.clone().filter(|root| root.is_dir()),
        DataName::Zip => config.root.clone().filter(|root| root.is_file()),
        DataName::Cifar10 => Places::of(config).find(&crate::cifar::CIFAR10),
        DataName::Cifar100 => Places::of(config).find(&crate::cifar::CIFAR100),
    }
}

/// Whether [`crate::open`] would find the data without a download.
///
/// ```
/// assert!(frugan_data::locate::is_available(&Default::default())); // the synthetic set always is
/// ```
pub fn is_available(config: &DataConfig) -> bool {
    locate(config).is_some()
}
