// Pooling and its adjoints. The adjoints gather: an input pixel asks the windows that cover it.

struct CellsArgs {
    i64 n;
    const T* x;
    T* y;
    // How far pixels of a row are apart: 1, or the channels where images lie pixel by pixel.
    Divisor step, width;
    double factor;
};

// factor times the sum of each 2x2 cell; width is the output's.
DEVICE A sum_cells_of(const CellsArgs& args, u32 i) {
    const u32 step = args.step.by, width = args.width.by, at = i / args.step, row = at / args.width;
    const T* top = args.x + ((i64)row * 4 * width + (at - row * width) * 2) * step + (i - at * step);
    const T* bottom = top + 2 * width * step;
    return ((load(top[0]) + load(top[step])) + (load(bottom[0]) + load(bottom[step]))) * (A)args.factor;
}
MAP(sum_cells, CellsArgs, y)

// Each pixel four times, times factor; width is the output's.
DEVICE A double_cells_of(const CellsArgs& args, u32 i) {
    const u32 step = args.step.by, width = args.width.by, at = i / args.step, row = at / args.width;
    const u32 pixel = row / 2 * (width / 2) + (at - row * width) / 2;
    return load(args.x[(i64)pixel * step + (i - at * step)]) * (A)args.factor;
}
MAP(double_cells, CellsArgs, y)

struct WindowArgs {
    i64 n;
    const T* x;
    T* y;
    int* places;
    i64 height, width, out_height, out_width, kernel, stride, padding;
};

// What a window at output place i covers.
struct Cover {
    i64 plane, top, bottom, left, right;
};

DEVICE Cover cover(const WindowArgs& args, u32 i) {
    const u32 out_width = (u32)args.out_width, out_height = (u32)args.out_height;
    const i64 y = (i64)(i / out_width % out_height) * args.stride, x = (i64)(i % out_width) * args.stride;
    Cover c;
    c.plane = i / out_width / out_height;
    c.top = max_(y - args.padding, (i64)0);
    c.bottom = min_(y + args.kernel - args.padding, args.height);
    c.left = max_(x - args.padding, (i64)0);
    c.right = min_(x + args.kernel - args.padding, args.width);
    return c;
}

// The windows that cover a place of an axis: first .. last.
DEVICE i64 first_window(const WindowArgs& args, i64 at) {
    const i64 from = at + args.padding - args.kernel;
    return from < 0 ? 0 : from / args.stride + 1;
}
DEVICE i64 last_window(const WindowArgs& args, i64 at, i64 count) {
    return min_((at + args.padding) / args.stride, count - 1);
}

// The place of the window's largest value in the plane, the first among equals; a NaN wins.
DEVICE i64 largest_place(const WindowArgs& args, const Cover& c, const T* plane) {
    i64 best = c.top * args.width + c.left;
    for (i64 y = c.top; y < c.bottom; ++y) {
        for (i64 at = y * args.width + c.left; at < y * args.width + c.right; ++at) {
            const A v = load(plane[at]);
            if (v > load(plane[best]) || v != v) best = at;
        }
    }
    return best;
}

DEVICE void largest_at(const WindowArgs& args, u32 i) {
    const Cover c = cover(args, i);
    const T* plane = args.x + c.plane * args.height * args.width;
    args.y[i] = plane[largest_place(args, c, plane)];
}
EACH(largest, WindowArgs)

DEVICE void find_places_at(const WindowArgs& args, u32 i) {
    const Cover c = cover(args, i);
    args.places[i] = (int)largest_place(args, c, args.x + c.plane * args.height * args.width);
}
EACH(find_places, WindowArgs)

DEVICE void pick_at(const WindowArgs& args, u32 i) {
    const i64 plane = i / (u32)(args.out_height * args.out_width);
    args.y[i] = args.x[plane * args.height * args.width + args.places[i]];
}
EACH(pick, WindowArgs)

// Calls f(output index) for each window over input pixel i, in the order of the outputs.
template <class F> DEVICE void windows_over(const WindowArgs& args, u32 i, F f) {
    const u32 width = (u32)args.width, height = (u32)args.height;
    const i64 x = i % width, y = i / width % height, plane = i / width / height;
    for (i64 row = first_window(args, y); row <= last_window(args, y, args.out_height); ++row) {
        for (i64 column = first_window(args, x); column <= last_window(args, x, args.out_width); ++column) {
            f((u32)((plane * args.out_height + row) * args.out_width + column));
        }
    }
}

// The adjoint of pick: here x is the cotangent of the output, y that of the input.
struct PlaceSum {
    const WindowArgs& args;
    int place;
    A* sum;
    MEMBER void operator()(u32 at) const {
        if (args.places[at] == place) *sum += load(args.x[at]);
    }
};

DEVICE void place_at(const WindowArgs& args, u32 i) {
    A sum = 0;
    windows_over(args, i, PlaceSum{args, (int)(i % (u32)(args.height * args.width)), &sum});
    store(&args.y[i], sum);
}
EACH(place, WindowArgs)

DEVICE void average_at(const WindowArgs& args, u32 i) {
    const Cover c = cover(args, i);
    const T* plane = args.x + c.plane * args.height * args.width;
    A sum = 0;
    for (i64 y = c.top; y < c.bottom; ++y) {
        for (i64 x = c.left; x < c.right; ++x) sum += load(plane[y * args.width + x]);
    }
    store(&args.y[i], sum / (A)((c.bottom - c.top) * (c.right - c.left)));
}
EACH(average, WindowArgs)

// The adjoint of average.
struct SpreadSum {
    const WindowArgs& args;
    A* sum;
    MEMBER void operator()(u32 at) const {
        const Cover c = cover(args, at);
        *sum += load(args.x[at]) / (A)((c.bottom - c.top) * (c.right - c.left));
    }
};

DEVICE void spread_at(const WindowArgs& args, u32 i) {
    A sum = 0;
    windows_over(args, i, SpreadSum{args, &sum});
    store(&args.y[i], sum);
}
EACH(spread, WindowArgs)
