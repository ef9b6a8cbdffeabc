/* larder: feeds a fuzz target every file of its corpus, for builds without libFuzzer */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 20, PATH_BYTES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path, uint8_t *bytes) {
    FILE *file = fopen(path, "rb");

    if (!file)
        return -1;
    size_t len = fread(bytes, 1, INPUT_BYTES_MAX, file);

    fclose(file);
    /* an exact copy, so that reading one byte too far is seen */
    uint8_t *exact = malloc(len ? len : 1);

    if (!exact)
        return -1;
    memcpy(exact, bytes, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 0;
}

static unsigned replay_directory(const char *directory, uint8_t *bytes) {
    unsigned files = 0;
    struct dirent *entry;
    DIR *dir = opendir(directory);

    if (!dir)
        return 0;
    while ((entry = readdir(dir))) {
        char path[PATH_BYTES_MAX];

        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);

        if (len < 0 || (size_t)len >= sizeof path || replay_file(path, bytes))
            continue;
        files++;
    }
    closedir(dir);
    return files;
}

/* Corpus directories come as arguments, or TOP_SRCDIR and the program's name tell them. */
int main(int argc, char **argv) {
    static uint8_t bytes[INPUT_BYTES_MAX];
    char directory[PATH_BYTES_MAX];
    const char *top = getenv("TOP_SRCDIR");
    const char *name = strstr(program_invocation_short_name, "fuzz_");
    unsigned files = 0;

    for (int i = 1; i < argc; i++)
        files += replay_directory(argv[i], bytes);
    if (argc < 2 && name) {
        snprintf(directory, sizeof directory, "%s/tests/fuzz/corpus/%s", top ? top : ".",
                 name + strlen("fuzz_"));
        files = replay_directory(directory, bytes);
    }
    printf("1..1\n%s 1 - the corpus is replayed (%u files)\n", files ? "ok" : "not ok", files);
    return files ? 0 : 1;
}
