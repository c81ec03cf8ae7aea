// Stands before every kernel text. NVRTC compiles the texts for a GPU; a C++ compiler compiles the same functions for the
// host, where a loop stands in for the threads: see "launch skeletons" below.
//
// FRUGAN_T is the element type in memory. Arithmetic is in A: double for double, else float.
// A kernel takes one struct by value, all of whose fields are 8 bytes wide, the first the number n of its elements or
// blocks. So the caller passes an array of words, and no layout rule can differ between compilers.

typedef long long i64;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef __CUDACC_RTC__
#define MEMBER __device__ __forceinline__
#else
#include <cmath>
#include <cstring>
#define MEMBER inline
#endif
// Free functions, and functions of a type that need no object of it.
#define DEVICE static MEMBER

// ---- element types -------------------------------------------------------------------------------------------------

DEVICE u32 bits_of(float v) {
#ifdef __CUDACC_RTC__
    return __float_as_uint(v);
#else
    u32 bits;
    memcpy(&bits, &v, 4);
    return bits;
#endif
}

DEVICE float float_of(u32 bits) {
#ifdef __CUDACC_RTC__
    return __uint_as_float(bits);
#else
    float v;
    memcpy(&v, &bits, 4);
    return v;
#endif
}

// The upper half of a float, rounded to nearest even.
struct bf16 {
    unsigned short bits;
};

// IEEE half precision.
struct f16 {
    unsigned short bits;
};

DEVICE float load(float v) { return v; }
DEVICE double load(double v) { return v; }
DEVICE float load(bf16 v) { return float_of((u32)v.bits << 16); }
DEVICE float load(f16 v) {
#ifdef __CUDACC_RTC__
    float out;
    asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(v.bits));
    return out;
#else
    _Float16 half;
    memcpy(&half, &v.bits, 2);
    return (float)half;
#endif
}

DEVICE void store(float* to, float v) { *to = v; }
DEVICE void store(double* to, double v) { *to = v; }
DEVICE void store(bf16* to, float v) {
#ifdef __CUDACC_RTC__
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to->bits) : "f"(v));
#else
    const u32 bits = bits_of(v);
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    to->bits = is_nan ? (unsigned short)(bits >> 16 | 0x40) : (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
}
DEVICE void store(f16* to, float v) {
#ifdef __CUDACC_RTC__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(v));
#else
    const _Float16 half = (_Float16)v;
    memcpy(&to->bits, &half, 2);
#endif
}

template <class S> struct Arithmetic {
    typedef float Type;
};
template <> struct Arithmetic<double> {
    typedef double Type;
};

typedef FRUGAN_T T;
typedef Arithmetic<T>::Type A;

// ---- functions of one number, in both precisions -------------------------------------------------------------------

DEVICE float exp_(float v) { return expf(v); }
DEVICE double exp_(double v) { return exp(v); }
DEVICE float log_(float v) { return logf(v); }
DEVICE double log_(double v) { return log(v); }
DEVICE float log1p_(float v) { return log1pf(v); }
DEVICE double log1p_(double v) { return log1p(v); }
DEVICE float tanh_(float v) { return tanhf(v); }
DEVICE double tanh_(double v) { return tanh(v); }
DEVICE float sqrt_(float v) { return sqrtf(v); }
DEVICE double sqrt_(double v) { return sqrt(v); }
template <class S> DEVICE S abs_(S v) { return v < S(0) ? -v : v; }
template <class S> DEVICE S min_(S a, S b) { return a < b ? a : b; }
template <class S> DEVICE S max_(S a, S b) { return a > b ? a : b; }
DEVICE A sigmoid(A v) { return A(1) / (A(1) + exp_(-v)); }
DEVICE A softplus(A v) { return max_(v, A(0)) + log1p_(exp_(-abs_(v))); }

// ---- division by a size ----------------------------------------------------------------------------------------------

// A divisor with what the caller worked out for it: n / by for n below 2^31 in a product and a shift, where the processor's own
// division takes some twenty instructions.
struct Divisor {
    u32 by, magic, shift, unused;
};

DEVICE u32 operator/(u32 n, const Divisor& d) {
    return d.by == 1 ? n : (u32)((u64)n * d.magic >> 32) >> d.shift;
}
DEVICE u32 operator%(u32 n, const Divisor& d) { return n - n / d * d.by; }

