// A stand-in for NVIDIA's cuDNN (libcudnn.so.9): convolutions of images in both orders, one number after the other. Of each it offers
// several ways: the first gives other results every time, the second is TF32 where that is allowed, two more do not do what they were offered
// for, and the last does.

#include <vector>

#include "queue.h"

namespace {

enum Status { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };
enum Math { DEFAULT_MATH = 0, TENSOR_OP_MATH = 1, FMA_MATH = 3 };

// Four sizes of an array, in the order of NCHW whatever order it lies in.
struct Array {
    int type = -1, format = 0;
    int sizes[4] = {};

    size_t at(int n, int c, int h, int w) const {
        if (format == 1) return ((size_t(n) * sizes[2] + h) * sizes[3] + w) * sizes[1] + c;
        return ((size_t(n) * sizes[1] + c) * sizes[2] + h) * sizes[3] + w;
    }

    Type element() const { return type == 0 ? Type::F32 : type == 9 ? Type::BF16 : Type::F16; }
};

struct Convolution {
    int padding[2], stride[2];
    int math = DEFAULT_MATH;
};

struct Handle {
    void* stream = nullptr;
};

struct Offer {
    int algorithm, status;
    float time;
    size_t memory;
    int determinism, math;
    int reserved[3];
};

constexpr int NOT_DETERMINISTIC = 0, TF32 = 1, MEANT = 2, REFUSED = 3, FAILS = 4;
constexpr size_t WORKSPACE = 4096;

Status check(const Array& input, const Array& filter, const Array& output, const Convolution& how) {
    for (const Array* of : {&input, &filter, &output}) {
        if (of->type != input.type || (of->type != 0 && of->type != 2 && of->type != 9) || of->format != input.format) {
            return refuse(BAD_PARAM, "arrays of types %d and %d in orders %d and %d", of->type, input.type, of->format, input.format);
        }
        for (int size : of->sizes) {
            if (size < 1) return refuse(BAD_PARAM, "an array of size %d", size);
        }
    }
    const bool channels = input.sizes[1] == filter.sizes[1] && output.sizes[1] == filter.sizes[0] && input.sizes[0] == output.sizes[0];
    if (!channels) return refuse(BAD_PARAM, "channels or images that do not fit");
    for (int axis : {0, 1}) {
        const int in = input.sizes[2 + axis] + 2 * how.padding[axis] - filter.sizes[2 + axis];
        if (in < 0 || in / how.stride[axis] + 1 != output.sizes[2 + axis]) {
            return refuse(BAD_PARAM, "%d by %d is not %d", input.sizes[2 + axis], filter.sizes[2 + axis], output.sizes[2 + axis]);
        }
    }
    return SUCCESS;
}

Status offer(const Array* input, const Array* filter, const Array* output, const Convolution* how, int wanted, int* count, Offer* offers) {
    *count = 0;
    if (Status status = check(*input, *filter, *output, *how)) return status;
    // As the real one has no algorithm for some shapes.
    if (filter->sizes[2] == 5 && filter->sizes[3] == 3) return SUCCESS;
    const int plain = how->math == FMA_MATH ? FMA_MATH : DEFAULT_MATH;
    std::vector<Offer> all;
    all.push_back({NOT_DETERMINISTIC, SUCCESS, 1, 0, 0, how->math, {}});
    if (input->type == 0 && how->math == DEFAULT_MATH) all.push_back({TF32, SUCCESS, 2, WORKSPACE, 1, TENSOR_OP_MATH, {}});
    all.push_back({REFUSED, SUCCESS, 2.5, WORKSPACE, 1, plain, {}});
    all.push_back({FAILS, SUCCESS, 2.7, WORKSPACE, 1, plain, {}});
    all.push_back({MEANT, SUCCESS, 3, WORKSPACE, 1, plain, {}});
    for (const Offer& one : all) {
        if (*count < wanted) offers[(*count)++] = one;
    }
    return SUCCESS;
}

// An array's numbers in double, channel by channel whatever order it lies in.
struct Numbers {
    const Array of;
    std::vector<double> values;

    explicit Numbers(const Array& of) : of(of), values(size_t(of.sizes[0]) * of.sizes[1] * of.sizes[2] * of.sizes[3], 0.0) {}

    Numbers(const Array& of, const void* array, bool tf32) : Numbers(of) {
        each([&](double& value, size_t at) {
            const double v = load(array, at, this->of.element());
            value = tf32 ? as_tf32(v) : v;
        });
    }

    void write(void* array) {
        each([&](double& value, size_t at) { store(array, at, of.element(), value); });
    }

