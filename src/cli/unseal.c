/*
 * livetally unseal: a packed page of a closed day, as text. It reads what redis-cli gives, so that
 * whoever looks at a data set by hand can go on doing so.
 */
#include <getopt.h>
#include <stdio.h>

#include "cli.h"
#include "livetally/sealed_day.h"

#define PAGE_MAX_BYTES (64u << 20)

static const struct option options_table[] = {
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool read_input(struct buffer *out)
{
    size_t got;
    do {
        char *at = buffer_reserve(out, 65536);
        got = fread(at, 1, 65536, stdin);
        out->size += got;
    } while (got > 0 && out->size <= PAGE_MAX_BYTES);
    return !ferror(stdin) && out->size <= PAGE_MAX_BYTES;
}

/* A line for each cell, as the hash would have it: key after the lane, field, value. */
static int print_page(struct sealed_page *page, struct buffer *out)
{
    struct slice field;
    struct metrics metrics;
    int found;
    while ((found = sealed_page_section(page)) == 1) {
        while ((found = sealed_page_cell(page, &field, &metrics)) == 1) {
            buffer_printf(out, "day:%u:%s%s%.*s %.*s ", page->day, rollup_rows[page->rollup].name,
                          page->first.size ? ":" : "", SLICE_ARG(page->first), SLICE_ARG(field));
            cell_value_write(out, &metrics, page->version);
            buffer_append_byte(out, '\n');
        }
        if (found < 0)
            return found;
    }
    return found;
}

static int unseal(void)
{
    struct buffer input = BUFFER_INIT, text = BUFFER_INIT;
    struct sealed_page page;
    bool good = read_input(&input);
    struct slice bytes = buffer_slice(&input);
    if (bytes.size && bytes.data[bytes.size - 1] == '\n' && sealed_page_open(bytes, &page) != 0)
        bytes.size--; /* redis-cli ends its output with one */
    good = good && sealed_page_open(bytes, &page) == 0 && print_page(&page, &text) == 0;
    if (!good)
        fprintf(stderr, "livetally: this is no sealed page\n");
    else
        good = fwrite(text.data, 1, text.size, stdout) == text.size && fflush(stdout) == 0;
    buffer_done(&input);
    buffer_done(&text);
    return good ? EXIT_DONE : EXIT_REJECTED;
}

static int run(const struct command *command, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "h", options_table, NULL)) != -1) {
        if (option != 'h')
            return cli_usage_error(command, "see above");
        fputs(command->help, stdout);
        return EXIT_DONE;
    }
    if (optind < argc)
        return cli_usage_error(command, "\"%s\" is not an option", argv[optind]);
    return unseal();
}

const struct command command_unseal = {
    "unseal",
    "prints a packed page of a closed day as text",
    run,
    "livetally unseal < PAGE\n"
    "\n"
    "Reads a sealed page, as redis-cli gives it, and prints its totals: a line for each, with the\n"
    "key and field of the hash it came from, then orders, units, gross, refunds, refunded,\n"
    "returned, and the lane's version up to which they count. A total that stands in its hash too\n"
    "has changed since: the higher version counts.\n"
    "\n"
    "Examples:\n"
    "  redis-cli hkeys 'lt:{0}:lane:0:sealed:20261119'\n"
    "  redis-cli --raw hget 'lt:{0}:lane:0:sealed:20261119' host:1 | livetally unseal\n"
    "\n"
    "Exit status: 0 printed, 1 it is no sealed page, 2 usage.\n",
};