// ---- launch skeletons ----------------------------------------------------------------------------------------------

// How many threads a block has, in every kernel.
#define THREADS 256

#ifndef __CUDACC_RTC__
// In which order the host runs what a GPU runs at once: no result may depend on it.
static u64 order = 0;
extern "C" void set_order(u64 wanted) { order = wanted; }

// The k-th of n in that order: forward, backward, or scattered by steps of a prime that does not divide n.
MEMBER i64 turn_of(i64 k, i64 n) {
    if (order == 0) return k;
    if (order == 1) return n - 1 - k;
    const i64 stride = n % 7919 ? 7919 : 104729;
    return (i64)(((u64)k * (u64)stride + 13) % (u64)n);
}
#endif

// On the host each kernel has two functions beside it, whose answers the emulator compares with what it is given: name_words(), how
// many words its struct has, and name_share(), how much of args.n a block takes. args.n is below 2^31.
#ifdef __CUDACC_RTC__
#define KERNEL(name, Args) extern "C" __global__ void __launch_bounds__(THREADS) name(const Args args)
#else
#define ANSWERS(name, Args, share)                                                              \
    extern "C" u64 name##_words() { return sizeof(Args) / 8; }                                  \
    extern "C" u64 name##_share() { return share; }
#endif

// EACH(name, Args): runs name_at(args, i) for i in 0 .. args.n, a thread each.
#ifdef __CUDACC_RTC__
#define EACH(name, Args)                                                                        \
    KERNEL(name, Args) {                                                                        \
        const u32 i = blockIdx.x * THREADS + threadIdx.x;                                       \
        if (i < (u32)args.n) name##_at(args, i);                                                \
    }
#else
#define EACH(name, Args)                                                                        \
    ANSWERS(name, Args, THREADS)                                                                \
    extern "C" void name(const Args* args) {                                                    \
        for (i64 k = 0; k < args->n; ++k) name##_at(*args, (u32)turn_of(k, args->n));           \
    }
#endif

