/* Where any of many fixed strings begins, told by pages of 256 bytes.
 *
 * Every string has at least three bytes, and is looked for by three of them, which stand
 * `leads[i]` bytes behind its start. `bits` has one bit for each hash of such three bytes; `slots`
 * gives the first string of a hash (or -1), `next` the one after it; string i is `lengths[i]`
 * bytes at `text + offsets[i]`. `marks` has a byte for each page.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t hash_of(uint32_t three)
{
    return (three & 0xFFFFFF) * 0x9E3779B1u >> 16;
}

static inline uint32_t is_set(const uint8_t *bits, uint64_t word)
{
    uint32_t hash = hash_of((uint32_t)word);
    return bits[hash >> 3] >> (hash & 7);
}

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

/* Sets the marks of all pages in which a string begins; returns how many strings were seen. */
size_t lockgate_literals(const uint8_t *data, size_t size, const uint8_t *bits,
                         const int32_t *slots, const int32_t *next, const uint32_t *offsets,
                         const uint32_t *lengths, const uint32_t *leads, const uint8_t *text,
                         uint8_t *marks)
{
    size_t found = 0;
    for (size_t at = 0; at + 3 <= size; at += 8) {
        size_t stop = at + 8;
        if (at + 13 <= size) {
            uint64_t low = word_at(data + at), high = word_at(data + at + 5);
            uint32_t any = is_set(bits, low) | is_set(bits, low >> 8) | is_set(bits, low >> 16) |
                           is_set(bits, low >> 24) | is_set(bits, low >> 32) |
                           is_set(bits, high) | is_set(bits, high >> 8) | is_set(bits, high >> 16);
            if (!(any & 1))
                continue;
        } else {
            stop = size - 2;
        }
        for (size_t i = at; i < stop; i++) {
            uint32_t three = data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16;
            for (int32_t s = slots[hash_of(three)]; s >= 0; s = next[s]) {
                size_t start = i - leads[s];
                if (i < leads[s] || lengths[s] > size - start)
                    continue;
                if (!memcmp(data + start, text + offsets[s], lengths[s])) {
                    marks[start >> 8] = 1;
                    found++;
                }
            }
        }
    }
    return found;
}
