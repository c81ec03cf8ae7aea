"""One training iteration of StyleGAN2 on CIFAR-10 shapes in PyTorch, as fast as it runs it.

    torch_stylegan2.py --phase all --batch 8 --iterations 3 --threads 2 --layout channels_last --form scaled
    torch_stylegan2.py --phase all --batch 64 --iterations 10 --device cuda:0 --precision compiled --form scaled

The PyTorch side of `cargo xtask ratio stylegan2` (`--phase all`) and `stylegan2-r1` (`--phase r1`): ADA's configuration
for CIFAR-10 in single precision without its clamp (512 channels at every resolution, two mapping layers, a plain
discriminator, the minibatch standard deviation over the batch), no augmentation, Adam, EMA.

R1 acts in every 16th iteration, as in StyleGAN2's appendix B. `all` times one iteration with R1 and one without, and prints
the mean over a cycle of 16 as `iteration_s`; `r1` prints the R1 step alone. `peak_rss_mib` comes at the end (on a GPU
`peak_device_mib` too), and with it
`loss_d`, `loss_g` and `loss_r1`, by which to see that both sides do the same. Images are noise: only the time counts.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from torch import nn

import torch_device

CHANNELS, W_DIM, SIZE = 512, 512, 32
MAPPING_LAYERS, MAPPING_LR = 2, 0.01
R1_INTERVAL, R1_GAMMA, G_INTERVAL = 16, 0.01, 4
GAIN = math.sqrt(2)
SLOPE = 0.2


def low_pass(x, gain, padding):
    """The binomial filter [1, 3, 3, 1] on both axes, as one depthwise convolution (two, or sums of shifts, are slower)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8 * math.sqrt(gain)
    kernel = (taps[:, None] * taps).repeat(x.shape[1], 1, 1, 1)
    return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])


class Linear(nn.Module):
    """Equalised: the weight is kept at unit scale and multiplied on the way; a leaky ReLU's gain is folded in."""

    def __init__(self, num_inputs, num_outputs, active=False, lr=1.0, bias=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs) / lr)
        self.bias = nn.Parameter(torch.full((num_outputs,), bias))
        gain = GAIN if active else 1.0
        self.active, self.weight_gain, self.bias_gain = active, gain * lr / math.sqrt(num_inputs), gain * lr

    def forward(self, x):
        bias = self.bias if self.bias_gain == 1.0 else self.bias * self.bias_gain
        x = torch.addmm(bias, x, self.weight.t(), alpha=self.weight_gain)
        return F.leaky_relu_(x, SLOPE) if self.active else x


class Conv2d(nn.Module):
    """Equalised, with a leaky ReLU; `down` filters and takes every second pixel."""

    def __init__(self, num_inputs, num_outputs, size, down=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(num_outputs))
        self.down, self.size, self.gain = down, size, GAIN / math.sqrt(num_inputs * size * size)

    def forward(self, x):
        weight, bias = self.weight * self.gain, self.bias * GAIN
        if self.down:
            x = F.conv2d(low_pass(x, 1.0, 2), weight, bias, stride=2)
        else:
            x = F.conv2d(x, weight, bias, padding=self.size // 2)
        return F.leaky_relu_(x, SLOPE)


class ModulatedConv2d(nn.Module):
    """A 3x3 convolution modulated and demodulated by a style, with noise, bias and a leaky ReLU; `up` doubles the side.

    `scaled` scales the input, convolves the batch at once and scales the output; `grouped` gives each sample its own
    kernel.
    """

    def __init__(self, num_inputs, num_outputs, up, form):
        super().__init__()
        self.affine = Linear(W_DIM, num_inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(num_outputs))
        self.up, self.form = up, form

    def forward(self, x, w):
        n, styles = len(x), self.affine(w)
        y = self.scaled(x, styles) if self.form == "scaled" else self.grouped(x, styles)
        noise = torch.randn(n, 1, *y.shape[2:]) * (self.noise_strength * GAIN)
        if self.form == "scaled":
            # sum of (w s)^2 over input channels and taps
            squares = styles.square() @ self.weight.square().sum((2, 3)).t()
            scale = torch.rsqrt(squares + 1e-8) * GAIN
            y = torch.addcmul(noise, y, scale[:, :, None, None])
        else:
            y = y + noise
        y = y.add_((self.bias * GAIN)[:, None, None])
        return F.leaky_relu_(y, SLOPE)

    def scaled(self, x, styles):
        x = x * styles[:, :, None, None]
        if not self.up:
            return F.conv2d(x, self.weight, padding=1)
        return low_pass(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2), 4.0, 1)

    def grouped(self, x, styles):
        n, num_inputs, height, width = x.shape
        weight = self.weight * styles[:, None, :, None, None]
        weight = weight * (torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8) * GAIN)
        x = x.reshape(1, n * num_inputs, height, width)
        if not self.up:
            y = F.conv2d(x, weight.flatten(0, 1), padding=1, groups=n)
            return y.view(n, -1, height, width)
        y = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        return low_pass(y.view(n, -1, *y.shape[2:]), 4.0, 1)


