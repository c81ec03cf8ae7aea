// The threads of a kernel's blocks, one after the other, each until it meets the others or ends.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

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
    // Of the kernel that runs.
    const char* name() const { return function ? function->name.c_str() : "none"; }

    static Block& the() {
        static Block* one = new Block;
        return *one;
    }
};
