// Stands before the texts that work on many arrays in one launch. A table has a row an array; a block takes one chunk of
// one array, found by bisection in the row of first chunks.

#define CHUNK 4096

// The last row whose first chunk is at most `chunk`.
template <class R> DEVICE const R& row_of(const R* rows, i64 count, i64 chunk) {
    i64 low = 0, high = count;
    while (high - low > 1) {
        const i64 middle = (low + high) / 2;
        if (rows[middle].first_chunk <= chunk) low = middle;
        else high = middle;
    }
    return rows[low];
}
