// A stand-in for NVIDIA's driver (libcuda.so.1): the functions that Frugan calls, for kernels that nvrtc.cpp made. It holds whoever
// calls it to what the driver's documentation says, and is as unkind as that allows:
// - work is done late: when somebody waits for it, or a while after it was asked for;
// - the device's memory cannot be touched by the host;
// - threads of a block that have not met yet, and blocks, run from the last to the first;
// - what a call may not do ends in the error that the documentation names, and a line that says why.
// FAKE_CUDA_DEVICES and FAKE_CUDA_MEMORY say how many devices there are (1) and how many bytes each has (8 GiB). With
// FAKE_CUDA_KERNELS=none neither kernels nor libraries do anything, so that what remains is the host's time. FAKE_CUDA_GRAPHS=none
// lets no stream capture, =none:1 none of device 1, and =once:1 lets that device's first graph fail when it is whole. Behind
// FAKE_CUDA_QUEUE requests a kernel's launch waits, as behind the real one's thousand or so.

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include "world.h"

// Where nvrtc.cpp has put a trap: kernels do what C++ leaves undefined.
static void tell_what_trapped(int) {
    std::fprintf(stderr, "stand-in: kernel %s: an address, an index, a shift or a conversion that is undefined\n", Block::the().name());
    _exit(134);
}

extern "C" {

int cuInit(unsigned flags) {
    std::lock_guard<Lock> guard(world().lock);
    if (flags != 0) return refuse(INVALID_VALUE, "cuInit with flags");
    if (!world().started) {
        const size_t count = number_from("FAKE_CUDA_DEVICES", 1);
        for (size_t i = 0; i < count; i++) world().devices.push_back({int(i)});
        std::thread([] { world().look_after(); }).detach();
        for (int trap : {SIGILL, SIGTRAP}) std::signal(trap, tell_what_trapped);
    }
    world().started = true;
    return SUCCESS;
}

// 13.0, without cuInit as with it.
int cuDriverGetVersion(int* version) {
    *version = 13000;
    return SUCCESS;
}

int cuDeviceGetCount(int* count) {
    ENTER("cuDeviceGetCount");
    *count = int(world().devices.size());
    return SUCCESS;
}

int cuDeviceGet(int* device, int ordinal) {
    ENTER("cuDeviceGet");
    if (ordinal < 0 || size_t(ordinal) >= world().devices.size()) return refuse(INVALID_DEVICE, "no device %d", ordinal);
    *device = ordinal;
    return SUCCESS;
}

int cuDeviceGetName(char* name, int room, int) {
    ENTER("cuDeviceGetName");
    std::snprintf(name, size_t(room), "stand-in");
    return SUCCESS;
}

// Compute capability 9.9, for which no archive holds kernels.
int cuDeviceGetAttribute(int* value, int attribute, int) {
    ENTER("cuDeviceGetAttribute");
    if (attribute != 75 && attribute != 76) return refuse(INVALID_VALUE, "no attribute %d", attribute);
    *value = 9;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(Device** context, int device) {
    ENTER("cuDevicePrimaryCtxRetain");
    *context = &world().devices.at(size_t(device));
    (*context)->retained++;
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
    ENTER("cuDevicePrimaryCtxRelease");
    Device& context = world().devices.at(size_t(device));
    if (context.retained == 0) return refuse(INVALID_CONTEXT, "a context is released more often than retained");
    context.retained--;
    return SUCCESS;
}

int cuCtxSetCurrent(Device* context) {
    ENTER("cuCtxSetCurrent");
    if (context && context->retained == 0) return refuse(INVALID_CONTEXT, "cuCtxSetCurrent: a context that was released");
    current = context;
    return SUCCESS;
}

int cuCtxGetDevice(int* device) {
    ENTER_CONTEXT("cuCtxGetDevice");
    *device = current->ordinal;
    return SUCCESS;
}

// ---- memory --------------------------------------------------------------------------------------------------------

int cuMemGetInfo_v2(size_t* available, size_t* total) {
    ENTER_CONTEXT("cuMemGetInfo");
    *total = number_from("FAKE_CUDA_MEMORY", size_t(8) << 30);
    *available = *total - current->taken;
    return SUCCESS;
}

int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
    ENTER_CONTEXT("cuMemAlloc");
    if (Result code = while_any_captures(call)) return code;
    const size_t total = number_from("FAKE_CUDA_MEMORY", size_t(8) << 30);
    if (bytes == 0) return refuse(INVALID_VALUE, "cuMemAlloc of nothing");
    if (bytes > total - current->taken) return OUT_OF_MEMORY;
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return OUT_OF_MEMORY;
    world().protect(at, bytes);
    current->taken += bytes;
    world().pieces[reinterpret_cast<uintptr_t>(at)] = {bytes, current};
    *address = reinterpret_cast<uint64_t>(at);
    return SUCCESS;
}

int cuMemFree_v2(uint64_t address) {
    ENTER_CONTEXT("cuMemFree");
    if (Result code = while_any_captures(call)) return code;
    auto found = world().pieces.find(address);
    if (found == world().pieces.end() || found->second.device != current) {
        return refuse(INVALID_VALUE, "cuMemFree of what was not allocated here");
    }
    const std::set<Stream*> streams = world().streams;
    for (Stream* stream : streams) wait_for(stream, guard);
    current->taken -= found->second.bytes;
    munmap(reinterpret_cast<void*>(address), found->second.bytes);
    world().pieces.erase(found);
    return SUCCESS;
}

int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    ENTER_CONTEXT("cuMemHostAlloc");
    if (Result code = while_any_captures(call)) return code;
    *memory = std::malloc(bytes);
    world().pieces[reinterpret_cast<uintptr_t>(*memory)] = {bytes, nullptr};
    return SUCCESS;
}

