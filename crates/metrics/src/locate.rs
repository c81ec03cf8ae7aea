//! Where the weights of the Inception network and of LPIPS are found.

use std::path::{Path, PathBuf};

use crate::{Error, LpipsNet, Result, download};

/// Names under which a folder may hold the weights, the whole network first.
const NAMES: [&str; 4] = [
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
    "inception-2015-12-05.pth",
    "inception-2015-12-05.safetensors",
];
const URL: &str =
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth";
const SHA256: &str = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2";

/// The weights file: `given` (`eval.weights`), else `FRUGAN_WEIGHTS`, else the user's cache, else, if `may_download`, a
/// download into that cache, checked against the published sha256. A folder stands for the file of a known name in it.
///
/// A place that is named and holds nothing is an error: the search never goes on behind the user's back.
///
/// # Errors
/// If no weights are found, with every place that was looked at and how to get them.
///
/// ```
/// let error = frugan_metrics::locate::weights(Some("no/such.pth".as_ref()), false).unwrap_err();
/// assert!(error.to_string().contains("eval.weights = no/such.pth"));
/// ```
pub fn weights(given: Option<&Path>, may_download: bool) -> Result<PathBuf> {
    search(given, variable().as_deref(), cache_folder("weights").as_deref(), may_download)
}

/// The weights file of LPIPS, `lpips-alexnet.safetensors` or `lpips-vgg16.safetensors`: `given` (a file, or a folder that
/// holds it), else `FRUGAN_WEIGHTS` (a folder, or a file beside it), else the user's cache. It is never downloaded here.
///
/// # Errors
/// If it is not found, with every place that was looked at and how to get it.
///
/// ```
/// use frugan_metrics::{LpipsNet, locate};
/// let error = locate::lpips(LpipsNet::Vgg16, Some("no/such.safetensors".as_ref())).unwrap_err();
/// assert!(error.to_string().contains("no/such.safetensors: there is no such file"));
/// ```
pub fn lpips(net: LpipsNet, given: Option<&Path>) -> Result<PathBuf> {
    search_lpips(net, given, variable().as_deref(), cache_folder("weights").as_deref())
}

fn variable() -> Option<PathBuf> {
    std::env::var_os("FRUGAN_WEIGHTS").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// `frugan/NAME` in the user's cache (`XDG_CACHE_HOME`, `~/.cache`), where there is one.
///
/// ```
/// assert!(frugan_metrics::locate::cache_folder("weights").is_none_or(|folder| folder.ends_with("frugan/weights")));
/// ```
pub fn cache_folder(name: &str) -> Option<PathBuf> {
    dirs::cache_dir().map(|cache| cache.join("frugan").join(name))
}

fn search(given: Option<&Path>, variable: Option<&Path>, cache: Option<&Path>, may_download: bool) -> Result<PathBuf> {
    for (path, name) in [(given, "eval.weights"), (variable, "FRUGAN_WEIGHTS")] {
        let Some(path) = path else { continue };
        let shown = path.display();
        return inside(path).ok_or_else(|| {
            let problem = if path.is_dir() {
                format!("holds none of {}", NAMES.join(", "))
            } else {
                "there is no such file".to_string()
            };
            Error::NoWeights(format!("{name} = {shown}: {problem}; {}", how_to_get_them()))
        });
    }
    if let Some(found) = cache.and_then(inside) {
        return Ok(found);
    }
    let looked = cache.map_or("no cache folder is known".to_string(), |cache| format!("none in {}", cache.display()));
    match cache {
        Some(cache) if may_download => download::fetch(URL, SHA256, &cache.join(NAMES[0])).map_err(|error| {
            Error::NoWeights(format!("{looked}, and the download failed ({error}); {}", how_to_get_them()))
        }),
        _ => Err(Error::NoWeights(format!("{looked}, and downloads are off; {}", how_to_get_them()))),
    }
}

fn search_lpips(net: LpipsNet, given: Option<&Path>, variable: Option<&Path>, cache: Option<&Path>) -> Result<PathBuf> {
    let name = format!("lpips-{}.safetensors", net.name());
    let missing = |problem: String| {
        Error::NoLpipsWeights(format!(
            "{problem}; `cargo xtask assets lpips` brings {name} to FRUGAN_WEIGHTS or the cache"
        ))
    };
    let in_folder = |folder: &Path| Some(folder.join(&name)).filter(|file| file.is_file());
    if let Some(file) = given.filter(|path| path.is_file()) {
        return Ok(file.to_path_buf());
    }
    for (folder, named) in [(given, ""), (variable.filter(|path| !path.is_file()), "FRUGAN_WEIGHTS = ")] {
        let Some(folder) = folder else { continue };
        return in_folder(folder).ok_or_else(|| {
            let problem = if folder.is_dir() { format!("holds no {name}") } else { "there is no such file".into() };
            missing(format!("{named}{}: {problem}", folder.display()))
        });
    }
    // A variable that names Inception's file says nothing against the cache.
    let beside = variable.and_then(Path::parent).and_then(in_folder);
    beside.or_else(|| cache.and_then(in_folder)).ok_or_else(|| {
        missing(cache.map_or("no cache folder is known".into(), |cache| format!("no {name} in {}", cache.display())))
    })
}

fn inside(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
    }
    path.is_file().then(|| path.to_path_buf())
}

