// Stands before the texts of resampling. An affine map takes samples (x, y) to places (column, row); its adjoint asks which
// samples lie near a place. So the adjoint gathers, without atomics, in the order of the samples.

// A coordinate of a place: x per_x + y per_y + origin.
struct Coordinate {
    double per_x, per_y, origin;
    MEMBER double at(double x, double y) const { return x * per_x + (y * per_y + origin); }
};

struct Range {
    i64 first, last;
};

DEVICE Range cut(double low, double high, i64 count) {
    // One more on either side, for the bounds are rounded; NaN gives the whole range.
    const double first = floor(low) - 1.0, last = ceil(high) + 1.0;
    Range range = {0, count - 1};
    if (first > 0.0) range.first = first > (double)count ? count : (i64)first;
    if (last < (double)(count - 1)) range.last = last < -1.0 ? -1 : (i64)last;
    return range;
}

// Where |coordinate - target| <= reach along row y of the samples.
DEVICE Range along_row(const Coordinate& c, double y, double target, double reach, i64 width) {
    const double offset = y * c.per_y + c.origin - target;
    if (fabs(c.per_x) < 1e-9) {
        Range all = {0, fabs(offset) <= reach + 1e-6 * (double)width ? width - 1 : -1};
        return all;
    }
    const double a = (-reach - offset) / c.per_x, b = (reach - offset) / c.per_x;
    return a < b ? cut(a, b, width) : cut(b, a, width);
}

// Calls f(x, y) for all samples within `reach` of a place in both coordinates, and for some others near them.
template <class F>
DEVICE void samples_near(const Coordinate& across, const Coordinate& down, double column, double row, double reach,
                         i64 width, i64 height, F& f) {
    Range rows = {0, height - 1};
    const double det = across.per_x * down.per_y - across.per_y * down.per_x;
    if (fabs(det) > 1e-9) {
        const double dc = column - across.origin, dr = row - down.origin;
        const double y = (across.per_x * dr - down.per_x * dc) / det;
        const double extent = reach * (fabs(across.per_x) + fabs(down.per_x)) / fabs(det);
        rows = cut(y - extent, y + extent, height);
    }
    for (i64 y = rows.first; y <= rows.last; ++y) {
        const Range a = along_row(across, (double)y, column, reach, width), b = along_row(down, (double)y, row, reach, width);
        const i64 last = min_(a.last, b.last);
        for (i64 x = max_(a.first, b.first); x <= last; ++x) f(x, y);
    }
}

DEVICE double clamped(double v, double low, double high) { return v < low ? low : (v > high ? high : v); }
