// A stand-in for NVIDIA's NVRTC (libnvrtc.so.13): compiles a kernel's text as it is for a GPU, by the host's C++ compiler, into a
// library that driver.cpp runs thread by thread. What C++ leaves undefined and a GPU does otherwise than the host (addresses that are
// not a multiple of what lies there, shifts beyond a number's width, numbers that an integer cannot hold) ends the process.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

namespace {

enum { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6 };

struct Program {
    std::string source, log, code;
};

// What NVRTC knows without being told, and a kernel as a function that is called once a thread.
const char* const AHEAD = R"(
#include <cmath>
#include <cstring>
#define __CUDACC_RTC__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __syncthreads() stand_in_place->meet()
#define threadIdx (stand_in_place->thread)
#define blockIdx (stand_in_place->block)
#define gridDim (stand_in_place->blocks)
struct StandInThree { unsigned x, y, z; };
struct StandInPlace { StandInThree thread, block, blocks; void (*meet)(); };
extern "C" StandInPlace* stand_in_place;
StandInPlace* stand_in_place;
static inline unsigned __float_as_uint(float v) { unsigned bits; memcpy(&bits, &v, 4); return bits; }
static inline float __uint_as_float(unsigned bits) { float v; memcpy(&v, &bits, 4); return v; }
static inline float stand_in_half(unsigned short bits) { _Float16 half; memcpy(&half, &bits, 2); return (float)half; }
static inline unsigned short stand_in_half_of(float v) {
    const _Float16 half = (_Float16)v;
    unsigned short bits;
    memcpy(&bits, &half, 2);
    return bits;
}
static inline unsigned short stand_in_bf16_of(float v) {
    const unsigned bits = __float_as_uint(v);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
)";

// What only a GPU's compiler takes, and what stands in its place.
const char* const INSTEAD[][2] = {
    {R"(asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(v.bits));)", "out = stand_in_half(v.bits);"},
    {R"(asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to->bits) : "f"(v));)", "to->bits = stand_in_bf16_of(v);"},
    {R"(asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(v));)", "to->bits = stand_in_half_of(v);"},
    {"#define KERNEL(name, Args) extern \"C\" __global__ void __launch_bounds__(THREADS) name(const Args args)",
        "#define KERNEL(name, Args) static void name##_thread(const Args args);"
        " extern \"C\" void name(const void* words) { name##_thread(*(const Args*)words); }"
        " extern \"C\" unsigned long long name##_bytes() { return sizeof(Args); }"
        " static void name##_thread(const Args args)"},
};

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

extern "C" {

int nvrtcVersion(int* major, int* minor) {
    *major = 13, *minor = 99;
    return SUCCESS;
}

int nvrtcCreateProgram(Program** program, const char* source, const char*, int headers, const char* const*, const char* const*) {
    if (headers != 0) return INVALID_INPUT;
    *program = new Program{source, "", ""};
    return SUCCESS;
}

int nvrtcCompileProgram(Program* program, int count, const char* const* options) {
    for (int i = 0; i < count; i++) {
        const std::string option = options[i];
        const bool known = option.rfind("--gpu-architecture=sm_", 0) == 0 || option == "--std=c++17" ||
            option == "-default-device" || option == "-diag-suppress=177";
        if (!known) {
            program->log = "no such option: " + option;
            return INVALID_OPTION;
        }
    }
    std::string text = program->source;
    for (const auto& [from, to] : INSTEAD) {
        const size_t at = text.find(from);
        if (at == std::string::npos) {
            program->log = std::string("the stand-in expects this in a text: ") + from;
            return COMPILATION;
        }
        text.replace(at, std::strlen(from), to);
    }
    char folder[] = "/tmp/stand-in-nvrtc-XXXXXX";
    if (!mkdtemp(folder)) return COMPILATION;
    const std::string base = std::string(folder) + "/text", compiler = std::getenv("CXX") ? std::getenv("CXX") : "c++";
    std::ofstream(base + ".cpp") << AHEAD << text;
    const std::string command = compiler +
        " -std=c++17 -O2 -w -ffp-contract=off -shared -fPIC -Wl,-Bsymbolic"
        " -fsanitize=alignment,bounds,shift,integer-divide-by-zero,float-cast-overflow -fsanitize-undefined-trap-on-error " +
        base + ".cpp -o " + base + ".so 2> " + base + ".log";
    const int ended = std::system(command.c_str());
    program->log = contents(base + ".log");
    program->code = contents(base + ".so");
    for (const char* ending : {".cpp", ".so", ".log"}) unlink((base + ending).c_str());
    rmdir(folder);
    return ended == 0 ? SUCCESS : COMPILATION;
}

int nvrtcGetProgramLogSize(Program* program, size_t* size) {
    *size = program->log.size() + 1;
    return SUCCESS;
}

int nvrtcGetProgramLog(Program* program, char* log) {
    std::memcpy(log, program->log.c_str(), program->log.size() + 1);
    return SUCCESS;
}

int nvrtcGetCUBINSize(Program* program, size_t* size) {
    if (program->code.empty()) return INVALID_PROGRAM;
    *size = program->code.size();
    return SUCCESS;
}

int nvrtcGetCUBIN(Program* program, char* code) {
    std::memcpy(code, program->code.data(), program->code.size());
    return SUCCESS;
}

int nvrtcDestroyProgram(Program** program) {
    delete *program;
    *program = nullptr;
    return SUCCESS;
}

const char* nvrtcGetErrorString(int) { return "told by the stand-in"; }

}  // extern "C"
