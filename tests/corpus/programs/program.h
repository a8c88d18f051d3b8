/* What every C program of the corpus shares: read the key, wipe the buffer, wait to be dumped.
 *
 * A program is called with KIND ("rsa", "ec", "ed25519", "aes", "none") and a key file. It
 * prints READY once the key was used, and ends when its standard input closes. The buffer of the
 * file is wiped, so that only what the library itself keeps is left. */
#ifndef PROGRAM_H
#define PROGRAM_H
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static size_t read_key(const char *path, unsigned char *buffer, size_t room)
{
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    setvbuf(file, NULL, _IONBF, 0);
    size_t size = fread(buffer, 1, room, file);
    fclose(file);
    CHECK(size > 0 && size < room);
    buffer[size] = 0;
    return size;
}

static inline void ready(void)
{
    puts("READY");
    fflush(stdout);
    getchar();
}

static inline int is(const char *kind, const char *name) { return strcmp(kind, name) == 0; }
#endif
