// Batch normalisation of [batch, channels, area] with a scale and shift per channel or per sample and channel, and a ReLU.
// Forward reads x twice for the statistics and once for the result; backward reads x and the cotangent twice. Statistics, scale, shift and their cotangents are in A, whatever x is in.

struct NormArgs {
    i64 n;
    const T* x;
    const A *scale, *shift;
    const T *y, *g;
    const A *mean, *inverse;
    T* out;
    A *plain, *weighted;
    Divisor channels, area, affine_rows;
    // Whether x, out, y and g lie pixel by pixel.
    i64 relu, pixels;
};

// A channel's values are those of its planes, one behind the other. A part of them a block, so that few channels keep a whole GPU
// busy too: mean and sum of squares around it, read twice, the second time from cache.
#define PART 8192
#define PIXELS_PART 512

struct StatisticsArgs {
    i64 n;
    const T* x;
    // Of a channel if there is one part; else of a part, with the sum of squares in place of the variance.
    A *mean, *variance, *inverse;
    Divisor channels, area, parts;
    i64 count;
    double epsilon;
};

struct Statistics {
    typedef StatisticsArgs Args;
    struct State {};
    struct Shared {
        A values[THREADS];
        A mean;
    };
    // The sum of all values, in two meetings: first as 16 sums.
    DEVICE void gather(Shared& shared, u32 thread) {
        for (u32 k = thread + 16; thread < 16 && k < THREADS; k += 16) shared.values[thread] += shared.values[k];
    }
    DEVICE A total(const Shared& shared) {
        A sum = 0;
        for (u32 k = 0; k < 16; ++k) sum += shared.values[k];
        return sum;
    }
    DEVICE int phases(const Args&) { return 6; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const u32 channel = block / args.parts, start = block % args.parts * PART;
        const u32 end = min_((u32)args.count, start + PART);
        if (phase == 0 || phase == 3) {
            const A mean = phase == 0 ? A(0) : shared.mean;
            const u32 area = args.area.by;
            A sum = 0;
            for (u32 k = start + thread; k < end; k += THREADS) {
                const u32 image = k / args.area;
                const A v = load(args.x[(image * args.channels.by + channel) * area + (k - image * area)]) - mean;
                sum += phase == 0 ? v : v * v;
            }
            shared.values[thread] = sum;
        } else if (phase == 1 || phase == 4) {
            gather(shared, thread);
        } else if (phase == 2 && thread == 0) {
            shared.mean = total(shared) / (A)(end - start);
            store(&args.mean[block], shared.mean);
        } else if (phase == 5 && thread == 0) {
            const A squares = total(shared);
            if (args.parts.by > 1) {
                store(&args.variance[block], squares);
                return;
            }
            const A variance = squares / (A)(end - start);
            store(&args.variance[channel], variance);
            store(&args.inverse[channel], A(1) / sqrt_(variance + (A)args.epsilon));
        }
    }
};
BLOCKS(norm_statistics, Statistics)

// The same of images that lie pixel by pixel: 32 channels a block, 8 threads a channel, so that a pixel is read in one run. The
// block's number is that of the part and, ahead of it, of the channels.
struct PixelStatistics {
    typedef StatisticsArgs Args;
    struct State {};
    struct Shared {
        A lanes[THREADS];
        A mean[32];
    };
    DEVICE int phases(const Args&) { return 4; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const u32 channels = args.channels.by, lane = thread % 32, channel = block / args.parts * 32 + lane;
        const u32 part = block % args.parts, start = part * PIXELS_PART, end = min_((u32)args.count, start + PIXELS_PART);
        if (channel >= channels) return;
        if (phase % 2 == 0) {
            const A mean = phase == 0 ? A(0) : shared.mean[lane];
            A sum = 0;
            for (u32 k = start + thread / 32; k < end; k += THREADS / 32) {
                const A v = load(args.x[(i64)k * channels + channel]) - mean;
                sum += phase == 0 ? v : v * v;
            }
            shared.lanes[thread] = sum;
        } else if (thread < 32) {
            A sum = 0;
            for (u32 k = 0; k < THREADS / 32; ++k) sum += shared.lanes[k * 32 + lane];
            const i64 at = (i64)channel * args.parts.by + part;
            if (phase == 1) {
                shared.mean[lane] = sum / (A)(end - start);
                store(&args.mean[at], shared.mean[lane]);
            } else if (args.parts.by > 1) {
                store(&args.variance[at], sum);
            } else {
                const A variance = sum / (A)(end - start);
                store(&args.variance[channel], variance);
                store(&args.inverse[channel], A(1) / sqrt_(variance + (A)args.epsilon));
            }
        }
    }
};
BLOCKS(norm_pixel_statistics, PixelStatistics)

