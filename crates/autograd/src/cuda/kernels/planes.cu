// Planes [N, C, area] with one number each: StyleGAN2's modulation and demodulation, with the noise in the same pass.

struct ScaleArgs {
    i64 n;
    const T *x, *s, *noise;
    T* y;
    i64 channels, area, noise_rows;
};

// x * s + noise; the noise is absent if its pointer is null.
DEVICE void scale_planes_at(const ScaleArgs& args, u32 i) {
    const u32 area = (u32)args.area, plane = i / area;
    A v = load(args.x[i]) * load(args.s[plane]);
    if (args.noise) {
        const u32 row = plane / (u32)args.channels % (u32)args.noise_rows;
        v += load(args.noise[(i64)row * area + i % area]);
    }
    store(&args.y[i], v);
}
EACH(scale_planes, ScaleArgs)

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
