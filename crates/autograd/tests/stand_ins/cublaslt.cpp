// A stand-in for NVIDIA's cuBLASLt (libcublasLt.so.13): products of column-major matrices, strided in batches, one number after the
// other. What the documentation asks of descriptions, alignments and workspaces is looked at.

#include <algorithm>

#include "queue.h"

namespace {

enum Status { SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { COMPUTE_32F = 68, COMPUTE_64F = 70, COMPUTE_32F_FAST_TF32 = 77 };

struct Product {
    int compute, scale;
    int flip_a = 0, flip_b = 0;
};

struct Layout {
    int type;
    uint64_t rows, columns;
    int64_t leading;
    int batch = 1;
    int64_t stride = 0;
};

struct Preference {
    size_t workspace = 0;
    uint32_t sums = 7;
};

struct Algorithm {
    uint64_t data[8];
};

struct Heuristic {
    Algorithm algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};

bool type_of(int code, Type& type) {
    switch (code) {
        case 0: type = Type::F32; return true;
        case 1: type = Type::F64; return true;
        case 2: type = Type::F16; return true;
        case 14: type = Type::BF16; return true;
        default: return false;
    }
}

// What an algorithm is good for: it may not be used for another product.
uint64_t kind_of(const Product& product, const Layout& a, const Layout& b, const Layout& d) {
    uint64_t kind = 14695981039346656037u;
    const auto mix = [&](uint64_t v) { kind = (kind ^ v) * 1099511628211u; };
    for (int v : {product.compute, product.scale, product.flip_a, product.flip_b}) mix(uint64_t(v));
    for (const Layout* of : {&a, &b, &d}) {
        for (int64_t v : {int64_t(of->type), int64_t(of->rows), int64_t(of->columns), of->leading, int64_t(of->batch), of->stride}) {
            mix(uint64_t(v));
        }
    }
    return kind;
}

uint64_t rows_of(const Layout& matrix, int flipped) { return flipped ? matrix.columns : matrix.rows; }
uint64_t columns_of(const Layout& matrix, int flipped) { return flipped ? matrix.rows : matrix.columns; }

Status check(const Product& product, const Layout& a, const Layout& b, const Layout& d) {
    if (rows_of(a, product.flip_a) != d.rows || columns_of(b, product.flip_b) != d.columns ||
        columns_of(a, product.flip_a) != rows_of(b, product.flip_b)) {
        return refuse(INVALID_VALUE, "a product of matrices that do not fit");
    }
    const bool same = a.type == b.type && b.type == d.type;
    const bool f64 = a.type == 1 && product.compute == COMPUTE_64F && product.scale == 1;
    const bool f32 = a.type == 0 && (product.compute == COMPUTE_32F || product.compute == COMPUTE_32F_FAST_TF32);
    const bool half = (a.type == 2 || a.type == 14) && product.compute == COMPUTE_32F;
    if (!same || !(f64 || ((f32 || half) && product.scale == 0))) {
        return refuse(NOT_SUPPORTED, "types %d, %d to %d in arithmetic %d", a.type, b.type, d.type, product.compute);
    }
    for (const Layout* of : {&a, &b, &d}) {
        if (of->leading < int64_t(of->rows) || of->rows == 0 || of->columns == 0 || of->batch != d.batch) {
            return refuse(INVALID_VALUE, "a matrix of %lu x %lu by %ld, %d times", of->rows, of->columns, of->leading, of->batch);
        }
    }
    return SUCCESS;
}

template <typename T>
Status set(T& value, const void* given, size_t size) {
    if (size != sizeof(T)) return refuse(INVALID_VALUE, "an attribute of %zu bytes in place of %zu", size, sizeof(T));
    std::memcpy(&value, given, size);
    return SUCCESS;
}

}  // namespace

extern "C" {

size_t cublasLtGetVersion() { return 130000; }

int cublasLtCreate(void** handle) {
    *handle = new int;
    return SUCCESS;
}

int cublasLtMatmulDescCreate(Product** product, int compute, int scale) {
    *product = new Product{compute, scale};
    return SUCCESS;
}

int cublasLtMatmulDescSetAttribute(Product* product, int attribute, const void* value, size_t size) {
    int flip = 0;
    if (set(flip, value, size)) return INVALID_VALUE;
    if ((attribute != 3 && attribute != 4) || (flip != 0 && flip != 1)) return refuse(INVALID_VALUE, "attribute %d of a product", attribute);
    (attribute == 3 ? product->flip_a : product->flip_b) = flip;
    return SUCCESS;
}

int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    *layout = new Layout{type, rows, columns, leading};
    return SUCCESS;
}

int cublasLtMatrixLayoutSetAttribute(Layout* layout, int attribute, const void* value, size_t size) {
    if (attribute == 5) return set(layout->batch, value, size);
    if (attribute == 6) return set(layout->stride, value, size);
    return refuse(INVALID_VALUE, "attribute %d of a matrix", attribute);
}

int cublasLtMatmulPreferenceCreate(Preference** preference) {
    *preference = new Preference;
    return SUCCESS;
}

int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value, size_t size) {
    if (attribute == 1) return set(preference->workspace, value, size);
    if (attribute == 3) return set(preference->sums, value, size);
    return refuse(INVALID_VALUE, "attribute %d of a preference", attribute);
}

