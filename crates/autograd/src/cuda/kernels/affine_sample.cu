// Bilinear samples of images on affine grids, zero outside, and the adjoint. Places are computed in double.

struct AffineArgs {
    i64 n;
    const T* x;
    T* y;
    // [N, 2, 3], in double or in float.
    const void* theta;
    i64 theta_is_double, channels, height, width, out_height, out_width;
};

DEVICE double theta_at(const AffineArgs& args, i64 image, int i) {
    return args.theta_is_double ? ((const double*)args.theta)[image * 6 + i] : (double)((const float*)args.theta)[image * 6 + i];
}

// Both axes of the grid and of the image run from -1 to 1, edge to edge.
struct Grid {
    double theta[6], width, height, out_width, out_height;
    MEMBER double u(double x) const { return (2.0 * x + 1.0) / out_width - 1.0; }
    MEMBER double v(double y) const { return (2.0 * y + 1.0) / out_height - 1.0; }
    MEMBER double column(double x, double y) const {
        return clamped(((theta[0] * u(x) + theta[1] * v(y) + theta[2] + 1.0) * width - 1.0) / 2.0, -2.0, width + 1.0);
    }
    MEMBER double row(double x, double y) const {
        return clamped(((theta[3] * u(x) + theta[4] * v(y) + theta[5] + 1.0) * height - 1.0) / 2.0, -2.0, height + 1.0);
    }
};

DEVICE Grid grid(const AffineArgs& args, i64 image) {
    Grid g;
    for (int i = 0; i < 6; ++i) g.theta[i] = theta_at(args, image, i);
    g.width = (double)args.width, g.height = (double)args.height;
    g.out_width = (double)args.out_width, g.out_height = (double)args.out_height;
    return g;
}

// One sample of every channel.
DEVICE void affine_sample_at(const AffineArgs& args, u32 i) {
    const u32 out_width = (u32)args.out_width, out_height = (u32)args.out_height;
    const i64 x = i % out_width, y = i / out_width % out_height, image = i / out_width / out_height;
    const Grid g = grid(args, image);
    const double column = g.column((double)x, (double)y), row = g.row((double)x, (double)y);
    // A place that is not a number has no pixels.
    const bool valid = column == column && row == row;
    const double left = floor(column), top = floor(row);
    const i64 c0 = valid ? (i64)left : -2, r0 = valid ? (i64)top : -2;
    A weights[4];
    i64 at[4];
    for (int k = 0; k < 4; ++k) {
        const i64 c = c0 + k % 2, r = r0 + k / 2;
        const double wx = k % 2 ? column - left : 1.0 - (column - left), wy = k / 2 ? row - top : 1.0 - (row - top);
        const bool inside = c >= 0 && c < args.width && r >= 0 && r < args.height;
        weights[k] = inside ? (A)(wx * wy) : A(0);
        at[k] = inside ? r * args.width + c : 0;
    }
    for (i64 plane = image * args.channels; plane < (image + 1) * args.channels; ++plane) {
        const T* from = args.x + plane * args.height * args.width;
        const A upper = weights[0] * load(from[at[0]]) + weights[1] * load(from[at[1]]);
        const A lower = weights[2] * load(from[at[2]]) + weights[3] * load(from[at[3]]);
        store(&args.y[(plane * args.out_height + y) * args.out_width + x], upper + lower);
    }
}
EACH(affine_sample, AffineArgs)

struct AffineSum {
    const Grid& grid;
    const T* g;
    double column, row;
    A total;
    MEMBER void operator()(i64 x, i64 y) {
        const double dx = fabs(grid.column((double)x, (double)y) - column), dy = fabs(grid.row((double)x, (double)y) - row);
        if (dx < 1.0 && dy < 1.0) total += (A)((1.0 - dx) * (1.0 - dy)) * load(g[y * (i64)grid.out_width + x]);
    }
};

// The adjoint: here x is the cotangent of the samples, y that of the image.
DEVICE void affine_scatter_at(const AffineArgs& args, u32 i) {
    const u32 width = (u32)args.width, height = (u32)args.height;
    const i64 plane = i / width / height;
    const Grid g = grid(args, plane / args.channels);
    const double scale_x = g.width / 2.0, scale_y = g.height / 2.0;
    Coordinate across, down;
    across.per_x = g.theta[0] * 2.0 / g.out_width * scale_x, across.per_y = g.theta[1] * 2.0 / g.out_height * scale_x;
    across.origin = ((g.theta[0] * g.u(0.0) + g.theta[1] * g.v(0.0) + g.theta[2] + 1.0) * g.width - 1.0) / 2.0;
    down.per_x = g.theta[3] * 2.0 / g.out_width * scale_y, down.per_y = g.theta[4] * 2.0 / g.out_height * scale_y;
    down.origin = ((g.theta[3] * g.u(0.0) + g.theta[4] * g.v(0.0) + g.theta[5] + 1.0) * g.height - 1.0) / 2.0;
    const T* samples = args.x + plane * args.out_height * args.out_width;
    AffineSum sum = {g, samples, (double)(i % width), (double)(i / width % height), A(0)};
    samples_near(across, down, sum.column, sum.row, 1.0, args.out_width, args.out_height, sum);
    store(&args.y[i], sum.total);
}
EACH(affine_scatter, AffineArgs)
