/*
 * The cast of a simulated livestream: what hosts, products and sessions are called and cost. All of
 * it follows from the number, so nothing is stored.
 */
#ifndef LIVETALLY_CLI_SIM_CATALOG_H
#define LIVETALLY_CLI_SIM_CATALOG_H

#include <stdint.h>

#include "livetally/buffer.h"

/* Ids, without quotes: host-0001, tea-000001, live-0001. */
void sim_append_host_id(struct buffer *out, uint32_t host);
void sim_append_product_id(struct buffer *out, uint32_t product);
void sim_append_session_id(struct buffer *out, uint32_t host);

uint32_t sim_product_county(uint32_t product);
uint32_t sim_product_price(uint32_t product); /* fen */

/* Whole events that register them. start_time_ms 0: without times. */
void sim_append_host(struct buffer *out, uint32_t host);
void sim_append_product(struct buffer *out, uint32_t product);
void sim_append_session(struct buffer *out, uint32_t host, int64_t start_time_ms);

#endif
