/* Windows of memory as numbers: which may be a factor of a modulus, or its private exponent.
 *
 * A number of `size` bytes at `data + a` is little-endian; callers turn other byte orders round
 * before. Each function
 * writes the positions that pass into `out`, which has room for all of them, and returns how
 * many there are. The bytes of every window must lie inside `data`.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Limbs of the largest number looked at: 16384 bits. */
#define MOST_LIMBS 256

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static size_t limbs_at(const uint8_t *at, size_t size, uint64_t *limbs)
{
    size_t count = (size + 7) / 8;
    limbs[count - 1] = 0;
    memcpy(limbs, at, size);
    return count;
}

/* Whether the word is one that no random number has but by chance: small, small and negative,
 * a pointer, or with three zero bytes. */
static inline int is_plain(uint64_t word)
{
    const uint64_t low = 0x7F7F7F7F7F7F7F7FULL;
    if (word + (1ULL << 47) < 1ULL << 48)
        return 1;
    uint64_t zeros = ~(((word & low) + low) | word | low);
    return __builtin_popcountll(zeros) >= 3;
}

/* Parts of the run of `length` words at `begin` that are covered by windows of `window` words
 * with at least `distinct` different bytes. */
static size_t varied_parts(const uint8_t *data, size_t begin, size_t length, size_t window,
                           size_t distinct, int64_t *starts, int64_t *lengths, size_t most)
{
    uint16_t counts[256] = {0};
    size_t found = 0, different = 0, part = 0, end = 0;
    int open = 0;
    for (size_t i = 0; i < length; i++) {
        const uint8_t *next = data + 8 * (begin + i);
        for (size_t b = 0; b < 8; b++)
            different += counts[next[b]]++ == 0;
        if (i + 1 < window)
            continue;
        size_t first = i + 1 - window;
        if (different >= distinct) {
            if (open && first > end) {
                starts[found] = (int64_t)(begin + part);
                lengths[found++] = (int64_t)(end - part);
                open = 0;
                if (found == most)
                    return found;
            }
            if (!open)
                part = first;
            open = 1;
            end = i + 1;
        }
        const uint8_t *past = data + 8 * (begin + first);
        for (size_t b = 0; b < 8; b++)
            different -= --counts[past[b]] == 0;
    }
    if (open) {
        starts[found] = (int64_t)(begin + part);
        lengths[found++] = (int64_t)(end - part);
    }
    return found;
}

/* Runs of words that look random, cut down to their parts of many different bytes; three words
 * of bytes below 128 in a row, none of them plain, are text and end a run. `distinct[w]` is asked of windows of w
 * words, `least` to `window`: as many words as the run has. At most `most` parts are written. */
size_t lockgate_runs(const uint8_t *data, size_t words, size_t least, size_t window,
                     const uint64_t *distinct, int64_t *starts, int64_t *lengths, size_t most)
{
    size_t found = 0, begin = 0, seven_bit = 0;
    int open = 0;
    for (size_t i = 0; i <= words && found < most; i++) {
        uint64_t word = i < words ? word_at(data + 8 * i) : 0;
        int plain = is_plain(word);
        seven_bit = plain || word & 0x8080808080808080ULL ? 0 : seven_bit + 1;
        int text = seven_bit >= 3;
        if (!text && !plain) {
            if (!open)
                begin = i;
            open = 1;
            continue;
        }
        size_t end = text ? i - 2 : i;
        if (open && end >= begin + least) {
            size_t size = end - begin < window ? end - begin : window;
            found += varied_parts(data, begin, end - begin, size, (size_t)distinct[size],
                                  starts + found, lengths + found, most - found);
        }
        open = 0;
    }
    return found;
}

/* Odd numbers whose top 64 bits lie in least..most, among windows that begin at firsts[r],
 * firsts[r] + stride, ... up to lasts[r] of each of `ranges` ranges. */
size_t lockgate_odd(const uint8_t *data, const int64_t *firsts, const int64_t *lasts,
                    size_t ranges, size_t stride, size_t size, uint64_t least, uint64_t most,
                    int64_t *out)
{
    size_t found = 0;
    for (size_t r = 0; r < ranges; r++) {
        for (int64_t a = firsts[r]; a <= lasts[r]; a += (int64_t)stride) {
            const uint8_t *at = data + a;
            uint64_t top = word_at(at + size - 8);
            out[found] = a;
            found += (size_t)(at[0] & 1) & (size_t)(top >= least) & (size_t)(top <= most);
        }
    }
    return found;
}

/* Of numbers at `positions`, those that share no factor with `modulus`, below 2^18.
 * `weights` are the powers of 2^32 modulo `modulus`, `coprime` tells which residues count. */
