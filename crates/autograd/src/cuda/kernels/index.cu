// Whole numbers that choose rows, offsets and boxes, and mirrored borders. No atomics: every output gathers its terms in
// the order of their index.

struct RowsArgs {
    i64 n;
    const T* x;
    T* y;
    const int* index;
    i64 width, count, rows;
};

// y[i] = x[index[i]]; zeros for an index outside the table, which the caller's check on the host excludes.
DEVICE void gather_rows_at(const RowsArgs& args, u32 i) {
    const u32 width = (u32)args.width;
    const int row = args.index[i / width];
    const bool inside = row >= 0 && row < args.rows;
    store(&args.y[i], inside ? load(args.x[(i64)row * width + i % width]) : A(0));
}
EACH(gather_rows, RowsArgs)

// A row's first chunk is the place of its first element here.
struct TableRow {
    const T* x;
    T* y;
    double plus;
    i64 width, rows, first_chunk;
};

struct TablesArgs {
    i64 n;
    const TableRow* tables;
    i64 count;
    const int* index;
};

// y[i] = x[index[i]] + plus of many tables.
DEVICE void gather_tables_at(const TablesArgs& args, u32 i) {
    const TableRow& table = row_of(args.tables, args.count, i);
    const u32 at = i - (u32)table.first_chunk, width = (u32)table.width;
    const int row = args.index[at / width];
    const bool inside = row >= 0 && row < table.rows;
    store(&table.y[at], (inside ? load(table.x[(i64)row * width + at % width]) : A(0)) + (A)table.plus);
}
EACH(gather_tables, TablesArgs)

// y[r] = sum of x[i] where index[i] = r.
DEVICE void scatter_rows_at(const RowsArgs& args, u32 i) {
    const u32 width = (u32)args.width, column = i % width;
    const int row = (int)(i / width);
    A sum = 0;
    for (u32 k = 0; k < (u32)args.count; ++k) {
        if (args.index[k] == row) sum += load(args.x[(i64)k * width + column]);
    }
    store(&args.y[i], sum);
}
EACH(scatter_rows, RowsArgs)

// A shift and a box of zeros an image: DiffAugment's translation and cutout, forward and backward, in one pass.
// Offsets or boxes are absent where their pointers are null.
struct MoveArgs {
    i64 n;
    const T* x;
    T* y;
    const int *dy, *dx, *top, *left;
    i64 sign;
    Divisor image, height, width;
    i64 box_height, box_width, at_source;
};

DEVICE A move_of(const MoveArgs& args, u32 i) {
    const u32 height = args.height.by, width = args.width.by;
    const u32 line = i / args.width, plane = line / args.height, image = i / args.image;
    const i64 column = i - line * width, row = line - plane * height;
    const i64 dy = args.dy ? args.sign * args.dy[image] : 0, dx = args.dx ? args.sign * args.dx[image] : 0;
    const i64 from_row = row + dy, from_column = column + dx;
    bool inside = from_row >= 0 && from_row < height && from_column >= 0 && from_column < width;
    if (args.top) {
        const i64 y = (args.at_source ? from_row : row) - args.top[image];
        const i64 x = (args.at_source ? from_column : column) - args.left[image];
        inside = inside && !(y >= 0 && y < args.box_height && x >= 0 && x < args.box_width);
    }
    return inside ? load(args.x[((i64)plane * height + from_row) * width + from_column]) : A(0);
}
MAP(move, MoveArgs, y)

struct BorderArgs {
    i64 n;
    const T* x;
    T* y;
    i64 height, width, left, right, top, bottom;
};

// The pixel of an axis that stands at place `at`, counted from the axis' first pixel.
DEVICE i64 mirrored(i64 at, i64 size) {
    const i64 inside = at < 0 ? -at : at;
    return inside < size ? inside : 2 * (size - 1) - inside;
}

DEVICE void reflect_pad_at(const BorderArgs& args, u32 i) {
    const u32 out_height = (u32)(args.height + args.top + args.bottom), out_width = (u32)(args.width + args.left + args.right);
    const i64 column = mirrored((i64)(i % out_width) - args.left, args.width);
    const i64 row = mirrored((i64)(i / out_width % out_height) - args.top, args.height);
    const i64 plane = i / out_width / out_height;
    store(&args.y[i], load(args.x[(plane * args.height + row) * args.width + column]));
}
EACH(reflect_pad, BorderArgs)

// The adjoint: a pixel takes what stands at its own place and at its at most two mirror images, along each axis.
DEVICE void reflect_fold_at(const BorderArgs& args, u32 i) {
    const u32 height = (u32)args.height, width = (u32)args.width;
    const i64 out_height = args.height + args.top + args.bottom, out_width = args.width + args.left + args.right;
    const i64 column = i % width, row = i / width % height, plane = i / width / height;
    const i64 rows[3] = {-row, row, 2 * (args.height - 1) - row}, columns[3] = {-column, column, 2 * (args.width - 1) - column};
    A sum = 0;
    for (int a = 0; a < 3; ++a) {
        const i64 y = rows[a] + args.top;
        // An edge is its own mirror image: it counts once.
        if (y < 0 || y >= out_height || (a != 1 && rows[a] == row)) continue;
        for (int b = 0; b < 3; ++b) {
            const i64 x = columns[b] + args.left;
            if (x < 0 || x >= out_width || (b != 1 && columns[b] == column)) continue;
            sum += load(args.x[(plane * out_height + y) * out_width + x]);
        }
    }
    store(&args.y[i], sum);
}
EACH(reflect_fold, BorderArgs)
