/*
 * What the benchmark programs share: clocks of other processes, plain WebSocket and HTTP clients
 * that cost next to nothing, and one way to give up. They measure a daemon that is faster than any
 * client library, so sockets are used bare.
 *
 * These are short-lived programs with one user: what can't go on says why and exits with 1.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define BENCH_STALL_MS      30000 /* no progress for so long ends a program */
#define BENCH_PROCESSES_MAX 16
#define BENCH_NAME_BYTES    32

_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A decimal number within bounds, or the end of the program, naming the option. */
int64_t bench_number(const char *option, const char *text, int64_t min, int64_t max);

int64_t bench_now_us(void);      /* monotonic */
int64_t bench_wall_ms(void);     /* since the Unix epoch */
int64_t bench_cpu_us(pid_t pid); /* user and system time so far; 0 is this process */

/* Of this process, to the nanosecond. */
static inline double bench_own_cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* xorshift: the same numbers each time, from a seed that isn't 0. */
static inline uint64_t bench_next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}
int64_t bench_rss_bytes(pid_t pid);

/* Processes named on the command line as NAME:PID, and the CPU time of each between two readings.
 */
struct bench_process {
    char name[BENCH_NAME_BYTES];
    pid_t pid;
    int64_t start_us;
    int64_t used_us;
};

struct bench_processes {
    struct bench_process process[BENCH_PROCESSES_MAX];
    uint32_t count;
};

void bench_processes_add(struct bench_processes *all, const char *name_and_pid);
void bench_processes_start(struct bench_processes *all);
void bench_processes_stop(struct bench_processes *all);
/* {"daemon":123,"redis":456}: one number for each name, the sum if several have it. */
void bench_processes_print(const struct bench_processes *all, FILE *out);

/* ws://127.0.0.1:PORT, or http://: IPv4 addresses only, no path. */
struct sockaddr_in bench_url(const char *url);

/*
 * A connection after the WebSocket handshake, with nothing read beyond it; blocking, TCP_NODELAY.
 * `from` (or NULL) is the address to come from; subprotocol may be NULL.
 */
int bench_ws_connect(const struct sockaddr_in *to, const struct in_addr *from, const char *path,
                     const char *subprotocol);
void bench_set_nonblocking(int fd);

/*
 * The header of a masked final frame; returns its size. The payload that follows is masked with
 * bench_frame_mask(). The mask must not be 0: libwebsockets spares itself the unmasking then, and
 * real clients don't have it so.
 */
#define BENCH_FRAME_HEADER_BYTES 14 /* at most */
#define BENCH_OPCODE_TEXT        1
#define BENCH_OPCODE_CLOSE       8
#define BENCH_OPCODE_PING        9
#define BENCH_OPCODE_PONG        10
size_t bench_frame_header(unsigned opcode, size_t payload_bytes, uint32_t mask, unsigned char *out);
void bench_frame_mask(unsigned char *payload, size_t size, uint32_t mask);

/*
 * Looks at the server's frame that begins at data. Returns the size of all of it, with header, and
 * sets what it holds; 0 while it isn't complete. Fragments and masked frames end the program.
 */
size_t bench_frame_read(const unsigned char *data, size_t size, unsigned *ret_opcode,
                        const char **ret_text, size_t *ret_text_bytes);

/* The body of a 200 answer, NUL-terminated, to free(). Anything else ends the program. */
char *bench_http_get(const struct sockaddr_in *to, const char *path_and_query);

#endif
