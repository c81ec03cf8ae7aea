// Spectral normalisation of weights W, each seen as [rows, rest]: a power step of all of them in three launches, all quotients
// in one, and their gradients in two. A power step reads W twice (8 bytes a weight in F32); the vectors are short. The quotient
// reads and writes it once, the gradient reads W once and the cotangent twice, and writes once (28 bytes with the quotient's 8).

struct ColumnsRow {
    const T *w, *u;
    T* y;
    i64 rows, rest, first_chunk;
};

struct ColumnsArgs {
    i64 n;
    const ColumnsRow* table;
    i64 count;
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
        const ColumnsRow& weight = row_of(args.table, args.count, block);
        const i64 column = (block - weight.first_chunk) * 32 + thread % 32;
        const bool inside = column < weight.rest;
        if (phase == 0) {
            A sum = 0;
            for (i64 row = thread / 32; inside && row < weight.rows; row += 8) {
                sum += load(weight.u[row]) * load(weight.w[row * weight.rest + column]);
            }
            shared.lanes[thread] = sum;
        } else if (thread < 32 && inside) {
            A sum = 0;
            for (u32 lane = 0; lane < 8; ++lane) sum += shared.lanes[lane * 32 + thread];
            store(&weight.y[column], sum);
        }
    }
};
BLOCKS(power_columns, PowerColumns)

struct RowsRow {
    const T *w, *y;
    T* z;
    i64 rest, first_chunk;
};

struct RowsArgs {
    i64 n;
    const RowsRow* table;
    i64 count;
};

// z = W y, a row of W a block.
struct PowerRows {
    typedef RowsArgs Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 block, u32 thread) {
        const RowsRow& weight = row_of(args.table, args.count, block);
        const T* row = weight.w + (block - weight.first_chunk) * weight.rest;
        A sum = 0;
        for (i64 i = thread; i < weight.rest; i += THREADS) sum += load(row[i]) * load(weight.y[i]);
        return sum;
    }
    DEVICE void finish(const Args& args, u32 block, A sum) {
        const RowsRow& weight = row_of(args.table, args.count, block);
        store(&weight.z[block - weight.first_chunk], sum);
    }
};
BLOCKS(power_rows, Row<PowerRows>)

struct FinishRow {
    const T *y, *z;
    T *v, *u, *sigma;
    // Where training keeps u and sigma; null where it does not.
    T *kept_u, *kept_sigma;
    i64 rows, rest;
    double epsilon;
};

struct FinishArgs {
    i64 n;
    const FinishRow* table;
    i64 count;
};

// v = y / |y|, z' = W v = z / |y|, u = z' / |z'|, sigma = z' . u, a weight a block; norms are at least epsilon.
struct PowerFinish {
    typedef FinishArgs Args;
    struct State {};
    struct Shared {
        A y[THREADS], z[THREADS];
    };
    DEVICE int phases(const Args&) { return 3; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const FinishRow& weight = args.table[block];
        if (phase == 0) {
            A y = 0, z = 0;
            for (i64 i = thread; i < weight.rest; i += THREADS) y += load(weight.y[i]) * load(weight.y[i]);
            for (i64 i = thread; i < weight.rows; i += THREADS) z += load(weight.z[i]) * load(weight.z[i]);
            shared.y[thread] = y;
            shared.z[thread] = z;
        } else if (phase == 1 && thread == 0) {
            for (u32 k = 1; k < THREADS; ++k) {
                shared.y[0] += shared.y[k];
                shared.z[0] += shared.z[k];
            }
        } else if (phase == 2) {
            const A epsilon = (A)weight.epsilon, norm_y = max_(sqrt_(shared.y[0]), epsilon);
            const A length = sqrt_(shared.z[0]) / norm_y, norm_z = max_(length, epsilon);
            for (i64 i = thread; i < weight.rest; i += THREADS) store(&weight.v[i], load(weight.y[i]) / norm_y);
            for (i64 i = thread; i < weight.rows; i += THREADS) {
                const A u = load(weight.z[i]) / norm_y / norm_z;
                store(&weight.u[i], u);
                if (weight.kept_u) store(&weight.kept_u[i], u);
            }
            if (thread == 0) {
                const A sigma = length * length / norm_z;
                store(weight.sigma, sigma);
                if (weight.kept_sigma) store(weight.kept_sigma, sigma);
            }
        }
    }
};
BLOCKS(power_finish, PowerFinish)

