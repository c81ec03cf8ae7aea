// The standard deviation over groups of a batch, averaged: x is [size, rows, share], and a row's value is the mean over its share of
// the deviation over `size`. In F64 whatever T is, for near a root's zero the rounding of differences reaches the second derivative.
// Forward reads x twice, the second time from cache; backward reads it twice and writes once: of F32 4 and 8 bytes a value, in place of
// some 90 and 150 op by op.

struct GroupArgs {
    i64 n;
    const T *x, *g;
    T* out;
    i64 size, rows, share;
    double epsilon;
};

struct Group {
    double mean, deviation;
};

// Of the `size` values from `at` on, a batch's step apart.
DEVICE Group group_of(const GroupArgs& args, u32 at) {
    const i64 step = args.rows * args.share;
    double sum = 0, squares = 0;
    for (i64 k = 0; k < args.size; ++k) sum += (double)load(args.x[at + k * step]);
    const double mean = sum / (double)args.size;
    for (i64 k = 0; k < args.size; ++k) {
        const double centred = (double)load(args.x[at + k * step]) - mean;
        squares += centred * centred;
    }
    const Group group = {mean, sqrt_(squares / (double)args.size + args.epsilon)};
    return group;
}

struct GroupDeviation {
    typedef GroupArgs Args;
    typedef double Value;
    DEVICE void join(double& sum, double v) { sum += v; }
    DEVICE double partial(const Args& args, u32 row, u32 thread) {
        double sum = 0;
        for (i64 i = thread; i < args.share; i += THREADS) sum += group_of(args, row * (u32)args.share + (u32)i).deviation;
        return sum;
    }
    DEVICE void finish(const Args& args, u32 row, double sum) { store(&args.out[row], (A)(sum / (double)args.share)); }
};
BLOCKS(group_deviation, Row<GroupDeviation>)

// The cotangents of the values from that of a row's mean.
DEVICE void group_deviation_grad_at(const GroupArgs& args, u32 i) {
    const i64 step = args.rows * args.share;
    const Group group = group_of(args, i);
    const double each = (double)load(args.g[i / (u32)args.share]) / ((double)args.share * (double)args.size * group.deviation);
    for (i64 k = 0; k < args.size; ++k) {
        store(&args.out[i + k * step], (A)(each * ((double)load(args.x[i + k * step]) - group.mean)));
    }
}
EACH(group_deviation_grad, GroupArgs)
