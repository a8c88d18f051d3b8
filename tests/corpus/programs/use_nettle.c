/* nettle and GMP: the key stays in rsa_private_key, ecc_scalar, a seed, or AES contexts. */
#include "program.h"
#include <nettle/aes.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecc.h>
#include <nettle/ecdsa.h>
#include <nettle/eddsa.h>
#include <nettle/rsa.h>
#include <nettle/yarrow.h>

static struct yarrow256_ctx generator;

static void use_rsa(unsigned char *file, size_t size)
{
    static struct rsa_public_key public_key;
    static struct rsa_private_key key;
    static const unsigned char digest[32] = "digest of a message";
    mpz_t signature;
    rsa_public_key_init(&public_key);
    rsa_private_key_init(&key);
    CHECK(rsa_keypair_from_der(&public_key, &key, 0, size, file));
    mpz_init(signature);
    CHECK(rsa_sha256_sign_digest(&key, digest, signature));
}

static void use_ec(unsigned char *file, size_t size)
{
    const struct ecc_curve *curve =
        size == 32 ? nettle_get_secp_256r1() : size == 48 ? nettle_get_secp_384r1()
                                                          : nettle_get_secp_521r1();
    static struct ecc_scalar scalar;
    static struct ecc_point point;
    struct dsa_signature signature;
    mpz_t number;
    mpz_init(number);
    mpz_import(number, size, 1, 1, 1, 0, file);
    ecc_scalar_init(&scalar, curve);
    ecc_point_init(&point, curve);
    CHECK(ecc_scalar_set(&scalar, number));
    mpz_clear(number);
    ecc_point_mul_g(&point, &scalar);
    dsa_signature_init(&signature);
    ecdsa_sign(&scalar, &generator, (nettle_random_func *)yarrow256_random, 6,
               (const uint8_t *)"digest", &signature);
}

static unsigned char kept[3][64];

static void use_ed25519(unsigned char *file)
{
    memcpy(kept[0], file, 32);
    ed25519_sha512_public_key(kept[1], kept[0]);
    ed25519_sha512_sign(kept[1], kept[0], 7, (const uint8_t *)"message", kept[2]);
}

static void use_aes(unsigned char *file, size_t size)
{
    static union {
        struct aes128_ctx small;
        struct aes192_ctx middle;
        struct aes256_ctx large;
    } encrypt, decrypt;
    unsigned char block[16] = "a block of text";
    if (size == 16) {
        aes128_set_encrypt_key(&encrypt.small, file);
        aes128_set_decrypt_key(&decrypt.small, file);
        aes128_encrypt(&encrypt.small, 16, block, block);
    } else if (size == 24) {
        aes192_set_encrypt_key(&encrypt.middle, file);
        aes192_set_decrypt_key(&decrypt.middle, file);
        aes192_encrypt(&encrypt.middle, 16, block, block);
    } else {
        aes256_set_encrypt_key(&encrypt.large, file);
        aes256_set_decrypt_key(&decrypt.large, file);
        aes256_encrypt(&encrypt.large, 16, block, block);
    }
}

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    const char *kind = arguments[1];
    size_t size = count > 2 ? read_key(arguments[2], file, sizeof file) : 0;
    yarrow256_init(&generator, 0, NULL);
    yarrow256_seed(&generator, 32, (const uint8_t *)"a seed that need not be secret..");
    if (is(kind, "rsa")) use_rsa(file, size);
    if (is(kind, "ec")) use_ec(file, size);
    if (is(kind, "ed25519")) use_ed25519(file);
    if (is(kind, "aes")) use_aes(file, size);
    explicit_bzero(file, sizeof file);
    ready();
    return 0;
}
