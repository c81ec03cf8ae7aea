// Batch normalisation of [batch, channels, area] with a scale and shift per channel or per sample and channel, and a ReLU.
// Forward reads x twice for the statistics and once for the result; backward reads x and the cotangent twice.
// Statistics, scale, shift and their cotangents are in A, whatever x is in.

struct NormArgs {
    i64 n;
    const T* x;
    const A *scale, *shift;
    const T *y, *g;
    A *mean, *variance, *inverse;
    T* out;
    A *plain, *weighted;
    i64 batch, channels, area, affine_rows, relu;
    double epsilon;
};

// A channel a block: mean, biased variance around it, and 1 / sqrt(variance + epsilon).
struct Statistics {
    typedef NormArgs Args;
    struct State {};
    struct Shared {
        A values[THREADS];
        A mean;
    };
    DEVICE A total(const Shared& shared) {
        A sum = 0;
        for (u32 k = 0; k < THREADS; ++k) sum += shared.values[k];
        return sum;
    }
    DEVICE int phases(const Args&) { return 4; }
    DEVICE void step(const Args& args, int phase, u32 channel, u32 thread, State&, Shared& shared) {
        const u32 area = (u32)args.area, count = (u32)args.batch * area;
        if (phase == 0 || phase == 2) {
            const A mean = phase == 0 ? A(0) : shared.mean;
            A sum = 0;
            for (u32 k = thread; k < count; k += THREADS) {
                const A v = load(args.x[((i64)(k / area) * args.channels + channel) * area + k % area]) - mean;
                sum += phase == 0 ? v : v * v;
            }
            shared.values[thread] = sum;
        } else if (phase == 1 && thread == 0) {
            shared.mean = total(shared) / (A)count;
            store(&args.mean[channel], shared.mean);
        } else if (phase == 3 && thread == 0) {
            const A variance = total(shared) / (A)count;
            store(&args.variance[channel], variance);
            store(&args.inverse[channel], A(1) / sqrt_(variance + (A)args.epsilon));
        }
    }
};
BLOCKS(norm_statistics, Statistics)

DEVICE u32 affine_index(const NormArgs& args, u32 image, u32 channel) {
    return image % (u32)args.affine_rows * (u32)args.channels + channel;
}

DEVICE void norm_forward_at(const NormArgs& args, u32 i) {
    const u32 plane = i / (u32)args.area, channel = plane % (u32)args.channels;
    const u32 affine = affine_index(args, plane / (u32)args.channels, channel);
    const A slope = load(args.inverse[channel]) * load(args.scale[affine]);
    const A v = load(args.x[i]) * slope + (load(args.shift[affine]) - load(args.mean[channel]) * slope);
    store(&args.out[i], args.relu && v < A(0) ? A(0) : v);
}
EACH(norm_forward, NormArgs)

// The cotangent behind the ReLU, whose output is y if there was one.
DEVICE A through(const NormArgs& args, i64 i) {
    const A g = load(args.g[i]);
    return args.relu && !(load(args.y[i]) > A(0)) ? A(0) : g;
}

struct Pair {
    A plain, weighted;
};

// Per plane the sums of the cotangent, and of the cotangent times the normalised input: for one scale and shift a plane
// these are their cotangents.
struct PlaneSums {
    typedef NormArgs Args;
    typedef Pair Value;
    DEVICE void join(Pair& sum, Pair v) {
        sum.plain += v.plain;
        sum.weighted += v.weighted;
    }
    DEVICE Pair partial(const Args& args, u32 plane, u32 thread) {
        const A mean = load(args.mean[plane % (u32)args.channels]);
        Pair sum = {0, 0};
        for (i64 i = plane * args.area + thread; i < (plane + 1) * args.area; i += THREADS) {
            const A g = through(args, i);
            sum.plain += g;
            sum.weighted += g * (load(args.x[i]) - mean);
        }
        return sum;
    }
    DEVICE void finish(const Args& args, u32 plane, Pair sum) {
        store(&args.plain[plane], sum.plain);
        store(&args.weighted[plane], sum.weighted * load(args.inverse[plane % (u32)args.channels]));
    }
};
BLOCKS(norm_plane_sums, Row<PlaneSums>)

struct NormMeansArgs {
    i64 n;
    const A *plain, *weighted, *scale;
    A *plain_mean, *weighted_mean, *scale_sum, *shift_sum;
    i64 batch, channels, affine_rows, count;
};

// Per channel the means over all values of the scaled sums, and, where the sums' pointers are given, the cotangents of
// one scale and shift a channel.
DEVICE void norm_means_at(const NormMeansArgs& args, u32 channel) {
    A plain = 0, weighted = 0, plain_sum = 0, weighted_sum = 0;
    for (u32 image = 0; image < (u32)args.batch; ++image) {
        const u32 plane = image * (u32)args.channels + channel;
        const A scale = load(args.scale[image % (u32)args.affine_rows * (u32)args.channels + channel]);
        const A p = load(args.plain[plane]), w = load(args.weighted[plane]);
        plain += p * scale;
        weighted += w * scale;
        plain_sum += p;
        weighted_sum += w;
    }
    store(&args.plain_mean[channel], plain / (A)args.count);
    store(&args.weighted_mean[channel], weighted / (A)args.count);
    if (args.shift_sum) {
        store(&args.shift_sum[channel], plain_sum);
        store(&args.scale_sum[channel], weighted_sum);
    }
}
EACH(norm_means, NormMeansArgs)

// The cotangent of x; plain and weighted hold the means of norm_means.
DEVICE void norm_backward_at(const NormArgs& args, u32 i) {
    const u32 plane = i / (u32)args.area, channel = plane % (u32)args.channels;
    const u32 affine = affine_index(args, plane / (u32)args.channels, channel);
    const A inverse = load(args.inverse[channel]);
    const A normal = (load(args.x[i]) - load(args.mean[channel])) * inverse;
    const A scaled = through(args, i) * load(args.scale[affine]);
    store(&args.out[i], (scaled - load(args.plain[channel]) - normal * load(args.weighted[channel])) * inverse);
}
EACH(norm_backward, NormArgs)
