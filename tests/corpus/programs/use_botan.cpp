/* Botan 2: the key stays in a Private_Key, loaded from PKCS#8. */
extern "C" {
#include "program.h"
}
#include <botan/auto_rng.h>
#include <botan/data_src.h>
#include <botan/pkcs8.h>
#include <botan/pubkey.h>
#include <memory>

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    const std::string kind = arguments[1];
    Botan::AutoSeeded_RNG generator;
    std::unique_ptr<Botan::Private_Key> key;
    if (count > 2) {
        size_t size = read_key(arguments[2], file, sizeof file);
        Botan::DataSource_Memory source(file, size);
        key = Botan::PKCS8::load_key(source);
        const std::string scheme = kind == "rsa" ? "EMSA3(SHA-256)"
                                   : kind == "ec" ? "EMSA1(SHA-256)" : "Pure";
        Botan::PK_Signer signer(*key, generator, scheme);
        signer.sign_message(reinterpret_cast<const uint8_t *>("message"), 7, generator);
        explicit_bzero(file, sizeof file);
    }
    ready();
    return 0;
}
