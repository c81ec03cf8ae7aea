// clamp(activation(x + bias) * gain) in one pass, and its gradient in one.

enum Activation { LINEAR, RELU, LRELU, TANH, SIGMOID, ELU, SELU, SOFTPLUS, SWISH };

#define SELU_SCALE A(1.0507009873554805)
#define SELU_ALPHA A(1.6732632423543772)

struct BiasActArgs {
    i64 n;
    const T* x;
    // In the type of arithmetic: a half's is never rounded.
    const A* bias;
    const T* g;
    // What is added last; null for none.
    const T* onto;
    T* y;
    Divisor channels, inner;
    i64 activation, clamps;
    double alpha, gain, clamp;
};

DEVICE A activate(i64 activation, A v, A alpha) {
    switch (activation) {
        case RELU: return v < A(0) ? A(0) : v;
        case LRELU: return v > A(0) ? v : v * alpha;
        case TANH: return tanh_(v);
        case SIGMOID: return sigmoid(v);
        case ELU: return v >= A(0) ? v : exp_(v) - A(1);
        case SELU: return SELU_SCALE * (v >= A(0) ? v : SELU_ALPHA * (exp_(v) - A(1)));
        case SOFTPLUS: return softplus(v);
        case SWISH: return v * sigmoid(v);
        default: return v;
    }
}

DEVICE A with_bias(const BiasActArgs& args, u32 i) {
    const A v = load(args.x[i]);
    return args.bias ? v + args.bias[i / args.inner % args.channels] : v;
}

DEVICE A bias_act_of(const BiasActArgs& args, u32 i) {
    const A v = activate(args.activation, with_bias(args, i), (A)args.alpha) * (A)args.gain;
    const A limit = (A)args.clamp;
    const A w = args.clamps ? (v > limit ? limit : (v < -limit ? -limit : v)) : v;
    return args.onto ? w + load(args.onto[i]) : w;
}
MAP(bias_act, BiasActArgs, y)

// The slope of the activation where its value is `a`.
DEVICE A slope_of_output(i64 activation, A a, A alpha) {
    switch (activation) {
        case RELU: return a > A(0) ? A(1) : A(0);
        case LRELU: return a > A(0) ? A(1) : alpha;
        case TANH: return A(1) - a * a;
        case SIGMOID: return a * (A(1) - a);
        case ELU: return a >= A(0) ? A(1) : a + A(1);
        case SELU: return a >= A(0) ? SELU_SCALE : a + SELU_SCALE * SELU_ALPHA;
        default: return A(1);
    }
}

// The cotangent of x + bias. x is the output; for softplus and swish, whose slope does not follow from it, the input.
DEVICE A bias_act_grad_of(const BiasActArgs& args, u32 i) {
    const A gain = (A)args.gain, alpha = (A)args.alpha, limit = (A)args.clamp;
    A y, slope;
    if (args.activation == SOFTPLUS || args.activation == SWISH) {
        const A z = with_bias(args, i), s = sigmoid(z);
        y = activate(args.activation, z, alpha) * gain;
        slope = args.activation == SOFTPLUS ? s : s * (A(1) + z * (A(1) - s));
    } else {
        y = load(args.x[i]);
        slope = slope_of_output(args.activation, y * (A)(1.0 / args.gain), alpha);
    }
    const bool cut = args.clamps && (y >= limit || y <= -limit);
    return cut ? A(0) : load(args.g[i]) * (slope * gain);
}
MAP(bias_act_grad, BiasActArgs, y)
