/*
 * What writing and reading feed entries share; the format is in livetally/fact.h.
 */
#ifndef LIVETALLY_CORE_FEED_ENTRY_H
#define LIVETALLY_CORE_FEED_ENTRY_H

#define FEED_VERSION 1
#define IDS_PER_FACT 4u /* host, product, session, platform */

#endif
