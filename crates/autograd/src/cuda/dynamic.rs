//! Shared libraries opened at run time.

use std::ffi::{CStr, CString, c_void};
use std::fmt;
use std::path::{Path, PathBuf};

/// An open library. Unless it is closed it stays open as long as the process: kernels and cudarc hold pointers into it.
#[derive(Clone, Copy)]
pub(crate) struct Library(*mut c_void);

// SAFETY: a handle is an opaque number to the loader, whose functions lock.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Library({:p})", self.0)
    }
}

impl Library {
    /// Opens a file, or what the loader finds by a bare name, for everyone: later opens of its name find it.
    pub(crate) fn open(name: &Path) -> Result<Self, String> {
        Self::open_with(name, libc::RTLD_GLOBAL)
    }

    /// Opens a file whose functions nobody else sees: many files may have the same ones.
    pub(crate) fn open_private(name: &Path) -> Result<Self, String> {
        Self::open_with(name, libc::RTLD_LOCAL)
    }

    fn open_with(name: &Path, visibility: i32) -> Result<Self, String> {
        let Ok(name) = CString::new(name.as_os_str().as_encoded_bytes()) else {
            return Err(format!("{} has a zero byte in its name", name.display()));
        };
        // SAFETY: a valid string; the libraries' initialisers are NVIDIA's or compiled from our texts.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | visibility) };
        if handle.is_null() { Err(last_error()) } else { Ok(Self(handle)) }
    }

    /// Forgets a library that nobody uses: later opens of its name find another.
    pub(crate) fn close(self) {
        // SAFETY: an open handle, used no more. Its error would be that it stays open.
        unsafe { libc::dlclose(self.0) };
    }

    /// The address of a function.
    pub(crate) fn symbol(self, name: &str) -> Option<*mut c_void> {
        let name = CString::new(name).ok()?;
        // SAFETY: an open handle and a valid string.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }
}

/// The file that holds a function.
pub(crate) fn file_of(symbol: *mut c_void) -> Option<PathBuf> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr fills the struct, and looks at the address as a number only.
    let found = unsafe { libc::dladdr(symbol, info.as_mut_ptr()) } != 0;
    // SAFETY: zeroed or filled, both are valid.
    let info = unsafe { info.assume_init() };
    if !found || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr gives a string that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(name.to_string_lossy().into_owned()))
}

fn last_error() -> String {
    // SAFETY: dlerror gives a string, valid until the next call on this thread, or null.
    let message = unsafe {
        let text = libc::dlerror();
        if text.is_null() { None } else { Some(CStr::from_ptr(text).to_string_lossy().into_owned()) }
    };
    message.unwrap_or_else(|| "unknown reason".to_string())
}
