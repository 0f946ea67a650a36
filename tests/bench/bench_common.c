/*
 * Helpers of the benchmark programs. See bench_common.h.
 */
#include "bench_common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "livetally/buffer.h"

#define HEAD_BYTES 4096 /* of an answer, without its body */

_Noreturn void bench_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

int64_t bench_number(const char *option, const char *text, int64_t min, int64_t max)
{
    char *end = NULL;
    errno = 0;
    long long value = text ? strtoll(text, &end, 10) : 0;
    if (!text || errno || end == text || *end || value < min || value > max)
        bench_fail("%s takes a number from %lld to %lld", option, (long long)min, (long long)max);
    return value;
}

/* -------------------------------------------------------------------------------- clocks */

static int64_t clock_us(clockid_t clock, const char *what)
{
    struct timespec now;
    if (clock_gettime(clock, &now))
        bench_fail("%s: %s", what, strerror(errno));
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t bench_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC, "clock");
}

int64_t bench_wall_ms(void)
{
    return clock_us(CLOCK_REALTIME, "clock") / 1000;
}

int64_t bench_cpu_us(pid_t pid)
{
    clockid_t clock;
    if (pid == 0)
        return clock_us(CLOCK_PROCESS_CPUTIME_ID, "own CPU clock");
    if (clock_getcpuclockid(pid, &clock))
        bench_fail("CPU clock of process %d: it is gone", (int)pid);
    return clock_us(clock, "CPU clock of a process");
}

int64_t bench_rss_bytes(pid_t pid)
{
    char path[64];
    long long pages = -1;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*s %lld", &pages) != 1) /* NOLINT(cert-err34-c): the kernel's */
        bench_fail("%s can't be read", path);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

void bench_processes_add(struct bench_processes *all, const char *name_and_pid)
{
    const char *colon = name_and_pid ? strchr(name_and_pid, ':') : NULL;
    if (!colon || colon == name_and_pid || colon - name_and_pid >= BENCH_NAME_BYTES)
        bench_fail("--pid takes NAME:PID");
    if (all->count == BENCH_PROCESSES_MAX)
        bench_fail("at most %d --pid", BENCH_PROCESSES_MAX);
    struct bench_process *process = &all->process[all->count++];
    *process = (struct bench_process){.pid = (pid_t)bench_number("--pid", colon + 1, 1, INT32_MAX)};
    memcpy(process->name, name_and_pid, (size_t)(colon - name_and_pid));
}

void bench_processes_start(struct bench_processes *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        all->process[i].start_us = bench_cpu_us(all->process[i].pid);
}

void bench_processes_stop(struct bench_processes *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        all->process[i].used_us = bench_cpu_us(all->process[i].pid) - all->process[i].start_us;
}

void bench_processes_print(const struct bench_processes *all, FILE *out)
{
    const char *comma = "";
    fputc('{', out);
    for (uint32_t i = 0; i < all->count; i++) {
        int64_t used_us = 0;
        uint32_t first = 0;
        while (strcmp(all->process[first].name, all->process[i].name) != 0)
            first++;
        if (first < i)
            continue;
        for (uint32_t j = i; j < all->count; j++)
            if (strcmp(all->process[j].name, all->process[i].name) == 0)
                used_us += all->process[j].used_us;
        fprintf(out, "%s\"%s\":%lld", comma, all->process[i].name, (long long)used_us);
        comma = ",";
    }
    fputc('}', out);
}

/* -------------------------------------------------------------------------------- sockets */

struct sockaddr_in bench_url(const char *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN], port[8], slash;
    int fields = sscanf(url ? url : "", "%*[wshtp]://%15[0-9.]:%7[0-9]%c", host, port, &slash);
    if (fields < 2 || (fields == 3 && slash != '/') ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        bench_fail("a URL looks like ws://127.0.0.1:8090");
    address.sin_port = htons((uint16_t)bench_number("the port of a URL", port, 1, 65535));
    return address;
}

static void give_patience(int fd)
{
    struct timeval patience = {.tv_sec = BENCH_STALL_MS / 1000};
    int yes = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes))
        bench_fail("socket options: %s", strerror(errno));
}

static int connect_tcp(const struct sockaddr_in *to, const struct in_addr *from)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        bench_fail("socket: %s", strerror(errno));
    give_patience(fd);
    if (from) {
        struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr = *from};
        int yes = 1; /* the port is chosen when the peer is known: ports are per address and peer */
        if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) ||
            bind(fd, (const struct sockaddr *)&source, sizeof source))
            bench_fail("bind: %s", strerror(errno));
    }
    if (connect(fd, (const struct sockaddr *)to, sizeof *to))
        bench_fail("connect to port %u: %s", ntohs(to->sin_port), strerror(errno));
    return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            bench_fail("send: %s", strerror(errno));
        data += sent;
        size -= (size_t)sent;
    }
}

