/*
 * The tool that gives the daemon something to push: each call posts one order for every set
 * watched, so that no viewer's topic stays as it was.
 */
#ifndef BENCH_PUSH_POSTER_H
#define BENCH_PUSH_POSTER_H

#include "push_crowd.h"
#include "push_socket.h"

struct push_poster {
    struct push_socket socket;
    struct buffer text;
    uint64_t posted;
    uint64_t accepted;
};

void push_poster_init(struct push_poster *poster, const struct push_options *options, int epoll_fd);
void push_poster_done(struct push_poster *poster);
void push_poster_post(struct push_poster *poster, const struct push_options *options);
void push_poster_read(struct push_poster *poster);

#endif
