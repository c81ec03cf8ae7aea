// Stands before the texts of matrix products: a product in tiles of 64 by 64, with loaders for the operands.
// P has Args with m, k, n (of the product), batch, parts and the number of blocks; a(args, batch, row, at),
// b(args, batch, at, column) and out(args, batch, part, row, column, sum). Part p sums over a share of k: the shares are
// added by another kernel, in order, so no atomics are needed.

#define TILE 64
#define DEPTH 16

template <class P> struct Product {
    typedef typename P::Args Args;
    struct State {
        A sums[4][4];
    };
    struct Shared {
        A a[DEPTH][TILE + 1], b[DEPTH][TILE + 1];
    };
    DEVICE i64 share(const Args& args) { return (args.k + args.parts - 1) / args.parts; }
    DEVICE int steps(const Args& args) { return (int)((share(args) + DEPTH - 1) / DEPTH); }
    // Clearing, then loading and multiplying in turn, then writing.
    DEVICE int phases(const Args& args) { return 2 * steps(args) + 2; }

    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State& state, Shared& shared) {
        const u32 columns = (u32)((args.n_size + TILE - 1) / TILE), rows = (u32)((args.m + TILE - 1) / TILE);
        const u32 tile_column = block % columns, tile_row = block / columns % rows;
        const u32 part = block / columns / rows % (u32)args.parts, batch = block / columns / rows / (u32)args.parts;
        const u32 row = tile_row * TILE, column = tile_column * TILE;
        const i64 start = part * share(args), end = min_(args.k, start + share(args));
        if (phase == 0) {
            for (int r = 0; r < 4; ++r) {
                for (int c = 0; c < 4; ++c) state.sums[r][c] = A(0);
            }
        } else if (phase == phases(args) - 1) {
            for (int r = 0; r < 4; ++r) {
                for (int c = 0; c < 4; ++c) {
                    const u32 i = row + thread / 16 + r * 16, j = column + thread % 16 + c * 16;
                    if (i < args.m && j < args.n_size) P::out(args, batch, part, i, j, state.sums[r][c]);
                }
            }
        } else if (phase % 2 == 1) {
            const i64 at = start + (phase - 1) / 2 * DEPTH;
            for (int k = 0; k < TILE * DEPTH / THREADS; ++k) {
                const u32 i = thread + k * THREADS;
                // Neighbouring threads read neighbours along k of a, and along n of b.
                const u32 depth_a = i % DEPTH, row_a = row + i / DEPTH, depth_b = i / TILE, column_b = column + i % TILE;
                shared.a[depth_a][i / DEPTH] = row_a < args.m && at + depth_a < end ? P::a(args, batch, row_a, (u32)(at + depth_a)) : A(0);
                shared.b[depth_b][i % TILE] = column_b < args.n_size && at + depth_b < end ? P::b(args, batch, (u32)(at + depth_b), column_b) : A(0);
            }
        } else {
            for (int k = 0; k < DEPTH; ++k) {
                A a[4], b[4];
                for (int r = 0; r < 4; ++r) a[r] = shared.a[k][thread / 16 + r * 16];
                for (int c = 0; c < 4; ++c) b[c] = shared.b[k][thread % 16 + c * 16];
                for (int r = 0; r < 4; ++r) {
                    for (int c = 0; c < 4; ++c) state.sums[r][c] += a[r] * b[c];
                }
            }
        }
    }
};