int cublasLtMatmulPreferenceDestroy(Preference* preference) {
    delete preference;
    return SUCCESS;
}

// Products that are long and thin want a workspace, as where the real one splits sums.
int cublasLtMatmulAlgoGetHeuristic(void*, const Product* product, const Layout* a, const Layout* b, const Layout* c, const Layout* d,
    const Preference* preference, int wanted, Heuristic* found, int* count) {
    *count = 0;
    // Results that repeat, and sums of halves in F32: parts may be added up in the arithmetic's type alone.
    if (preference->sums != 2) return refuse(INVALID_VALUE, "a product whose parts may be added up by %u", preference->sums);
    if (c != d || wanted < 1) return refuse(INVALID_VALUE, "a product that adds to another matrix");
    if (Status status = check(*product, *a, *b, *d)) return status;
    std::memset(found, 0, sizeof *found);
    found->algorithm.data[0] = kind_of(*product, *a, *b, *d);
    found->workspace = std::min<size_t>(preference->workspace, 8 * columns_of(*a, product->flip_a));
    found->algorithm.data[1] = found->workspace;
    *count = 1;
    return SUCCESS;
}

int cublasLtMatmul(void*, const Product* product, const void* alpha, const void* a, const Layout* at, const void* b, const Layout* bt,
    const void* beta, const void* c, const Layout* ct, void* d, const Layout* dt, const Algorithm* algorithm, void* workspace,
    size_t room, void* stream) {
    if (Status status = check(*product, *at, *bt, *dt)) return status;
    const double one = product->scale == 1 ? *static_cast<const double*>(alpha) : *static_cast<const float*>(alpha);
    const double zero = product->scale == 1 ? *static_cast<const double*>(beta) : *static_cast<const float*>(beta);
    if (one != 1 || zero != 0 || c != d || ct != dt) return refuse(INVALID_VALUE, "a product with factors, or to be added");
    if (!algorithm || algorithm->data[0] != kind_of(*product, *at, *bt, *dt)) {
        return refuse(INVALID_VALUE, "an algorithm that was found for another product");
    }
    if (room < algorithm->data[1] || (algorithm->data[1] > 0 && !workspace)) return refuse(INVALID_VALUE, "too little workspace");
    // The preference's least alignments were left at what they are, 256 bytes.
    for (const void* pointer : {a, b, static_cast<const void*>(d), static_cast<const void*>(workspace)}) {
        if (reinterpret_cast<uintptr_t>(pointer) % 256 != 0) return refuse(INVALID_VALUE, "an array at %p, not at 256 bytes", pointer);
    }
    Type type;
    if (!type_of(dt->type, type)) return NOT_SUPPORTED;
    const Product how = *product;
    const Layout left = *at, right = *bt, out = *dt;
    const bool tf32 = how.compute == COMPUTE_32F_FAST_TF32;
    const auto work = [=] {
        // As where the real one splits sums: whoever else uses this memory meanwhile loses it.
        if (workspace) std::memset(workspace, 0xff, room);
        const uint64_t inner = columns_of(left, how.flip_a);
        for (int batch = 0; batch < out.batch; batch++) {
            for (uint64_t column = 0; column < out.columns; column++) {
                for (uint64_t row = 0; row < out.rows; row++) {
                    double sum = 0;
                    for (uint64_t k = 0; k < inner; k++) {
                        const uint64_t i = how.flip_a ? k + row * left.leading : row + k * left.leading;
                        const uint64_t j = how.flip_b ? column + k * right.leading : k + column * right.leading;
                        const double u = load(a, i + batch * left.stride, type), v = load(b, j + batch * right.stride, type);
                        sum += tf32 ? as_tf32(u) * as_tf32(v) : u * v;
                    }
                    store(d, row + column * out.leading + batch * out.stride, type, sum);
                }
            }
        }
    };
    return queue(stream, work) ? SUCCESS : INVALID_VALUE;
}

}  // extern "C"
