// Filters of convolutions that change the resolution, and what their gradients are folded back to: of four neighbouring taps
// one sum. See launch/fold.rs for why.

template <class From, class To> struct FoldArgs {
    i64 n;
    const From* x;
    To* y;
    // Axes of y as they lie in memory, outermost first, and how far x moves along those of channels.
    Divisor size[4];
    i64 step[4];
    // The first of y's two axes of taps; how far x moves along its own, and how many it has.
    i64 tap_axis, row_step, column_step, rows, columns;
    // Whether y's taps run backward; 1 or -1: the neighbours' side.
    i64 flips, side;
    double factor;
};

template <class From, class To> DEVICE A fold_sum(const FoldArgs<From, To>& args, u32 i) {
    u32 at[4], rest = i;
    i64 start = 0;
    for (int k = 3; k > 0; --k) {
        const u32 outer = rest / args.size[k];
        at[k] = rest - outer * args.size[k].by;
        rest = outer;
    }
    at[0] = rest;
    for (int k = 0; k < 4; ++k) start += at[k] * args.step[k];
    const int axis = (int)args.tap_axis;
    i64 row = at[axis], column = at[axis + 1];
    if (args.flips) {
        row = args.size[axis].by - 1 - row;
        column = args.size[axis + 1].by - 1 - column;
    }
    A sum = 0;
    for (int a = 0; a < 2; ++a) {
        for (int b = 0; b < 2; ++b) {
            const i64 r = row + a * args.side, c = column + b * args.side;
            if (r < 0 || r >= args.rows || c < 0 || c >= args.columns) continue;
            sum += load(args.x[start + r * args.row_step + c * args.column_step]);
        }
    }
    return sum * (A)args.factor;
}

typedef FoldArgs<T, T> SameArgs;
DEVICE A fold_of(const SameArgs& args, u32 i) { return fold_sum(args, i); }
MAP(fold, SameArgs, y)

// A filter that is first rounded here, and a gradient that is never rounded again.
typedef FoldArgs<A, T> RoundArgs;
DEVICE A fold_round_of(const RoundArgs& args, u32 i) { return fold_sum(args, i); }
MAP(fold_round, RoundArgs, y)

typedef FoldArgs<T, A> WidenArgs;
DEVICE A fold_widen_of(const WidenArgs& args, u32 i) { return fold_sum(args, i); }
MAP(fold_widen, WidenArgs, y)
