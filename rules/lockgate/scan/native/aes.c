/* Words that satisfy a linear relation of an AES key schedule (FIPS 197, section 5.2).
 *
 * A word i satisfies the relation of distance d when `w[i] ^ w[i - 1]` equals `w[i + d]` and is
 * not zero. Looked for are pairs of such words, beside which a third word satisfies it too: the
 * one before or the one behind; for reversed AES-192 (d = 2) the one before, at distance 10.
 * Words are of four bytes and need no alignment.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RELATIONS 7
/* Words that are looked at together, and those around them that a relation reaches. */
#define BLOCK 64
#define BEFORE 10
#define AFTER 12

static const ptrdiff_t DISTANCES[RELATIONS] = {-4, -6, -8, 4, 2, 2, 8};
/* The relation of which pairs at odd words are looked at; of all others, those at even words. */
#define ODD 5

static inline uint64_t pair_at(const uint8_t *data, ptrdiff_t word)
{
    uint64_t pair;
    memcpy(&pair, data + 4 * word, 8);
    return pair;
}

static inline uint64_t sums_at(const uint8_t *data, ptrdiff_t word)
{
    return pair_at(data, word) ^ pair_at(data, word - 1);
}

static int satisfies(const uint8_t *data, ptrdiff_t words, ptrdiff_t i, ptrdiff_t distance)
{
    uint32_t before, word, other;
    if (i < 1 || i >= words || i + distance < 0 || i + distance >= words)
        return 0;
    memcpy(&before, data + 4 * (i - 1), 4);
    memcpy(&word, data + 4 * i, 4);
    memcpy(&other, data + 4 * (i + distance), 4);
    return (word ^ before) == other && other != 0;
}

static int has_third(const uint8_t *data, ptrdiff_t words, ptrdiff_t pair, ptrdiff_t distance)
{
    if (distance == 2)
        return satisfies(data, words, pair - 1, 10);
    return satisfies(data, words, pair - 1, distance) || satisfies(data, words, pair + 2, distance);
}

/* Whether both halves have bits above the lowest 16: zeros and small numbers satisfy linear
 * relations everywhere. */
static inline uint64_t is_busy(uint64_t sums)
{
    return ((sums & 0xFFFF0000) != 0) & (sums >> 48 != 0);
}

/* Whether any of the words from `first` on satisfies a relation; without branches, so that the
 * compiler can compare several pairs at once. */
static int any_in_block(const uint8_t *data, ptrdiff_t first)
{
    uint64_t any = 0;
    for (ptrdiff_t i = first; i < first + BLOCK; i += 2) {
        uint64_t even = sums_at(data, i), odd = sums_at(data, i + 1);
        uint64_t same = (even == pair_at(data, i - 4)) | (even == pair_at(data, i - 6)) |
                        (even == pair_at(data, i - 8)) | (even == pair_at(data, i + 4)) |
                        (even == pair_at(data, i + 2)) | (even == pair_at(data, i + 8));
        any |= (same & is_busy(even)) | ((odd == pair_at(data, i + 3)) & is_busy(odd));
    }
    return any != 0;
}

static size_t list_block(const uint8_t *data, ptrdiff_t words, ptrdiff_t first, int64_t *out)
{
    size_t found = 0;
    ptrdiff_t stop = first + BLOCK < words - 1 ? first + BLOCK : words - 1;
    for (ptrdiff_t i = first < 1 ? 1 : first; i < stop; i++) {
        uint64_t sums = sums_at(data, i);
        for (int relation = 0; is_busy(sums) && relation < RELATIONS; relation++) {
            ptrdiff_t other = i + DISTANCES[relation];
            if ((i & 1) != (relation == ODD) || other < 0 || other + 1 >= words)
                continue;
            if (sums == pair_at(data, other) && has_third(data, words, i, DISTANCES[relation]))
                out[found++] = (int64_t)i << 3 | relation;
        }
    }
    return found;
}

/* Writes `i << 3 | relation` for the pairs at words from `first` on, in order, as long as `most`
 * entries have room for one more block (at least 512), and to `next` the word to go on from,
 * `words` when none is left. `first` is a multiple of 64. Returns the number of entries. */
size_t lockgate_aes_pairs(const uint8_t *data, size_t words, size_t first, int64_t *out,
                          size_t most, int64_t *next)
{
    size_t found = 0, at = first;
    for (; at < words && found + RELATIONS * BLOCK <= most; at += BLOCK) {
        int inside = at >= BEFORE && at + BLOCK + AFTER <= words;
        if (!inside || any_in_block(data, (ptrdiff_t)at))
            found += list_block(data, (ptrdiff_t)words, (ptrdiff_t)at, out + found);
    }
    *next = (int64_t)(at < words ? at : words);
    return found;
}
