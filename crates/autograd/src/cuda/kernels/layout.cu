// The same numbers in another order or another type: one read and one write an element.

#define RANK 6

// y[y_start + sum of at * step_y] = x[x_start + sum of at * step_x], over the axes' indices `at`, outermost axis first.
struct CopyArgs {
    i64 n;
    const T* x;
    T* y;
    i64 x_start, y_start, rank;
    Divisor size[RANK];
    i64 step_x[RANK], step_y[RANK];
};

DEVICE void copy_at(const CopyArgs& args, u32 i) {
    i64 at_x = args.x_start, at_y = args.y_start;
    u32 rest = i;
    for (int k = (int)args.rank - 1; k >= 0; --k) {
        const u32 outer = rest / args.size[k], at = rest - outer * args.size[k].by;
        rest = outer;
        at_x += at * args.step_x[k];
        at_y += at * args.step_y[k];
    }
    args.y[at_y] = args.x[at_x];
}
EACH(copy, CopyArgs)

template <class To> struct CastArgs {
    i64 n;
    const T* x;
    To* y;
};

#define CAST(name, To)                                                                                      \
    DEVICE Arithmetic<To>::Type name##_of(const CastArgs<To>& args, u32 i) {                                \
        return (Arithmetic<To>::Type)load(args.x[i]);                                                       \
    }                                                                                                       \
    MAP(name, CastArgs<To>, y)

CAST(cast_f32, float)
CAST(cast_f64, double)
CAST(cast_bf16, bf16)
CAST(cast_f16, f16)

struct TransposeArgs {
    i64 n;
    const T* x;
    T* y;
    i64 rows, columns;
    Divisor row_tiles, column_tiles;
};

#define TILE 32

// y[columns, rows] = x[rows, columns] of each image, a tile a block: both are read and written in runs.
struct Transpose {
    typedef TransposeArgs Args;
    struct State {};
    struct Shared {
        // A column more, so that no two numbers of a column lie in one bank.
        T tile[TILE][TILE + 1];
    };
    DEVICE int phases(const Args&) { return 2; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const u32 line = block / args.column_tiles, image = line / args.row_tiles;
        const u32 row = (line - image * args.row_tiles.by) * TILE, column = block % args.column_tiles * TILE;
        const u32 rows = (u32)args.rows, columns = (u32)args.columns, at = thread % TILE;
        const i64 start = (i64)image * rows * columns;
        for (u32 k = thread / TILE; k < TILE; k += THREADS / TILE) {
            if (phase == 0) {
                if (row + k < rows && column + at < columns) {
                    shared.tile[k][at] = args.x[start + (i64)(row + k) * columns + column + at];
                }
            } else if (column + k < columns && row + at < rows) {
                args.y[start + (i64)(column + k) * rows + row + at] = shared.tile[at][k];
            }
        }
    }
};
BLOCKS(transpose, Transpose)
