/*
 * The names of counties as a file of the pages. It is too large to be sent as it is, and too
 * seldom another one to be packed for each who asks.
 */
#include "county_page.h"

#define ZLIB_CONST
#include <stdio.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* 16: zlib's way to ask for gzip's frame */
#define GZIP_MEMORY      8

static void gzip(struct slice text, struct buffer *out)
{
    z_stream stream = {.next_in = (const Bytef *)text.data, .avail_in = (uInt)text.size};
    uLong bound;

    /* It fails for want of memory only, and then the empty result is not used. */
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    bound = deflateBound(&stream, (uLong)text.size);
    stream.next_out = (Bytef *)buffer_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
        out->size += stream.total_out;
    (void)deflateEnd(&stream);
}

void county_page_init(struct county_page *page, const struct county_names *names)
{
    struct slice text;

    *page = (struct county_page){.plain = BUFFER_INIT, .zipped = BUFFER_INIT};
    county_names_write(names, &page->plain);
    text = buffer_slice(&page->plain);
    gzip(text, &page->zipped);
    (void)snprintf(page->etag, sizeof(page->etag), "%08lx%08zx",
                   crc32(0, (const Bytef *)text.data, (uInt)text.size), text.size);
    page->asset = (struct asset){
        .path = "/counties.csv",
        .type = "text/csv; charset=utf-8",
        .etag = page->etag,
        .plain = text,
        .zipped = buffer_slice(&page->zipped),
    };
}

void county_page_done(struct county_page *page)
{
    buffer_done(&page->plain);
    buffer_done(&page->zipped);
}
