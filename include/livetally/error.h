/*
 * Errors are values: a function that can fail returns 0 or a negative enum error_code, and writes
 * the human detail into the caller's struct error (which may be NULL when nobody will read it).
 * Output parameters (ret_…) are written on success only. What a peer of the wire did wrong is not
 * an error but a verdict: see verdict.h.
 */
#ifndef LIVETALLY_ERROR_H
#define LIVETALLY_ERROR_H

/* code, text */
#define ERROR_CODES(X)                                                                             \
    X(INVALID, "invalid input")                                                                    \
    X(RANGE, "out of range")                                                                       \
    X(SYNTAX, "syntax error")                                                                      \
    X(NOT_FOUND, "not found")                                                                      \
    X(CONFLICT, "conflict")                                                                        \
    X(LIMIT, "limit reached")                                                                      \
    X(CORRUPT, "corrupt data")                                                                     \
    X(UNAVAILABLE, "unavailable")                                                                  \
    X(TIMEOUT, "timed out")                                                                        \
    X(IO, "input/output error")                                                                    \
    X(SYSTEM, "system error")

enum error_index {
#define X(name, text) ERROR_INDEX_##name,
    ERROR_CODES(X)
#undef X
};

enum error_code {
#define X(name, text) ERROR_##name = -1 - ERROR_INDEX_##name,
    ERROR_CODES(X)
#undef X
};

struct error {
    enum error_code code;
    char text[384]; /* one line, no trailing newline; cut when longer */
};

/*
 * Fills *error when it is not NULL; returns `code`, so that a caller can `return error_set(…)`.
 * error->text may be among the arguments, to wrap it in a longer sentence.
 */
int error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *error_name(enum error_code code); /* its text in the list above */

#endif
