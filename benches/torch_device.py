"""Where a PyTorch side computes, and in which form: shared by the scripts beside it.

On the CPU there is one form, `eager`; the layout is an argument of its own. On CUDA (`--device cuda:0`):

    eager      PyTorch as it comes: contiguous arrays, F32 with TF32 in convolutions
    bf16       channels_last, autocast to bf16
    compiled   the same with torch.compile and CUDA graphs (mode "reduce-overhead"); what differentiates a gradient stays
               eager, for compiled backward passes cannot be differentiated
"""

import contextlib
import resource
import time

import torch

FORMS = ["eager", "bf16", "compiled"]


def add_arguments(parser):
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["default", "channels_last"], default="channels_last")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=FORMS, default="eager")


class Place:
    def __init__(self, args):
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        self.device = torch.device(args.device)
        self.is_cuda = self.device.type == "cuda"
        self.precision = args.precision
        channels_last = args.layout == "channels_last" if not self.is_cuda else self.precision != "eager"
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        if self.is_cuda:
            torch.set_default_device(self.device)
            torch.backends.cudnn.benchmark = True
            if self.precision != "eager":
                torch.set_float32_matmul_precision("high")

    def fast(self, module):
        """The module as forward passes call it."""
        if self.precision != "compiled":
            return module
        return torch.compile(module, mode="reduce-overhead" if self.is_cuda else "default")

    def autocast(self):
        if self.precision == "eager":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def begin_step(self):
        """Arrays of compiled passes before this are not read any more."""
        if self.is_cuda and self.precision == "compiled":
            torch.compiler.cudagraph_mark_step_begin()

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

    def print_peak(self):
        if self.is_cuda:
            print(f"peak_device_mib {torch.cuda.max_memory_reserved() / 2**20:.1f}")
        print(f"peak_rss_mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")