int cuMemFreeHost(void* memory) {
    ENTER_CONTEXT("cuMemFreeHost");
    if (!world().pieces.erase(reinterpret_cast<uintptr_t>(memory))) return refuse(INVALID_VALUE, "cuMemFreeHost of other memory");
    std::free(memory);
    return SUCCESS;
}

// Pinned memory is read when the copy is done, pageable memory at once: a capture cannot have that.
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Stream* stream) {
    ENTER_CONTEXT("cuMemcpyHtoDAsync");
    LIVE_STREAM(stream);
    if (Result code = on_device(call, to, bytes)) return code;
    void* target = reinterpret_cast<void*>(to);
    if (world().piece(reinterpret_cast<uintptr_t>(from), bytes)) {
        return queue(stream, {[=] { std::memcpy(target, from, bytes); }});
    }
    if (Result code = while_captured(stream, "a copy of pageable memory")) return code;
    const char* first = static_cast<const char*>(from);
    const std::vector<char> copy(first, first + bytes);
    return queue(stream, {[=] { std::memcpy(target, copy.data(), bytes); }});
}

int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* stream) {
    ENTER_CONTEXT("cuMemcpyDtoHAsync");
    LIVE_STREAM(stream);
    if (Result code = on_device(call, from, bytes)) return code;
    if (Result code = while_captured(stream, call)) return code;
    const void* source = reinterpret_cast<const void*>(from);
    return queue(stream, {[=] { std::memcpy(to, source, bytes); }});
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream* stream) {
    ENTER_CONTEXT("cuMemcpyDtoDAsync");
    LIVE_STREAM(stream);
    if (Result code = on_device(call, to, bytes)) return code;
    if (Result code = on_device(call, from, bytes)) return code;
    if (to < from + bytes && from < to + bytes) return refuse(INVALID_VALUE, "%s between pieces that overlap", call);
    void* target = reinterpret_cast<void*>(to);
    const void* source = reinterpret_cast<const void*>(from);
    return queue(stream, {[=] { std::memcpy(target, source, bytes); }});
}

