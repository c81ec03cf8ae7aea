// Planes [N, C, area] with one number each: StyleGAN2's modulation and demodulation, with the noise in the same pass.

struct ScaleArgs {
    i64 n;
    const T *x, *s, *noise;
    T* y;
    Divisor channels, area, noise_rows;
};

// x * s + noise; the noise is absent if its pointer is null.
DEVICE A scale_planes_of(const ScaleArgs& args, u32 i) {
    const u32 plane = i / args.area;
    A v = load(args.x[i]) * load(args.s[plane]);
    if (args.noise) {
        const u32 row = plane / args.channels % args.noise_rows;
        v += load(args.noise[row * args.area.by + (i - plane * args.area.by)]);
    }
    return v;
}
MAP(scale_planes, ScaleArgs, y)

struct DotArgs {
    i64 n;
    const T *a, *b;
    T* y;
    i64 area;
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