template <class To> struct QuotientRow {
    const T *w, *sigma;
    To* out;
    Place place;
    i64 len, first_chunk;
};

template <class To> struct QuotientArgs {
    i64 n;
    const QuotientRow<To>* table;
    i64 count;
};

// W / sigma, in another type if asked for.
template <class To> struct Quotient {
    typedef QuotientArgs<To> Args;
    struct State {};
    struct Shared {};
    DEVICE int phases(const Args&) { return 1; }
    DEVICE void step(const Args& args, int, u32 block, u32 thread, State&, Shared&) {
        const QuotientRow<To>& weight = row_of(args.table, args.count, block);
        const u32 start = (block - (u32)weight.first_chunk) * CHUNK, end = min_((u32)weight.len, start + CHUNK);
        const A sigma = load(*weight.sigma);
        for (u32 i = start + thread; i < end; i += THREADS) {
            store(&weight.out[place_of(weight.place, i)], (typename Arithmetic<To>::Type)(load(weight.w[i]) / sigma));
        }
    }
};
BLOCKS(quotient, Quotient<T>)
BLOCKS(quotient_bf16, Quotient<bf16>)
BLOCKS(quotient_f16, Quotient<f16>)

template <class G> struct DotsRow {
    const G* g;
    const T* w;
    T* parts;
    Place place;
    i64 len, first_chunk;
};

template <class G> struct DotsArgs {
    i64 n;
    const DotsRow<G>* table;
    i64 count;
};

// Sums of g W over a chunk each.
template <class G> struct QuotientDots {
    typedef DotsArgs<G> Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 block, u32 thread) {
        const DotsRow<G>& weight = row_of(args.table, args.count, block);
        const u32 start = (block - (u32)weight.first_chunk) * CHUNK, end = min_((u32)weight.len, start + CHUNK);
        A sum = 0;
        for (u32 i = start + thread; i < end; i += THREADS) {
            sum += (A)load(weight.g[place_of(weight.place, i)]) * load(weight.w[i]);
        }
        return sum;
    }
    DEVICE void finish(const Args& args, u32 block, A sum) {
        const DotsRow<G>& weight = row_of(args.table, args.count, block);
        store(&weight.parts[block - weight.first_chunk], sum);
    }
};
BLOCKS(quotient_dots, Row<QuotientDots<T>>)
BLOCKS(quotient_dots_bf16, Row<QuotientDots<bf16>>)
BLOCKS(quotient_dots_f16, Row<QuotientDots<f16>>)

template <class G> struct QuotientGradRow {
    const G* g;
    const T *parts, *u, *v, *sigma;
    T* out;
    Place place;
    i64 len, chunks, first_chunk;
};

template <class G> struct QuotientGradArgs {
    i64 n;
    const QuotientGradRow<G>* table;
    i64 count;
};

// g / sigma - (g . W) / sigma^2 u v^T: u and v are constants, sigma = v W^T u^T is not.
template <class G> struct QuotientGrad {
    typedef QuotientGradArgs<G> Args;
    struct State {};
    struct Shared {
        A sums[THREADS];
    };
    DEVICE int phases(const Args&) { return 3; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const QuotientGradRow<G>& weight = row_of(args.table, args.count, block);
        if (phase == 0) {
            A sum = 0;
            for (i64 k = thread; k < weight.chunks; k += THREADS) sum += load(weight.parts[k]);
            shared.sums[thread] = sum;
        } else if (phase == 1 && thread == 0) {
            for (u32 k = 1; k < THREADS; ++k) shared.sums[0] += shared.sums[k];
        } else if (phase == 2) {
            const A sigma = load(*weight.sigma), along = shared.sums[0] / (sigma * sigma);
            const u32 start = (block - (u32)weight.first_chunk) * CHUNK, end = min_((u32)weight.len, start + CHUNK);
            for (u32 i = start + thread; i < end; i += THREADS) {
                const u32 row = i / weight.place.row;
                const A outer = load(weight.u[row]) * load(weight.v[i - row * weight.place.row.by]);
                store(&weight.out[i], (A)load(weight.g[place_of(weight.place, i)]) / sigma - along * outer);
            }
        }
    }
};
BLOCKS(quotient_grad, QuotientGrad<T>)
BLOCKS(quotient_grad_bf16, QuotientGrad<bf16>)
BLOCKS(quotient_grad_f16, QuotientGrad<f16>)
