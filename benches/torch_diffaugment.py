"""DiffAugment's color,translation,cutout in PyTorch on images of 32x32, forward and backward.

    torch_diffaugment.py --batch 64 --iterations 3 --threads 2 --layout default

The PyTorch side of `cargo xtask ratio diffaugment`: draws, the augmented batch, and the gradient of the images from one of
the batch's shape. Prints `iteration_s` as the mean of `REPEATS` calls, then `rms_output` and `rms_gradient`, by which to see
that both sides do the same, and `peak_rss_mib`.
"""

import argparse
import resource
import time

import torch

SIZE, REPEATS = 32, 200


def color(x):
    """Brightness, saturation and contrast: a shift, then two mixes with a mean."""
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1)
    x = x + (brightness - 0.5)
    x = torch.lerp(x.mean(1, keepdim=True), x, saturation * 2)
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast + 0.5)


def translation_cutout(x):
    """Translation by up to an eighth with zero fill, then a cutout of half the side: one gather and one mask."""
    n, channels, height, width = x.shape
    reach = SIZE // 8
    rows = torch.arange(height) + torch.randint(-reach, reach + 1, (n, 1))
    cols = torch.arange(width) + torch.randint(-reach, reach + 1, (n, 1))
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((cols >= 0) & (cols < width))[:, None, :]
    index = rows.clamp(0, height - 1)[:, :, None] * width + cols.clamp(0, width - 1)[:, None, :]

    def outside_window(size):
        centre = torch.randint(0, size + 1, (n, 1))
        place = torch.arange(size)
        return (place < centre - size // 4) | (place >= centre + size // 4)

    keep = outside_window(height)[:, :, None] | outside_window(width)[:, None, :]
    flat = index.view(n, 1, height * width).expand(-1, channels, -1)
    shifted = x.reshape(n, channels, height * width).gather(2, flat).view(n, channels, height, width)
    return shifted * (inside & keep)[:, None].to(x.dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["default", "channels_last"], default="default")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
    make = lambda scale: (torch.randn(args.batch, 3, SIZE, SIZE) * scale).contiguous(memory_format=layout)
    images, cotangent = make(0.5).requires_grad_(True), make(1.0)
    for _ in range(args.iterations):
        start = time.perf_counter()
        for _ in range(REPEATS):
            augmented = translation_cutout(color(images))
            (gradient,) = torch.autograd.grad(augmented, images, cotangent)
        print(f"iteration_s {(time.perf_counter() - start) / REPEATS:.6f}", flush=True)
    rms = lambda x: x.detach().square().mean().sqrt().item()
    print(f"rms_output {rms(augmented):.4f}")
    print(f"rms_gradient {rms(gradient):.4f}")
    print(f"peak_rss_mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")


if __name__ == "__main__":
    main()
