// A filter times a number, from the type that weights are stored in to a half and the order in which a library convolves, and its
// gradient back. Each reads and writes every weight once (6 bytes), in place of a product, a conversion and a turn (18).

template <class From, class To> struct FilterArgs {
    i64 n;
    const From* from;
    To* to;
    // Of the half.
    Place place;
    double factor;
};
typedef FilterArgs<T, bf16> ToBf16;
typedef FilterArgs<T, f16> ToF16;
typedef FilterArgs<bf16, T> OfBf16;
typedef FilterArgs<f16, T> OfF16;

template <class H> DEVICE void round_at(const FilterArgs<T, H>& args, u32 i) {
    store(&args.to[place_of(args.place, i)], (typename Arithmetic<H>::Type)((A)args.factor * load(args.from[i])));
}
template <class H> DEVICE void widen_at(const FilterArgs<H, T>& args, u32 i) {
    store(&args.to[i], (A)args.factor * (A)load(args.from[place_of(args.place, i)]));
}

DEVICE void scale_filter_bf16_at(const ToBf16& args, u32 i) { round_at(args, i); }
DEVICE void scale_filter_f16_at(const ToF16& args, u32 i) { round_at(args, i); }
DEVICE void scale_filter_grad_bf16_at(const OfBf16& args, u32 i) { widen_at(args, i); }
DEVICE void scale_filter_grad_f16_at(const OfF16& args, u32 i) { widen_at(args, i); }
EACH(scale_filter_bf16, ToBf16)
EACH(scale_filter_f16, ToF16)
EACH(scale_filter_grad_bf16, OfBf16)
EACH(scale_filter_grad_f16, OfF16)
