// ADA's geometric transforms: reflect, double, sample, halve. Halving and its adjoint are upfirdn's; here are the samples
// of the doubled image, straight from the image, and the adjoint of that.

// Samples of the doubled output grid beyond the image, on each side.
#define BORDER 6
// Taps of one phase of the wavelet's filter of 12.
#define PHASE 6

struct WarpArgs {
    i64 n;
    const T *x, *image;
    T* y;
    // [N, 7]: a map of two rows, then 1 where pixels are copied from the nearest place.
    const double* maps;
    const double* taps;
    i64 channels, height, width, left, right, top, bottom;
};

// An axis of the image with its reflected borders. Place 0 of the doubled image lies on pixel 0.
struct Side {
    i64 size, before, after;
    MEMBER bool holds(i64 place) const { return place >= -2 * before && place < 2 * (size + after); }
    MEMBER i64 doubled() const { return 2 * (size + before + after); }
    MEMBER i64 samples() const { return 2 * (size + BORDER); }
    // The pixel at `at`, or -1 beyond the borders.
    MEMBER i64 source(i64 at) const {
        if (at < -before || at >= size + after) return -1;
        const i64 inside = at < 0 ? -at : at;
        return inside < size ? inside : 2 * size - 2 - inside;
    }
};

DEVICE Side rows_of(const WarpArgs& args) {
    Side side = {args.height, args.top, args.bottom};
    return side;
}
DEVICE Side columns_of(const WarpArgs& args) {
    Side side = {args.width, args.left, args.right};
    return side;
}

// A row of a map, from samples of the output's doubled grid to places of the doubled input of that axis.
DEVICE Coordinate places(const double* row, const Side& axis, const Side& columns, const Side& rows) {
    const double centre_x = 1.0 - (double)(columns.size + BORDER), centre_y = 1.0 - (double)(rows.size + BORDER);
    Coordinate c = {row[0], row[1], row[0] * centre_x + row[1] * centre_y + 2.0 * row[2] + (double)axis.size - 1.0};
    return c;
}

DEVICE double bounded(double place, const Side& axis) {
    // Beyond the borders all is zero: one place past them stands for everything further away.
    return clamped(place, (double)(-2 * axis.before - 1), (double)(2 * (axis.size + axis.after)));
}

// Weights of 7 pixels from `first` on: those that the two places around a coordinate take, between them bilinear.
struct Taps {
    i64 first;
    A weights[PHASE + 1];
};

DEVICE i64 first_pixel(i64 place) { return (place & 1) == 0 ? place / 2 - 3 : (place - 1) / 2 - 2; }

DEVICE Taps taps_of(const double* taps, double coordinate, const Side& axis) {
    const double floored = floor(coordinate);
    const i64 place = (i64)floored;
    Taps t;
    t.first = first_pixel(place);
    for (int k = 0; k <= PHASE; ++k) t.weights[k] = A(0);
    for (int next = 0; next < 2; ++next) {
        const i64 at = place + next;
        if (!axis.holds(at)) continue;
        const A share = (A)(next ? coordinate - floored : 1.0 - (coordinate - floored));
        const i64 shift = first_pixel(at) - t.first;
        for (int k = 0; k < PHASE; ++k) {
            const A tap = (A)(2.0 * taps[2 * (PHASE - 1 - k) + ((at & 1) == 0 ? 1 : 0)]);
            t.weights[k + shift] += share * tap;
        }
    }
    return t;
}

