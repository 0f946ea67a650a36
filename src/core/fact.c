/*
 * A fact seen through the rollups' dimensions. The record itself is plain data; see fact.h.
 */
#include "livetally/fact.h"

uint32_t fact_dimension(const struct fact *fact, enum dimension dimension)
{
    switch (dimension) {
    case DIMENSION_HOST:
        return fact->host;
    case DIMENSION_COUNTY:
        return fact->county;
    case DIMENSION_PRODUCT:
        return fact->product;
    case DIMENSION_SESSION:
        return fact->session;
    case DIMENSION_PLATFORM:
        return fact->platform;
    case DIMENSION_NONE:
    case DIMENSION_COUNT:
        break;
    }
    return 0;
}
