/* Registered secrets by their anchors, and runs of text that may stand for one. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t has_bit(const uint64_t *bits, uint32_t number)
{
    return bits[number >> 6] >> (number & 63) & 1;
}

static inline uint32_t tag_at(const uint8_t *at, uint64_t multiplier)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return (uint32_t)(word * multiplier >> 40);
}

/* Positions that are looked at together; most often none of them passes. */
#define TOGETHER 8

/* Positions in `first`..`stop` at which the tag (24 bits) of the next eight bytes is in `tags`, a
 * bit for each tag; `coarse` has a bit for the 20 top bits of each, and fits the second cache.
 * The eight bytes must lie inside `data`. Writes positions while `most` has room for eight more,
 * and to `next` the one to go on from. Returns how many there are. */
size_t lockgate_anchors(const uint8_t *data, size_t first, size_t stop, uint64_t multiplier,
                        const uint64_t *coarse, const uint64_t *tags, int64_t *out, size_t most,
                        int64_t *next)
{
    size_t found = 0, at = first;
    while (at < stop && found + TOGETHER <= most) {
        size_t end = at + TOGETHER < stop ? at + TOGETHER : stop;
        if (end == at + TOGETHER) {
            uint64_t any = 0;
            for (size_t i = 0; i < TOGETHER; i++)
                any |= has_bit(coarse, tag_at(data + at + i, multiplier) >> 4);
            if (!any) {
                at = end;
                continue;
            }
        }
        for (; at < end; at++)
            if (has_bit(tags, tag_at(data + at, multiplier)))
                out[found++] = (int64_t)at;
    }
    *next = (int64_t)at;
    return found;
}

/* Runs of at least `least` bytes of which `members[byte]` is true, in `first`..`stop`, as pairs of
 * start and end. One byte in `least` is looked at where there are none. Writes at most `most`
 * pairs, and to `next` the position to go on from. Returns how many pairs there are. */
size_t lockgate_members(const uint8_t *data, size_t first, size_t stop, const uint8_t *members,
                        size_t least, int64_t *out, size_t most, int64_t *next)
{
    size_t found = 0, start = first;
    while (start + least <= stop && found < most) {
        size_t last = start + least;
        while (last > start && members[data[last - 1]])
            last--;
        if (last > start) {
            start = last;
            continue;
        }
        size_t end = start + least;
        while (end < stop && members[data[end]])
            end++;
        out[2 * found] = (int64_t)start;
        out[2 * found + 1] = (int64_t)end;
        found++;
        start = end + 1;
    }
    *next = (int64_t)(start + least <= stop ? start : stop);
    return found;
}