size_t lockgate_sieve(const uint8_t *data, const int64_t *positions, size_t count, size_t size,
                      uint64_t modulus, const uint64_t *weights, const uint8_t *coprime,
                      int64_t *out)
{
    uint64_t limbs[MOST_LIMBS];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = limbs_at(data + positions[i], size, limbs);
        uint64_t sum = 0;
        for (size_t j = 0; j < k; j++)
            sum += (limbs[j] & 0xFFFFFFFF) * weights[2 * j] + (limbs[j] >> 32) * weights[2 * j + 1];
        out[found] = positions[i];
        found += coprime[sum % modulus];
    }
    return found;
}

/* Of numbers at `positions`, those with at least `distinct` different bytes and no plain limb
 * below the top one. */
size_t lockgate_random(const uint8_t *data, const int64_t *positions, size_t count, size_t size,
                       size_t distinct, int64_t *out)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = data + positions[i];
        uint64_t seen[4] = {0, 0, 0, 0};
        size_t plain = 0;
        for (size_t j = 0; j + 8 < size && !plain; j += 8)
            plain = (size_t)is_plain(word_at(at + j));
        if (plain)
            continue;
        for (size_t j = 0; j < size; j++)
            seen[at[j] >> 6] |= 1ULL << (at[j] & 63);
        size_t different = 0;
        for (size_t j = 0; j < 4; j++)
            different += (size_t)__builtin_popcountll(seen[j]);
        out[found] = positions[i];
        found += different >= distinct;
    }
    return found;
}

/* Whether the odd number p of k limbs divides n of `limbs` limbs, but for a chance of 2^-64:
 * the quotient is computed from its low end (Jebelean, "An algorithm for exact division",
 * 1993), and the limb of n behind its high end must come out right. */
static int divides(const uint64_t *p, size_t k, uint64_t inverse, const uint64_t *n, size_t limbs)
{
    uint64_t q[MOST_LIMBS + 1];
    size_t quotient = limbs - k + 1;
    uint64_t low = 0, middle = 0, high = 0;
    for (size_t i = 0; i <= quotient && i < limbs; i++) {
        size_t first = i >= k ? i - k + 1 : 0;
        size_t last = i < quotient ? i : quotient;
        for (size_t j = first; j < last; j++) {
            unsigned __int128 sum = (unsigned __int128)p[i - j] * q[j] + low;
            low = (uint64_t)sum;
            sum = (sum >> 64) + middle;
            middle = (uint64_t)sum;
            high += (uint64_t)(sum >> 64);
        }
        if (i < quotient) {
            q[i] = (n[i] - low) * inverse;
            unsigned __int128 sum = (unsigned __int128)p[0] * q[i] + low;
            sum = (sum >> 64) + middle;
            middle = (uint64_t)sum;
            high += (uint64_t)(sum >> 64);
        } else if (low != n[i]) {
            return 0;
        }
        low = middle;
        middle = high;
        high = 0;
    }
    return 1;
}

/* Of odd numbers at `positions`, those that divide one of `moduli`, each of `width` limbs with
 * zeros above; a few that divide none may pass. */
size_t lockgate_divisors(const uint8_t *data, const int64_t *positions, size_t count, size_t size,
                         const uint64_t *moduli, size_t many, size_t width, int64_t *out)
{
    uint64_t p[MOST_LIMBS];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = limbs_at(data + positions[i], size, p);
        uint64_t inverse = p[0] * 3 ^ 2; /* right in 5 bits; each step doubles them */
        for (int step = 0; step < 4; step++)
            inverse *= 2 - p[0] * inverse;
        for (size_t m = 0; m < many; m++) {
            if (divides(p, k, inverse, moduli + m * width, width)) {
                out[found++] = positions[i];
                break;
            }
        }
    }
    return found;
}

static inline uint64_t high_product(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

/* Whether the 128 bits that end at `end` times a scale, modulo 2^256, are nearly 2^256. `test` is
 * the scale's words from the second up, and how much may be missing from the highest. */
static inline int is_near_whole(const uint8_t *end, const uint64_t *test)
{
    uint64_t high = word_at(end - 8), low = word_at(end - 16);
    uint64_t fraction = high * test[1] + low * test[2] + high_product(high, test[0]) +
                        high_product(low, test[1]);
    return ~fraction <= test[3];
}

/* Odd numbers that pass one test, among `count` windows from `first` on. */
size_t lockgate_exponents(const uint8_t *data, size_t first, size_t stride, size_t count,
                          size_t size, const uint64_t *test, int64_t *out)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = data + first + i * stride;
        out[found] = (int64_t)(first + i * stride);
        found += is_near_whole(at + size, test) & (at[0] & 1);
    }
    return found;
}

/* Of numbers at `positions`, those that pass one of `many` tests of four words each. */
size_t lockgate_any_exponents(const uint8_t *data, const int64_t *positions, size_t count,
                              size_t size, const uint64_t *tests, size_t many, int64_t *out)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t near = 0;
        for (size_t t = 0; t < many; t++)
            near |= (size_t)is_near_whole(data + positions[i] + size, tests + 4 * t);
        out[found] = positions[i];
        found += near;
    }
    return found;
}
