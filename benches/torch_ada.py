"""ADA's augmentation pipe `bgc` at p = 1 in PyTorch on images of 32x32, forward and backward.

    torch_ada.py --batch 64 --iterations 3 --threads 2 --layout default --form matrix

The PyTorch side of `cargo xtask ratio ada`: draws, the augmented batch, and the gradient of the images from one of the
batch's shape. Geometry is one affine map an image between a doubling and a halving by the wavelet sym6; colour is one
affine map of RGB an image. The filters run as convolutions (`conv`), or as products with banded matrices that also hold
the reflected margin (`matrix`). Prints `iteration_s` as the mean of `REPEATS` calls, then `rms_output` and
`rms_gradient`, by which to see that both sides do the same, and `peak_rss_mib`.
"""

import argparse
import functools
import math
import resource
import time

import torch
import torch.nn.functional as F

SIZE, REPEATS = 32, 10
SYM6 = [
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
]  # fmt: skip
TAPS = len(SYM6)
BORDER = TAPS // 4


@functools.cache
def low_pass():
    taps = torch.tensor(SYM6, dtype=torch.float64)
    return (taps / taps.sum()).float()


def matrices(n, rows):
    """Affine maps from lists of entries that are numbers or vectors of `n`."""
    flat = [entry if torch.is_tensor(entry) else torch.full((n,), float(entry)) for row in rows for entry in row]
    return torch.stack(flat, 1).view(n, len(rows), -1)


def translate(n, x, y):
    return matrices(n, [[1, 0, x], [0, 1, y], [0, 0, 1]])


def scale(n, x, y):
    return matrices(n, [[x, 0, 0], [0, y, 0], [0, 0, 1]])


