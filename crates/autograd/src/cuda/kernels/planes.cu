// Planes [N, C, area] with one number each: StyleGAN2's modulation and demodulation, with the noise in the same pass.

struct ScaleArgs {
    i64 n;
    const T *x, *s, *noise;
    T* y;
    Divisor channels, area, noise_rows;
    // Whether x and y lie pixel by pixel.
    i64 pixels;
};

// x * s + noise; the noise is absent if its pointer is null.
DEVICE A scale_planes_of(const ScaleArgs& args, u32 i) {
    const u32 first = i / (args.pixels ? args.channels : args.area);
    const u32 image = first / (args.pixels ? args.area : args.channels);
    const u32 channel = args.pixels ? i - first * args.channels.by : first - image * args.channels.by;
    const u32 pixel = args.pixels ? first - image * args.area.by : i - first * args.area.by;
    A v = load(args.x[i]) * load(args.s[image * args.channels.by + channel]);
    if (args.noise) v += load(args.noise[image % args.noise_rows * args.area.by + pixel]);
    return v;
}
MAP(scale_planes, ScaleArgs, y)

struct DotArgs {
    i64 n;
    const T *a, *b;
    T* y;
    i64 channels, area;
};

struct Dot {
    typedef DotArgs Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 plane, u32 thread) {
        A sum = 0;
        for (i64 i = plane * args.area + thread; i < (plane + 1) * args.area; i += THREADS) {
            sum += load(args.a[i]) * load(args.b[i]);
        }
        return sum;
    }
    DEVICE void finish(const Args& args, u32 plane, A sum) { store(&args.y[plane], sum); }
};
BLOCKS(dot_planes, Row<Dot>)

// The same of images that lie pixel by pixel: 32 channels of an image a block, 8 threads a channel.
struct DotPixels {
    typedef DotArgs Args;
    struct State {};
    struct Shared {
        A lanes[THREADS];
    };
    DEVICE int phases(const Args&) { return 2; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const u32 channels = (u32)args.channels, groups = (channels + 31) / 32, image = block / groups;
        const u32 channel = (block - image * groups) * 32 + thread % 32;
        if (channel >= channels) return;
        A sum = 0;
        if (phase == 0) {
            const i64 start = image * args.area * channels + channel;
            for (i64 k = thread / 32; k < args.area; k += THREADS / 32) {
                const i64 i = start + k * channels;
                sum += load(args.a[i]) * load(args.b[i]);
            }
            shared.lanes[thread] = sum;
        } else if (thread < 32) {
            for (u32 k = 0; k < THREADS / 32; ++k) sum += shared.lanes[k * 32 + thread];
            store(&args.y[image * channels + channel], sum);
        }
    }
};
BLOCKS(dot_pixels, DotPixels)
