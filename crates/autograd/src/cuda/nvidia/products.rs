//! Products by cuBLASLt, with accumulation in F32 (F64 for F64), and TF32 where it is allowed.

use std::collections::BTreeMap;
use std::ffi::c_void;

use candle_core::{Error, Result};
use cudarc::cublaslt::{result, sys};

use super::libraries;
use crate::cuda::libraries::Part;
use crate::cuda::library::ProductCall;
use crate::cuda::texts::Element;

/// Bytes that a product may use beside its operands.
const MOST_WORKSPACE: usize = 32 << 20;

fn failed(what: &str) -> impl FnOnce(result::CublasError) -> Error + '_ {
    move |error| Error::Msg(format!("cuBLASLt: {what}: {error}"))
}

/// The library's handle, and how each product is done.
#[derive(Debug)]
pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    plans: BTreeMap<ProductCall, Option<Plan>>,
}

#[derive(Debug)]
struct Plan {
    product: sys::cublasLtMatmulDesc_t,
    /// Of the left operand, the right one and the result, as column-major matrices.
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
    workspace: usize,
}

impl Products {
    /// `None` where the library is not found; why it cannot be used, if so.
    pub(super) fn open_if_found() -> std::result::Result<Option<Self>, String> {
        // SAFETY: only opens the library, and asks for its version.
        let version = || unsafe { sys::is_culib_present().then(|| sys::cublasLtGetVersion()) };
        let Some(name) = libraries::found(Part::CublasLt, version)? else { return Ok(None) };
        let handle = result::create_handle().map_err(|error| format!("{name}: no handle: {error}"))?;
        Ok(Some(Self { handle, plans: BTreeMap::new() }))
    }

    pub(super) fn knows(&self, call: &ProductCall) -> bool {
        self.plans.contains_key(call)
    }

    /// Bytes that the product needs; the first time that the library has no way to do it why, and `None` from then on.
    pub(super) fn plan(&mut self, call: &ProductCall) -> std::result::Result<Option<usize>, String> {
        if let Some(known) = self.plans.get(call) {
            return Ok(known.as_ref().map(|plan| plan.workspace));
        }
        let plan = Plan::new(self.handle, call).map_err(|error| error.to_string());
        let workspace = plan.as_ref().map(|plan| Some(plan.workspace)).map_err(Clone::clone);
        self.plans.insert(*call, plan.ok());
        workspace
    }

    /// Queues a product that was planned.
    ///
    /// # Safety
    /// The addresses hold the call's arrays, and as much workspace as its plan says.
    pub(super) unsafe fn run(
        &self,
        call: &ProductCall,
        [a, b, out]: [u64; 3],
        workspace: u64,
        stream: sys::cudaStream_t,
    ) -> Result<()> {
        let Some(Some(plan)) = self.plans.get(call) else { candle_core::bail!("cuBLASLt: a product without a plan") };
        let (one, zero) = ((1.0f32, 1.0f64), (0.0f32, 0.0f64));
        let scalar = |pair: &(f32, f64)| match call.element {
            Element::F64 => (&raw const pair.1).cast::<c_void>(),
            _ => (&raw const pair.0).cast::<c_void>(),
        };
        let [left, right, result_layout] = plan.layouts;
        // SAFETY: live descriptors, and by the caller's promise the arrays. Column-major, the result's transpose is the
        // product of the right operand's and the left one's.
        unsafe {
            result::matmul(
                self.handle,
                plan.product,
                scalar(&one),
                scalar(&zero),
                b as *const c_void,
                left,
                a as *const c_void,
                right,
                out as *const c_void,
                result_layout,
                out as *mut c_void,
                result_layout,
                &raw const plan.algorithm,
                workspace as *mut c_void,
                plan.workspace,
                stream,
            )
        }
        .map_err(failed("product"))
    }
}

