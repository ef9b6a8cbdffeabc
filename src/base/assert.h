/* larder: assertions that stay on
 *
 * Purpose: ASSERT guards what would corrupt memory or answer wrongly if it did not hold; it is on
 *   in every build. DEBUG_ASSERT is for what is too dear for the hot path; on in sanitizer and
 *   test builds. Neither is ever reachable by what a client sends.
 * Owner: none.   Threads: any.   Memory: none.   Limits: none.
 * Errors: a failed assertion writes one line to stderr and aborts. */
#ifndef LARDER_BASE_ASSERT_H
#define LARDER_BASE_ASSERT_H

/* Writes "larder: assertion failed: WHAT (FILE:LINE)" to stderr and aborts. */
__attribute__((noreturn, cold)) void assert_fail(const char *what, const char *file, int line);

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            assert_fail(#condition, __FILE__, __LINE__);                                           \
        }                                                                                          \
    } while (0)

#ifdef LARDER_DEBUG_ASSERT
#define DEBUG_ASSERT(condition) ASSERT(condition)
#else
#define DEBUG_ASSERT(condition) ((void)sizeof(condition))
#endif

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
