/* libtomcrypt on libtommath: digits of 60 bits in 64. */
#define LTM_DESC
#include "program.h"
#include <tomcrypt.h>

static prng_state generator;
static unsigned char digest[32] = "digest of a message", signature[1024];
static unsigned long written = sizeof signature;

static void use_rsa(unsigned char *file, size_t size, int prng)
{
    static rsa_key key;
    CHECK(rsa_import(file, size, &key) == CRYPT_OK);
    CHECK(rsa_sign_hash_ex(digest, 32, signature, &written, LTC_PKCS_1_V1_5, &generator, prng,
                           find_hash("sha256"), 0, &key) == CRYPT_OK);
}

/* The private form of libtomcrypt itself, as written by the corpus builder. */
static void use_ec(unsigned char *file, size_t size, int prng)
{
    static ecc_key key;
    CHECK(ecc_import(file, size, &key) == CRYPT_OK);
    CHECK(ecc_sign_hash(digest, 32, signature, &written, &generator, prng, &key) == CRYPT_OK);
}

static void use_aes(unsigned char *file, size_t size)
{
    static symmetric_key schedule;
    unsigned char block[16] = "a block of text";
    CHECK(aes_setup(file, size, 0, &schedule) == CRYPT_OK);
    CHECK(aes_ecb_encrypt(block, block, &schedule) == CRYPT_OK);
}

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    const char *kind = arguments[1];
    size_t size = count > 2 ? read_key(arguments[2], file, sizeof file) : 0;
    int prng = register_prng(&sprng_desc);
    ltc_mp = ltm_desc;
    CHECK(register_hash(&sha256_desc) >= 0 && prng >= 0);
    CHECK(rng_make_prng(128, prng, &generator, NULL) == CRYPT_OK);
    if (is(kind, "rsa")) use_rsa(file, size, prng);
    if (is(kind, "ec")) use_ec(file, size, prng);
    if (is(kind, "aes")) use_aes(file, size);
    explicit_bzero(file, sizeof file);
    ready();
    return 0;
}