impl Plan {
    fn new(handle: sys::cublasLtHandle_t, call: &ProductCall) -> Result<Self> {
        let ProductCall { element, tf32, batch, m, k, n, flip_a, flip_b } = *call;
        use sys::cublasComputeType_t::{CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_64F};
        use sys::cudaDataType_t::{CUDA_R_16BF, CUDA_R_16F, CUDA_R_32F, CUDA_R_64F};
        let (data, compute, scale) = match element {
            Element::F32 if tf32 => (CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F),
            Element::F32 => (CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F),
            Element::F64 => (CUDA_R_64F, CUBLAS_COMPUTE_64F, CUDA_R_64F),
            Element::Bf16 => (CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F),
            Element::F16 => (CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F),
        };
        let product = result::create_matmul_desc(compute, scale).map_err(failed("no description"))?;
        use sys::cublasLtMatmulDescAttributes_t::{CUBLASLT_MATMUL_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSB};
        for (attribute, flipped) in [(CUBLASLT_MATMUL_DESC_TRANSA, flip_b), (CUBLASLT_MATMUL_DESC_TRANSB, flip_a)] {
            // CUBLAS_OP_T and CUBLAS_OP_N, which these bindings do not name.
            let operation = i32::from(flipped);
            // SAFETY: a live description, and an attribute of that type.
            unsafe {
                let value = (&raw const operation).cast();
                result::set_matmul_desc_attribute(product, attribute, value, size_of_val(&operation))
            }
            .map_err(failed("no transposition"))?;
        }
        // A row-major [r, c] is a column-major [c, r].
        let matrix = |[rows, columns]: [usize; 2]| layout(data, [columns, rows], batch);
        let left = matrix(if flip_b { [n, k] } else { [k, n] })?;
        let right = matrix(if flip_a { [k, m] } else { [m, k] })?;
        let layouts = [left, right, matrix([m, n])?];
        let preference = result::create_matmul_pref().map_err(failed("no preference"))?;
        let [left, right, out] = layouts;
        // SAFETY: live descriptors; the preference goes when it was asked.
        let found = unsafe {
            prefer(preference)?;
            let found = result::get_matmul_algo_heuristic(handle, product, left, right, out, out, preference);
            result::destroy_matmul_pref(preference).map_err(failed("no preference"))?;
            found
        }
        .map_err(failed("no algorithm"))?;
        Ok(Self { product, layouts, algorithm: found.algo, workspace: found.workspaceSize })
    }
}

/// What algorithms may do: use so much memory, and, where they split sums, add up the parts in the arithmetic's type, in a row that is
/// always the same. The library's default lets them add up in the result's type, which for halves is no accumulation in F32.
///
/// # Safety
/// The preference is alive.
unsafe fn prefer(preference: sys::cublasLtMatmulPreference_t) -> Result<()> {
    use sys::cublasLtMatmulPreferenceAttributes_t::{
        CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
    };
    use sys::cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    let (most, sums) = (MOST_WORKSPACE, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32);
    // SAFETY: the caller's preference, and attributes of those types.
    unsafe {
        let (attribute, value) = (CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, (&raw const most).cast());
        result::set_matmul_pref_attribute(preference, attribute, value, size_of_val(&most))
            .map_err(failed("no workspace"))?;
        let (attribute, value) = (CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, (&raw const sums).cast());
        result::set_matmul_pref_attribute(preference, attribute, value, size_of_val(&sums))
            .map_err(failed("no way to add up"))
    }
}

/// A column-major matrix, `batch` of them behind one another.
fn layout(data: sys::cudaDataType, [rows, columns]: [usize; 2], batch: usize) -> Result<sys::cublasLtMatrixLayout_t> {
    let layout =
        result::create_matrix_layout(data, rows as u64, columns as u64, rows as i64).map_err(failed("no layout"))?;
    use sys::cublasLtMatrixLayoutAttribute_t::{
        CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
    };
    let (count, offset) = (batch as i32, (rows * columns) as i64);
    // SAFETY: a live layout, and attributes of those types.
    unsafe {
        let value = (&raw const count).cast();
        result::set_matrix_layout_attribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, value, size_of::<i32>())
            .map_err(failed("no batch"))?;
        let value = (&raw const offset).cast();
        result::set_matrix_layout_attribute(
            layout,
            CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
            value,
            size_of::<i64>(),
        )
        .map_err(failed("no batch"))?;
    }
    Ok(layout)
}
