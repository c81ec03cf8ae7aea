"""One training iteration of StyleGAN2 on CIFAR-10 shapes in PyTorch, as fast as it runs it.

    torch_stylegan2.py --phase all --batch 8 --iterations 3 --threads 2 --layout channels_last --form scaled
    torch_stylegan2.py --phase all --batch 64 --iterations 10 --device cuda:0 --precision compiled --form scaled

The PyTorch side of `cargo xtask ratio stylegan2` (`--phase all`) and `stylegan2-r1` (`--phase r1`): ADA's configuration
for CIFAR-10 without its clamp (512 channels at every resolution, two mapping layers, a plain discriminator, the minibatch
standard deviation over groups of 32), no augmentation, Adam, EMA.

R1 acts in every 16th iteration, as in StyleGAN2's appendix B. `all` prints the mean over a cycle of 16 as `iteration_s`: on
a GPU of the cycle itself, on the CPU of one iteration with R1 and one without; `r1` prints the R1 step alone. `peak_rss_mib`
comes at the end (on a GPU `peak_device_mib` and `peak_allocated_mib` too: what PyTorch took of its memory and what was in
use, both at most), and with it `loss_d`, `loss_g` and `loss_r1`, by which to see that both sides do the same. Images are
noise: only the time counts.
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
MBSTD_GROUP = 32
GAIN = math.sqrt(2)
SLOPE = 0.2
FORMS = ["scaled", "grouped"]


def binomial(channels, gain):
    """The filter [1, 3, 3, 1] on both axes, which sums to the gain, for each channel."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8 * math.sqrt(gain)
    return (taps[:, None] * taps).repeat(channels, 1, 1, 1)


class LowPass(torch.autograd.Function):
    """One depthwise convolution (two, or sums of shifts, are slower) with a filter that is its own mirror image.

    So its adjoint is itself with the other padding. PyTorch's own second derivative would, for the fixed filter's gradient,
    convolve channel by channel.
    """

    @staticmethod
    def forward(ctx, x, kernel, padding):
        ctx.save_for_backward(kernel)
        ctx.padding = padding
        return F.conv2d(x, kernel.to(x.dtype), padding=padding, groups=len(kernel))

    @staticmethod
    def backward(ctx, gradient):
        (kernel,) = ctx.saved_tensors
        return LowPass.apply(gradient, kernel, len(kernel[0, 0]) - 1 - ctx.padding), None, None


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
        if torch.compiler.is_compiling():
            # Compiled for a CPU in BF16, addmm with a factor gave gradients that are not finite (PyTorch 2.15).
            x = F.linear(x, self.weight * self.weight_gain, bias)
        else:
            x = torch.addmm(bias, x, self.weight.t(), alpha=self.weight_gain)
        return F.leaky_relu_(x, SLOPE) if self.active else x


