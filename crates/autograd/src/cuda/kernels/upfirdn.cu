// Upsample by zero insertion, filter, downsample, in one pass. Only the taps that meet a pixel are visited: those between
// two inserted zeros cost nothing.

// One axis: out[j] = sum_t tap[t] x[(j down + t - before) / up] over the whole indices inside.
struct Axis {
    i64 size, out, taps, up, down, before;
};

struct UpfirdnArgs {
    i64 n;
    const T* x;
    T* y;
    // Rows of taps along columns (vertical) and along rows; a full filter is in `vertical`, and `horizontal` is null.
    const double *vertical, *horizontal;
    Axis rows, columns;
};

// The first tap that meets a pixel for output j; every up-th one after it does too.
DEVICE i64 first_tap(const Axis& axis, i64 j) {
    const i64 phase = (axis.before - j * axis.down) % axis.up;
    return phase < 0 ? phase + axis.up : phase;
}

// Calls sum.add(row tap, column tap, index in the plane) for every pixel under the filter at output i.
template <class Sum> DEVICE void visit(const Axis& rows, const Axis& columns, u32 i, Sum& sum) {
    const i64 column = i % (u32)columns.out, row = i / (u32)columns.out % (u32)rows.out;
    for (i64 ty = first_tap(rows, row); ty < rows.taps; ty += rows.up) {
        const i64 y = (row * rows.down + ty - rows.before) / rows.up;
        if (row * rows.down + ty < rows.before || y >= rows.size) continue;
        for (i64 tx = first_tap(columns, column); tx < columns.taps; tx += columns.up) {
            const i64 x = (column * columns.down + tx - columns.before) / columns.up;
            if (column * columns.down + tx < columns.before || x >= columns.size) continue;
            sum.add(ty, tx, y * columns.size + x);
        }
    }
}

struct ConstantTaps {
    const UpfirdnArgs& args;
    const T* plane;
    A total;
    MEMBER void add(i64 ty, i64 tx, i64 at) {
        const double tap = args.horizontal ? args.vertical[ty] * args.horizontal[tx] : args.vertical[ty * args.columns.taps + tx];
        total += (A)tap * load(plane[at]);
    }
};

DEVICE void upfirdn_at(const UpfirdnArgs& args, u32 i) {
    const i64 plane = i / (u32)args.columns.out / (u32)args.rows.out;
    ConstantTaps sum = {args, args.x + plane * args.rows.size * args.columns.size, A(0)};
    visit(args.rows, args.columns, i, sum);
    store(&args.y[i], sum.total);
}
EACH(upfirdn, UpfirdnArgs)

struct PerImageArgs {
    i64 n;
    const T* x;
    T* y;
    // [N, taps], along both axes; in reverse if so.
    const T* taps;
    i64 channels, reverse;
    Axis rows, columns;
};

struct ImageTaps {
    const PerImageArgs& args;
    const T *taps, *plane;
    A total;
    MEMBER A tap(i64 t) const { return load(taps[args.reverse ? args.rows.taps - 1 - t : t]); }
    MEMBER void add(i64 ty, i64 tx, i64 at) { total += tap(ty) * tap(tx) * load(plane[at]); }
};

DEVICE void upfirdn_per_image_at(const PerImageArgs& args, u32 i) {
    const i64 plane = i / (u32)args.columns.out / (u32)args.rows.out;
    const T* taps = args.taps + plane / args.channels * args.rows.taps;
    ImageTaps sum = {args, taps, args.x + plane * args.rows.size * args.columns.size, A(0)};
    visit(args.rows, args.columns, i, sum);
    store(&args.y[i], sum.total);
}
EACH(upfirdn_per_image, PerImageArgs)