class ToRgb(nn.Module):
    def __init__(self, num_inputs):
        super().__init__()
        self.affine = Linear(W_DIM, num_inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, num_inputs))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x, w):
        n, channels, height, width = x.shape
        styles = self.affine(w) / math.sqrt(channels)
        kernels = self.weight * styles[:, None, :]
        # One product a sample: pixels by channels or channels by pixels, as the image lies.
        if x.is_contiguous(memory_format=torch.channels_last):
            y = x.permute(0, 2, 3, 1).reshape(n, -1, channels) @ kernels.transpose(1, 2) + self.bias
            return y.view(n, height, width, 3).permute(0, 3, 1, 2)
        y = torch.baddbmm(self.bias[:, None].expand(n, 3, 1), kernels, x.reshape(n, channels, -1))
        return y.view(n, 3, height, width)


def double(image):
    """The image at twice its side: zeros between the pixels, then the low pass."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    kernel = (taps[:, None] * taps).expand(3, 1, 4, 4)
    return F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=3)


class Generator(nn.Module):
    def __init__(self, layout, form):
        super().__init__()
        self.layout = layout
        layers = [Linear(512 if i == 0 else W_DIM, W_DIM, active=True, lr=MAPPING_LR) for i in range(MAPPING_LAYERS)]
        self.mapping = nn.Sequential(*layers)
        self.register_buffer("w_avg", torch.zeros(W_DIM))
        self.const = nn.Parameter(torch.randn(CHANNELS, 4, 4))
        make = lambda up: ModulatedConv2d(CHANNELS, CHANNELS, up, form)
        self.first = make(False)
        self.pairs = nn.ModuleList(nn.ModuleList([make(True), make(False)]) for _ in range(3))
        self.rgb = nn.ModuleList(ToRgb(CHANNELS) for _ in range(4))

    def forward(self, z):
        w = self.mapping(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))
        with torch.no_grad():
            self.w_avg.lerp_(w.float().mean(0), 1 - 0.995)
        x = self.const.expand(len(z), -1, -1, -1).contiguous(memory_format=self.layout)
        x = self.first(x, w)
        image = self.rgb[0](x, w)
        for (up, conv), rgb in zip(self.pairs, self.rgb[1:]):
            x = conv(up(x, w), w)
            image = double(image) + rgb(x, w)
        return image


class Discriminator(nn.Module):
    def __init__(self, layout):
        super().__init__()
        self.layout = layout
        self.from_rgb = Conv2d(3, CHANNELS, 1)
        pairs = [[Conv2d(CHANNELS, CHANNELS, 3), Conv2d(CHANNELS, CHANNELS, 3, down=True)] for _ in range(3)]
        self.blocks = nn.Sequential(*sum(pairs, []))
        self.conv = Conv2d(CHANNELS + 1, CHANNELS, 3)
        self.fc, self.out = Linear(CHANNELS * 16, CHANNELS, active=True), Linear(CHANNELS, 1)

    def forward(self, x):
        x = self.blocks(self.from_rgb(x.contiguous(memory_format=self.layout)))
        n, _, height, width = x.shape
        # The whole batch is one group: the published group of 32 is cut to it.
        deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
        x = torch.cat([x, deviation.expand(n, 1, height, width)], 1)
        return self.out(self.fc(self.conv(x).flatten(1)))


class Training:
    def __init__(self, args, place):
        self.batch, self.losses, self.place, layout = args.batch, {}, place, place.layout
        self.discriminator = Discriminator(layout).to(memory_format=layout)
        self.judge = place.fast(self.discriminator)
        self.adam_d = self.adam(self.discriminator, R1_INTERVAL)
        if args.phase == "all":
            make = lambda: Generator(layout, args.form).to(memory_format=layout)
            self.generator, self.average = make(), make().requires_grad_(False)
            self.average.load_state_dict(self.generator.state_dict())
            self.make_fakes = place.fast(self.generator)
            self.adam_g = self.adam(self.generator, G_INTERVAL)

    @staticmethod
    def adam(network, interval):
        """Learning rate and betas of lazy regularisation."""
        share = interval / (interval + 1)
        betas = (0.0, 0.99**share)
        return torch.optim.Adam(network.parameters(), lr=0.0025 * share, betas=betas, eps=1e-8, fused=True)

    def reals(self):
        return torch.randn(self.batch, 3, SIZE, SIZE) * 0.5

    def iteration(self, with_r1):
        self.g_step()
        reals = self.reals()
        self.d_step(reals)
        if with_r1:
            self.r1_step(reals)
        self.ema_step(0.5 ** (self.batch / 500e3))

    def g_step(self):
        self.discriminator.requires_grad_(False)
        self.generator.requires_grad_(True)
        self.place.begin_step()
        self.adam_g.zero_grad(set_to_none=True)
        with self.place.autocast():
            logits = self.judge(self.make_fakes(torch.randn(self.batch, 512)))
        loss = F.softplus(-logits.float()).mean()
        loss.backward()
        self.adam_g.step()
        self.losses["loss_g"] = loss.detach().clone()

    def d_step(self, reals):
        self.discriminator.requires_grad_(True)
        self.generator.requires_grad_(False)
        self.place.begin_step()
        self.adam_d.zero_grad(set_to_none=True)
        with torch.no_grad(), self.place.autocast():
            fakes = self.make_fakes(torch.randn(self.batch, 512))
        # Two passes, each with its own backward: half the activations at a time.
        on_fakes = self.d_loss(fakes, 1)
        on_reals = self.d_loss(reals, -1)
        self.adam_d.step()
        self.losses["loss_d"] = on_fakes + on_reals

    def d_loss(self, images, sign):
        with self.place.autocast():
            logits = self.judge(images)
        loss = F.softplus(sign * logits.float()).mean()
        loss.backward()
        return loss.detach().clone()

    def r1_step(self, reals):
        """By differentiating the backward pass; forward mode over the fixed gradient takes longer."""
        self.discriminator.requires_grad_(True)
        self.adam_d.zero_grad(set_to_none=True)
        reals = reals.detach().requires_grad_(True)
        with self.place.autocast():
            logits = self.discriminator(reals)
        (gradient,) = torch.autograd.grad(logits.float().sum(), reals, create_graph=True)
        penalty = gradient.square().sum((1, 2, 3)).mean() * (R1_GAMMA / 2)
        (penalty * R1_INTERVAL).backward(inputs=list(self.discriminator.parameters()))
        self.adam_d.step()
        self.losses["loss_r1"] = penalty.detach()

    def cycle(self):
        for step in range(R1_INTERVAL):
            self.iteration(step == 0)

    @torch.no_grad()
    def ema_step(self, decay):
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - decay)
        self.average.w_avg.copy_(self.generator.w_avg)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phase", choices=["all", "r1"], default="all")
    parser.add_argument("--batch", type=int, default=8)
    torch_device.add_arguments(parser)
    parser.add_argument("--form", choices=["scaled", "grouped"], default="scaled")
    args = parser.parse_args()
    place = torch_device.Place(args)
    training = Training(args, place)
    for _ in range(args.iterations):
        if args.phase == "r1":
            mean = place.seconds(training.r1_step, training.reals())
        elif place.is_cuda:
            mean = place.seconds(training.cycle) / R1_INTERVAL
        else:
            with_r1, plain = place.seconds(training.iteration, True), place.seconds(training.iteration, False)
            mean = (with_r1 + (R1_INTERVAL - 1) * plain) / R1_INTERVAL
        print(f"iteration_s {mean:.5f}", flush=True)
    for name, loss in training.losses.items():
        print(f"{name} {float(loss):.6g}")
    place.print_peak()


if __name__ == "__main__":
    main()
