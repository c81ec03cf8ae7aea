// Stands before the texts that read or write filters in the order in which a library convolves.

// Where element i of a weight [rows, channels, taps] lies, if the taps stand ahead of the channels there: as in a filter pixel by
// pixel. One tap stands for a weight that is row-major.
struct Place {
    Divisor row, taps;
    i64 channels;
};

DEVICE u32 place_of(const Place& p, u32 i) {
    if (p.taps.by == 1) return i;
    const u32 start = i / p.row * p.row.by, rest = i - start, channel = rest / p.taps;
    return start + (rest - channel * p.taps.by) * (u32)p.channels + channel;
}
