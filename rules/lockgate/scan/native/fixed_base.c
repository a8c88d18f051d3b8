/* Many multiples of a curve's generator at once, for looking their coordinates up.
 *
 * Rules kept here:
 *
 * 1. Curves are y^2 = x^3 + A x^2 + a x + b over a prime field (short Weierstrass has A = 0,
 *    Curve25519 has A = 486662); points are affine, numbers little-endian limbs in Montgomery
 *    form (Montgomery, "Modular multiplication without trial division", 1985).
 * 2. A scalar is cut into signed 8-bit digits, each a look-up in a table of multiples; one
 *    addition is done for many scalars together, so that they share one inversion
 *    (Montgomery, "Speeding the Pollard and elliptic curve methods", 1987).
 * 3. An addition that the affine formula does not cover marks its scalar as not computed; the
 *    caller computes such scalars another way.
 * 4. Nothing here runs in constant time: the scalars are guesses.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 512
#define MOST_LIMBS 9
#define MOST_WINDOWS (64 * MOST_LIMBS / 8 + 1)
#define HALF 128 /* entries of one window: the multiples 1 to 128 of its base */

#define INLINE static inline __attribute__((always_inline))

typedef unsigned __int128 wide;

/* A field as constants: the compiler makes one copy of everything below for each. */
#define P_256 0xffffffffffffffff, 0x00000000ffffffff, 0, 0xffffffff00000001
#define P_384                                                                       \
    0x00000000ffffffff, 0xffffffff00000000, 0xfffffffffffffffe, 0xffffffffffffffff, \
        0xffffffffffffffff, 0xffffffffffffffff
#define P_521                                                                        \
    0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff, \
        0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff, 0x1ff
#define P_K1 0xfffffffefffffc2f, 0xffffffffffffffff, 0xffffffffffffffff, 0xffffffffffffffff
#define P_25519 0xffffffffffffffed, 0xffffffffffffffff, 0xffffffffffffffff, 0x7fffffffffffffff

/* p, the number of limbs, and its multiplication. */
typedef struct {
    const uint64_t *p;
    int limbs;
    void (*mul)(uint64_t *, const uint64_t *, const uint64_t *);
} field;

