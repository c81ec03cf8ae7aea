// Colours: DiffAugment's brightness, saturation and contrast as one map, and ADA's colour matrices.

struct ColorArgs {
    i64 n;
    const T *x, *coefficients;
    T *y, *means;
    i64 channels, pixels, shifted, transposed;
};

// The mean of each image.
struct ImageMean {
    typedef ColorArgs Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 image, u32 thread) {
        const i64 len = args.channels * args.pixels;
        A sum = 0;
        for (i64 i = image * len + thread; i < (image + 1) * len; i += THREADS) sum += load(args.x[i]);
        return sum;
    }
    DEVICE void finish(const Args& args, u32 image, A sum) {
        store(&args.means[image], sum / (A)(args.channels * args.pixels));
    }
};
BLOCKS(image_means, Row<ImageMean>)

// a x + b m + c M + d of one pixel: m its mean over the channels, M the mean of the image.
DEVICE void color_mix_at(const ColorArgs& args, u32 i) {
    const i64 image = i / (u32)args.pixels, pixel = i % (u32)args.pixels;
    const T* row = args.coefficients + image * 4;
    const i64 start = image * args.channels * args.pixels + pixel;
    A mean = 0;
    for (i64 c = 0; c < args.channels; ++c) mean += load(args.x[start + c * args.pixels]);
    const A level = load(row[2]) * load(args.means[image]) + (args.shifted ? load(row[3]) : A(0));
    const A base = level + load(row[1]) * mean / (A)args.channels;
    for (i64 c = 0; c < args.channels; ++c) {
        const i64 at = start + c * args.pixels;
        store(&args.y[at], load(args.x[at]) * load(row[0]) + base);
    }
}
EACH(color_mix, ColorArgs)

// sum_k a[c][k] x[k] + a[c][C] of one pixel, with rows of C + 1 numbers a channel.
DEVICE void color_matrix_at(const ColorArgs& args, u32 i) {
    const i64 image = i / (u32)args.pixels, pixel = i % (u32)args.pixels, width = args.channels + 1;
    const T* rows = args.coefficients + image * args.channels * width;
    const i64 start = image * args.channels * args.pixels + pixel;
    for (i64 c = 0; c < args.channels; ++c) {
        A sum = args.shifted ? load(rows[c * width + args.channels]) : A(0);
        for (i64 k = 0; k < args.channels; ++k) {
            const A weight = load(args.transposed ? rows[k * width + c] : rows[c * width + k]);
            sum += load(args.x[start + k * args.pixels]) * weight;
        }
        store(&args.y[start + c * args.pixels], sum);
    }
}
EACH(color_matrix, ColorArgs)