// ---- kernels -------------------------------------------------------------------------------------------------------

// The image is what nvrtc.cpp made: a library for the host. Its length is told by its header, as that of a cubin is.
int cuModuleLoadData(Module** module, const void* image) {
    ENTER_CONTEXT("cuModuleLoadData");
    if (Result code = while_any_captures(call)) return code;
    const auto* header = static_cast<const Elf64_Ehdr*>(image);
    if (std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return refuse(INVALID_IMAGE, "%s: no machine code", call);
    if (header->e_machine == 190) return refuse(NO_BINARY_FOR_GPU, "%s: machine code of a GPU", call);
    const size_t bytes = header->e_shoff + size_t(header->e_shnum) * header->e_shentsize;
    const int file = memfd_create("module", 0);
    if (file < 0 || write(file, image, bytes) != ssize_t(bytes)) return refuse(OUT_OF_MEMORY, "%s: no room", call);
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    // The file stays open: the loader takes equal paths for equal libraries.
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return refuse(INVALID_IMAGE, "%s: %s", call, dlerror());
    *module = new Module{library, {}};
    world().modules.insert(*module);
    return SUCCESS;
}

int cuModuleUnload(Module* module) {
    ENTER_CONTEXT("cuModuleUnload");
    LIVE(modules, module);
    world().modules.erase(module);
    for (const auto& [name, function] : module->functions) world().functions.erase(function.get());
    delete module;
    return SUCCESS;
}

int cuModuleGetFunction(const void** function, Module* module, const char* name) {
    ENTER_CONTEXT("cuModuleGetFunction");
    LIVE(modules, module);
    auto& known = module->functions[name];
    if (!known) {
        void* run = dlsym(module->library, name);
        void* bytes = dlsym(module->library, (std::string(name) + "_bytes").c_str());
        void* place = dlsym(module->library, "stand_in_place");
        if (!run || !bytes || !place) return refuse(NOT_FOUND, "%s: no function %s", call, name);
        known = std::make_shared<const Function>(Function{reinterpret_cast<void (*)(const void*)>(run),
            size_t(reinterpret_cast<unsigned long long (*)()>(bytes)()), static_cast<Place**>(place), name});
        world().functions[known.get()] = known;
    }
    *function = known.get();
    return SUCCESS;
}

int cuLaunchKernel(const void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
    Stream* stream, void** parameters, void** extra) {
    ENTER_CONTEXT("cuLaunchKernel");
    LIVE_STREAM(stream);
    if (extra) return refuse(INVALID_VALUE, "%s with extra", call);
    wait_for_room(stream, guard);
    const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    Node node;
    if (Result code = launch(call, node, function, grid, block, shared, parameters)) return code;
    return queue(stream, std::move(node));
}

// What libraries queue here runs like the device's own work, and may touch its memory.
int cuLaunchHostFunc(Stream* stream, void (*function)(void*), void* given) {
    ENTER_CONTEXT("cuLaunchHostFunc");
    LIVE_STREAM(stream);
    Node node([=] { function(given); });
    node.of_library = true;
    return queue(stream, std::move(node));
}

// ---- streams and events --------------------------------------------------------------------------------------------

int cuStreamCreate(Stream** stream, unsigned) {
    ENTER_CONTEXT("cuStreamCreate");
    *stream = new Stream(current);
    world().streams.insert(*stream);
    return SUCCESS;
}

int cuStreamDestroy_v2(Stream* stream) {
    ENTER_CONTEXT("cuStreamDestroy");
    LIVE(streams, stream);
    wait_for(stream, guard);
    // Whoever looks after streams may hold it still: it stays.
    world().streams.erase(stream);
    return SUCCESS;
}

int cuStreamSynchronize(Stream* stream) {
    ENTER_CONTEXT("cuStreamSynchronize");
    LIVE_STREAM(stream);
    if (Result code = while_captured(stream, call)) return code;
    wait_for(stream, guard);
    return SUCCESS;
}

int cuStreamQuery(Stream* stream) {
    ENTER_CONTEXT("cuStreamQuery");
    LIVE_STREAM(stream);
    if (Result code = while_captured(stream, call)) return code;
    return world().is_over(stream) ? SUCCESS : NOT_READY;
}

int cuEventCreate(Event** event, unsigned flags) {
    ENTER_CONTEXT("cuEventCreate");
    *event = new Event((flags & 2) == 0);
    world().events.insert(*event);
    return SUCCESS;
}

int cuEventDestroy_v2(Event* event) {
    ENTER_CONTEXT("cuEventDestroy");
    LIVE(events, event);
    // The real one lets go of it when it is reached.
    if (!event->over) wait_for(event->stream, guard);
    world().events.erase(event);
    delete event;
    return SUCCESS;
}

int cuEventRecord(Event* event, Stream* stream) {
    ENTER_CONTEXT("cuEventRecord");
    LIVE(events, event);
    LIVE_STREAM(stream);
    if (Result code = while_captured(stream, "an event that others wait for")) return code;
    event->recorded = true, event->over = false, event->stream = stream;
    return queue(stream, {[=] {
        std::lock_guard<Lock> guard(world().lock);
        event->over = true;
        event->time = std::chrono::steady_clock::now();
    }});
}

int cuEventSynchronize(Event* event) {
    ENTER_CONTEXT("cuEventSynchronize");
    LIVE(events, event);
    if (!event->over) wait_for(event->stream, guard);
    return SUCCESS;
}

int cuEventQuery(Event* event) {
    ENTER_CONTEXT("cuEventQuery");
    LIVE(events, event);
    if (!event->over) world().is_over(event->stream);
    return event->over ? SUCCESS : NOT_READY;
}

int cuEventElapsedTime_v2(float* milliseconds, Event* from, Event* to) {
    ENTER_CONTEXT("cuEventElapsedTime");
    LIVE(events, from);
    LIVE(events, to);
    if (!from->timed || !to->timed || !from->recorded || !to->recorded) {
        return refuse(INVALID_HANDLE, "%s of events without a time", call);
    }
    if (!from->over || !to->over) return NOT_READY;
    *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
    return SUCCESS;
}

// ---- graphs --------------------------------------------------------------------------------------------------------

int cuStreamBeginCapture_v2(Stream* stream, int mode) {
    ENTER_CONTEXT("cuStreamBeginCapture");
    LIVE_STREAM(stream);
    if (stream->capture) return refuse(INVALID_VALUE, "%s: the stream captures already", call);
    if (is_set("FAKE_CUDA_GRAPHS", "none") || is_set("FAKE_CUDA_GRAPHS", of_device("none"))) return NOT_SUPPORTED;
    stream->capture = new Graph;
    stream->mode = mode;
    stream->invalidated = false;
    stream->last = nullptr;
    return SUCCESS;
}

int cuStreamEndCapture(Stream* stream, Graph** graph) {
    ENTER_CONTEXT("cuStreamEndCapture");
    LIVE_STREAM(stream);
    if (!stream->capture) return refuse(INVALID_VALUE, "%s: the stream does not capture", call);
    std::unique_ptr<Graph> captured(stream->capture);
    const bool invalidated = stream->invalidated;
    stream->capture = nullptr;
    stream->invalidated = false;
    if (invalidated) return refuse(STREAM_CAPTURE_INVALIDATED, "%s: a call meanwhile was not allowed", call);
    *graph = captured.release();
    world().graphs.insert(*graph);
    return SUCCESS;
}

int cuStreamIsCapturing(Stream* stream, int* status) {
    ENTER_CONTEXT("cuStreamIsCapturing");
    LIVE_STREAM(stream);
    *status = !stream->capture ? 0 : stream->invalidated ? 2 : 1;
    return SUCCESS;
}

int cuStreamGetCaptureInfo_v3(
    Stream* stream, int* status, uint64_t* id, Graph** graph, void*** nodes, void** edges, size_t* count) {
    ENTER_CONTEXT("cuStreamGetCaptureInfo");
    LIVE_STREAM(stream);
    *status = !stream->capture ? 0 : stream->invalidated ? 2 : 1;
    if (id) *id = 1;
    if (graph) *graph = stream->capture;
    if (edges) *edges = nullptr;
    *nodes = &stream->last;
    *count = stream->capture && stream->last ? 1 : 0;
    return SUCCESS;
}

int cuGraphInstantiateWithFlags(Executable** executable, Graph* graph, uint64_t flags) {
    ENTER_CONTEXT("cuGraphInstantiate");
    LIVE(graphs, graph);
    if (flags != 0) return refuse(INVALID_VALUE, "%s with flags", call);
    static bool failed = false;
    if (is_set("FAKE_CUDA_GRAPHS", of_device("once")) && !std::exchange(failed, true)) return OUT_OF_MEMORY;
    *executable = new Executable{current, graph, {}};
    for (const auto& node : graph->nodes) (*executable)->nodes.push_back(*node);
    world().executables.insert(*executable);
    return SUCCESS;
}

// What is launched is what its nodes are now, whatever becomes of them.
int cuGraphLaunch(Executable* executable, Stream* stream) {
    ENTER_CONTEXT("cuGraphLaunch");
    LIVE(executables, executable);
    LIVE_STREAM(stream);
    if (executable->device != current) return refuse(INVALID_CONTEXT, "%s: a graph of another context", call);
    if (Result code = while_captured(stream, "a graph within a graph")) return code;
    for (const Node& node : executable->nodes) queue(stream, node);
    return SUCCESS;
}

struct KernelParameters {
    const void* function;
    unsigned grid[3], block[3], shared;
    void** parameters;
    void** extra;
    void *kernel, *context;
};

int cuGraphExecKernelNodeSetParams_v2(Executable* executable, const Node* node, const KernelParameters* given) {
    ENTER_CONTEXT("cuGraphExecKernelNodeSetParams");
    LIVE(executables, executable);
    Graph* graph = const_cast<Graph*>(executable->graph);
    LIVE(graphs, graph);
    const auto& nodes = graph->nodes;
    const auto found = std::find_if(nodes.begin(), nodes.end(), [=](const auto& of) { return of.get() == node; });
    if (found == nodes.end() || !node->kernel) return refuse(INVALID_VALUE, "%s: no kernel of this graph", call);
    if (given->extra || given->kernel) return refuse(INVALID_VALUE, "%s: a kernel told in two ways", call);
    Node& own = executable->nodes[size_t(found - nodes.begin())];
    return launch(call, own, given->function, given->grid, given->block, given->shared, given->parameters);
}

int cuGraphExecDestroy(Executable* executable) {
    ENTER_CONTEXT("cuGraphExecDestroy");
    LIVE(executables, executable);
    world().executables.erase(executable);
    delete executable;
    return SUCCESS;
}

int cuGraphDestroy(Graph* graph) {
    ENTER_CONTEXT("cuGraphDestroy");
    LIVE(graphs, graph);
    world().graphs.erase(graph);
    delete graph;
    return SUCCESS;
}

// ---- words ---------------------------------------------------------------------------------------------------------

int cuGetErrorName(int code, const char** text) {
    static thread_local std::string name;
    name = "CUDA_ERROR_" + std::to_string(code);
    *text = name.c_str();
    return SUCCESS;
}

int cuGetErrorString(int, const char** text) {
    *text = "told by the stand-in";
    return SUCCESS;
}

}  // extern "C"
