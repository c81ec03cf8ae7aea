// A filter times a number, from the type that weights are stored in to a half and the order in which a library convolves, and its
// gradient back. Each reads and writes every weight once (6 bytes), in place of a product, a conversion and a turn (18).

template <class H> struct FilterArgs {
    i64 n;
    const T* w;
    H* out;
    Place place;
    double factor;
};

template <class H> DEVICE void scale_filter(const FilterArgs<H>& args, u32 i) {
    store(&args.out[place_of(args.place, i)], (typename Arithmetic<H>::Type)((A)args.factor * load(args.w[i])));
}
DEVICE void scale_filter_bf16_at(const FilterArgs<bf16>& args, u32 i) { scale_filter(args, i); }
EACH(scale_filter_bf16, FilterArgs<bf16>)
DEVICE void scale_filter_f16_at(const FilterArgs<f16>& args, u32 i) { scale_filter(args, i); }
EACH(scale_filter_f16, FilterArgs<f16>)

template <class H> struct FilterGradArgs {
    i64 n;
    const H* g;
    T* out;
    Place place;
    double factor;
};

template <class H> DEVICE void scale_filter_grad(const FilterGradArgs<H>& args, u32 i) {
    store(&args.out[i], (A)args.factor * (A)load(args.g[place_of(args.place, i)]));
}
DEVICE void scale_filter_grad_bf16_at(const FilterGradArgs<bf16>& args, u32 i) { scale_filter_grad(args, i); }
EACH(scale_filter_grad_bf16, FilterGradArgs<bf16>)
DEVICE void scale_filter_grad_f16_at(const FilterGradArgs<f16>& args, u32 i) { scale_filter_grad(args, i); }
EACH(scale_filter_grad_f16, FilterGradArgs<f16>)
