// Optimisers and moving averages over many arrays in one launch.

struct AdamRow {
    T *p, *m, *v;
    const T* g;
    i64 len, first_chunk;
};

struct AdamArgs {
    i64 n;
    const AdamRow* rows;
    i64 count;
    double beta1, beta2, rest1, rest2, rate, correction, epsilon;
};

struct Adam {
    typedef AdamArgs Args;
    struct State {};
    struct Shared {};
    DEVICE int phases(const Args&) { return 1; }
    DEVICE void step(const Args& args, int, u32 block, u32 thread, State&, Shared&) {
        const AdamRow& row = row_of(args.rows, args.count, block);
        const i64 start = (block - row.first_chunk) * CHUNK, end = min_(row.len, start + CHUNK);
        for (i64 i = start + thread; i < end; i += THREADS) {
            const A g = load(row.g[i]);
            const A m = (A)args.beta1 * load(row.m[i]) + (A)args.rest1 * g;
            const A v = (A)args.beta2 * load(row.v[i]) + (A)args.rest2 * g * g;
            store(&row.m[i], m);
            store(&row.v[i], v);
            const A step = (A)args.rate * m / (sqrt_(v) * (A)args.correction + (A)args.epsilon);
            store(&row.p[i], load(row.p[i]) - step);
        }
    }
};
BLOCKS(adam, Adam)

struct LerpRow {
    T* target;
    const T* source;
    i64 len, first_chunk;
};

struct LerpArgs {
    i64 n;
    const LerpRow* rows;
    i64 count;
    double weight;
};

// target += weight (source - target)
struct Lerp {
    typedef LerpArgs Args;
    struct State {};
    struct Shared {};
    DEVICE int phases(const Args&) { return 1; }
    DEVICE void step(const Args& args, int, u32 block, u32 thread, State&, Shared&) {
        const LerpRow& row = row_of(args.rows, args.count, block);
        const i64 start = (block - row.first_chunk) * CHUNK, end = min_(row.len, start + CHUNK);
        for (i64 i = start + thread; i < end; i += THREADS) {
            const A v = load(row.target[i]);
            store(&row.target[i], v + (A)args.weight * (load(row.source[i]) - v));
        }
    }
};
BLOCKS(lerp, Lerp)

struct ScaledRow {
    T* target;
    const T* source;
    double factor;
    i64 len, first_chunk;
};

struct ScaledArgs {
    i64 n;
    const ScaledRow* rows;
    i64 count;
    double weight;
};

// target += weight (factor source - target)
struct LerpScaled {
    typedef ScaledArgs Args;
    struct State {};
    struct Shared {};
    DEVICE int phases(const Args&) { return 1; }
    DEVICE void step(const Args& args, int, u32 block, u32 thread, State&, Shared&) {
        const ScaledRow& row = row_of(args.rows, args.count, block);
        const i64 start = (block - row.first_chunk) * CHUNK, end = min_(row.len, start + CHUNK);
        for (i64 i = start + thread; i < end; i += THREADS) {
            const A v = load(row.target[i]);
            store(&row.target[i], v + (A)args.weight * ((A)row.factor * load(row.source[i]) - v));
        }
    }
};
BLOCKS(lerp_scaled, LerpScaled)

struct LerpOneArgs {
    i64 n;
    T* target;
    const T* source;
    double weight;
};

// The same of one array, without a table.
DEVICE A lerp_one_of(const LerpOneArgs& args, u32 i) {
    const A v = load(args.target[i]);
    return v + (A)args.weight * (load(args.source[i]) - v);
}
MAP(lerp_one, LerpOneArgs, target)

struct MendRow {
    T* x;
    i64 len, first_chunk;
};

struct MendArgs {
    i64 n;
    const MendRow* rows;
    i64 count;
    double most;
};

// NaN becomes 0, and infinities most and -most; the rest stays.
struct Mend {
    typedef MendArgs Args;
    struct State {};
    struct Shared {};
    DEVICE int phases(const Args&) { return 1; }
    DEVICE void step(const Args& args, int, u32 block, u32 thread, State&, Shared&) {
        const MendRow& row = row_of(args.rows, args.count, block);
        const i64 start = (block - row.first_chunk) * CHUNK, end = min_(row.len, start + CHUNK);
        const A most = (A)args.most;
        for (i64 i = start + thread; i < end; i += THREADS) {
            const A v = load(row.x[i]);
            // Infinity minus infinity is NaN.
            if (v - v != (A)0) store(&row.x[i], v != v ? (A)0 : v > (A)0 ? most : -most);
        }
    }
};
BLOCKS(mend, Mend)

// A row's first chunk is the place of its first element here.
struct JoinRow {
    const T* x;
    i64 len, first_chunk;
};

struct JoinArgs {
    i64 n;
    const JoinRow* rows;
    i64 count;
    T* y;
};

// The elements of all arrays, one behind the other.
DEVICE void join_at(const JoinArgs& args, u32 i) {
    const JoinRow& row = row_of(args.rows, args.count, i);
    args.y[i] = row.x[i - row.first_chunk];
}
EACH(join, JoinArgs)

struct SplitRow {
    T* x;
    i64 len, first_chunk;
};

struct SplitArgs {
    i64 n;
    const SplitRow* rows;
    i64 count;
    const T* y;
};

// Back to arrays of their own.
DEVICE void split_at(const SplitArgs& args, u32 i) {
    const SplitRow& row = row_of(args.rows, args.count, i);
    row.x[i - row.first_chunk] = args.y[i];
}
EACH(split, SplitArgs)
