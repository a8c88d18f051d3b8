/* The keygrip of a private s-expression: the name under which gpg-agent stores it. */
#include "program.h"
#include <gcrypt.h>

int main(int count, char **arguments)
{
    static unsigned char file[16384], grip[20];
    gcry_sexp_t key;
    size_t size = read_key(arguments[count - 1], file, sizeof file);
    CHECK(gcry_check_version(NULL));
    CHECK(!gcry_sexp_sscan(&key, NULL, (char *)file, size));
    CHECK(gcry_pk_get_keygrip(key, grip));
    for (int i = 0; i < 20; i++) printf("%02X", grip[i]);
    puts("");
    return 0;
}
