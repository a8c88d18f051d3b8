/* libsodium: a 64-byte secret key (seed and public half), or an X25519 scalar. */
#include "program.h"
#include <sodium.h>

static unsigned char kept[3][64];

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    const char *kind = arguments[1];
    CHECK(sodium_init() >= 0);
    if (count > 2) read_key(arguments[2], file, sizeof file);
    if (is(kind, "ed25519")) {
        crypto_sign_seed_keypair(kept[0], kept[1], file);
        crypto_sign_detached(kept[2], NULL, (const unsigned char *)"message", 7, kept[1]);
    }
    if (is(kind, "x25519")) {
        memcpy(kept[0], file, 32);
        crypto_scalarmult_base(kept[1], kept[0]);
    }
    explicit_bzero(file, sizeof file);
    ready();
    return 0;
}
