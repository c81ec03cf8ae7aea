// What the stand-ins for NVIDIA's libraries share: how they queue work on a stream of the driver's, and numbers of a device.

#pragma once

#include <cstdint>
#include <cstring>
#include <functional>

#include <dlfcn.h>

#include "refuse.h"

// Queues work behind what the stream has, or into the graph that it captures. It may run more than once, and is never freed.
inline bool queue(void* stream, std::function<void()> work) {
    typedef int (*LaunchHostFunc)(void*, void (*)(void*), void*);
    static const auto launch = reinterpret_cast<LaunchHostFunc>(dlsym(dlopen("libcuda.so.1", RTLD_NOW), "cuLaunchHostFunc"));
    auto* kept = new std::function<void()>(std::move(work));
    return launch(stream, [](void* kept) { (*static_cast<std::function<void()>*>(kept))(); }, kept) == 0;
}

// Whether a stream of the driver's captures; none that is null does.
inline bool captures(void* stream) {
    typedef int (*IsCapturing)(void*, int*);
    static const auto ask = reinterpret_cast<IsCapturing>(dlsym(dlopen("libcuda.so.1", RTLD_NOW), "cuStreamIsCapturing"));
    int status = 0;
    return stream && ask(stream, &status) == 0 && status == 1;
}

// ---- numbers -------------------------------------------------------------------------------------------------------

enum class Type { F32, F64, F16, BF16 };

inline float float_of(uint32_t bits) {
    float v;
    std::memcpy(&v, &bits, 4);
    return v;
}

inline uint32_t bits_of(float v) {
    uint32_t bits;
    std::memcpy(&bits, &v, 4);
    return bits;
}

// The nearest float whose last `dropped` bits of fraction are zero, of two the even one.
inline float rounded(float v, int dropped) {
    const uint32_t bits = bits_of(v), last = bits >> dropped & 1u;
    if ((bits & 0x7f800000u) == 0x7f800000u) return v;
    return float_of((bits + (1u << (dropped - 1)) - 1u + last) >> dropped << dropped);
}

inline double load(const void* array, size_t i, Type type) {
    switch (type) {
        case Type::F32: return static_cast<const float*>(array)[i];
        case Type::F64: return static_cast<const double*>(array)[i];
        case Type::BF16: return float_of(uint32_t(static_cast<const uint16_t*>(array)[i]) << 16);
        default: return static_cast<double>(static_cast<const _Float16*>(array)[i]);
    }
}

inline void store(void* array, size_t i, Type type, double v) {
    switch (type) {
        case Type::F32: static_cast<float*>(array)[i] = float(v); break;
        case Type::F64: static_cast<double*>(array)[i] = v; break;
        case Type::BF16: static_cast<uint16_t*>(array)[i] = uint16_t(bits_of(rounded(float(v), 16)) >> 16); break;
        default: static_cast<_Float16*>(array)[i] = _Float16(v);
    }
}

// A factor as TF32 has it: ten bits of fraction.
inline double as_tf32(double v) { return rounded(float(v), 13); }
