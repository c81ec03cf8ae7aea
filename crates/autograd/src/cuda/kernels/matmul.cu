// Products of matrices, alone or in batches, each operand read as its transpose if flipped.

struct MatmulArgs {
    i64 n;
    const T *x, *w;
    T* y;
    i64 m, k, n_size, parts, batches, flip_a, flip_b;
};

struct Matmul {
    typedef MatmulArgs Args;
    DEVICE A a(const Args& args, u32 batch, u32 row, u32 at) {
        return load(args.x[batch * args.m * args.k + (args.flip_a ? at * args.m + row : row * args.k + at)]);
    }
    DEVICE A b(const Args& args, u32 batch, u32 at, u32 column) {
        return load(args.w[batch * args.k * args.n_size + (args.flip_b ? column * args.k + at : at * args.n_size + column)]);
    }
    // Parts lie behind one another, each with all batches.
    DEVICE void out(const Args& args, u32 batch, u32 part, u32 row, u32 column, A sum) {
        store(&args.y[((part * args.batches + batch) * args.m + row) * args.n_size + column], sum);
    }
};
BLOCKS(matmul, Product<Matmul>)
