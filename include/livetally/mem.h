/*
 * Allocation that cannot fail.
 *
 * Every buffer, queue and table of livetally has a stated bound, so running out of memory means
 * the machine is in trouble, not the daemon. Then the honest thing is to stop: nothing unacked was
 * promised, everything acked is durable, and systemd starts a fresh process. These functions
 * therefore abort with a message instead of returning NULL; free with free().
 */
#ifndef LIVETALLY_MEM_H
#define LIVETALLY_MEM_H

#include <stddef.h>

#define MEM_NEVER_NULL __attribute__((returns_nonnull, warn_unused_result))

void *mem_alloc(size_t size_bytes) MEM_NEVER_NULL;  /* uninitialised */
void *mem_zalloc(size_t size_bytes) MEM_NEVER_NULL; /* zeroed */
/* Uninitialised, and it begins with a cache line. The size is a multiple of MEM_LINE_BYTES. */
#define MEM_LINE_BYTES 64
void *mem_alloc_lines(size_t size_bytes) MEM_NEVER_NULL;
void *mem_realloc(void *memory, size_t size_bytes) MEM_NEVER_NULL;
/* Like realloc(memory, count * size_bytes), aborting when the product overflows. */
void *mem_resize(void *memory, size_t count, size_t size_bytes) MEM_NEVER_NULL;
char *mem_strdup(const char *text) MEM_NEVER_NULL;
char *mem_strndup(const char *text, size_t size) MEM_NEVER_NULL; /* always NUL-terminated */

#endif
