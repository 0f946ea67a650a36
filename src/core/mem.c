/*
 * Why this exists: running out of memory cannot be answered sensibly here (see mem.h), so it is
 * answered in one place instead of at every call. No state.
 */
#include "livetally/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void mem_die(size_t size_bytes)
{
    fprintf(stderr, "livetally: out of memory (%zu bytes wanted)\n", size_bytes);
    abort();
}

void *mem_alloc(size_t size_bytes)
{
    /* malloc(0) may return NULL, which callers would have to tell from failure. */
    void *memory = malloc(size_bytes ? size_bytes : 1);
    if (!memory)
        mem_die(size_bytes);
    return memory;
}

void *mem_zalloc(size_t size_bytes)
{
    void *memory = calloc(1, size_bytes ? size_bytes : 1);
    if (!memory)
        mem_die(size_bytes);
    return memory;
}

void *mem_alloc_lines(size_t size_bytes)
{
    void *memory = aligned_alloc(MEM_LINE_BYTES, size_bytes);
    if (!memory)
        mem_die(size_bytes);
    return memory;
}

void *mem_realloc(void *memory, size_t size_bytes)
{
    void *moved = realloc(memory, size_bytes ? size_bytes : 1);
    if (!moved)
        mem_die(size_bytes);
    return moved;
}

void *mem_resize(void *memory, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        mem_die(SIZE_MAX);
    return mem_realloc(memory, total_bytes);
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t size)
{
    char *copy = mem_alloc(size + 1);
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}
