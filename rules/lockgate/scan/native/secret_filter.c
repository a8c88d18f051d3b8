/* Which windows of memory may be a secret of `size` random bytes, judged by counting.
 *
 * The bounds are chosen by the caller so that next to no random string is lost; `frequent` has a
 * 1 for every byte value that is common in machine code.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static int looks_random(const uint8_t *at, size_t size, const uint8_t *frequent,
                        const int64_t *bounds)
{
    uint64_t seen[4] = {0};
    int64_t bits = 0, high = 0, zeros = 0, common = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = at[i];
        seen[byte >> 6] |= 1ULL << (byte & 63);
        high += byte >> 7;
        zeros += byte == 0;
        common += frequent[byte];
        bits += __builtin_popcount(byte);
    }
    int64_t distinct = __builtin_popcountll(seen[0]) + __builtin_popcountll(seen[1]) +
                       __builtin_popcountll(seen[2]) + __builtin_popcountll(seen[3]);
    return distinct >= bounds[0] && high >= bounds[1] && zeros <= bounds[2] &&
           common <= bounds[3] && bits >= bounds[4] && bits <= bounds[5];
}

/* out[i] is 1 where the window at `data + positions[i]` passes: at least bounds[0] different
 * bytes and bounds[1] above 127, at most bounds[2] zeros and bounds[3] frequent bytes, and
 * between bounds[4] and bounds[5] bits set. */
void lockgate_looks_random(const uint8_t *data, const int64_t *positions, size_t count,
                           size_t size, const uint8_t *frequent, const int64_t *bounds,
                           uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)looks_random(data + positions[i], size, frequent, bounds);
}
