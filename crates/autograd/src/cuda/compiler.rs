//! NVRTC: kernel texts to machine code for one architecture, without a GPU, a driver or a toolkit.

use std::ffi::{CStr, CString};
use std::sync::OnceLock;

use candle_core::{Error, Result, bail};
use cudarc::nvrtc::{result, sys};

use super::cache;
use super::texts::{Element, Text};

/// An NVRTC that can be called.
#[derive(Debug)]
pub(crate) struct Compiler {
    version: String,
}

/// The machine code of a text for one element type and architecture such as `sm_90` that came with the program, if some did.
pub(crate) fn came_with_program(text: &Text, element: Element, arch: &str) -> Result<Option<Vec<u8>>> {
    let path = cache::beside_program(&name_beside_program(text, element, arch));
    Ok(path.map(std::fs::read).transpose()?)
}

/// The machine code of a text by NVRTC, which is opened when it is first needed.
pub(crate) fn compiled(text: &Text, element: Element, arch: &str) -> Result<Vec<u8>> {
    static COMPILER: OnceLock<std::result::Result<Compiler, String>> = OnceLock::new();
    match COMPILER.get_or_init(|| Compiler::open().map_err(|error| error.to_string())) {
        Ok(compiler) => compiler.cubin(text, element, arch),
        Err(why) => bail!("kernels for {arch} cannot be compiled: {why}"),
    }
}

/// A file's name for code that any NVRTC may have made of this text.
pub(crate) fn name_beside_program(text: &Text, element: Element, arch: &str) -> String {
    cache::name(&[&text.source(element), &options(arch).join(" "), arch], "cubin")
}

impl Compiler {
    pub(crate) fn open() -> Result<Self> {
        #[cfg(feature = "cuda")]
        let found = Self::find()?;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: writes two numbers.
        unsafe { sys::nvrtcVersion(&mut major, &mut minor) }
            .result()
            .map_err(|error| Error::Msg(format!("NVRTC tells no version: {error:?}")))?;
        let version = format!("{major}.{minor}");
        #[cfg(feature = "cuda")]
        if version != found.version {
            bail!(
                "NVRTC {} is at {}, and its name leads to {version}; put its folder on LD_LIBRARY_PATH",
                found.version,
                found.path.display()
            )
        }
        Ok(Self { version })
    }

    /// Opens it for the whole process, so that cudarc's lookup by name meets this library.
    #[cfg(feature = "cuda")]
    fn find() -> Result<super::libraries::Found> {
        use super::libraries::{Part, find};
        let found = find(Part::Nvrtc).map_err(|missing| Error::Msg(missing.to_string()))?;
        // SAFETY: only opens the library.
        if !unsafe { sys::is_culib_present() } {
            bail!("NVRTC at {} cannot be opened by name; put its folder on LD_LIBRARY_PATH", found.path.display())
        }
        Ok(found)
    }

    /// The machine code of a text for one element type and architecture such as `sm_90`; from disk if it was compiled
    /// before.
    fn cubin(&self, text: &Text, element: Element, arch: &str) -> Result<Vec<u8>> {
        let source = text.source(element);
        let name = cache::name(&[&source, &options(arch).join(" "), arch, &self.version], "cubin");
        let file = cache::file(&name, |partial| Ok(std::fs::write(partial, self.compile(text, &source, arch)?)?))?;
        Ok(std::fs::read(file)?)
    }

    /// Compiles, whatever lies on disk.
    pub(crate) fn compile(&self, text: &Text, source: &str, arch: &str) -> Result<Vec<u8>> {
        let name = CString::new(format!("{}.cu", text.name)).map_err(|error| Error::Msg(error.to_string()))?;
        let source = CString::new(source).map_err(|error| Error::Msg(format!("{}.cu: {error}", text.name)))?;
        let failed = |what: &str, error: &dyn std::fmt::Debug| {
            Error::Msg(format!("{}.cu for {arch}: {what}: {error:?}", text.name))
        };
        let program = result::create_program(&source, Some(&name)).map_err(|e| failed("no program", &e))?;
        // SAFETY: the program lives until it is destroyed below; buffers have the sizes that NVRTC asks for.
        unsafe {
            if let Err(error) = result::compile_program(program, &options(arch)) {
                let log = result::get_program_log(program).map_err(|e| failed("no log", &e))?;
                let log = CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned();
                result::destroy_program(program).map_err(|e| failed("not destroyed", &e))?;
                bail!("{}.cu for {arch} does not compile: {error:?}: {log}", text.name)
            }
            let mut size = 0;
            sys::nvrtcGetCUBINSize(program, &raw mut size).result().map_err(|e| failed("no size", &e))?;
            let mut code = vec![0u8; size];
            sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result().map_err(|e| failed("no code", &e))?;
            result::destroy_program(program).map_err(|e| failed("not destroyed", &e))?;
            Ok(code)
        }
    }
}

/// No fast math: results are compared with the CPU's. 177 would warn of every function that one text does not call.
fn options(arch: &str) -> Vec<String> {
    vec![
        format!("--gpu-architecture={arch}"),
        "--std=c++17".to_string(),
        "-default-device".to_string(),
        "-diag-suppress=177".to_string(),
    ]
}
