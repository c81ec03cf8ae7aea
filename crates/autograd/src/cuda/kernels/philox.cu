// Philox4x32-10 (Salmon et al. 2011): draw i of a stream is a pure function of (seed, purpose, step, i). Words, uniforms and
// integers are the same bits as on the host; normals differ by the rounding of log, sin and cos.

struct PhiloxArgs {
    i64 n;
    void* y;
    u64 seed, purpose, step, start, bound;
};

struct Words {
    u32 lane[4];
};

DEVICE Words philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
    for (int round = 0; round < 10; ++round) {
        const u64 a = (u64)0xD2511F53u * c0, b = (u64)0xCD9E8D57u * c2;
        const u32 n0 = (u32)(b >> 32) ^ c1 ^ k0, n2 = (u32)(a >> 32) ^ c3 ^ k1;
        c1 = (u32)b, c3 = (u32)a, c0 = n0, c2 = n2;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    Words words = {{c0, c1, c2, c3}};
    return words;
}

DEVICE u32 word(const PhiloxArgs& args, u64 index) {
    const Words words = philox((u32)(index / 4), (u32)args.purpose, (u32)args.step, (u32)(args.step >> 32),
                               (u32)args.seed, (u32)(args.seed >> 32));
    return words.lane[index % 4];
}

DEVICE float unit(u32 word) { return (float)(word >> 8) * (1.0f / 16777216.0f); }

DEVICE void philox_words_at(const PhiloxArgs& args, u32 i) { ((u32*)args.y)[i] = word(args, args.start + i); }
EACH(philox_words, PhiloxArgs)

// Uniform on [0, 1), multiples of 2^-24.
DEVICE void philox_uniforms_at(const PhiloxArgs& args, u32 i) { ((float*)args.y)[i] = unit(word(args, args.start + i)); }
EACH(philox_uniforms, PhiloxArgs)

// Uniform on 0 .. bound: the high word of word * bound.
DEVICE void philox_integers_at(const PhiloxArgs& args, u32 i) {
    ((int*)args.y)[i] = (int)((u64)word(args, args.start + i) * (u32)args.bound >> 32);
}
EACH(philox_integers, PhiloxArgs)

// Standard normals by Box and Muller: one of the pair that draws 2 j and 2 j + 1 give.
DEVICE void philox_normals_at(const PhiloxArgs& args, u32 i) {
    const u64 pair = args.start + i / 2 * 2;
    const float radius = sqrtf(-2.0f * logf(1.0f - unit(word(args, pair))));
    const float angle = 6.2831855f * unit(word(args, pair + 1));
    ((float*)args.y)[i] = radius * (i % 2 == 0 ? cosf(angle) : sinf(angle));
}
EACH(philox_normals, PhiloxArgs)
