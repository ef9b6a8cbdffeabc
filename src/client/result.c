/* larder: results in words */
#include "src/client/larder.h"

bool larder_is_good(enum larder_result result) {
    return result <= LARDER_DONE;
}

const char *larder_result_text(enum larder_result result) {
    static const char *const texts[] = {
        [LARDER_HIT] = "hit",
        [LARDER_STORED] = "stored",
        [LARDER_DELETED] = "deleted",
        [LARDER_TOUCHED] = "touched",
        [LARDER_DONE] = "done",
        [LARDER_STALE] = "stale",
        [LARDER_MISS] = "miss",
        [LARDER_NOT_STORED] = "not stored",
        [LARDER_EXISTS] = "exists",
        [LARDER_NOT_FOUND] = "not found",
        [LARDER_NOT_NUMBER] = "not a number",
        [LARDER_TOO_LARGE] = "too large",
        [LARDER_FAILED] = "failed",
        [LARDER_TIMED_OUT] = "timed out",
        [LARDER_BAD_ARGUMENT] = "bad argument",
        [LARDER_NO_MEMORY] = "no memory",
    };

    return (unsigned)result < sizeof(texts) / sizeof(texts[0]) ? texts[result] : "unknown";
}
