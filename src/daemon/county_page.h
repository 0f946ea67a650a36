/*
 * What GET /counties.csv answers with: the names of counties, for pages, made once at start. With
 * no names to tell it is the columns alone: a page that asks has done nothing wrong, and a 404
 * would be an error in the browser's console.
 */
#ifndef LIVETALLY_DAEMON_COUNTY_PAGE_H
#define LIVETALLY_DAEMON_COUNTY_PAGE_H

#include "livetally/buffer.h"
#include "livetally/county_names.h"
#include "livetally/server.h"

struct county_page {
    struct asset asset; /* points into the rest: must not move */
    struct buffer plain;
    struct buffer zipped;
    char etag[32];
};

void county_page_init(struct county_page *page, const struct county_names *names); /* or NULL */
void county_page_done(struct county_page *page);

#endif