def rotate(n, angle):
    cos, sin = torch.cos(angle), torch.sin(angle)
    return matrices(n, [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def geometry(n):
    """From output to input pixels, the origin in the middle. At p = 1 every gate is open."""
    uniform, normal = torch.rand(7, n), torch.randn(4, n)
    flip = 1 - 2 * torch.floor(uniform[0] * 2)
    shift = torch.round((uniform[2:4] * 2 - 1) * (0.125 * SIZE))
    size, aspect = 1 / torch.exp2(0.2 * normal[0]), torch.exp2(0.2 * normal[1])
    turns = [
        scale(n, flip, torch.ones(n)),
        rotate(n, torch.floor(uniform[1] * 4) * (math.pi / 2)),
        translate(n, -shift[0], -shift[1]),
        scale(n, size, size),
        rotate(n, (uniform[4] * 2 - 1) * math.pi),
        scale(n, 1 / aspect, aspect),
        rotate(n, (uniform[5] * 2 - 1) * math.pi),
        translate(n, *(normal[2:4] * (-0.125 * SIZE))),
    ]
    return functools.reduce(torch.matmul, turns)


def margin(maps):
    """Left, top, right and bottom pixels that the batch reads beyond the images, and the filter with it."""
    centre = (SIZE - 1) / 2
    corners = torch.tensor([[-centre, -centre, 1], [centre, -centre, 1], [centre, centre, 1], [-centre, centre, 1]])
    places = (maps[:, :2] @ corners.t()).transpose(0, 1).flatten(1)
    beyond = torch.cat([-places, places]).amax(1) + (2 * BORDER - centre)
    return [int(m) for m in beyond.clamp(0, SIZE - 1).ceil()]


@functools.lru_cache(maxsize=512)
def doubling(before, after):
    """`[2 (before + SIZE + after), SIZE]`: reflects, then doubles."""
    padded = SIZE + before + after
    taps = low_pass() * 2
    place = torch.arange(padded) - before
    source = (SIZE - 1) - ((SIZE - 1) - place.abs()).abs()
    matrix = torch.zeros(2 * padded, SIZE)
    for i in range(padded):
        for k in range(TAPS):
            out = 2 * i + k - (TAPS + 1) // 2 + 1
            if 0 <= out < 2 * padded:
                matrix[out, source[i]] += taps[k]
    return matrix


@functools.cache
def halving():
    """`[SIZE, 2 (SIZE + 2 BORDER)]`: a correlation with the filter, every second place, cut to the image."""
    size = 2 * (SIZE + 2 * BORDER)
    matrix = torch.zeros(SIZE, size)
    for i in range(SIZE):
        start = 2 * i + 2 * BORDER - (TAPS - 2) // 2
        matrix[i, start : start + TAPS] = low_pass()
    return matrix


def double(x, left, top, right, bottom, form):
    if form == "matrix":
        return torch.matmul(doubling(top, bottom), torch.matmul(x, doubling(left, right).t()))
    x = F.pad(x, (left, right, top, bottom), mode="reflect")
    taps, half = low_pass() * 2, TAPS // 2 - 1
    for shape, padding in [((1, 1, 1, TAPS), (0, half)), ((1, 1, TAPS, 1), (half, 0))]:
        stride = tuple(1 if side == 1 else 2 for side in shape[2:])
        kernel = taps.view(shape).expand(3, -1, -1, -1)
        x = F.conv_transpose2d(x, kernel, stride=stride, padding=padding, groups=3)
    return x


def halve(x, form):
    if form == "matrix":
        return torch.matmul(halving(), torch.matmul(x, halving().t()))
    x = x[:, :, 1:-1, 1:-1]
    for shape in [(1, 1, 1, TAPS), (1, 1, TAPS, 1)]:
        stride = tuple(1 if side == 1 else 2 for side in shape[2:])
        x = F.conv2d(x, low_pass().view(shape).expand(3, -1, -1, -1), stride=stride, groups=3)
    return x


def blit_and_geometry(x, form):
    n = len(x)
    maps = geometry(n)
    left, top, right, bottom = margin(maps)
    maps = translate(n, (left - right) / 2, (top - bottom) / 2) @ maps
    x = double(x, left, top, right, bottom, form)
    maps = scale(n, 2, 2) @ maps @ scale(n, 0.5, 0.5)
    maps = translate(n, -0.5, -0.5) @ maps @ translate(n, 0.5, 0.5)
    out = 2 * (SIZE + 2 * BORDER)
    maps = scale(n, 2 / x.shape[3], 2 / x.shape[2]) @ maps @ scale(n, out / 2, out / 2)
    grid = F.affine_grid(maps[:, :2], [n, 3, out, out], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return halve(x, form)


def color(x):
    """Brightness, contrast, luma flip, hue and saturation as one affine map of RGB."""
    n = len(x)
    normal, uniform = torch.randn(3, n), torch.rand(2, n)
    brightness, contrast, saturation = 0.2 * normal[0], torch.exp2(0.5 * normal[1]), torch.exp2(normal[2])
    flip, angle = torch.floor(uniform[0] * 2), (uniform[1] * 2 - 1) * math.pi
    luma = torch.full((3, 3), 1 / 3)
    turn = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    eye, each = torch.eye(3), lambda values: values[:, None, None]
    hue = each(torch.cos(angle)) * eye + each(torch.sin(angle)) * turn + each(1 - torch.cos(angle)) * luma
    saturated = luma + (eye - luma) * each(saturation)
    linear = saturated @ hue @ (eye - 2 * luma * each(flip)) * each(contrast)
    shift = linear.sum(2, keepdim=True) * each(brightness)
    return torch.baddbmm(shift, linear, x.reshape(n, 3, -1)).view(x.shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["default", "channels_last"], default="default")
    parser.add_argument("--form", choices=["conv", "matrix"], default="conv")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
    make = lambda scale: (torch.randn(args.batch, 3, SIZE, SIZE) * scale).contiguous(memory_format=layout)
    images, cotangent = make(0.5).requires_grad_(True), make(1.0)
    for _ in range(args.iterations):
        start = time.perf_counter()
        for _ in range(REPEATS):
            augmented = color(blit_and_geometry(images, args.form))
            (gradient,) = torch.autograd.grad(augmented, images, cotangent)
        print(f"iteration_s {(time.perf_counter() - start) / REPEATS:.6f}", flush=True)
    rms = lambda x: x.detach().square().mean().sqrt().item()
    print(f"rms_output {rms(augmented):.4f}")
    print(f"rms_gradient {rms(gradient):.4f}")
    print(f"peak_rss_mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")


if __name__ == "__main__":
    main()
