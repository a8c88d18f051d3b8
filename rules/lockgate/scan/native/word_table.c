/* A table of bits that says which 64-bit words may have been seen, and what stands behind one
 * of a few short prefixes.
 *
 * A word belongs to the bit ((word * key) mod 2^64) >> shift; key is odd and unforeseeable, so
 * that nobody can make chosen words fill the table's bits.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline int is_marked(const uint8_t *bits, uint64_t word, uint64_t key, unsigned shift)
{
    uint64_t bit = (word * key) >> shift;
    return bits[bit >> 3] >> (bit & 7) & 1;
}

/* Mark the words of runs: lengths[i] words from word starts[i] of data on. */
void lockgate_mark_runs(uint8_t *bits, uint64_t key, unsigned shift, const uint8_t *data,
                        const int64_t *starts, const int64_t *lengths, size_t runs)
{
    for (size_t run = 0; run < runs; run++)
        for (int64_t i = 0; i < lengths[run]; i++) {
            uint64_t bit = (word_at(data + 8 * (starts[run] + i)) * key) >> shift;
            bits[bit >> 3] |= (uint8_t)(1 << (bit & 7));
        }
}

/* Whether all of the first `used` of the `width` words of each row are marked. */
void lockgate_marked_rows(const uint8_t *bits, uint64_t key, unsigned shift, const uint64_t *rows,
                          size_t count, size_t width, size_t used, uint8_t *out)
{
    for (size_t row = 0; row < count; row++) {
        uint8_t all = 1;
        for (size_t i = 0; all && i < used; i++)
            all = (uint8_t)is_marked(bits, rows[row * width + i], key, shift);
        out[row] = all;
    }
}

/* Every byte position before `stop` where two marked words stand one behind the other; at most
 * `room` are written. Sixteen bytes behind every position must be readable. */
size_t lockgate_marked_pairs(const uint8_t *bits, uint64_t key, unsigned shift,
                             const uint8_t *data, size_t start, size_t stop, int64_t *out,
                             size_t room)
{
    size_t found = 0;
    for (size_t i = start; i < stop && found < room; i++)
        if (is_marked(bits, word_at(data + i), key, shift) &&
            is_marked(bits, word_at(data + i + 8), key, shift))
            out[found++] = (int64_t)i;
    return found;
}

/* Positions behind a prefix. Prefixes of 2 to 8 bytes are given by their last byte: those of byte
 * b are first[b] to first[b + 1]; value and mask have the last byte lowest. `ends` has a bit for
 * each value of the last two bytes (the last one lower) that some prefix ends with. Writes the
 * position and the prefix's number, at most `room` of them; `data[start - 8]` is readable. */
size_t lockgate_behind(const uint8_t *data, size_t start, size_t stop, const uint8_t *ends,
                       const uint16_t *first, const uint64_t *values, const uint64_t *masks,
                       int64_t *out, size_t room)
{
    size_t found = 0;
    for (size_t i = start; i < stop; i++) {
        unsigned pair = (unsigned)data[i - 2] << 8 | data[i - 1];
        if (!(ends[pair >> 3] >> (pair & 7) & 1))
            continue;
        const uint16_t *range = first + data[i - 1];
        uint64_t before = __builtin_bswap64(word_at(data + i - 8));
        for (uint16_t k = range[0]; k < range[1]; k++)
            if ((before & masks[k]) == values[k]) {
                if (found == room)
                    return found;
                out[2 * found] = (int64_t)i;
                out[2 * found++ + 1] = k;
            }
    }
    return found;
}
