/* NSS: the key stays in the soft token's object attributes. */
#include "program.h"
#include <cryptohi.h>
#include <nss.h>
#include <pk11pub.h>
#include <secoid.h>

int main(int count, char **arguments)
{
    static unsigned char file[16384];
    size_t size = count > 2 ? read_key(arguments[2], file, sizeof file) : 0;
    CHECK(NSS_NoDB_Init(NULL) == SECSuccess);
    if (size) {
        PK11SlotInfo *slot = PK11_GetInternalSlot();
        SECKEYPrivateKey *key = NULL;
        SECItem der = {siBuffer, file, size}, signature = {siBuffer, NULL, 0};
        CHECK(PK11_ImportDERPrivateKeyInfoAndReturnKey(slot, &der, NULL, NULL, PR_FALSE, PR_TRUE,
                                                       KU_ALL, &key, NULL) == SECSuccess);
        SECOidTag algorithm = is(arguments[1], "rsa")
                                  ? SEC_OID_PKCS1_SHA256_WITH_RSA_ENCRYPTION
                                  : SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE;
        for (int i = 0; i < 2; i++)
            CHECK(SEC_SignData(&signature, (unsigned char *)"message", 7, key, algorithm)
                  == SECSuccess);
        explicit_bzero(file, sizeof file);
    }
    ready();
    return 0;
}
