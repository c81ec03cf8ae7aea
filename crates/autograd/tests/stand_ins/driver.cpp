// A stand-in for NVIDIA's driver (libcuda.so.1): the functions that Frugan calls, for kernels that nvrtc.cpp made. It holds whoever
// calls it to what the driver's documentation says, and is as unkind as that allows:
// - work is done late: when somebody waits for it, or a while after it was asked for;
// - the device's memory cannot be touched by the host;
// - threads of a block that have not met yet, and blocks, run from the last to the first;
// - what a call may not do ends in the error that the documentation names, and a line that says why.
// FAKE_CUDA_DEVICES and FAKE_CUDA_MEMORY say how many devices there are (1) and how many bytes each has (8 GiB). With
// FAKE_CUDA_KERNELS=none neither kernels nor libraries do anything, so that what remains is the host's time.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

namespace {

enum Result {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
};

Result refuse(Result code, const char* format, ...) {
    std::va_list values;
    va_start(values, format);
    std::fprintf(stderr, "stand-in driver: ");
    std::vfprintf(stderr, format, values);
    std::fprintf(stderr, "\n");
    va_end(values);
    return code;
}

size_t number_from(const char* name, size_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

bool is_set(const char* name, const char* value) {
    const char* text = std::getenv(name);
    return text && std::string(text) == value;
}

// ---- threads of a block --------------------------------------------------------------------------------------------

struct Three {
    unsigned x, y, z;
};

// What a kernel's text knows of its place: nvrtc.cpp puts the same struct ahead of it.
struct Place {
    Three thread, block, blocks;
    void (*meet)();
};

struct Function {
    void (*run)(const void* arguments);
    size_t bytes;
    Place** place;
    std::string name;
};

// Runs the threads of one block after another until each meets the others or ends. Those that meet keep a stack of their own.
class Block {
  public:
    void run(const Function& kernel, const void* words, unsigned block, unsigned blocks, unsigned threads) {
        function = &kernel, arguments = words, unstarted = threads;
        place = {{0, 0, 0}, {block, 0, 0}, {blocks, 1, 1}, meet};
        *kernel.place = &place;
        while (unstarted > 0) resume(idle_fiber());
        while (!waiting.empty()) {
            std::vector<size_t> met = std::move(waiting);
            waiting.clear();
            for (size_t fiber : met) resume(fiber);
        }
    }

  private:
    // Where a stack was left. The compiler's own functions for it do nothing about signals, of which there are none here.
    typedef void* Jump[5];

    [[gnu::noinline, noreturn]] static void jump(Jump to) { __builtin_longjmp(to, 1); }

    struct Fiber {
        ucontext_t start;
        Jump at;
        bool started = false;
        unsigned thread = 0;
    };
    static constexpr size_t STACK = 256 << 10;

    static void meet() { the().park(); }

    void park() {
        Fiber& fiber = *fibers[current];
        waiting.push_back(current);
        if (__builtin_setjmp(fiber.at) == 0) jump(scheduler);
    }

    // What a fiber does: it takes threads that were not started, until none is left or one meets the others.
    static void work() {
        Block& self = the();
        for (;;) {
            Fiber& fiber = *self.fibers[self.current];
            while (self.unstarted > 0) {
                fiber.thread = self.place.thread.x = --self.unstarted;
                self.function->run(self.arguments);
            }
            self.idle.push_back(self.current);
            if (__builtin_setjmp(fiber.at) == 0) jump(self.scheduler);
        }
    }

    void resume(size_t number) {
        Fiber& fiber = *fibers[number];
        current = number;
        place.thread.x = fiber.thread;
        if (__builtin_setjmp(scheduler) != 0) return;
        if (fiber.started) jump(fiber.at);
        fiber.started = true;
        setcontext(&fiber.start);
    }

    size_t idle_fiber() {
        if (!idle.empty()) {
            const size_t number = idle.back();
            idle.pop_back();
            return number;
        }
        auto fiber = std::make_unique<Fiber>();
        void* stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        getcontext(&fiber->start);
        fiber->start.uc_stack.ss_sp = stack;
        fiber->start.uc_stack.ss_size = STACK;
        fiber->start.uc_link = nullptr;
        makecontext(&fiber->start, work, 0);
        fibers.push_back(std::move(fiber));
        return fibers.size() - 1;
    }

    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<size_t> idle, waiting;
    const Function* function = nullptr;
    const void* arguments = nullptr;
    unsigned unstarted = 0;
    size_t current = 0;
    Place place;
    Jump scheduler;

  public:
    static Block& the() {
        static Block* one = new Block;
        return *one;
    }
};

// ---- devices -------------------------------------------------------------------------------------------------------

struct Device {
    int ordinal;
    int retained = 0;
    size_t taken = 0;
};

// Pinned memory of the host, or memory of a device.
struct Piece {
    size_t bytes;
    Device* device;
};

struct Event {
    explicit Event(bool timed) : timed(timed) {}
    bool timed;
    bool recorded = false, over = true;
    std::chrono::steady_clock::time_point time;
    struct Stream* stream = nullptr;
};

typedef std::vector<uint64_t> Words;

// A request. That of a kernel may be given other words and blocks in a graph.
struct Node {
    Node() = default;
    Node(std::function<void()> other) : other(std::move(other)) {}

    std::shared_ptr<const Function> kernel;
    std::shared_ptr<const Words> words;
    unsigned blocks = 0, threads = 0;
    std::function<void()> other;
    bool of_library = false;

    void run() const {
        static const bool idle = is_set("FAKE_CUDA_KERNELS", "none");
        if (idle && (kernel || of_library)) return;
        if (!kernel) return other();
        for (unsigned block = blocks; block-- > 0;) Block::the().run(*kernel, words->data(), block, blocks, threads);
    }
};

struct Graph {
    std::vector<std::unique_ptr<Node>> nodes;
};

struct Executable {
    Device* device;
    const Graph* graph;
    std::vector<Node> nodes;
};

struct Stream {
    explicit Stream(Device* device) : device(device) {}
    Device* device;
    std::deque<Node> queue;
    std::chrono::steady_clock::time_point since;
    bool running = false;
    int asked = 0;
    Graph* capture = nullptr;
    int mode = 0;
    bool invalidated = false;
    // Of what was captured last, as cuStreamGetCaptureInfo gives it.
    void* last = nullptr;
};

struct Module {
    void* library;
    std::map<std::string, std::shared_ptr<const Function>> functions;
};

typedef std::recursive_mutex Lock;

// Everything there is. One lock for it; work is done beside it, by one thread at a time.
struct World {
    Lock lock;
    std::mutex work;
    std::condition_variable_any hurry;
    bool started = false, touching = false;
    std::vector<Device> devices;
    std::map<uintptr_t, Piece> pieces;
    std::set<Stream*> streams;
    std::set<Event*> events;
    std::set<Graph*> graphs;
    std::set<Executable*> executables;
    std::set<Module*> modules;
    std::map<const void*, std::shared_ptr<const Function>> functions;

    // The piece that holds all of these bytes.
    const Piece* piece(uintptr_t at, size_t bytes) const {
        auto after = pieces.upper_bound(at);
        if (after == pieces.begin()) return nullptr;
        const auto& [start, piece] = *std::prev(after);
        return at + bytes <= start + piece.bytes ? &piece : nullptr;
    }

    void let_touch(bool allowed) {
        std::lock_guard<Lock> guard(lock);
        touching = allowed;
        for (const auto& [start, piece] : pieces) {
            if (piece.device) protect(reinterpret_cast<void*>(start), piece.bytes);
        }
    }

    void protect(void* start, size_t bytes) { mprotect(start, bytes, touching ? PROT_READ | PROT_WRITE : PROT_NONE); }

    // Does what is queued; the lock is not held.
    void drain(Stream* stream) {
        std::lock_guard<std::mutex> worker(work);
        let_touch(true);
        for (;;) {
            Node node;
            {
                std::lock_guard<Lock> guard(lock);
                stream->running = false;
                if (stream->queue.empty()) break;
                node = std::move(stream->queue.front());
                stream->queue.pop_front();
                stream->running = true;
            }
            node.run();
        }
        let_touch(false);
    }

    // Whether all is done; if it is asked often, it soon will be. The lock is held.
    bool is_over(Stream* stream) {
        if (stream->queue.empty() && !stream->running) return true;
        if (++stream->asked > PATIENCE) hurry.notify_all();
        return false;
    }

    // Does what has waited for long, or was asked for often.
    [[noreturn]] void look_after() {
        for (;;) {
            Stream* late = nullptr;
            {
                std::unique_lock<Lock> guard(lock);
                hurry.wait_for(guard, LATE / 4);
                for (Stream* stream : streams) {
                    const bool waited = std::chrono::steady_clock::now() - stream->since > LATE || stream->asked > PATIENCE;
                    if (!stream->queue.empty() && waited) late = stream;
                }
                if (late) late->asked = 0;
            }
            if (late) drain(late);
        }
    }

    // How often a query says that work is not done before it is begun, and when it is begun unasked.
    static constexpr int PATIENCE = 3;
    static constexpr std::chrono::milliseconds LATE{200};
};

World& world() {
    static World* all = new World;
    return *all;
}

thread_local Device* current = nullptr;

#define ENTER(what)                                                                             \
    std::unique_lock<Lock> guard(world().lock);                                 \
    const char* const call = what;                                                              \
    if (!world().started) return refuse(NOT_INITIALIZED, "%s before cuInit", call);             \
    (void)call
#define ENTER_CONTEXT(what)                                                                     \
    ENTER(what);                                                                                \
    if (!current || current->retained == 0) return refuse(INVALID_CONTEXT, "%s without a context", call)
#define LIVE(set, handle)                                                                       \
    if (!world().set.count(handle)) return refuse(INVALID_HANDLE, "%s: no such handle among " #set, call)
#define LIVE_STREAM(stream)                                                                     \
    LIVE(streams, stream);                                                                      \
    if (stream->device != current) return refuse(INVALID_CONTEXT, "%s: a stream of another context", call)

// A call that no capture of any stream allows, unless it is relaxed.
Result unsafe_while_capturing(const char* call) {
    for (Stream* stream : world().streams) {
        if (stream->capture && stream->mode != 2) {
            stream->invalidated = true;
            return refuse(STREAM_CAPTURE_UNSUPPORTED, "%s while a stream captures", call);
        }
    }
    return SUCCESS;
}

// A call that waits for a stream that captures.
Result waits_for(Stream* stream, const char* call) {
    if (!stream->capture) return SUCCESS;
    stream->invalidated = true;
    return refuse(STREAM_CAPTURE_UNSUPPORTED, "%s on a stream that captures", call);
}

Result queue(Stream* stream, Node node) {
    if (stream->invalidated) return refuse(STREAM_CAPTURE_INVALIDATED, "a request of an invalidated capture");
    if (stream->capture) {
        stream->capture->nodes.push_back(std::make_unique<Node>(std::move(node)));
        stream->last = stream->capture->nodes.back().get();
    } else {
        if (stream->queue.empty()) stream->since = std::chrono::steady_clock::now();
        stream->queue.push_back(std::move(node));
    }
    return SUCCESS;
}

// Waits until all that a stream has is done.
void wait_for(Stream* stream, std::unique_lock<Lock>& guard) {
    guard.unlock();
    world().drain(stream);
    guard.lock();
}

Result on_device(const char* call, uint64_t at, size_t bytes) {
    const Piece* piece = world().piece(at, bytes);
    if (!piece || piece->device != current) {
        return refuse(INVALID_VALUE, "%s: %zu bytes at %#lx are not one piece of this device", call, bytes, (unsigned long)at);
    }
    return SUCCESS;
}

Result launch(const char* call, Node& node, const void* function, const unsigned* grid, const unsigned* block, unsigned shared,
    void** parameters) {
    auto known = world().functions.find(function);
    if (known == world().functions.end()) return refuse(INVALID_HANDLE, "%s: no such function", call);
    const size_t threads = size_t(block[0]) * block[1] * block[2];
    if (grid[0] == 0 || grid[0] > 0x7fffffff || grid[1] != 1 || grid[2] != 1 || threads == 0 || threads > 1024 || block[1] != 1 ||
        block[2] != 1 || shared != 0) {
        return refuse(INVALID_VALUE, "%s: %s in %u x %u x %u blocks of %u x %u x %u threads with %u bytes", call,
            known->second->name.c_str(), grid[0], grid[1], grid[2], block[0], block[1], block[2], shared);
    }
    Words words(known->second->bytes / 8);
    std::memcpy(words.data(), parameters[0], known->second->bytes);
    node.kernel = known->second;
    node.words = std::make_shared<const Words>(std::move(words));
    node.blocks = grid[0];
    node.threads = block[0];
    return SUCCESS;
}

}  // namespace

extern "C" {

int cuInit(unsigned flags) {
    std::lock_guard<Lock> guard(world().lock);
    if (flags != 0) return refuse(INVALID_VALUE, "cuInit with flags");
    if (!world().started) {
        const size_t count = number_from("FAKE_CUDA_DEVICES", 1);
        for (size_t i = 0; i < count; i++) world().devices.push_back({int(i)});
        std::thread([] { world().look_after(); }).detach();
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
    if (Result code = unsafe_while_capturing(call)) return code;
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
    if (Result code = unsafe_while_capturing(call)) return code;
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
    if (Result code = unsafe_while_capturing(call)) return code;
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
    if (Result code = waits_for(stream, "a copy of pageable memory")) return code;
    const char* first = static_cast<const char*>(from);
    const std::vector<char> copy(first, first + bytes);
    return queue(stream, {[=] { std::memcpy(target, copy.data(), bytes); }});
}

int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* stream) {
    ENTER_CONTEXT("cuMemcpyDtoHAsync");
    LIVE_STREAM(stream);
    if (Result code = on_device(call, from, bytes)) return code;
    if (Result code = waits_for(stream, call)) return code;
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
    if (Result code = unsafe_while_capturing(call)) return code;
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
    if (Result code = waits_for(stream, call)) return code;
    wait_for(stream, guard);
    return SUCCESS;
}

int cuStreamQuery(Stream* stream) {
    ENTER_CONTEXT("cuStreamQuery");
    LIVE_STREAM(stream);
    if (Result code = waits_for(stream, call)) return code;
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
    if (Result code = waits_for(stream, "an event that others wait for")) return code;
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
    if (Result code = waits_for(stream, "a graph within a graph")) return code;
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
