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
    DEVICE u32 channels(const Args& args) { return (u32)args.channels; }
    DEVICE u32 area(const Args& args) { return (u32)args.area; }
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A term(const Args& args, u32, u32 i) { return load(args.a[i]) * load(args.b[i]); }
    DEVICE void finish(const Args& args, u32 plane, A sum) { store(&args.y[plane], sum); }
};
BLOCKS(dot_planes, Row<Planes<Dot>>)
BLOCKS(dot_pixels, Pixels<Dot>)
