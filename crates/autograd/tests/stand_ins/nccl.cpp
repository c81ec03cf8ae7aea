// A stand-in for NVIDIA's NCCL (libnccl.so.2). Like the real one it answers at once and finishes later, in a thread of its own, and
// waits for ranks that do not come until it is told to abort; or, where it is given a stream of driver.cpp, when that comes to it.
// With FAKE_NCCL=alone one process stands for all ranks, which hold the same numbers. It ends a process that runs as a part of a graph
// what another rank runs by itself, or as a part of another graph: the real one wants a sum captured by all ranks or by none.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "queue.h"

namespace {

enum { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, IN_PROGRESS = 7 };
constexpr int MOST_RANKS = 8;
constexpr size_t SLOT = size_t(64) << 20;

// In memory that all ranks share; the numbers lie behind it, two slots a rank.
struct Board {
    std::atomic<int> joined;
    // Of each rank, how many sums it has put its numbers down for, and of the last two which of its captured ones each is; 0 for none.
    std::atomic<uint64_t> arrived[MOST_RANKS];
    std::atomic<uint64_t> captured[MOST_RANKS][2];
};

struct Id {
    char path[128];
};

struct Config {
    size_t size;
    unsigned magic, version;
    int blocking;
};

struct Communicator {
    Communicator(int size, int rank, bool alone, std::string path) : size(size), rank(rank), alone(alone), path(std::move(path)) {}
    int size, rank;
    bool alone;
    std::string path;
    char* memory = nullptr;
    std::atomic<bool> aborted{false};
    std::atomic<int> state{IN_PROGRESS};
    uint64_t sums = 0, captures = 0;
    std::thread worker;

    Board& board() { return *reinterpret_cast<Board*>(memory); }

    char* slot(int rank, uint64_t sum) { return memory + 4096 + (2 * size_t(rank) + sum % 2) * SLOT; }

    template <typename Done>
    bool wait(Done done) {
        while (!done()) {
            if (aborted) return false;
            std::this_thread::sleep_for(std::chrono::microseconds(20));
        }
        return true;
    }

    int join() {
        if (alone) return SUCCESS;
        const int file = open(path.c_str(), O_RDWR | O_CREAT, 0600);
        const size_t bytes = 4096 + 2 * size * SLOT;
        if (file < 0 || ftruncate(file, off_t(bytes)) != 0) return SYSTEM_ERROR;
        void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (mapped == MAP_FAILED) return SYSTEM_ERROR;
        memory = static_cast<char*>(mapped);
        board().joined++;
        if (!wait([&] { return board().joined == size; })) return SYSTEM_ERROR;
        if (rank == 0) unlink(path.c_str());
        return SUCCESS;
    }

    template <typename T>
    int sum(const T* from, T* to, size_t count, bool mean, uint64_t captured) {
        const uint64_t turn = sums++;
        if (!alone) {
            std::memcpy(slot(rank, turn), from, count * sizeof(T));
            board().captured[rank][turn % 2] = captured;
            board().arrived[rank] = turn + 1;
            for (int i = 0; i < size; i++) {
                if (!wait([&] { return board().arrived[i] > turn; })) return SYSTEM_ERROR;
                if (board().captured[i][turn % 2] == captured) continue;
                std::fprintf(stderr, "stand-in: sum %lu is captured otherwise on rank %d than on rank %d\n", turn, i, rank);
                _exit(134);
            }
        }
        for (size_t at = 0; at < count; at++) {
            double all = 0;
            for (int i = 0; i < size; i++) {
                all += double((alone ? from : reinterpret_cast<const T*>(slot(i, turn)))[at]);
            }
            to[at] = T(mean ? all / size : all);
        }
        return SUCCESS;
    }

    // Does work in the thread that was there before, and another behind it.
    template <typename Work>
    int later(Work work) {
        if (worker.joinable()) worker.join();
        state = IN_PROGRESS;
        worker = std::thread([this, work] { state = work(); });
        return IN_PROGRESS;
    }
};

}  // namespace

extern "C" {

int ncclGetVersion(int* version) {
    *version = 22707;
    return SUCCESS;
}

int ncclGetUniqueId(Id* id) {
    std::memset(id, 0, sizeof(Id));
    std::snprintf(id->path, sizeof(id->path), "/tmp/fake-nccl-XXXXXX");
    const int file = mkstemp(id->path);
    if (file < 0) return SYSTEM_ERROR;
    close(file);
    return SUCCESS;
}

int ncclCommInitRankConfig(Communicator** out, int size, Id id, int rank, const Config* config) {
    const bool known = config->size == sizeof(Config) && config->magic == 0xcafebeef && config->version == 21400;
    if (!known || config->blocking != 0 || size > MOST_RANKS || rank >= size) return INVALID_ARGUMENT;
    const char* how = std::getenv("FAKE_NCCL");
    const bool alone = how && std::string(how) == "alone";
    auto* communicator = new Communicator(size, rank, alone, id.path);
    if (alone) unlink(id.path);
    *out = communicator;
    return communicator->later([communicator] { return communicator->join(); });
}

int ncclAllReduce(
    const void* from, void* to, size_t count, int type, int op, Communicator* communicator, void* stream) {
    if (communicator->state != SUCCESS || (op != 0 && op != 4) || count * 8 > SLOT) return INVALID_ARGUMENT;
    const bool mean = op == 4;
    if (type != 7 && type != 8) return INVALID_ARGUMENT;
    const uint64_t captured = captures(stream) ? ++communicator->captures : 0;
    const auto sum = [=] {
        if (type == 7) return communicator->sum(static_cast<const float*>(from), static_cast<float*>(to), count, mean, captured);
        return communicator->sum(static_cast<const double*>(from), static_cast<double*>(to), count, mean, captured);
    };
    // The stream of an emulated device is null: what is there is in the host's memory, and ready.
    if (!stream) return communicator->later(sum);
    return queue(stream, [=] { sum(); }) ? SUCCESS : SYSTEM_ERROR;
}

int ncclCommGetAsyncError(Communicator* communicator, int* state) {
    *state = communicator->state;
    return SUCCESS;
}

int ncclCommAbort(Communicator* communicator) {
    communicator->aborted = true;
    if (communicator->worker.joinable()) communicator->worker.join();
    return SUCCESS;
}

const char* ncclGetErrorString(int code) {
    switch (code) {
        case SUCCESS: return "no error";
        case SYSTEM_ERROR: return "unhandled system error";
        case INVALID_ARGUMENT: return "invalid argument";
        default: return "another error";
    }
}

const char* ncclGetLastError(Communicator*) { return ""; }
}
