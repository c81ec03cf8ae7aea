"""Where a PyTorch side computes, and in which form: shared by the scripts beside it.

On the CPU `cargo xtask ratio` asks for the first form. On CUDA (`--device cuda:0`):

    eager      F32, whose factors convolutions and products round to TF32
    bf16       autocast to bf16
    compiled   the same, losses with all that leads to them compiled with CUDA graphs (mode "reduce-overhead"), or without
               where that fails, which it says; what differentiates a gradient stays eager, for compiled backward passes
               cannot be differentiated

`--scout` times the ways to do the same, each layout of images with each form of the program, and prints
`setting LAYOUT FORM SECONDS` for each, in place of the iterations.
"""

import contextlib
import gc
import resource
import time
import traceback

import torch

PRECISIONS = ["eager", "bf16", "compiled"]
LAYOUTS = {"channels_last": torch.channels_last, "default": torch.contiguous_format}


def add_arguments(parser):
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=LAYOUTS, default="channels_last")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="eager")
    parser.add_argument("--scout", action="store_true")


class Place:
    def __init__(self, args):
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        self.device = torch.device(args.device)
        self.is_cuda = self.device.type == "cuda"
        self.layout = LAYOUTS[args.layout]
        self.dtype = torch.float32 if args.precision == "eager" else torch.bfloat16
        self.compiles = args.precision == "compiled"
        self.mode = "reduce-overhead" if self.is_cuda else "default"
        if self.is_cuda:
            torch.backends.cudnn.benchmark = True
            # Products round to TF32 as convolutions do by default.
            torch.set_float32_matmul_precision("high")

    def compiled(self, function):
        """The function as training calls it."""
        return torch.compile(function, mode=self.mode, dynamic=False) if self.compiles else function

    def autocast(self):
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def begin_step(self):
        """Arrays of compiled passes before this are not read any more."""
        if self.compiles and self.mode == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()

    def normals(self, *shape):
        return torch.randn(*shape, device=self.device)

    def seconds(self, work, *arguments):
        self.wait()
        start = time.perf_counter()
        work(*arguments)
        self.wait()
        return time.perf_counter() - start

    def seconds_each(self, work, count):
        """Of one of so many calls with one wait behind them, as in training."""

        def calls():
            for _ in range(count):
                work()

        return self.seconds(calls) / count

    def wait(self):
        if self.is_cuda:
            torch.cuda.synchronize()


def train(place, make, seconds, iterations):
    """Prints the `seconds` of so many iterations of what `make` returns, and the peaks of memory; returns it."""
    training, first = begin(place, make, seconds)
    print(f"iteration_s {first:.5f}", flush=True)
    if place.is_cuda:
        # The first iteration searches for algorithms and compiles: its memory is not training's.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(iterations - 1):
        print(f"iteration_s {seconds(training):.5f}", flush=True)
    if place.is_cuda:
        print(f"peak_device_mib {torch.cuda.max_memory_reserved() / 2**20:.1f}")
        print(f"peak_allocated_mib {torch.cuda.max_memory_allocated() / 2**20:.1f}")
    print(f"peak_rss_mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")
    if place.compiles:
        print_counters()
    return training


def begin(place, make, seconds):
    """The training and the seconds of its first iteration, without CUDA graphs where they fail."""
    try:
        training = make()
        return training, seconds(training)
    except Exception as error:
        if not place.compiles or place.mode == "default":
            raise
        traceback.print_exc()
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    print(f'fallback compiled without CUDA graphs, for mode "{place.mode}" failed: {reason}', flush=True)
    place.mode = "default"
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    training = make()
    return training, seconds(training)


def print_counters():
    """What keeps a compiled form from being one graph a call: all zero where nothing does."""
    counters = torch._dynamo.utils.counters
    compiles = torch._dynamo.convert_frame.FRAME_COMPILE_COUNTER.values()
    print(f"cudagraph_skips {counters['inductor']['cudagraph_skips']}")
    print(f"graph_breaks {sum(counters['graph_break'].values())}")
    print(f"recompiles {sum(count - 1 for count in compiles)}")


def scout(place, forms, make, seconds):
    """Prints the faster of two `seconds` of what `make` returns, in each layout and each of the forms."""
    for layout in LAYOUTS:
        for form in forms:
            place.layout = LAYOUTS[layout]
            try:
                training = make(form)
                seconds(training)
                print(f"setting {layout} {form} {min(seconds(training), seconds(training)):.5f}", flush=True)
            except Exception:
                # A setting that does not run here is no reason to lose the others.
                traceback.print_exc()
            training = None
            gc.collect()
            if place.is_cuda:
                torch.cuda.empty_cache()
