"""One training iteration of BigGAN on CIFAR-10 shapes in PyTorch, as fast as it runs it.

    torch_biggan.py --batch 50 --iterations 3 --threads 2 --layout channels_last
    torch_biggan.py --batch 50 --iterations 20 --device cuda:0 --precision compiled

The PyTorch side of `cargo xtask ratio biggan`: 4 discriminator steps and 1 generator step, DiffAugment
(translation,cutout), hinge loss, spectral norm, class-conditional batch norm, Adam, EMA over parameters and buffers.
Prints `iteration_s` for each iteration and `peak_rss_mib` (on a GPU `peak_device_mib` too) at the end. Images are noise: only
the time counts.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import nn

import torch_device

CHANNELS, NUM_CLASSES, LATENT_DIM, SIZE = 256, 10, 128, 32
NUM_D_STEPS = 4


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value, from one power step a forward pass."""

    def __init__(self, num_outputs):
        super().__init__()
        self.register_buffer("u", torch.randn(1, num_outputs))

    def forward(self, weight):
        matrix = weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(self.u @ matrix, eps=1e-8)
            self.u.copy_(F.normalize(v @ matrix.t(), eps=1e-8))
        sigma = v @ matrix.t() @ self.u.t().clone()
        return weight / sigma


class Conv2d(nn.Conv2d):
    def __init__(self, num_inputs, num_outputs, size):
        super().__init__(num_inputs, num_outputs, size, padding=size // 2)
        nn.init.normal_(self.weight, 0, 0.02)
        self.norm = SpectralNorm(num_outputs)

    def forward(self, x):
        return F.conv2d(x, self.norm(self.weight), self.bias, padding=self.padding)


class Linear(nn.Linear):
    def __init__(self, num_inputs, num_outputs):
        super().__init__(num_inputs, num_outputs)
        nn.init.normal_(self.weight, 0, 0.02)
        self.norm = SpectralNorm(num_outputs)

    def forward(self, x):
        return F.linear(x, self.norm(self.weight), self.bias)


class Embedding(nn.Embedding):
    def __init__(self, num_rows, dim, spectral):
        super().__init__(num_rows, dim)
        nn.init.normal_(self.weight, 0, 0.02)
        self.norm = SpectralNorm(num_rows) if spectral else nn.Identity()

    def forward(self, labels):
        return F.embedding(labels, self.norm(self.weight))


class ClassBatchNorm(nn.Module):
    """Batch norm whose gain and bias are rows of tables, chosen by the class."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(CHANNELS, affine=False)
        self.gain, self.bias = (Embedding(NUM_CLASSES, CHANNELS, spectral=False) for _ in range(2))

    def forward(self, x, labels):
        gain, bias = self.gain(labels)[:, :, None, None], self.bias(labels)[:, :, None, None]
        return torch.addcmul(bias, self.norm(x), 1 + gain)


class GBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn1, self.bn2 = ClassBatchNorm(), ClassBatchNorm()
        self.conv1, self.conv2 = Conv2d(CHANNELS, CHANNELS, 3), Conv2d(CHANNELS, CHANNELS, 3)
        self.shortcut = Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, x, labels):
        h = F.interpolate(F.relu(self.bn1(x, labels), inplace=True), scale_factor=2)
        h = self.conv1(h)
        h = self.conv2(F.relu(self.bn2(h, labels), inplace=True))
        return h + self.shortcut(F.interpolate(x, scale_factor=2))


class Generator(nn.Module):
    def __init__(self, layout):
        super().__init__()
        self.layout = layout
        self.linear = Linear(LATENT_DIM, CHANNELS * 16)
        self.blocks = nn.ModuleList(GBlock() for _ in range(3))
        self.bn, self.conv = nn.BatchNorm2d(CHANNELS), Conv2d(CHANNELS, 3, 3)

    def forward(self, z, labels):
        h = self.linear(z).view(-1, CHANNELS, 4, 4).contiguous(memory_format=self.layout)
        for block in self.blocks:
            h = block(h, labels)
        return torch.tanh(self.conv(F.relu(self.bn(h), inplace=True)))


class DBlock(nn.Module):
    def __init__(self, num_inputs, first, down):
        super().__init__()
        self.first, self.down = first, down
        self.conv1, self.conv2 = Conv2d(num_inputs, CHANNELS, 3), Conv2d(CHANNELS, CHANNELS, 3)
        self.shortcut = Conv2d(num_inputs, CHANNELS, 1) if down else None

    def forward(self, x):
        h = self.conv1(x if self.first else F.relu(x))
        h = self.conv2(F.relu(h, inplace=True))
        if not self.down:
            return h + x
        if self.first:
            return F.avg_pool2d(h, 2) + self.shortcut(F.avg_pool2d(x, 2))
        return F.avg_pool2d(h, 2) + F.avg_pool2d(self.shortcut(x), 2)


class Discriminator(nn.Module):
    def __init__(self, layout):
        super().__init__()
        self.layout = layout
        plan = [(3, True, True), (CHANNELS, False, True), (CHANNELS, False, False), (CHANNELS, False, False)]
        self.blocks = nn.ModuleList(DBlock(*row) for row in plan)
        self.linear, self.embedding = Linear(CHANNELS, 1), Embedding(NUM_CLASSES, CHANNELS, spectral=True)

    def forward(self, x, labels):
        x = x.contiguous(memory_format=self.layout)
        for block in self.blocks:
            x = block(x)
        features = F.relu(x).sum((2, 3))
        return self.linear(features) + (self.embedding(labels) * features).sum(1, keepdim=True)


def diff_augment(x):
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


class Training:
    def __init__(self, batch, place):
        self.batch, self.place, layout = batch, place, place.layout
        make = lambda: Generator(layout).to(memory_format=layout)
        self.generator, self.average = make(), make()
        self.discriminator = Discriminator(layout).to(memory_format=layout)
        self.average.load_state_dict(self.generator.state_dict())
        self.average.requires_grad_(False)
        self.make_fakes, self.judge = place.fast(self.generator), place.fast(self.discriminator)
        adam = {"lr": 2e-4, "betas": (0.0, 0.999), "eps": 1e-8, "fused": True}
        self.adam_g = torch.optim.Adam(self.generator.parameters(), **adam)
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), **adam)

    def fakes(self):
        labels = torch.randint(0, NUM_CLASSES, (self.batch,))
        return self.make_fakes(torch.randn(self.batch, LATENT_DIM), labels).float(), labels

    def iteration(self):
        self.discriminator.requires_grad_(True)
        self.generator.requires_grad_(False)
        for _ in range(NUM_D_STEPS):
            self.d_step()
        self.discriminator.requires_grad_(False)
        self.generator.requires_grad_(True)
        self.g_step()
        self.ema_step(0.9999)

    def d_step(self):
        self.place.begin_step()
        self.adam_d.zero_grad(set_to_none=True)
        with torch.no_grad(), self.place.autocast():
            fakes, fake_labels = self.fakes()
        reals = torch.randn(self.batch, 3, SIZE, SIZE) * 0.5
        labels = torch.cat([fake_labels, torch.randint(0, NUM_CLASSES, (self.batch,))])
        with self.place.autocast():
            logits = self.judge(diff_augment(torch.cat([fakes, reals])), labels).float()
        fake_logits, real_logits = logits.chunk(2)
        loss = F.relu(1 + fake_logits).mean() + F.relu(1 - real_logits).mean()
        loss.backward()
        self.adam_d.step()

    def g_step(self):
        self.place.begin_step()
        self.adam_g.zero_grad(set_to_none=True)
        with self.place.autocast():
            fakes, labels = self.fakes()
            loss = -self.judge(diff_augment(fakes), labels).float().mean()
        loss.backward()
        self.adam_g.step()

    @torch.no_grad()
    def ema_step(self, decay):
        floats = lambda module: [t for t in module.state_dict().values() if t.is_floating_point()]
        torch._foreach_lerp_(floats(self.average), floats(self.generator), 1 - decay)


# Iterations between two waits for a GPU, as on our side.
PER_WAIT = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=50)
    torch_device.add_arguments(parser)
    args = parser.parse_args()
    place = torch_device.Place(args)
    training = Training(args.batch, place)
    at_once = PER_WAIT if place.is_cuda else 1
    for _ in range(args.iterations):
        print(f"iteration_s {place.seconds_each(training.iteration, at_once):.5f}", flush=True)
    place.print_peak()


if __name__ == "__main__":
    main()