/* Takes the head of an answer off the socket, and not a byte more. */
static void read_head(int fd, char head[HEAD_BYTES])
{
    size_t size = 0;
    while (size < HEAD_BYTES - 1) {
        ssize_t seen = recv(fd, head + size, HEAD_BYTES - 1 - size, MSG_PEEK);
        if (seen <= 0)
            bench_fail("no answer: %s", seen ? strerror(errno) : "closed");
        size_t start = size > 3 ? size - 3 : 0;
        head[size + (size_t)seen] = '\0';
        const char *end = strstr(head + start, "\r\n\r\n");
        size_t take = end ? (size_t)(end + 4 - head) - size : (size_t)seen;
        if (recv(fd, head + size, take, 0) != (ssize_t)take)
            bench_fail("recv: %s", strerror(errno));
        size += take;
        head[size] = '\0';
        if (end)
            return;
    }
    bench_fail("an answer's head is over %d bytes", HEAD_BYTES);
}

int bench_ws_connect(const struct sockaddr_in *to, const struct in_addr *from, const char *path,
                     const char *subprotocol)
{
    char request[512];
    char head[HEAD_BYTES];
    int fd = connect_tcp(to, from);
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
                        path, subprotocol ? "Sec-WebSocket-Protocol: " : "",
                        subprotocol ? subprotocol : "", subprotocol ? "\r\n" : "");
    if (size < 0 || (size_t)size >= sizeof request)
        bench_fail("the path is too long");
    send_all(fd, request, (size_t)size);
    read_head(fd, head);
    if (strncmp(head, "HTTP/1.1 101", 12) != 0)
        bench_fail("the handshake was answered %.80s", head);
    return fd;
}

void bench_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
        bench_fail("fcntl: %s", strerror(errno));
}

/* -------------------------------------------------------------------------------- frames */

size_t bench_frame_header(unsigned opcode, size_t payload_bytes, uint32_t mask, unsigned char *out)
{
    unsigned char *at = out;
    int length_bytes = payload_bytes < 126 ? 0 : payload_bytes <= 0xffff ? 2 : 8;
    *at++ = (unsigned char)(0x80U | opcode);
    *at++ = (unsigned char)(0x80U | (length_bytes == 0   ? (unsigned)payload_bytes
                                     : length_bytes == 2 ? 126U
                                                         : 127U));
    for (int i = length_bytes - 1; i >= 0; i--)
        *at++ = (unsigned char)(payload_bytes >> (8 * i));
    memcpy(at, &mask, sizeof mask);
    return (size_t)(at + sizeof mask - out);
}

void bench_frame_mask(unsigned char *payload, size_t size, uint32_t mask)
{
    unsigned char bytes[sizeof mask];
    memcpy(bytes, &mask, sizeof mask);
    for (size_t i = 0; i < size; i++)
        payload[i] ^= bytes[i % sizeof mask];
}

size_t bench_frame_read(const unsigned char *data, size_t size, unsigned *ret_opcode,
                        const char **ret_text, size_t *ret_text_bytes)
{
    if (size < 2)
        return 0;
    if ((data[0] & 0xf0U) != 0x80U || data[1] & 0x80U)
        bench_fail("the server sent a fragment, or a frame that isn't a server's");
    size_t length = data[1], head = 2;
    if (length >= 126) {
        size_t length_bytes = length == 126 ? 2 : 8;
        head += length_bytes;
        if (size < head)
            return 0;
        length = 0;
        for (size_t i = 2; i < head; i++)
            length = length << 8 | data[i];
    }
    if (length > size - head)
        return 0;
    *ret_opcode = data[0] & 0x0fU;
    *ret_text = (const char *)data + head;
    *ret_text_bytes = length;
    return head + length;
}

/* -------------------------------------------------------------------------------- HTTP */

char *bench_http_get(const struct sockaddr_in *to, const char *path_and_query)
{
    char head[HEAD_BYTES];
    struct buffer text = {0};
    int fd = connect_tcp(to, NULL);
    buffer_append_text(&text, "GET ");
    buffer_append_text(&text, path_and_query);
    buffer_append_text(&text, " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    send_all(fd, text.data, text.size);
    read_head(fd, head);
    if (strncmp(head, "HTTP/1.1 200", 12) != 0)
        bench_fail("GET %.60s was answered %.80s", path_and_query, head);
    const char *length = strcasestr(head, "\r\ncontent-length:");
    if (!length)
        bench_fail("GET %.60s was answered without a length", path_and_query);
    size_t left = strtoull(length + 17, NULL, 10);
    buffer_reset(&text);
    while (left > 0) {
        ssize_t got = recv(fd, buffer_reserve(&text, left), left, 0);
        if (got <= 0)
            bench_fail("GET %.60s: the answer broke off", path_and_query);
        text.size += (size_t)got;
        left -= (size_t)got;
    }
    close(fd);
    buffer_append_byte(&text, '\0');
    return text.data;
}