class Conv2d(nn.Module):
    """Equalised, with a leaky ReLU; `down` filters and takes every second pixel."""

    def __init__(self, num_inputs, num_outputs, size, down=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(num_outputs))
        self.down, self.size, self.gain = down, size, GAIN / math.sqrt(num_inputs * size * size)
        if down:
            self.register_buffer("low_pass", binomial(num_inputs, 1.0), persistent=False)

    def forward(self, x):
        weight, bias = self.weight * self.gain, self.bias * GAIN
        if self.down:
            x = F.conv2d(LowPass.apply(x, self.low_pass, 2), weight, bias, stride=2)
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
        if up:
            self.register_buffer("low_pass", binomial(num_outputs, 4.0), persistent=False)

    def forward(self, x, w):
        styles = self.affine(w)
        y = self.scaled(x, styles) if self.form == "scaled" else self.grouped(x, styles)
        noise = torch.randn(len(x), 1, *y.shape[2:], device=x.device) * (self.noise_strength * GAIN)
        # In the images' type, which F32 terms would widen.
        noise, bias = noise.to(y.dtype), (self.bias * GAIN).to(y.dtype)[:, None, None]
        if self.form == "scaled":
            # sum of (w s)^2 over input channels and taps
            squares = styles.square() @ self.weight.square().sum((2, 3)).t()
            scale = torch.rsqrt(squares + 1e-8) * GAIN
            y = torch.addcmul(noise, y, scale.to(y.dtype)[:, :, None, None])
        else:
            y = y + noise
        return F.leaky_relu_(y.add_(bias), SLOPE)

    def scaled(self, x, styles):
        x = x * styles[:, :, None, None]
        if not self.up:
            return F.conv2d(x, self.weight, padding=1)
        return LowPass.apply(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2), self.low_pass, 1)

    def grouped(self, x, styles):
        n, num_inputs, height, width = x.shape
        weight = self.weight * styles[:, None, :, None, None]
        weight = weight * (torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8) * GAIN)
        x = x.reshape(1, n * num_inputs, height, width)
        if not self.up:
            y = F.conv2d(x, weight.flatten(0, 1), padding=1, groups=n)
            return y.view(n, -1, height, width)
        y = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        return LowPass.apply(y.view(n, -1, *y.shape[2:]), self.low_pass, 1)


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
            y = x.permute(0, 2, 3, 1).reshape(n, -1, channels) @ kernels.transpose(1, 2) + self.bias.to(x.dtype)
            return y.view(n, height, width, 3).permute(0, 3, 1, 2)
        y = torch.baddbmm(self.bias[:, None].expand(n, 3, 1), kernels, x.reshape(n, channels, -1))
        return y.view(n, 3, height, width)


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
        self.register_buffer("low_pass", binomial(3, 4.0), persistent=False)

    def forward(self, z):
        w = self.mapping(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8))
        with torch.no_grad():
            self.w_avg.lerp_(w.float().mean(0), 1 - 0.995)
        x = self.const.to(w.dtype).expand(len(z), -1, -1, -1).contiguous(memory_format=self.layout)
        x = self.first(x, w)
        image = self.rgb[0](x, w)
        for (up, conv), rgb in zip(self.pairs, self.rgb[1:]):
            x = conv(up(x, w), w)
            image = self.double(image) + rgb(x, w)
        return image

    def double(self, image):
        """The image at twice its side: zeros between the pixels, then the low pass."""
        return F.conv_transpose2d(image, self.low_pass, stride=2, padding=1, groups=3)


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
        x = torch.cat([x, minibatch_deviation(x)], 1)
        return self.out(self.fc(self.conv(x).flatten(1)))


