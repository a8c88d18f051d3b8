/* wolfSSL: the key stays in RsaKey, ecc_key, ed25519_key or Aes. */
#include "program.h"
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

static WC_RNG generator;
static unsigned char digest[32] = "digest of a message", signature[1024];

static void use_rsa(unsigned char *file, size_t size)
{
    static RsaKey key;
    word32 index = 0;
    CHECK(!wc_InitRsaKey(&key, NULL));
    CHECK(!wc_RsaPrivateKeyDecode(file, &index, &key, size));
#ifdef WC_RSA_BLINDING
    CHECK(!wc_RsaSetRNG(&key, &generator));
#endif
    CHECK(wc_RsaSSL_Sign(digest, 32, signature, sizeof signature, &key, &generator) > 0);
}

static void use_ec(unsigned char *file, size_t size)
{
    static ecc_key key;
    word32 index = 0, written = sizeof signature;
    CHECK(!wc_ecc_init(&key));
    CHECK(!wc_EccPrivateKeyDecode(file, &index, &key, size));
    CHECK(!wc_ecc_sign_hash(digest, 32, signature, &written, &generator, &key));
}

static void use_ed25519(unsigned char *file)
{
    static ed25519_key key;
    static unsigned char public_key[32];
    word32 written = sizeof signature;
    CHECK(!wc_ed25519_init(&key));
    CHECK(!wc_ed25519_import_private_only(file, 32, &key));
    CHECK(!wc_ed25519_make_public(&key, public_key, 32));
    CHECK(!wc_ed25519_import_private_key(file, 32, public_key, 32, &key));
    CHECK(!wc_ed25519_sign_msg(digest, 32, signature, &written, &key));
}

static void use_aes(unsigned char *file, size_t size)
{
    static Aes encrypt, decrypt;
    unsigned char block[16] = "a block of text", vector[16] = {0};
    CHECK(!wc_AesInit(&encrypt, NULL, INVALID_DEVID));
    CHECK(!wc_AesInit(&decrypt, NULL, INVALID_DEVID));
    CHECK(!wc_AesSetKey(&encrypt, file, size, vector, AES_ENCRYPTION));
    CHECK(!wc_AesSetKey(&decrypt, file, size, vector, AES_DECRYPTION));
    CHECK(!wc_AesCbcEncrypt(&encrypt, block, block, 16));
}

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    const char *kind = arguments[1];
    size_t size = count > 2 ? read_key(arguments[2], file, sizeof file) : 0;
    CHECK(!wc_InitRng(&generator));
    if (is(kind, "rsa")) use_rsa(file, size);
    if (is(kind, "ec")) use_ec(file, size);
    if (is(kind, "ed25519")) use_ed25519(file);
    if (is(kind, "aes")) use_aes(file, size);
    explicit_bzero(file, sizeof file);
    ready();
    return 0;
}
