//! One verified download: to a temporary name, checked, then renamed.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// More than this is no weights file.
const LARGEST: u64 = 1 << 30;

/// Fetches `url` to `file`, which comes to be only if its content has this sha256.
pub(crate) fn fetch(url: &str, sha256: &str, file: &Path) -> Result<PathBuf> {
    let failed = |reason: String| Error::Download { url: url.to_string(), reason };
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let timeouts = ureq::Agent::config_builder().timeout_connect(Some(std::time::Duration::from_secs(20)));
    let agent: ureq::Agent = timeouts.build().into();
    let mut response = agent.get(url).call().map_err(|e| failed(e.to_string()))?;
    let mut body = response.body_mut().with_config().limit(LARGEST).reader();
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(|e| Error::io(folder, e))?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let n = body.read(&mut block).map_err(|e| failed(format!("broke off: {e}")))?;
        if n == 0 {
            break;
        }
        hash.update(&block[..n]);
        part.write_all(&block[..n]).map_err(|e| Error::io(part.path(), e))?;
    }
    let got = format!("{:x}", hash.finalize());
    if got != sha256 {
        return Err(failed(format!("its sha256 is {got}, expected {sha256}; nothing was kept")));
    }
    part.as_file().sync_all().map_err(|e| Error::io(part.path(), e))?;
    part.persist(file).map_err(|e| Error::io(file, e.error))?;
    Ok(file.to_path_buf())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with `body`, and says where.
    fn serve(body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _request: Vec<_> = lines.map_while(|line| line.ok().filter(|line| !line.is_empty())).collect();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).unwrap();
        });
        format!("http://{address}/weights.pth")
    }

    #[test]
    fn keeps_only_what_has_the_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/weights.pth");
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let error = fetch(&serve("abcd"), abc, &file).unwrap_err().to_string();
        assert!(error.contains("nothing was kept"), "{error}");
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 0);
        assert_eq!(fetch(&serve("abc"), abc, &file).unwrap(), file);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "abc");
    }
}