// One sample of every channel.
DEVICE void warp_samples_at(const WarpArgs& args, u32 i) {
    const Side rows = rows_of(args), columns = columns_of(args);
    const u32 across = (u32)columns.samples(), down = (u32)rows.samples();
    const i64 image = i / across / down, sy = i / across % down, sx = i % across;
    const double* map = args.maps + image * 7;
    const Coordinate c = places(map, columns, columns, rows), r = places(map + 3, rows, columns, rows);
    const Taps horizontal = taps_of(args.taps, bounded(c.at((double)sx, (double)sy), columns), columns);
    const Taps vertical = taps_of(args.taps, bounded(r.at((double)sx, (double)sy), rows), rows);
    for (i64 plane = image * args.channels; plane < (image + 1) * args.channels; ++plane) {
        const T* from = args.x + plane * args.height * args.width;
        A sum = 0;
        for (int a = 0; a <= PHASE; ++a) {
            const i64 y = rows.source(vertical.first + a);
            if (y < 0) continue;
            A line = 0;
            for (int b = 0; b <= PHASE; ++b) {
                const i64 x = columns.source(horizontal.first + b);
                if (x >= 0) line += horizontal.weights[b] * load(from[y * args.width + x]);
            }
            sum += vertical.weights[a] * line;
        }
        store(&args.y[(plane * down + sy) * across + sx], sum);
    }
}
EACH(warp_samples, WarpArgs)

struct Place {
    i64 column, row;
};

// For images of whole-pixel maps, the place that output (x, y) copies; the borders count.
DEVICE Place nearest_place(const double* map, const Side& columns, const Side& rows, i64 x, i64 y) {
    const double cx = ((double)columns.size - 1.0) / 2.0, cy = ((double)rows.size - 1.0) / 2.0;
    const double u = (double)x - cx, v = (double)y - cy;
    const double column = round(clamped(map[0] * u + map[1] * v + map[2] + cx, -1e9, 1e9));
    const double row = round(clamped(map[3] * u + map[4] * v + map[5] + cy, -1e9, 1e9));
    Place place = {(i64)column, (i64)row};
    return place;
}

// Overwrites the images of whole-pixel maps, in y, by their nearest pixels of `image`; the others stay.
DEVICE void warp_nearest_at(const WarpArgs& args, u32 i) {
    const u32 width = (u32)args.width, height = (u32)args.height;
    const i64 plane = i / width / height;
    const double* map = args.maps + plane / args.channels * 7;
    if (map[6] == 0.0) return;
    const Side columns = columns_of(args), rows = rows_of(args);
    const Place place = nearest_place(map, columns, rows, i % width, i / width % height);
    const i64 column = columns.source(place.column), row = rows.source(place.row);
    store(&args.y[i], column < 0 || row < 0 ? A(0) : load(args.image[(plane * args.height + row) * args.width + column]));
}
EACH(warp_nearest, WarpArgs)

struct PlaceShare {
    const Coordinate &across, &down;
    const Side &columns, &rows;
    const T* samples;
    i64 column, row;
    A total;
    DEVICE double share(double at, i64 place) {
        const double floored = floor(at);
        const i64 below = (i64)floored;
        return below == place ? 1.0 - (at - floored) : (below + 1 == place ? at - floored : 0.0);
    }
    MEMBER void operator()(i64 x, i64 y) {
        const double wx = share(bounded(across.at((double)x, (double)y), columns), column);
        const double wy = share(bounded(down.at((double)x, (double)y), rows), row);
        if (wx != 0.0 && wy != 0.0) total += (A)wx * (A)wy * load(samples[y * columns.samples() + x]);
    }
};

// The cotangent of the doubled image with its borders, from that of the samples.
DEVICE void warp_places_at(const WarpArgs& args, u32 i) {
    const Side rows = rows_of(args), columns = columns_of(args);
    const u32 across = (u32)columns.doubled(), down = (u32)rows.doubled();
    const i64 plane = i / across / down;
    const double* map = args.maps + plane / args.channels * 7;
    const Coordinate c = places(map, columns, columns, rows), r = places(map + 3, rows, columns, rows);
    const T* samples = args.x + plane * rows.samples() * columns.samples();
    const i64 column = (i64)(i % across) - 2 * args.left, row = (i64)(i / across % down) - 2 * args.top;
    PlaceShare sum = {c, r, columns, rows, samples, column, row, A(0)};
    samples_near(c, r, (double)column, (double)row, 1.0, columns.samples(), rows.samples(), sum);
    store(&args.y[i], sum.total);
}
EACH(warp_places, WarpArgs)

