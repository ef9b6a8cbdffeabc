/* larder: reads the file of users */
#include "src/server/auth_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool auth_file_take(struct auth *auth, const char *path, struct span text) {
    switch (auth_read_users(auth, text)) {
    case AUTH_READ_GOOD:
        return true;
    case AUTH_READ_CUT:
        (void)fprintf(stderr,
                      "WARNING: Authfile [%s] has more users than fit; the first are used\n", path);
        return true;
    case AUTH_READ_MALFORMED:
        (void)fprintf(stderr,
                      "Authfile [%s] has a malformed entry. Should be 'user:password'\n", path);
        return false;
    default:
        (void)fprintf(stderr, "Out of memory reading password file: %s\n", path);
        return false;
    }
}

bool auth_file_load(struct auth *auth, const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "Could not open authfile [%s] for reading, error %s\n", path,
                      strerror(errno));
        return false;
    }
    char *text = malloc(AUTH_FILE_BYTES_MAX);
    if (text == NULL) {
        (void)fprintf(stderr, "Out of memory reading password file: %s\n", path);
        (void)fclose(file);
        return false;
    }
    (void)setvbuf(file, NULL, _IONBF, 0); /* passwords stay in no buffer but ours */
    size_t bytes = fread(text, 1, AUTH_FILE_BYTES_MAX, file);
    bool good = ferror(file) == 0;
    if (!good) {
        (void)fprintf(stderr, "Could not read authfile [%s], error %s\n", path, strerror(errno));
    }
    (void)fclose(file);
    good = good && auth_file_take(auth, path, span_of(text, bytes));
    explicit_bzero(text, bytes);
    free(text);
    return good;
}
