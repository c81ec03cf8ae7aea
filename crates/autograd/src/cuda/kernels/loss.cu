// Adversarial losses: the mean of a function of each logit, and the mean's derivative by each. One block, for logits are few.
// Reads a logit and writes a slope (8 bytes in F32), in place of the 16 of each of a function's ops and of their derivatives'.

struct TermArgs {
    i64 n;
    const T* x;
    T *mean, *slopes;
    i64 count, kind;
    double a, b;
};

struct Valued {
    A value, slope;
};

DEVICE Valued term_of(const TermArgs& args, A x) {
    const A a = (A)args.a, b = (A)args.b;
    Valued v;
    if (args.kind == 0) {  // relu(1 + a x)
        const A inside = A(1) + a * x;
        v.value = max_(inside, A(0));
        v.slope = inside > A(0) ? a : A(0);
        // As in op by op, a logit that is no number gives none.
        if (inside != inside) v.value = v.slope = inside;
    } else if (args.kind == 1) {  // softplus(a x) + b x
        v.value = softplus(a * x) + b * x;
        v.slope = a * sigmoid(a * x) + b;
    } else if (args.kind == 2) {  // a (x + b)^2
        v.value = a * (x + b) * (x + b);
        v.slope = A(2) * a * (x + b);
    } else {  // a x
        v.value = a * x;
        v.slope = a;
    }
    return v;
}

struct MeanTerm {
    typedef TermArgs Args;
    typedef A Value;
    DEVICE void join(A& sum, A v) { sum += v; }
    DEVICE A partial(const Args& args, u32, u32 thread) {
        A sum = 0;
        for (i64 i = thread; i < args.count; i += THREADS) {
            const Valued v = term_of(args, load(args.x[i]));
            store(&args.slopes[i], v.slope / (A)args.count);
            sum += v.value;
        }
        return sum;
    }
    DEVICE void finish(const Args& args, u32, A sum) { store(args.mean, sum / (A)args.count); }
};
BLOCKS(mean_term, Row<MeanTerm>)