struct JoinArgs {
    i64 n;
    const A *means, *squares;
    A *mean, *variance, *inverse;
    i64 parts, part, count;
    double epsilon;
};

// The statistics of a channel from those of its parts, in order (Chan, Golub and LeVeque 1979).
DEVICE void norm_join_at(const JoinArgs& args, u32 channel) {
    A mean = 0, squares = 0, count = 0;
    for (i64 part = 0; part < args.parts; ++part) {
        const i64 at = channel * args.parts + part;
        const A len = (A)min_(args.part, args.count - part * args.part), share = len / (count + len);
        const A step = load(args.means[at]) - mean;
        mean += step * share;
        squares += load(args.squares[at]) + step * step * (count * share);
        count += len;
    }
    const A variance = squares / count;
    store(&args.mean[channel], mean);
    store(&args.variance[channel], variance);
    store(&args.inverse[channel], A(1) / sqrt_(variance + (A)args.epsilon));
}
EACH(norm_join, JoinArgs)

DEVICE u32 affine_index(const NormArgs& args, u32 image, u32 channel) {
    return image % args.affine_rows * args.channels.by + channel;
}

struct Owner {
    u32 image, channel;
};

// Whose value i is.
DEVICE Owner owner(const NormArgs& args, u32 i) {
    const u32 first = i / (args.pixels ? args.channels : args.area);
    const u32 image = first / (args.pixels ? args.area : args.channels);
    const Owner o = {image, args.pixels ? i - first * args.channels.by : first - image * args.channels.by};
    return o;
}

DEVICE A norm_forward_of(const NormArgs& args, u32 i) {
    const Owner o = owner(args, i);
    const u32 channel = o.channel, affine = affine_index(args, o.image, channel);
    const A slope = load(args.inverse[channel]) * load(args.scale[affine]);
    const A v = load(args.x[i]) * slope + (load(args.shift[affine]) - load(args.mean[channel]) * slope);
    return args.relu && v < A(0) ? A(0) : v;
}
MAP(norm_forward, NormArgs, out)

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
    DEVICE u32 channels(const Args& args) { return args.channels.by; }
    DEVICE u32 area(const Args& args) { return args.area.by; }
    DEVICE void join(Pair& sum, Pair v) {
        sum.plain += v.plain;
        sum.weighted += v.weighted;
    }
    DEVICE Pair term(const Args& args, u32 plane, u32 i) {
        const A g = through(args, i);
        const Pair v = {g, g * (load(args.x[i]) - load(args.mean[plane % args.channels]))};
        return v;
    }
    DEVICE void finish(const Args& args, u32 plane, Pair sum) {
        store(&args.plain[plane], sum.plain);
        store(&args.weighted[plane], sum.weighted * load(args.inverse[plane % args.channels]));
    }
};
BLOCKS(norm_plane_sums, Row<Planes<PlaneSums>>)
BLOCKS(norm_pixel_sums, Pixels<PlaneSums>)

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
DEVICE A norm_backward_of(const NormArgs& args, u32 i) {
    const Owner o = owner(args, i);
    const u32 channel = o.channel, affine = affine_index(args, o.image, channel);
    const A inverse = load(args.inverse[channel]);
    const A normal = (load(args.x[i]) - load(args.mean[channel])) * inverse;
    const A scaled = through(args, i) * load(args.scale[affine]);
    return (scaled - load(args.plain[channel]) - normal * load(args.weighted[channel])) * inverse;
}
MAP(norm_backward, NormArgs, out)
