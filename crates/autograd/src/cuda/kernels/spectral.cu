// Spectral normalisation of a weight W seen as [rows, rest]: a power step in three launches, the quotient, its gradient.
// A power step reads W twice (8 bytes a weight in F32); the vectors are short. The quotient reads and writes it once, the
// gradient reads W once and the cotangent twice, and writes once (28 bytes with the quotient's 8).

struct ColumnsArgs {
    i64 n;
    const T *w, *u;
    T* y;
    i64 rows, rest;
};

// y = u W, 32 columns a block and 8 threads a column, so that a row is read in one run.
struct PowerColumns {
    typedef ColumnsArgs Args;
    struct State {};
    struct Shared {
        A lanes[THREADS];
    };
    DEVICE int phases(const Args&) { return 2; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const i64 column = (i64)block * 32 + thread % 32;
        const bool inside = column < args.rest;
        if (phase == 0) {
            A sum = 0;
            for (i64 row = thread / 32; inside && row < args.rows; row += 8) {
                sum += load(args.u[row]) * load(args.w[row * args.rest + column]);
            }
            shared.lanes[thread] = sum;
        } else if (thread < 32 && inside) {
            A sum = 0;
            for (u32 lane = 0; lane < 8; ++lane) sum += shared.lanes[lane * 32 + thread];
            store(&args.y[column], sum);
        }
    }
};
BLOCKS(power_columns, PowerColumns)

struct RowsArgs {
    i64 n;
    const T *w, *y;
    T* z;
    i64 rest;
};

// z = W y, a row a block.
struct PowerRows {
    typedef RowsArgs Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 row, u32 thread) {
        A sum = 0;
        for (i64 i = thread; i < args.rest; i += THREADS) sum += load(args.w[row * args.rest + i]) * load(args.y[i]);
        return sum;
    }
    DEVICE void finish(const Args& args, u32 row, A sum) { store(&args.z[row], sum); }
};
BLOCKS(power_rows, Row<PowerRows>)

struct FinishArgs {
    i64 n;
    const T *y, *z;
    T *v, *u, *sigma;
    // Where training keeps u and sigma; null where it does not.
    T *kept_u, *kept_sigma;
    i64 rows, rest;
    double epsilon;
};

// v = y / |y|, z' = W v = z / |y|, u = z' / |z'|, sigma = z' . u, in one block; norms are at least epsilon.
struct PowerFinish {
    typedef FinishArgs Args;
    struct State {};
    struct Shared {
        A y[THREADS], z[THREADS];
    };
    DEVICE int phases(const Args&) { return 3; }
    DEVICE void step(const Args& args, int phase, u32, u32 thread, State&, Shared& shared) {
        if (phase == 0) {
            A y = 0, z = 0;
            for (i64 i = thread; i < args.rest; i += THREADS) y += load(args.y[i]) * load(args.y[i]);
            for (i64 i = thread; i < args.rows; i += THREADS) z += load(args.z[i]) * load(args.z[i]);
            shared.y[thread] = y;
            shared.z[thread] = z;
        } else if (phase == 1 && thread == 0) {
            for (u32 k = 1; k < THREADS; ++k) {
                shared.y[0] += shared.y[k];
                shared.z[0] += shared.z[k];
            }
        } else if (phase == 2) {
            const A norm_y = max_(sqrt_(shared.y[0]), (A)args.epsilon);
            const A length = sqrt_(shared.z[0]) / norm_y, norm_z = max_(length, (A)args.epsilon);
            for (i64 i = thread; i < args.rest; i += THREADS) store(&args.v[i], load(args.y[i]) / norm_y);
            for (i64 i = thread; i < args.rows; i += THREADS) {
                const A u = load(args.z[i]) / norm_y / norm_z;
                store(&args.u[i], u);
                if (args.kept_u) store(&args.kept_u[i], u);
            }
            if (thread == 0) {
                const A sigma = length * length / norm_z;
                store(args.sigma, sigma);
                if (args.kept_sigma) store(args.kept_sigma, sigma);
            }
        }
    }
};
BLOCKS(power_finish, PowerFinish)

struct QuotientArgs {
    i64 n;
    const T *w, *sigma;
    T* out;
};

DEVICE void quotient_at(const QuotientArgs& args, u32 i) { store(&args.out[i], load(args.w[i]) / load(*args.sigma)); }
EACH(quotient, QuotientArgs)

struct DotsArgs {
    i64 n;
    const T *g, *w;
    T* parts;
    i64 len;
};

// Sums of g W over a chunk each.
struct QuotientDots {
    typedef DotsArgs Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 block, u32 thread) {
        const i64 start = (i64)block * CHUNK, end = min_(args.len, start + CHUNK);
        A sum = 0;
        for (i64 i = start + thread; i < end; i += THREADS) sum += load(args.g[i]) * load(args.w[i]);
        return sum;
    }
    DEVICE void finish(const Args& args, u32 block, A sum) { store(&args.parts[block], sum); }
};
BLOCKS(quotient_dots, Row<QuotientDots>)

struct QuotientGradArgs {
    i64 n;
    const T *g, *parts, *u, *v, *sigma;
    T* out;
    i64 len, rest;
};

// g / sigma - (g . W) / sigma^2 u v^T: u and v are constants, sigma = v W^T u^T is not.
struct QuotientGrad {
    typedef QuotientGradArgs Args;
    struct State {};
    struct Shared {
        A sums[THREADS];
    };
    DEVICE int phases(const Args&) { return 3; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        if (phase == 0) {
            A sum = 0;
            for (i64 k = thread; k < args.n; k += THREADS) sum += load(args.parts[k]);
            shared.sums[thread] = sum;
        } else if (phase == 1 && thread == 0) {
            for (u32 k = 1; k < THREADS; ++k) shared.sums[0] += shared.sums[k];
        } else if (phase == 2) {
            const A sigma = load(*args.sigma), along = shared.sums[0] / (sigma * sigma);
            const i64 start = (i64)block * CHUNK, end = min_(args.len, start + CHUNK);
            for (i64 i = start + thread; i < end; i += THREADS) {
                const A outer = load(args.u[i / args.rest]) * load(args.v[i % args.rest]);
                store(&args.out[i], load(args.g[i]) / sigma - along * outer);
            }
        }
    }
};
BLOCKS(quotient_grad, QuotientGrad)
