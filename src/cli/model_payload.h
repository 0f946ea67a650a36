/*
 * Payloads of topics, from JSON into the model.
 */
#ifndef LIVETALLY_CLI_MODEL_PAYLOAD_H
#define LIVETALLY_CLI_MODEL_PAYLOAD_H

#include <stdbool.h>

#include "livetally/json.h"
#include "model.h"

/* snapshot: what is there replaces tickers and series too, instead of adding to them. */
bool model_read_payload(struct json_reader *reader, struct model_topic *topic, bool snapshot);

#endif