def minibatch_deviation(x):
    """A further channel: with M groups image j is in group j mod M, whose mean deviation it shows."""
    n, _, height, width = x.shape
    group = next(size for size in range(min(MBSTD_GROUP, n), 0, -1) if n % size == 0)
    deviations = (x.view(group, n // group, *x.shape[1:]).var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return deviations.repeat(group).view(n, 1, 1, 1).expand(-1, -1, height, width)


class Training:
    def __init__(self, args, form, place):
        self.batch, self.losses, self.place, layout = args.batch, {}, place, place.layout
        with place.device:
            self.discriminator = Discriminator(layout).to(memory_format=layout)
            if args.phase == "all":
                make = lambda: Generator(layout, form).to(memory_format=layout)
                self.generator, self.average = make(), make().requires_grad_(False)
        self.d_params = list(self.discriminator.parameters())
        self.adam_d = self.adam(self.discriminator, R1_INTERVAL)
        self.optimisers = [self.adam_d]
        if args.phase == "all":
            self.average.load_state_dict(self.generator.state_dict())
            self.ema = list(self.average.parameters()), list(self.generator.parameters())
            self.adam_g = self.adam(self.generator, G_INTERVAL)
            self.optimisers.append(self.adam_g)
        self.make_fakes, self.g_loss = place.compiled(self.fakes), place.compiled(self.loss_of_g)
        self.d_loss = place.compiled(self.loss_of_d)

    @staticmethod
    def adam(network, interval):
        """Learning rate and betas of lazy regularisation."""
        share = interval / (interval + 1)
        betas = (0.0, 0.99**share)
        return torch.optim.Adam(network.parameters(), lr=0.0025 * share, betas=betas, eps=1e-8, fused=True)

    def latents(self):
        return self.place.normals(self.batch, 512)

    def reals(self):
        return self.place.normals(self.batch, 3, SIZE, SIZE) * 0.5

    def fakes(self, z):
        with self.place.autocast():
            return self.generator(z)

    def logits(self, images):
        with self.place.autocast():
            return self.discriminator(images).float()

    def loss_of_g(self, z):
        return F.softplus(-self.logits(self.fakes(z))).mean()

    def loss_of_d(self, fakes, reals):
        return F.softplus(self.logits(fakes)).mean() + F.softplus(-self.logits(reals)).mean()

    def iteration(self, with_r1):
        self.g_step()
        reals = self.reals()
        self.d_step(reals)
        if with_r1:
            self.r1_step(reals)
        self.ema_step(0.5 ** (self.batch / 500e3))

    def begin_step(self):
        """No gradient outlives a step: it may lie where the next compiled pass writes."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self.place.begin_step()

    def g_step(self):
        for parameter in self.d_params:
            parameter.requires_grad_(False)
        self.begin_step()
        loss = self.g_loss(self.latents())
        loss.backward()
        self.adam_g.step()
        self.losses["loss_g"] = loss.detach().clone()
        for parameter in self.d_params:
            parameter.requires_grad_(True)

    def d_step(self, reals):
        self.begin_step()
        with torch.no_grad():
            fakes = self.make_fakes(self.latents())
        if self.place.compiles:
            loss = self.d_loss(fakes, reals)
            loss.backward()
            self.losses["loss_d"] = loss.detach().clone()
        else:
            # Two passes, each with its own backward: half the activations at a time.
            self.losses["loss_d"] = self.d_pass(fakes, 1) + self.d_pass(reals, -1)
        self.adam_d.step()

    def d_pass(self, images, sign):
        loss = F.softplus(sign * self.logits(images)).mean()
        loss.backward()
        return loss.detach()

    def r1_step(self, reals):
        """By differentiating the backward pass; forward mode over the fixed gradient takes longer."""
        self.begin_step()
        reals = reals.detach().requires_grad_(True)
        logits = self.logits(reals)
        (gradient,) = torch.autograd.grad(logits.sum(), reals, create_graph=True)
        penalty = gradient.square().sum((1, 2, 3)).mean() * (R1_GAMMA / 2)
        (penalty * R1_INTERVAL).backward(inputs=self.d_params)
        self.adam_d.step()
        self.losses["loss_r1"] = penalty.detach()

    def cycle(self):
        for step in range(R1_INTERVAL):
            self.iteration(step == 0)

    @torch.no_grad()
    def ema_step(self, decay):
        torch._foreach_lerp_(*self.ema, 1 - decay)
        self.average.w_avg.copy_(self.generator.w_avg)


def of_two_kinds(training):
    """Seconds of an iteration, from one with R1 and one without."""
    with_r1, plain = (training.place.seconds(training.iteration, kind) for kind in (True, False))
    return (with_r1 + (R1_INTERVAL - 1) * plain) / R1_INTERVAL


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phase", choices=["all", "r1"], default="all")
    parser.add_argument("--batch", type=int, default=8)
    torch_device.add_arguments(parser)
    parser.add_argument("--form", choices=FORMS, default="scaled")
    args = parser.parse_args()
    place = torch_device.Place(args)
    if args.scout:
        torch_device.scout(place, FORMS, lambda form: Training(args, form, place), of_two_kinds)
        return
    if args.phase == "r1":
        seconds = lambda training: place.seconds(training.r1_step, training.reals())
    elif place.is_cuda:
        seconds = lambda training: place.seconds(training.cycle) / R1_INTERVAL
    else:
        seconds = of_two_kinds
    training = torch_device.train(place, lambda: Training(args, args.form, place), seconds, args.iterations)
    for name, loss in training.losses.items():
        print(f"{name} {float(loss):.6g}")


if __name__ == "__main__":
    main()
