// Convolution and its two adjoints as implicit matrix products: no patch is ever stored. For where cuDNN is not found.

struct ConvArgs {
    i64 n;
    const T *x, *w;
    const A* bias;
    const T* gate;
    T* y;
    i64 m, k, n_size, parts;
    i64 in_channels, out_channels, height, width, out_height, out_width;
    i64 kernel_height, kernel_width, stride, pad_height, pad_width, relu_before, relu_after;
};

// The input under tap `at` = (channel, ky, kx) at output place `column` = (image, y, x).
DEVICE A patch(const ConvArgs& args, u32 at, u32 column) {
    const u32 kw = (u32)args.kernel_width, kh = (u32)args.kernel_height, ow = (u32)args.out_width, oh = (u32)args.out_height;
    const i64 kx = at % kw, ky = at / kw % kh, channel = at / kw / kh;
    const i64 ox = column % ow, oy = column / ow % oh, image = column / ow / oh;
    const i64 x = ox * args.stride + kx - args.pad_width, y = oy * args.stride + ky - args.pad_height;
    if (x < 0 || x >= args.width || y < 0 || y >= args.height) return A(0);
    const A v = load(args.x[((image * args.in_channels + channel) * args.height + y) * args.width + x]);
    return args.relu_before && v < A(0) ? A(0) : v;
}

// y: rows are output channels, columns output places, the sum runs over taps.
struct ConvForward {
    typedef ConvArgs Args;
    DEVICE A a(const Args& args, u32, u32 row, u32 at) { return load(args.w[row * args.k + at]); }
    DEVICE A b(const Args& args, u32, u32 at, u32 column) { return patch(args, at, column); }
    DEVICE void out(const Args& args, u32, u32, u32 row, u32 column, A sum) {
        const u32 area = (u32)(args.out_height * args.out_width);
        if (args.bias) sum += args.bias[row];
        if (args.relu_after && sum < A(0)) sum = A(0);
        store(&args.y[((i64)(column / area) * args.out_channels + row) * area + column % area], sum);
    }
};
BLOCKS(conv_forward, Product<ConvForward>)

// gx: rows are input channels, columns input places; x is the cotangent of the output. With an input as the gate whose ReLU was
// convolved: no gradient where it is not positive.
struct ConvInput {
    typedef ConvArgs Args;
    DEVICE A a(const Args& args, u32, u32 row, u32 at) {
        const u32 taps = (u32)(args.kernel_height * args.kernel_width);
        return load(args.w[((i64)(at / taps) * args.in_channels + row) * taps + at % taps]);
    }
    DEVICE A b(const Args& args, u32, u32 at, u32 column) {
        const u32 kw = (u32)args.kernel_width, kh = (u32)args.kernel_height, width = (u32)args.width, height = (u32)args.height;
        const i64 kx = at % kw, ky = at / kw % kh, channel = at / kw / kh;
        const i64 x = (i64)(column % width) + args.pad_width - kx, y = (i64)(column / width % height) + args.pad_height - ky;
        const i64 image = column / width / height;
        if (x < 0 || y < 0 || x % args.stride || y % args.stride) return A(0);
        const i64 ox = x / args.stride, oy = y / args.stride;
        if (ox >= args.out_width || oy >= args.out_height) return A(0);
        return load(args.x[((image * args.out_channels + channel) * args.out_height + oy) * args.out_width + ox]);
    }
    DEVICE void out(const Args& args, u32, u32, u32 row, u32 column, A sum) {
        const u32 area = (u32)(args.height * args.width);
        const i64 at = ((i64)(column / area) * args.in_channels + row) * area + column % area;
        store(&args.y[at], args.gate && !(load(args.gate[at]) > A(0)) ? A(0) : sum);
    }
};
BLOCKS(conv_input, Product<ConvInput>)

// gw: rows are output channels, columns taps, the sum runs over output places, in parts; w is the cotangent of the output.
struct ConvFilter {
    typedef ConvArgs Args;
    DEVICE A a(const Args& args, u32, u32 row, u32 at) {
        const u32 area = (u32)(args.out_height * args.out_width);
        return load(args.w[((i64)(at / area) * args.out_channels + row) * area + at % area]);
    }
    DEVICE A b(const Args& args, u32, u32 at, u32 column) { return patch(args, column, at); }
    DEVICE void out(const Args& args, u32, u32 part, u32 row, u32 column, A sum) {
        store(&args.y[(part * args.m + row) * args.n_size + column], sum);
    }
};
BLOCKS(conv_filter, Product<ConvFilter>)