// Sums along one axis of the doubled image what pixel `at` gave there, at its own place and at its mirror images.
DEVICE A folded(const WarpArgs& args, const Side& axis, i64 at, const T* places, i64 step) {
    const i64 mirror[3] = {at, -at, 2 * (axis.size - 1) - at};
    A sum = 0;
    for (int m = 0; m < 3; ++m) {
        // An edge is its own mirror image: it counts once.
        if ((m > 0 && mirror[m] == at) || axis.source(mirror[m]) < 0) continue;
        for (int k = 0; k < PHASE; ++k) {
            for (int odd = 0; odd < 2; ++odd) {
                const i64 place = 2 * (mirror[m] + 3 - odd - k) + odd;
                if (!axis.holds(place)) continue;
                const A tap = (A)(2.0 * args.taps[2 * (PHASE - 1 - k) + 1 - odd]);
                sum += tap * load(places[(place + 2 * axis.before) * step]);
            }
        }
    }
    return sum;
}

// Rows of the doubled image to rows of pixels, still at double width.
DEVICE void warp_fold_rows_at(const WarpArgs& args, u32 i) {
    const Side rows = rows_of(args), columns = columns_of(args);
    const u32 across = (u32)columns.doubled(), height = (u32)args.height;
    const i64 plane = i / across / height;
    const T* from = args.x + plane * rows.doubled() * across + i % across;
    store(&args.y[i], folded(args, rows, i / across % height, from, across));
}
EACH(warp_fold_rows, WarpArgs)

struct NearestSum {
    const double* map;
    const Side &columns, &rows;
    const T* g;
    i64 column, row;
    A total;
    MEMBER void operator()(i64 x, i64 y) {
        const Place from = nearest_place(map, columns, rows, x, y);
        if (from.column == column && from.row == row) total += load(g[y * columns.size + x]);
    }
};

// The cotangent of the pixels; for images of whole-pixel maps from that of the output, in `image`.
DEVICE void warp_fold_columns_at(const WarpArgs& args, u32 i) {
    const Side rows = rows_of(args), columns = columns_of(args);
    const u32 width = (u32)args.width, height = (u32)args.height;
    const i64 plane = i / width / height, x = i % width, y = i / width % height;
    const double* map = args.maps + plane / args.channels * 7;
    if (map[6] == 0.0) {
        store(&args.y[i], folded(args, columns, x, args.x + (i64)(i / width) * columns.doubled(), 1));
        return;
    }
    const double cx = ((double)args.width - 1.0) / 2.0, cy = ((double)args.height - 1.0) / 2.0;
    const Coordinate across = {map[0], map[1], map[2] + cx - map[0] * cx - map[1] * cy};
    const Coordinate down = {map[3], map[4], map[5] + cy - map[3] * cx - map[4] * cy};
    const i64 xs[3] = {x, -x, 2 * (columns.size - 1) - x}, ys[3] = {y, -y, 2 * (rows.size - 1) - y};
    A total = 0;
    for (int a = 0; a < 3; ++a) {
        if ((a > 0 && ys[a] == y) || rows.source(ys[a]) < 0) continue;
        for (int b = 0; b < 3; ++b) {
            if ((b > 0 && xs[b] == x) || columns.source(xs[b]) < 0) continue;
            NearestSum sum = {map, columns, rows, args.image + plane * height * width, xs[b], ys[a], A(0)};
            samples_near(across, down, (double)xs[b], (double)ys[a], 0.5, columns.size, rows.size, sum);
            total += sum.total;
        }
    }
    store(&args.y[i], total);
}
EACH(warp_fold_columns, WarpArgs)
