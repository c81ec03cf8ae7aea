// Sums along an axis of [outer, axis, inner], and the softmax.
// Orders of summation depend on sizes only, so a result's bits do too.

// Part p of an axis is p * chunk .. (p + 1) * chunk, cut at the end; sums of parts are [outer, parts, inner].
template <class To> struct SumArgs {
    i64 n;
    const T* x;
    To* y;
    i64 outer, axis, inner, parts, chunk;
};

// 32 neighbouring sums a block, 8 threads each.
template <class To> struct Columns {
    typedef SumArgs<To> Args;
    struct State {};
    struct Shared {
        A lanes[THREADS];
    };
    DEVICE int phases(const Args&) { return 2; }
    DEVICE void step(const Args& args, int phase, u32 block, u32 thread, State&, Shared& shared) {
        const u32 column = block * 32 + thread % 32, inner = (u32)args.inner;
        const bool inside = column < (u32)(args.outer * args.parts * args.inner);
        if (phase == 0) {
            const u32 i = column % inner, part = column / inner % (u32)args.parts, o = column / inner / (u32)args.parts;
            const u32 end = (u32)min_(args.axis, (part + 1) * args.chunk);
            A sum = 0;
            for (u32 a = part * (u32)args.chunk + thread / 32; inside && a < end; a += 8) {
                sum += load(args.x[((i64)o * args.axis + a) * inner + i]);
            }
            shared.lanes[thread] = sum;
        } else if (thread < 32 && inside) {
            A sum = 0;
            for (u32 lane = 0; lane < 8; ++lane) sum += shared.lanes[lane * 32 + thread];
            store(&args.y[column], sum);
        }
    }
};
BLOCKS(sum_columns, Columns<T>)
BLOCKS(sum_columns_wide, Columns<A>)

// One sum a block, for inner = 1.
template <class To> struct SumRow {
    typedef SumArgs<To> Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 row, u32 thread) {
        const i64 part = row % (u32)args.parts, o = row / (u32)args.parts;
        const i64 end = min_(args.axis, (part + 1) * args.chunk);
        A sum = 0;
        for (i64 a = part * args.chunk + thread; a < end; a += THREADS) sum += load(args.x[o * args.axis + a]);
        return sum;
    }
    DEVICE void finish(const Args& args, u32 row, A sum) { store(&args.y[row], sum); }
};
BLOCKS(sum_rows, Row<SumRow<T>>)
BLOCKS(sum_rows_wide, Row<SumRow<A>>)

struct SoftmaxArgs {
    i64 n;
    const T* x;
    T* y;
    i64 axis, inner;
};

// exp(x - max) / sum(exp(x - max)), a row a block: the row is read three times, from cache after the first.
struct Softmax {
    typedef SoftmaxArgs Args;
    struct State {};
    struct Shared {
        A values[THREADS];
        A max, sum;
    };
    DEVICE int phases(const Args&) { return 5; }
    DEVICE void step(const Args& args, int phase, u32 row, u32 thread, State&, Shared& shared) {
        const i64 start = (i64)(row / (u32)args.inner) * args.axis * args.inner + row % (u32)args.inner;
        const T* x = args.x + start;
        if (phase == 0) {
            A max = load(x[0]);
            for (i64 a = thread; a < args.axis; a += THREADS) max = max_(max, load(x[a * args.inner]));
            shared.values[thread] = max;
        } else if (phase == 1 && thread == 0) {
            A max = shared.values[0];
            for (u32 k = 1; k < THREADS; ++k) max = max_(max, shared.values[k]);
            shared.max = max;
        } else if (phase == 2) {
            A sum = 0;
            for (i64 a = thread; a < args.axis; a += THREADS) sum += exp_(load(x[a * args.inner]) - shared.max);
            shared.values[thread] = sum;
        } else if (phase == 3 && thread == 0) {
            A sum = 0;
            for (u32 k = 0; k < THREADS; ++k) sum += shared.values[k];
            shared.sum = sum;
        } else if (phase == 4) {
            for (i64 a = thread; a < args.axis; a += THREADS) {
                store(&args.y[start + a * args.inner], exp_(load(x[a * args.inner]) - shared.max) / shared.sum);
            }
        }
    }
};
BLOCKS(softmax, Softmax)

struct ChunkRow {
    const T* x;
    i64 len, first_chunk;
};

struct ChunksArgs {
    i64 n;
    const ChunkRow* rows;
    T *parts, *sums;
    i64 count, chunks;
};

struct Itself {
    DEVICE A of(A v) { return v; }
};

struct IsNonfinite {
    // Infinity minus infinity is NaN.
    DEVICE A of(A v) { return v - v == (A)0 ? (A)0 : (A)1; }
};

// One sum a chunk of what the elements of many arrays are.
template <class What> struct SumChunk {
    typedef ChunksArgs Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32 chunk, u32 thread) {
        const ChunkRow& row = row_of(args.rows, args.count, chunk);
        const i64 start = (chunk - row.first_chunk) * CHUNK, end = min_(row.len, start + CHUNK);
        A sum = 0;
        for (i64 i = start + thread; i < end; i += THREADS) sum += What::of(load(row.x[i]));
        return sum;
    }
    DEVICE void finish(const Args& args, u32 chunk, A sum) { store(&args.parts[chunk], sum); }
};
BLOCKS(sum_chunks, Row<SumChunk<Itself>>)
BLOCKS(count_chunks, Row<SumChunk<IsNonfinite>>)

// The sum of each array, from its chunks in order.
DEVICE void sum_parts_at(const ChunksArgs& args, u32 i) {
    const i64 end = i + 1 < args.count ? args.rows[i + 1].first_chunk : args.chunks;
    A sum = 0;
    for (i64 chunk = args.rows[i].first_chunk; chunk < end; ++chunk) sum += load(args.parts[chunk]);
    store(&args.sums[i], sum);
}
EACH(sum_parts, ChunksArgs)