// MAP(name, Args, out): args.out[i] = name_of(args, i) for i in 0 .. args.n. A thread computes IN_FLIGHT values before it writes
// the first: a fast memory wants more loads on their way than one a thread.
#define IN_FLIGHT 4
#ifdef __CUDACC_RTC__
#define MAP(name, Args, out)                                                                    \
    KERNEL(name, Args) {                                                                        \
        const u32 n = (u32)args.n, first = blockIdx.x * (THREADS * IN_FLIGHT) + threadIdx.x;    \
        if (first + (IN_FLIGHT - 1) * THREADS < n) {                                            \
            A v[IN_FLIGHT];                                                                     \
            _Pragma("unroll") for (u32 k = 0; k < IN_FLIGHT; ++k) {                             \
                v[k] = name##_of(args, first + k * THREADS);                                    \
            }                                                                                   \
            _Pragma("unroll") for (u32 k = 0; k < IN_FLIGHT; ++k) {                             \
                store(&args.out[first + k * THREADS], v[k]);                                    \
            }                                                                                   \
        } else {                                                                                \
            _Pragma("unroll 1") for (u32 i = first; i < n; i += THREADS) {                      \
                store(&args.out[i], name##_of(args, i));                                        \
            }                                                                                   \
        }                                                                                       \
    }
#else
#define MAP(name, Args, out)                                                                    \
    ANSWERS(name, Args, THREADS * IN_FLIGHT)                                                    \
    extern "C" void name(const Args* args) {                                                    \
        for (i64 k = 0; k < args->n; ++k) {                                                     \
            const u32 i = (u32)turn_of(k, args->n);                                             \
            store(&args->out[i], name##_of(*args, i));                                          \
        }                                                                                       \
    }
#endif

// BLOCKS(name, Program): runs args.n blocks of a program. A program is a sequence of phases; the threads of a block meet
// between two phases. It has types Args, State (a thread's registers) and Shared (a block's memory), phases(args), and
// step(args, phase, block, thread, state, shared).
#ifdef __CUDACC_RTC__
#define BLOCKS(name, Program)                                                                   \
    KERNEL(name, Program::Args) {                                                               \
        __shared__ Program::Shared shared;                                                      \
        Program::State state;                                                                   \
        const int phases = Program::phases(args);                                               \
        for (i64 block = blockIdx.x; block < args.n; block += gridDim.x) {                      \
            for (int phase = 0; phase < phases; ++phase) {                                      \
                Program::step(args, phase, (u32)block, threadIdx.x, state, shared);             \
                __syncthreads();                                                                \
            }                                                                                   \
        }                                                                                       \
    }
#else
#define BLOCKS(name, Program)                                                                   \
    ANSWERS(name, Program::Args, 1)                                                             \
    extern "C" void name(const Program::Args* args) {                                           \
        static thread_local Program::Shared shared;                                             \
        static thread_local Program::State state[THREADS];                                      \
        const int phases = Program::phases(*args);                                              \
        for (i64 k = 0; k < args->n; ++k) {                                                     \
            const u32 block = (u32)turn_of(k, args->n);                                         \
            /* A GPU's block finds what another left there. */                                  \
            memset((void*)&shared, 0xff, sizeof shared);                                        \
            memset((void*)state, 0xff, sizeof state);                                           \
            for (int phase = 0; phase < phases; ++phase) {                                      \
                for (u32 t = 0; t < THREADS; ++t) {                                             \
                    const u32 thread = (u32)turn_of(t, THREADS);                                \
                    Program::step(*args, phase, block, thread, state[thread], shared);          \
                }                                                                               \
            }                                                                                   \
        }                                                                                       \
    }
#endif

// A program that reduces a row to one value a block, in an order that no scheduler can change. R has Args, a Value with
// join(Value&, Value), partial(args, row, thread), and finish(args, row, value).
template <class R> struct Row {
    typedef typename R::Args Args;
    struct State {};
    struct Shared {
        typename R::Value values[THREADS];
    };
    DEVICE int phases(const Args&) { return 3; }
    DEVICE void step(const Args& args, int phase, u32 row, u32 thread, State&, Shared& shared) {
        const u32 heads = 16;
        if (phase == 0) {
            shared.values[thread] = R::partial(args, row, thread);
        } else if (phase == 1 && thread < heads) {
            for (u32 k = thread + heads; k < THREADS; k += heads) R::join(shared.values[thread], shared.values[k]);
        } else if (phase == 2 && thread == 0) {
            for (u32 k = 1; k < heads; ++k) R::join(shared.values[0], shared.values[k]);
            R::finish(args, row, shared.values[0]);
        }
    }
};

// Programs that reduce each channel of each image to one value. R has Args, Value and join as above, channels(args) and area(args),
// term(args, plane, i) of the value at index i, and finish(args, plane, value), where planes are counted channel by channel.

// For Row: of images that lie channel by channel, a plane a block.
template <class R> struct Planes {
    typedef typename R::Args Args;
    typedef typename R::Value Value;
    DEVICE void join(Value& sum, Value v) { R::join(sum, v); }
    DEVICE Value partial(const Args& args, u32 plane, u32 thread) {
        const u32 area = R::area(args);
        Value sum = {};
        for (u32 i = plane * area + thread; i < (plane + 1) * area; i += THREADS) R::join(sum, R::term(args, plane, i));
        return sum;
    }
    DEVICE void finish(const Args& args, u32 plane, Value sum) { R::finish(args, plane, sum); }
};

// Of images that lie pixel by pixel: 32 channels of an image a block, 8 threads a channel.
template <class R> struct Pixels {
    typedef typename R::Args Args;
    struct State {};
    struct Shared {
        typename R::Value lanes[THREADS];
    };
    DEVICE int phases(const Args&) { return 2; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const u32 channels = R::channels(args), groups = (channels + 31) / 32, image = block / groups;
        const u32 channel = (block - image * groups) * 32 + thread % 32, plane = image * channels + channel;
        if (channel >= channels) return;
        typename R::Value sum = {};
        if (phase == 0) {
            const u32 start = image * R::area(args) * channels + channel;
            for (u32 k = thread / 32; k < R::area(args); k += THREADS / 32) {
                R::join(sum, R::term(args, plane, start + k * channels));
            }
            shared.lanes[thread] = sum;
        } else if (thread < 32) {
            for (u32 k = 0; k < THREADS / 32; ++k) R::join(sum, shared.lanes[k * 32 + thread]);
            R::finish(args, plane, sum);
        }
    }
};
