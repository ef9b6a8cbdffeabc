/* larder: gives back memory that a start or a rush has left behind
 *
 * Purpose: what a start has used once (the pages of libraries and tables that are read only while
 *   threads are planned and settings parsed) and what malloc keeps free need not stay resident.
 * Owner: nobody.   Threads: trim_code() on the main thread, trim_heap() on any.
 * Memory: a line of /proc/self/smaps.   Limits: TRIM_MAPPINGS_MAX mappings.
 * Errors: what cannot be given back stays; nothing depends on it. */
#ifndef LARDER_SERVER_TRIM_H
#define LARDER_SERVER_TRIM_H

/* Lets the system drop the pages of mapped files that were never written to: code and constants.
 * What is used again comes back from the page cache by a minor fault. */
void trim_code(void);

/* Returns this thread's and all arenas' free memory to the system, where malloc is jemalloc. */
void trim_heap(void);

#endif
