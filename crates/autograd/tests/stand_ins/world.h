// What the stand-in for the driver knows: devices, memory, streams with their work, graphs; and what it refuses.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
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

#include <sys/mman.h>

#include "block.h"
#include "refuse.h"

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
    NOT_SUPPORTED = 801,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
};

inline size_t number_from(const char* name, size_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

inline bool is_set(const char* name, const std::string& value) {
    const char* text = std::getenv(name);
    return text && text == value;
}

// ---- what there is -------------------------------------------------------------------------------------------------

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

inline World& world() {
    static World* all = new World;
    return *all;
}

inline thread_local Device* current = nullptr;

// What is said of the current device alone.
inline std::string of_device(const char* what) { return what + (":" + std::to_string(current->ordinal)); }

#define ENTER(what)                                                                             \
    std::unique_lock<Lock> guard(world().lock);                                                 \
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
inline Result while_any_captures(const char* call) {
    for (Stream* stream : world().streams) {
        if (stream->capture && stream->mode != 2) {
            stream->invalidated = true;
            return refuse(STREAM_CAPTURE_UNSUPPORTED, "%s while a stream captures", call);
        }
    }
    return SUCCESS;
}

// A call that waits for a stream, which none may do that captures.
inline Result while_captured(Stream* stream, const char* call) {
    if (!stream->capture) return SUCCESS;
    stream->invalidated = true;
    return refuse(STREAM_CAPTURE_UNSUPPORTED, "%s on a stream that captures", call);
}

inline Result queue(Stream* stream, Node node) {
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
inline void wait_for(Stream* stream, std::unique_lock<Lock>& guard) {
    guard.unlock();
    world().drain(stream);
    guard.lock();
}

// Waits while very much is queued, until some of it is done.
inline void wait_for_room(Stream* stream, std::unique_lock<Lock>& guard) {
    static const size_t room = number_from("FAKE_CUDA_QUEUE", SIZE_MAX);
    while (!stream->capture && stream->queue.size() >= room) {
        stream->asked = World::PATIENCE + 1;
        world().hurry.notify_all();
        guard.unlock();
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        guard.lock();
    }
}

inline Result on_device(const char* call, uint64_t at, size_t bytes) {
    const Piece* piece = world().piece(at, bytes);
    if (!piece || piece->device != current) {
        return refuse(INVALID_VALUE, "%s: %zu bytes at %#lx are not one piece of this device", call, bytes, (unsigned long)at);
    }
    return SUCCESS;
}

inline Result launch(const char* call, Node& node, const void* function, const unsigned* grid, const unsigned* block, unsigned shared,
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
