/* mbedTLS: the key stays in a pk context, or in AES contexts. */
#include "program.h"
#include <mbedtls/aes.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context generator;

static void use_pair(unsigned char *file, size_t size)
{
    static mbedtls_pk_context key;
    unsigned char signature[1024], digest[32] = "digest of a message";
    size_t written;
    mbedtls_pk_init(&key);
    CHECK(!mbedtls_pk_parse_key(&key, file, size, NULL, 0));
    for (int i = 0; i < 2; i++)
        CHECK(!mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, digest, 32, signature, &written,
                               mbedtls_ctr_drbg_random, &generator));
}

static void use_aes(unsigned char *file, size_t size)
{
    static mbedtls_aes_context encrypt, decrypt;
    unsigned char block[16] = "a block of text";
    mbedtls_aes_init(&encrypt);
    mbedtls_aes_init(&decrypt);
    CHECK(!mbedtls_aes_setkey_enc(&encrypt, file, size * 8));
    CHECK(!mbedtls_aes_setkey_dec(&decrypt, file, size * 8));
    CHECK(!mbedtls_aes_crypt_ecb(&encrypt, MBEDTLS_AES_ENCRYPT, block, block));
}

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    const char *kind = arguments[1];
    size_t size = count > 2 ? read_key(arguments[2], file, sizeof file) : 0;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&generator);
    CHECK(!mbedtls_ctr_drbg_seed(&generator, mbedtls_entropy_func, &entropy, NULL, 0));
    if (is(kind, "rsa") || is(kind, "ec")) use_pair(file, size);
    if (is(kind, "aes")) use_aes(file, size);
    explicit_bzero(file, sizeof file);
    ready();
    return 0;
}
