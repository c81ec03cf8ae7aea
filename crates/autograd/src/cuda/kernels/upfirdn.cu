// Upsample by zero insertion, filter, downsample, in one pass. Only the taps that meet a pixel are visited: those between
// two inserted zeros cost nothing.

// One axis: out[j] = sum_t tap[t] x[(j down + t - before) / up] over the whole indices inside.
struct Axis {
    Divisor out, up;
    i64 size, taps, down, before;
};

// A number of the arithmetic in a word of its own.
struct Tap {
    union {
        A value;
        u64 word;
    };
};

// step is how far pixels of a row are apart: 1, or the channels where images lie pixel by pixel.
struct UpfirdnArgs {
    i64 n;
    const T* x;
    T* y;
    Divisor step;
    // Rows of taps along columns (vertical) and along rows; a full filter is in `vertical`, and `horizontal` is null.
    const Tap *vertical, *horizontal;
    Axis rows, columns;
};

// The first pixel that a tap of output j meets, and that tap; every up-th tap after it meets the next pixel.
struct Meeting {
    int pixel, tap;
};

DEVICE Meeting first_meeting(const Axis& axis, u32 j) {
    const int start = (int)(j * (u32)axis.down) - (int)axis.before;
    Meeting first;
    first.pixel = (int)((u32)(max_(start, 0) + (int)axis.up.by - 1) / axis.up);
    first.tap = first.pixel * (int)axis.up.by - start;
    return first;
}

// Where output i lies. Pixel by pixel a plane has all channels of an image, of which this is one.
struct Spot {
    u32 plane, row, column, channel;
};

DEVICE Spot spot(const Axis& rows, const Axis& columns, const Divisor& step, u32 i) {
    const u32 at = i / step, line = at / columns.out, plane = line / rows.out;
    const Spot s = {plane, line - plane * rows.out.by, at - line * columns.out.by, i - at * step.by};
    return s;
}

// The first pixel of the spot's plane and channel.
DEVICE const T* plane_of(const T* x, const Axis& rows, const Axis& columns, const Divisor& step, const Spot& s) {
    return x + (i64)s.plane * rows.size * columns.size * step.by + s.channel;
}

// The sum under the filter: of each row of pixels with the taps that `along` has for a row of taps, times that row's `across`.
template <class Filter>
DEVICE A filtered(const Filter& filter, const Axis& rows, const Axis& columns, int step, const Spot& s, const T* plane) {
    const Meeting top = first_meeting(rows, s.row), left = first_meeting(columns, s.column);
    const int height = (int)rows.size, width = (int)columns.size;
    const T* line = plane + (i64)top.pixel * width * step;
    A sum = 0;
    for (int y = top.pixel, ty = top.tap; y < height && ty < (int)rows.taps; ++y, ty += (int)rows.up.by, line += width * step) {
        A part = 0;
        for (int x = left.pixel, tx = left.tap; x < width && tx < (int)columns.taps; ++x, tx += (int)columns.up.by) {
            part += filter.along(ty, tx) * load(line[x * step]);
        }
        sum += filter.across(ty) * part;
    }
    return sum;
}

struct Separable {
    const Tap *vertical, *horizontal;
    MEMBER A along(int, int tx) const { return horizontal[tx].value; }
    MEMBER A across(int ty) const { return vertical[ty].value; }
};

struct Full {
    const Tap* taps;
    int width;
    MEMBER A along(int ty, int tx) const { return taps[ty * width + tx].value; }
    MEMBER A across(int) const { return A(1); }
};

DEVICE void upfirdn_at(const UpfirdnArgs& args, u32 i) {
    const Spot s = spot(args.rows, args.columns, args.step, i);
    const T* plane = plane_of(args.x, args.rows, args.columns, args.step, s);
    const int step = (int)args.step.by;
    A sum;
    if (args.horizontal) {
        const Separable filter = {args.vertical, args.horizontal};
        sum = filtered(filter, args.rows, args.columns, step, s, plane);
    } else {
        const Full filter = {args.vertical, (int)args.columns.taps};
        sum = filtered(filter, args.rows, args.columns, step, s, plane);
    }
    store(&args.y[i], sum);
}
EACH(upfirdn, UpfirdnArgs)

struct PerImageArgs {
    i64 n;
    const T* x;
    T* y;
    // [N, taps], along both axes; in reverse if so.
    const T* taps;
    Divisor step, channels;
    i64 reverse;
    Axis rows, columns;
};

struct OfImage {
    const T* taps;
    int last;
    bool reverse;
    MEMBER A tap(int t) const { return load(taps[reverse ? last - t : t]); }
    MEMBER A along(int, int tx) const { return tap(tx); }
    MEMBER A across(int ty) const { return tap(ty); }
};

DEVICE void upfirdn_per_image_at(const PerImageArgs& args, u32 i) {
    const Spot s = spot(args.rows, args.columns, args.step, i);
    const T* plane = plane_of(args.x, args.rows, args.columns, args.step, s);
    const u32 image = args.step.by == 1 ? s.plane / args.channels : s.plane;
    const OfImage filter = {
        args.taps + image * (u32)args.rows.taps,
        (int)args.rows.taps - 1,
        args.reverse != 0,
    };
    store(&args.y[i], filtered(filter, args.rows, args.columns, (int)args.step.by, s, plane));
}
EACH(upfirdn_per_image, PerImageArgs)
