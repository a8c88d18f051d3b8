/* libgcrypt: the key stays in an s-expression of MPIs, or in a cipher handle. */
#include "program.h"
#include <gcrypt.h>

static void use_pair(unsigned char *file, size_t size, const char *form)
{
    static gcry_sexp_t key;
    gcry_sexp_t message, signature;
    CHECK(!gcry_sexp_sscan(&key, NULL, (char *)file, size));
    CHECK(!gcry_sexp_build(&message, NULL, form, 32, "a digest of thirty-two bytes, so"));
    CHECK(!gcry_pk_sign(&signature, message, key));
    CHECK(!gcry_pk_sign(&signature, message, key));
}

static void use_aes(unsigned char *file, size_t size)
{
    static gcry_cipher_hd_t handle;
    unsigned char block[16] = "a block of text";
    int algorithm = size == 16 ? GCRY_CIPHER_AES128
                    : size == 24 ? GCRY_CIPHER_AES192 : GCRY_CIPHER_AES256;
    CHECK(!gcry_cipher_open(&handle, algorithm, GCRY_CIPHER_MODE_CBC, 0));
    CHECK(!gcry_cipher_setkey(handle, file, size));
    CHECK(!gcry_cipher_encrypt(handle, block, 16, NULL, 0));
    CHECK(!gcry_cipher_decrypt(handle, block, 16, NULL, 0));
}

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    const char *kind = arguments[1];
    size_t size = count > 2 ? read_key(arguments[2], file, sizeof file) : 0;
    CHECK(gcry_check_version(NULL));
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    if (is(kind, "rsa")) use_pair(file, size, "(data (flags pkcs1) (hash sha256 %b))");
    if (is(kind, "ec")) use_pair(file, size, "(data (flags raw) (value %b))");
    if (is(kind, "ed25519"))
        use_pair(file, size, "(data (flags eddsa) (hash-algo sha512) (value %b))");
    if (is(kind, "aes")) use_aes(file, size);
    explicit_bzero(file, sizeof file);
    ready();
    return 0;
}