/// What to do about missing weights, in one sentence.
pub(crate) fn how_to_get_them() -> String {
    format!(
        "run `cargo xtask assets inception`, or fetch {URL} and set eval.weights or FRUGAN_WEIGHTS to it, or set \
         eval.network = \"random\""
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_order_is_given_variable_cache() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let file = folder.path().join(name).join(NAMES[3]);
            std::fs::create_dir(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "weights").unwrap();
            file
        };
        let (given, variable, cache) = (place("given"), place("variable"), place("cache"));
        let (dir, cache_dir) = (variable.parent(), cache.parent());
        assert_eq!(search(Some(&given), dir, cache_dir, false).unwrap(), given);
        assert_eq!(search(None, dir, cache_dir, false).unwrap(), variable);
        assert_eq!(search(None, None, cache_dir, false).unwrap(), cache);
        let error = search(Some(folder.path()), dir, cache_dir, false).unwrap_err().to_string();
        assert!(error.contains("holds none of pt_inception"), "{error}");
        let error = search(None, None, Some(folder.path()), false).unwrap_err().to_string();
        assert!(error.contains("cargo xtask assets inception"), "{error}");
    }
    #[test]
    fn lpips_lies_where_the_variable_points_or_in_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let place = |folder_name: &str, name: &str| {
            let file = folder.path().join(folder_name).join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "weights").unwrap();
            file
        };
        let (inception, cached) = (place("variable", NAMES[0]), place("cache", "lpips-vgg16.safetensors"));
        let (variable, cache) = (inception.parent(), cached.parent());
        let find = |given, variable| search_lpips(LpipsNet::Vgg16, given, variable, cache);
        assert_eq!(find(None, None).unwrap(), cached);
        assert_eq!(find(None, Some(inception.as_path())).unwrap(), cached);
        let error = find(None, variable).unwrap_err().to_string();
        assert!(error.contains("FRUGAN_WEIGHTS = ") && error.contains("holds no lpips-vgg16"), "{error}");
        let beside = place("variable", "lpips-vgg16.safetensors");
        assert_eq!(find(None, variable).unwrap(), beside);
        assert_eq!(find(None, Some(inception.as_path())).unwrap(), beside);
        assert_eq!(find(cache, variable).unwrap(), cached);
        assert_eq!(find(Some(beside.as_path()), None).unwrap(), beside);
        assert!(find(Some(Path::new("nowhere")), variable).unwrap_err().to_string().contains("no such file"));
    }
}
