// Functions of one element, of two with broadcasting, and gates.
// Bytes moved are the least: each operand is read once, the result written once.

struct UnaryArgs {
    i64 n;
    const T* x;
    T* y;
    double a, b;
};

#define UNARY(name, expression)                                     \
    DEVICE A name##_of(const UnaryArgs& args, u32 i) {              \
        const A a = (A)args.a, b = (A)args.b, x = load(args.x[i]);  \
        (void)a, (void)b;                                           \
        return expression;                                          \
    }                                                               \
    MAP(name, UnaryArgs, y)

UNARY(affine, x* a + b)
UNARY(exponential, exp_(x))
UNARY(logarithm, log_(x))
UNARY(root, sqrt_(x))
UNARY(hyperbolic_tangent, tanh_(x))
UNARY(logistic, sigmoid(x))
UNARY(soft_plus, softplus(x))
UNARY(leaky_relu, x > A(0) ? x : x * a)
UNARY(absolute, abs_(x))
UNARY(sign, x == A(0) || x != x ? x : (x > A(0) ? A(1) : A(-1)))
UNARY(clamp, x < a ? a : (x > b ? b : x))

// Does not look at x.
DEVICE A fill_of(const UnaryArgs& args, u32) { return (A)args.a; }
MAP(fill, UnaryArgs, y)

#define RANK 6

// Axes of the result, outermost first, and how far each operand moves along them.
struct BinaryArgs {
    i64 n;
    const T* x;
    const T* y;
    T* out;
    i64 rank;
    Divisor size[RANK];
    i64 step_x[RANK], step_y[RANK];
};

// The same of operands that move like the result.
struct AlikeArgs {
    i64 n;
    const T* x;
    const T* y;
    T* out;
};

#define BINARY(name, expression)                                    \
    DEVICE A name##_of(const BinaryArgs& args, u32 i) {             \
        u32 at_x = 0, at_y = 0, rest = i;                           \
        for (int k = (int)args.rank - 1; k > 0; --k) {              \
            const u32 outer = rest / args.size[k];                  \
            const u32 at = rest - outer * args.size[k].by;          \
            rest = outer;                                           \
            at_x += at * (u32)args.step_x[k];                       \
            at_y += at * (u32)args.step_y[k];                       \
        }                                                           \
        at_x += rest * (u32)args.step_x[0];                         \
        at_y += rest * (u32)args.step_y[0];                         \
        const A x = load(args.x[at_x]), y = load(args.y[at_y]);     \
        return expression;                                          \
    }                                                               \
    MAP(name, BinaryArgs, out)                                      \
    DEVICE A name##_alike_of(const AlikeArgs& args, u32 i) {        \
        const A x = load(args.x[i]), y = load(args.y[i]);           \
        return expression;                                          \
    }                                                               \
    MAP(name##_alike, AlikeArgs, out)

BINARY(add, x + y)
BINARY(sub, x - y)
BINARY(mul, x* y)
BINARY(divide, x / y)

struct GateArgs {
    i64 n;
    const T* g;
    const T* x;
    T* out;
    double a, b;
};

#define GATE(name, expression)                                              \
    DEVICE A name##_of(const GateArgs& args, u32 i) {                       \
        const A a = (A)args.a, b = (A)args.b;                               \
        const A g = load(args.g[i]), x = load(args.x[i]);                   \
        (void)a, (void)b;                                                   \
        return expression;                                                  \
    }                                                                       \
    MAP(name, GateArgs, out)

GATE(gate_slope, x > A(0) ? g : g * a)
GATE(gate_between, x >= a && x <= b ? g : A(0))
