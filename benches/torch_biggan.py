"""One training iteration of BigGAN on CIFAR-10 shapes in PyTorch, as fast as it runs it.

    torch_biggan.py --batch 50 --iterations 3 --threads 2 --layout channels_last
    torch_biggan.py --batch 50 --iterations 20 --device cuda:0 --precision compiled

The PyTorch side of `cargo xtask ratio biggan`: 4 discriminator steps and 1 generator step, DiffAugment
(translation,cutout), hinge loss, spectral norm, class-conditional batch norm, Adam, EMA over parameters and buffers.
Prints `iteration_s` for each iteration and `peak_rss_mib` at the end (on a GPU `peak_device_mib` and `peak_allocated_mib`
too: what PyTorch took of its memory and what was in use, both at most). Images are noise: only the time counts.
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
        # Columns in the order in which the weight lies, for a view: their order changes no singular value.
        matrix = weight.flatten(1) if weight.is_contiguous() else weight.permute(0, 2, 3, 1).flatten(1)
        with torch.autocast(weight.device.type, enabled=False):
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
        gain, bias = 1 + self.gain(labels)[:, :, None, None], self.bias(labels)[:, :, None, None]
        return torch.addcmul(bias.to(x.dtype), self.norm(x), gain.to(x.dtype))


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
    draw = lambda low, high: torch.randint(low, high, (n, 1), device=x.device)
    places = torch.arange(SIZE, device=x.device)
    rows, cols = places + draw(-reach, reach + 1), places + draw(-reach, reach + 1)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((cols >= 0) & (cols < width))[:, None, :]
    index = rows.clamp(0, height - 1)[:, :, None] * width + cols.clamp(0, width - 1)[:, None, :]

    def outside_window():
        centre = draw(0, SIZE + 1)
        return (places < centre - SIZE // 4) | (places >= centre + SIZE // 4)

    keep = outside_window()[:, :, None] | outside_window()[:, None, :]
    flat = index.view(n, 1, height * width).expand(-1, channels, -1)
    shifted = x.reshape(n, channels, height * width).gather(2, flat).view(n, channels, height, width)
    return shifted * (inside & keep)[:, None].to(x.dtype)


class Training:
    def __init__(self, batch, place):
        self.batch, self.place = batch, place
        with place.device:
            make = lambda: Generator(place.layout).to(memory_format=place.layout)
            self.generator, self.average = make(), make().requires_grad_(False)
            self.discriminator = Discriminator(place.layout).to(memory_format=place.layout)
        self.average.load_state_dict(self.generator.state_dict())
        # Of parameters and running statistics.
        floats = lambda module: [t for t in module.state_dict().values() if t.is_floating_point()]
        self.ema = floats(self.average), floats(self.generator)
        adam = {"lr": 2e-4, "betas": (0.0, 0.999), "eps": 1e-8, "fused": True}
        self.adam_g = torch.optim.Adam(self.generator.parameters(), **adam)
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), **adam)
        self.d_params = list(self.discriminator.parameters())
        self.make_fakes, self.d_loss = place.compiled(self.fakes), place.compiled(self.loss_of_d)
        self.g_loss = place.compiled(self.loss_of_g)

    def labels(self):
        return torch.randint(0, NUM_CLASSES, (self.batch,), device=self.place.device)

    def fakes(self, z, labels):
        with self.place.autocast():
            return self.generator(z, labels).float()

    def loss_of_d(self, fakes, reals, fake_labels, real_labels):
        with self.place.autocast():
            images = diff_augment(torch.cat([fakes, reals]))
            logits = self.discriminator(images, torch.cat([fake_labels, real_labels])).float()
        fake_logits, real_logits = logits.chunk(2)
        return F.relu(1 + fake_logits).mean() + F.relu(1 - real_logits).mean()

    def loss_of_g(self, z, labels):
        fakes = self.fakes(z, labels)
        with self.place.autocast():
            return -self.discriminator(diff_augment(fakes), labels).float().mean()

    def iteration(self):
        for _ in range(NUM_D_STEPS):
            self.d_step()
        for parameter in self.d_params:
            parameter.requires_grad_(False)
        self.g_step()
        for parameter in self.d_params:
            parameter.requires_grad_(True)
        self.ema_step(0.9999)

    def begin_step(self):
        """No gradient outlives a step: it may lie where the next compiled pass writes."""
        self.adam_d.zero_grad(set_to_none=True)
        self.adam_g.zero_grad(set_to_none=True)
        self.place.begin_step()

    def d_step(self):
        self.begin_step()
        fake_labels = self.labels()
        with torch.no_grad():
            fakes = self.make_fakes(self.place.normals(self.batch, LATENT_DIM), fake_labels)
        reals = self.place.normals(self.batch, 3, SIZE, SIZE) * 0.5
        self.d_loss(fakes, reals, fake_labels, self.labels()).backward()
        self.adam_d.step()

    def g_step(self):
        self.begin_step()
        self.g_loss(self.place.normals(self.batch, LATENT_DIM), self.labels()).backward()
        self.adam_g.step()

    @torch.no_grad()
    def ema_step(self, decay):
        torch._foreach_lerp_(*self.ema, 1 - decay)


# Iterations between two waits for a GPU, as on our side.
PER_WAIT = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=50)
    torch_device.add_arguments(parser)
    args = parser.parse_args()
    place = torch_device.Place(args)
    at_once = PER_WAIT if place.is_cuda else 1
    seconds = lambda training: place.seconds_each(training.iteration, at_once)
    if args.scout:
        torch_device.scout(place, ["plain"], lambda _: Training(args.batch, place), seconds)
        return
    torch_device.train(place, lambda: Training(args.batch, place), seconds, args.iterations)


if __name__ == "__main__":
    main()