    double* row(int n, int c, int h) { return &values[((size_t(n) * of.sizes[1] + c) * of.sizes[2] + h) * of.sizes[3]]; }

  private:
    template <typename Do>
    void each(Do work) {
        size_t i = 0;
        for (int n = 0; n < of.sizes[0]; n++) {
            for (int c = 0; c < of.sizes[1]; c++) {
                for (int h = 0; h < of.sizes[2]; h++) {
                    for (int w = 0; w < of.sizes[3]; w++) work(values[i++], of.at(n, c, h, w));
                }
            }
        }
    }
};

// Calls take(x, w, y, count) of pieces of rows that one number of the filter brings together: x[stride * k] w is a part of y[k].
template <typename Take>
void meet(Numbers& input, Numbers& filter, Numbers& output, const Convolution& how, Take take) {
    const int *in = input.of.sizes, *k = filter.of.sizes, *out = output.of.sizes;
    for (int n = 0; n < out[0]; n++) {
        for (int o = 0; o < out[1]; o++) {
            for (int c = 0; c < in[1]; c++) {
                for (int i = 0; i < k[2]; i++) {
                    for (int y = 0; y < out[2]; y++) {
                        const int h = y * how.stride[0] + i - how.padding[0];
                        if (h < 0 || h >= in[2]) continue;
                        for (int j = 0; j < k[3]; j++) {
                            int first = 0, end = out[3];
                            const int shift = j - how.padding[1], step = how.stride[1];
                            while (first < end && first * step + shift < 0) first++;
                            while (end > first && (end - 1) * step + shift >= in[3]) end--;
                            if (first == end) continue;
                            double* x = input.row(n, c, h) + first * step + shift;
                            take(x, filter.row(o, c, i)[j], output.row(n, o, y) + first, end - first);
                        }
                    }
                }
            }
        }
    }
}

Status workspace_of(const Array& input, const Array& filter, const Array& output, const Convolution& how, int algorithm, size_t* bytes) {
    if (Status status = check(input, filter, output, how)) return status;
    if (algorithm == REFUSED) return NOT_SUPPORTED;
    *bytes = WORKSPACE;
    return SUCCESS;
}

enum Pass { OUTPUT, INPUT, FILTER };

Status run(Pass pass, const Handle* handle, const void* alpha, const void* a, const void* b, void* out, const Array* inputs,
    const Array* filters, const Array* outputs, const Convolution* convolution, int algorithm, void* workspace, size_t room,
    const void* beta) {
    if (Status status = check(*inputs, *filters, *outputs, *convolution)) return status;
    if (*static_cast<const float*>(alpha) != 1 || *static_cast<const float*>(beta) != 0) return refuse(BAD_PARAM, "factors");
    const bool tf32 = algorithm == TF32;
    // Not told: a caller that looks for one that works may ask.
    if (algorithm == FAILS) return NOT_SUPPORTED;
    if (algorithm != TF32 && algorithm != MEANT) return refuse(BAD_PARAM, "algorithm %d gives other results every time", algorithm);
    // As the algorithm was offered.
    const int offered = tf32 ? TENSOR_OP_MATH : inputs->type == 0 && convolution->math == FMA_MATH ? FMA_MATH : DEFAULT_MATH;
    if (convolution->math != offered) return refuse(BAD_PARAM, "an algorithm of arithmetic %d in %d", offered, convolution->math);
    if (room < WORKSPACE || !workspace) return refuse(BAD_PARAM, "too little workspace");
    for (const void* pointer : {a, b, static_cast<const void*>(out), static_cast<const void*>(workspace)}) {
        if (reinterpret_cast<uintptr_t>(pointer) % 16 != 0) return refuse(BAD_PARAM, "an array at %p, not at 16 bytes", pointer);
    }
    const Array input = *inputs, filter = *filters, output = *outputs;
    const Convolution how = *convolution;
    const auto work = [=] {
        std::memset(workspace, 0xff, WORKSPACE);
        const int step = how.stride[1];
        if (pass == OUTPUT) {
            Numbers x(input, a, tf32), w(filter, b, tf32), y(output);
            meet(x, w, y, how, [step](const double* x, double w, double* y, int count) {
                for (int k = 0; k < count; k++) y[k] += x[step * k] * w;
            });
            y.write(out);
        } else if (pass == INPUT) {
            Numbers w(filter, a, tf32), y(output, b, tf32), x(input);
            meet(x, w, y, how, [step](double* x, double w, const double* y, int count) {
                for (int k = 0; k < count; k++) x[step * k] += w * y[k];
            });
            x.write(out);
        } else {
            Numbers x(input, a, tf32), y(output, b, tf32), w(filter);
            meet(x, w, y, how, [step](const double* x, double& w, const double* y, int count) {
                for (int k = 0; k < count; k++) w += x[step * k] * y[k];
            });
            w.write(out);
        }
    };
    return queue(handle->stream, work) ? SUCCESS : refuse(BAD_PARAM, "no stream");
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return 91900; }

int cudnnCreate(Handle** handle) {
    *handle = new Handle;
    return SUCCESS;
}

int cudnnSetStream(Handle* handle, void* stream) {
    handle->stream = stream;
    return SUCCESS;
}

int cudnnCreateTensorDescriptor(Array** array) {
    *array = new Array;
    return SUCCESS;
}

int cudnnSetTensor4dDescriptor(Array* array, int format, int type, int n, int c, int h, int w) {
    *array = {type, format, {n, c, h, w}};
    return SUCCESS;
}

int cudnnCreateFilterDescriptor(Array** filter) { return cudnnCreateTensorDescriptor(filter); }

int cudnnSetFilter4dDescriptor(Array* filter, int type, int format, int k, int c, int h, int w) {
    return cudnnSetTensor4dDescriptor(filter, format, type, k, c, h, w);
}

int cudnnCreateConvolutionDescriptor(Convolution** convolution) {
    *convolution = new Convolution{};
    return SUCCESS;
}

int cudnnSetConvolution2dDescriptor(Convolution* convolution, int pad_h, int pad_w, int u, int v, int dilation_h, int dilation_w,
    int mode, int compute) {
    if (dilation_h != 1 || dilation_w != 1 || mode != 1 || compute != 0 || u < 1 || v < 1) return refuse(BAD_PARAM, "another convolution");
    *convolution = {{pad_h, pad_w}, {u, v}};
    return SUCCESS;
}

int cudnnSetConvolutionMathType(Convolution* convolution, int math) {
    convolution->math = math;
    return SUCCESS;
}

int cudnnGetConvolutionForwardAlgorithm_v7(Handle*, const Array* input, const Array* filter, const Convolution* how, const Array* output,
    int wanted, int* count, Offer* offers) {
    return offer(input, filter, output, how, wanted, count, offers);
}

int cudnnGetConvolutionBackwardDataAlgorithm_v7(Handle*, const Array* filter, const Array* output, const Convolution* how,
    const Array* input, int wanted, int* count, Offer* offers) {
    return offer(input, filter, output, how, wanted, count, offers);
}

int cudnnGetConvolutionBackwardFilterAlgorithm_v7(Handle*, const Array* input, const Array* output, const Convolution* how,
    const Array* filter, int wanted, int* count, Offer* offers) {
    return offer(input, filter, output, how, wanted, count, offers);
}

int cudnnGetConvolutionForwardWorkspaceSize(Handle*, const Array* input, const Array* filter, const Convolution* how,
    const Array* output, int algorithm, size_t* bytes) {
    return workspace_of(*input, *filter, *output, *how, algorithm, bytes);
}

int cudnnGetConvolutionBackwardDataWorkspaceSize(Handle*, const Array* filter, const Array* output, const Convolution* how,
    const Array* input, int algorithm, size_t* bytes) {
    return workspace_of(*input, *filter, *output, *how, algorithm, bytes);
}

int cudnnGetConvolutionBackwardFilterWorkspaceSize(Handle*, const Array* input, const Array* output, const Convolution* how,
    const Array* filter, int algorithm, size_t* bytes) {
    return workspace_of(*input, *filter, *output, *how, algorithm, bytes);
}

int cudnnConvolutionForward(Handle* handle, const void* alpha, const Array* input, const void* x, const Array* filter, const void* w,
    const Convolution* how, int algorithm, void* workspace, size_t room, const void* beta, const Array* output, void* y) {
    return run(OUTPUT, handle, alpha, x, w, y, input, filter, output, how, algorithm, workspace, room, beta);
}

int cudnnConvolutionBackwardData(Handle* handle, const void* alpha, const Array* filter, const void* w, const Array* output,
    const void* dy, const Convolution* how, int algorithm, void* workspace, size_t room, const void* beta, const Array* input, void* dx) {
    return run(INPUT, handle, alpha, w, dy, dx, input, filter, output, how, algorithm, workspace, room, beta);
}

int cudnnConvolutionBackwardFilter(Handle* handle, const void* alpha, const Array* input, const void* x, const Array* output,
    const void* dy, const Convolution* how, int algorithm, void* workspace, size_t room, const void* beta, const Array* filter, void* dw) {
    return run(FILTER, handle, alpha, x, dy, dw, input, filter, output, how, algorithm, workspace, room, beta);
}

const char* cudnnGetErrorString(int) { return "told by the stand-in"; }

}  // extern "C"
