/*
 * The certificate in force, and how it changes while the daemon runs: its files are looked at every
 * second, by whatever name they are reached, so that links that are turned over, renames and
 * folders that are replaced count like a write. When they have changed and then stayed the same for
 * one look, which half-done renewals don't, the new pair is tried. A bad one changes nothing.
 */
#ifndef LIVETALLY_DAEMON_CERTIFICATE_H
#define LIVETALLY_DAEMON_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "config.h"
#include "livetally/error.h"
#include "livetally/tls.h"

enum { CERTIFICATE_FILES = 3 };

/* What tells a file from what stood there before. All zeros: there is none. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct certificate {
    struct tls *tls;                           /* NULL: no certificate is configured */
    struct file_mark marks[CERTIFICATE_FILES]; /* of its files, before they were read */
    bool refused;                              /* these files can't be used */
};

/* On failure everything but tls is set. */
int certificate_load(const struct config *config, struct certificate *certificate,
                     struct error *error);
void certificate_done(struct certificate *certificate);

struct daemon;

void certificate_watch(struct daemon *daemon); /* from now on; does not keep the loop alive */
void certificate_unwatch(struct daemon *daemon);
/* Puts `next` in the place of the one in force, and leaves that in `next`. */
void certificate_replace(struct daemon *daemon, struct certificate *next);
void certificate_report(struct daemon *daemon); /* the one in force: to log and metrics */
/* Files that were refused, which has been told: the watch need not try and tell it again. */
void certificate_refuse(struct daemon *daemon, const struct certificate *refused);

#endif
