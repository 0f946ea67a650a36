/*
 * The one place where the version stands.
 */
#ifndef LIVETALLY_VERSION_H
#define LIVETALLY_VERSION_H

#define LIVETALLY_VERSION "0.1.0"

#endif