INLINE uint64_t subtract(uint64_t *r, const uint64_t *a, const uint64_t *b, int n) {
    uint64_t borrow = 0;
    for (int i = 0; i < n; i++) {
        wide d = (wide)a[i] - b[i] - borrow;
        r[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return borrow;
}

INLINE void sub(uint64_t *r, const uint64_t *a, const uint64_t *b, field f) {
    uint64_t mask = -subtract(r, a, b, f.limbs), carry = 0;
    for (int i = 0; i < f.limbs; i++) {
        wide s = (wide)r[i] + (f.p[i] & mask) + carry;
        r[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
}

/* r = a * b / 2^(64 n) mod p; inverse is -1/p mod 2^64. */
INLINE void montgomery(uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *p,
                       uint64_t inverse, int n) {
    uint64_t t[MOST_LIMBS + 1] = {0}, over = 0, reduced[MOST_LIMBS];
    for (int i = 0; i < n; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < n; j++) {
            wide s = (wide)a[j] * b[i] + t[j] + carry;
            t[j] = (uint64_t)s;
            carry = (uint64_t)(s >> 64);
        }
        wide top = (wide)t[n] + carry;
        uint64_t m = t[0] * inverse;
        carry = (uint64_t)(((wide)m * p[0] + t[0]) >> 64);
        for (int j = 1; j < n; j++) {
            wide s = (wide)m * p[j] + t[j] + carry;
            t[j - 1] = (uint64_t)s;
            carry = (uint64_t)(s >> 64);
        }
        top += carry;
        t[n - 1] = (uint64_t)top;
        t[n] = over = (uint64_t)(top >> 64);
    }
    uint64_t small = subtract(reduced, t, p, n) & !over;
    memcpy(r, small ? t : reduced, 8 * n);
}

INLINE int equal(const uint64_t *a, const uint64_t *b, int n) {
    return memcmp(a, b, 8 * n) == 0;
}

INLINE int is_zero(const uint64_t *a, int n) {
    uint64_t any = 0;
    for (int i = 0; i < n; i++) any |= a[i];
    return !any;
}

/* a^(p-2); 0 gives 0. */
INLINE void invert(uint64_t *r, const uint64_t *a, const uint64_t *one, field f) {
    uint64_t e[MOST_LIMBS], two[MOST_LIMBS] = {2}, base[MOST_LIMBS];
    subtract(e, f.p, two, f.limbs);
    memcpy(base, a, 8 * f.limbs);
    memcpy(r, one, 8 * f.limbs);
    for (int i = 64 * f.limbs - 1; i >= 0; i--) {
        f.mul(r, r, r);
        if (e[i / 64] >> (i % 64) & 1) f.mul(r, r, base);
    }
}

/* Replaces each of count non-zero numbers by its inverse. */
INLINE void invert_all(uint64_t *v, uint64_t *prefix, size_t count, const uint64_t *one, field f) {
    int n = f.limbs;
    uint64_t running[MOST_LIMBS], next[MOST_LIMBS];
    memcpy(running, one, 8 * n);
    for (size_t i = 0; i < count; i++) {
        memcpy(prefix + i * n, running, 8 * n);
        f.mul(running, running, v + i * n);
    }
    invert(next, running, one, f);
    for (size_t i = count; i-- > 0;) {
        f.mul(running, next, v + i * n);
        f.mul(v + i * n, next, prefix + i * n);
        memcpy(next, running, 8 * n);
    }
}

/* (x, y) += (x2, y2), given 1 / (x2 - x). */
INLINE void add_point(uint64_t *x, uint64_t *y, const uint64_t *x2, const uint64_t *y2,
                      const uint64_t *inverse, const uint64_t *a, field f) {
    uint64_t slope[MOST_LIMBS], x3[MOST_LIMBS], t[MOST_LIMBS];
    sub(t, y2, y, f);
    f.mul(slope, t, inverse);
    f.mul(x3, slope, slope);
    sub(x3, x3, a, f);
    sub(x3, x3, x, f);
    sub(x3, x3, x2, f);
    sub(t, x, x3, f);
    f.mul(t, slope, t);
    sub(y, t, y, f);
    memcpy(x, x3, 8 * f.limbs);
}

/* table[w][j] = (j + 1) * base_w, given bases[w] = base_w, 2 * base_w as x, y, x, y. */
INLINE void build(uint64_t *table, const uint64_t *bases, int windows, const uint64_t *one,
                  const uint64_t *a, field f) {
    int n = f.limbs, point = 2 * n;
    uint64_t difference[MOST_WINDOWS * MOST_LIMBS], prefix[MOST_WINDOWS * MOST_LIMBS];
    for (int w = 0; w < windows; w++)
        memcpy(table + (size_t)w * HALF * point, bases + (size_t)w * 2 * point, 16 * point);
    for (int j = 2; j < HALF; j++) {
        for (int w = 0; w < windows; w++) {
            uint64_t *first = table + (size_t)w * HALF * point;
            sub(difference + w * n, first, first + (j - 1) * point, f);
        }
        invert_all(difference, prefix, windows, one, f);
        for (int w = 0; w < windows; w++) {
            uint64_t *first = table + (size_t)w * HALF * point, *new = first + j * point;
            memcpy(new, new - point, 8 * point);
            add_point(new, new + n, first, first + n, difference + w * n, a, f);
        }
    }
}

typedef struct {
    uint64_t x[LANES * MOST_LIMBS], y[LANES * MOST_LIMBS];
    uint64_t difference[LANES * MOST_LIMBS], prefix[LANES * MOST_LIMBS];
    int16_t digits[LANES][MOST_WINDOWS];
    uint8_t filled[LANES], adds[LANES], missed[LANES];
} lanes;

INLINE void recode(int16_t *digits, const uint64_t *scalar, int limbs, int windows) {
    int carry = 0;
    for (int w = 0; w < windows; w++) {
        int digit = (w / 8 < limbs ? (int)(scalar[w / 8] >> (w % 8 * 8) & 0xff) : 0) + carry;
        carry = digit > HALF;
        digits[w] = (int16_t)(carry ? digit - 2 * HALF : digit);
    }
}

INLINE const uint64_t *entry(const uint64_t *table, int window, int digit, int limbs) {
    int row = (digit < 0 ? -digit : digit) - 1;
    return table + ((size_t)window * HALF + row) * 2 * limbs;
}

/* The y of an entry, negated for a negative digit. */
INLINE void entry_y(uint64_t *y, const uint64_t *at, int digit, field f) {
    static const uint64_t zero[MOST_LIMBS];
    if (digit < 0)
        sub(y, zero, at + f.limbs, f);
    else
        memcpy(y, at + f.limbs, 8 * f.limbs);
}

/* One window for all lanes. */
INLINE void step(lanes *l, const uint64_t *table, int window, size_t count, const uint64_t *one,
                 const uint64_t *a, field f) {
    int n = f.limbs;
    for (size_t i = 0; i < count; i++) {
        int digit = l->digits[i][window];
        uint64_t *difference = l->difference + i * n;
        l->adds[i] = 0;
        memcpy(difference, one, 8 * n);
        if (!digit) continue;
        const uint64_t *at = entry(table, window, digit, n);
        if (!l->filled[i]) {
            memcpy(l->x + i * n, at, 8 * n);
            entry_y(l->y + i * n, at, digit, f);
            l->filled[i] = 1;
            continue;
        }
        if (equal(at, l->x + i * n, n)) {
            l->missed[i] = 1;
            continue;
        }
        sub(difference, at, l->x + i * n, f);
        l->adds[i] = 1;
    }
    invert_all(l->difference, l->prefix, count, one, f);
    for (size_t i = 0; i < count; i++) {
        if (!l->adds[i]) continue;
        uint64_t y2[MOST_LIMBS];
        const uint64_t *at = entry(table, window, l->digits[i][window], n);
        entry_y(y2, at, l->digits[i][window], f);
        add_point(l->x + i * n, l->y + i * n, at, y2, l->difference + i * n, a, f);
    }
}

/* x becomes (x - 1) / (x + 1): the v-coordinate of Edwards25519 (RFC 7748, section 4.1). */
INLINE void to_edwards(lanes *l, size_t count, const uint64_t *one, field f) {
    int n = f.limbs;
    uint64_t minus_one[MOST_LIMBS], t[MOST_LIMBS];
    static const uint64_t zero[MOST_LIMBS];
    sub(minus_one, zero, one, f);
    for (size_t i = 0; i < count; i++) {
        sub(l->difference + i * n, l->x + i * n, minus_one, f);
        if (is_zero(l->difference + i * n, n)) {
            l->missed[i] = 1;
            memcpy(l->difference + i * n, one, 8 * n);
        }
    }
    invert_all(l->difference, l->prefix, count, one, f);
    for (size_t i = 0; i < count; i++) {
        sub(t, l->x + i * n, one, f);
        f.mul(l->x + i * n, t, l->difference + i * n);
    }
}

/* constants: 1 and A in Montgomery form, then `forms` numbers; out[i][k] = x_i * constant_k
 * without the Montgomery factor, then the Edwards coordinate when asked for. */
INLINE void multiply(const uint64_t *table, const uint64_t *scalars, size_t count, int windows,
                     const uint64_t *constants, int forms, int edwards, uint64_t *out,
                     uint8_t *missed, field f) {
    int n = f.limbs, width = forms + edwards;
    const uint64_t *one = constants, *a = constants + n, *scale = constants + 2 * n;
    lanes l;
    for (size_t done = 0; done < count; done += LANES) {
        size_t part = count - done < LANES ? count - done : LANES;
        memset(l.filled, 0, sizeof l.filled);
        memset(l.missed, 0, sizeof l.missed);
        memset(l.x, 0, sizeof l.x);
        for (size_t i = 0; i < part; i++)
            recode(l.digits[i], scalars + (done + i) * n, n, windows);
        for (int w = 0; w < windows; w++) step(&l, table, w, part, one, a, f);
        for (size_t i = 0; i < part; i++)
            for (int k = 0; k < forms; k++)
                f.mul(out + ((done + i) * width + k) * n, l.x + i * n, scale + k * n);
        if (edwards) {
            to_edwards(&l, part, one, f);
            for (size_t i = 0; i < part; i++)
                f.mul(out + ((done + i) * width + forms) * n, l.x + i * n, scale);
        }
        for (size_t i = 0; i < part; i++) missed[done + i] = l.missed[i] | !l.filled[i];
    }
}

#define CURVE(name, n, minus_inverse, ...)                                                     \
    static const uint64_t prime_##name[n] = {__VA_ARGS__};                                     \
    static void mul_##name(uint64_t *r, const uint64_t *a, const uint64_t *b) {                \
        montgomery(r, a, b, prime_##name, minus_inverse, n);                                   \
    }                                                                                          \
    static void build_##name(uint64_t *table, const uint64_t *bases, int windows,              \
                             const uint64_t *constants) {                                      \
        const field f = {prime_##name, n, mul_##name};                                         \
        build(table, bases, windows, constants, constants + n, f);                             \
    }                                                                                          \
    static void multiply_##name(const uint64_t *table, const uint64_t *scalars, size_t count,  \
                                int windows, const uint64_t *constants, int forms,             \
                                int edwards, uint64_t *out, uint8_t *missed) {                 \
        const field f = {prime_##name, n, mul_##name};                                         \
        multiply(table, scalars, count, windows, constants, forms, edwards, out, missed, f);   \
    }

CURVE(256, 4, 1, P_256)
CURVE(384, 6, 0x100000001, P_384)
CURVE(521, 9, 1, P_521)
CURVE(k1, 4, 0xd838091dd2253531, P_K1)
CURVE(25519, 4, 0x86bca1af286bca1b, P_25519)

/* Curves by number: P-256, P-384, P-521, secp256k1, Curve25519. Returns 0 when there is none. */
int lockgate_fixed_base_build(int curve, uint64_t *table, const uint64_t *bases, int windows,
                              const uint64_t *constants) {
    static void (*const all[])(uint64_t *, const uint64_t *, int, const uint64_t *) = {
        build_256, build_384, build_521, build_k1, build_25519};
    if (curve < 0 || curve > 4 || windows > MOST_WINDOWS) return 0;
    all[curve](table, bases, windows, constants);
    return 1;
}

int lockgate_fixed_base_multiply(int curve, const uint64_t *table, const uint64_t *scalars,
                                 size_t count, int windows, const uint64_t *constants, int forms,
                                 int edwards, uint64_t *out, uint8_t *missed) {
    static void (*const all[])(const uint64_t *, const uint64_t *, size_t, int, const uint64_t *,
                               int, int, uint64_t *, uint8_t *) = {
        multiply_256, multiply_384, multiply_521, multiply_k1, multiply_25519};
    if (curve < 0 || curve > 4 || windows > MOST_WINDOWS) return 0;
    all[curve](table, scalars, count, windows, constants, forms, edwards, out, missed);
    return 1;
}
