/*
 * What stands in a token, read before anything of it is believed.
 */
#ifndef LIVETALLY_AUTH_CLAIMS_H
#define LIVETALLY_AUTH_CLAIMS_H

#include "livetally/token.h"

/* The three parts of a token as they were sent, and decoded. */
struct token_parts {
    struct slice signing_input; /* header and payload with the dot between; borrowed */
    struct buffer header;
    struct buffer payload;
    struct buffer signature; /* its bytes */
};

/* The caller ends with token_parts_done(), also after false. */
bool token_split(struct slice text, struct token_parts *ret_parts, struct token_refusal *refusal);
void token_parts_done(struct token_parts *parts);

struct token_header {
    char kid[ID_MAX_BYTES + 1];
    char alg[16]; /* cut when longer, which no algorithm is */
};

bool token_header_read(struct slice json, struct token_header *ret_header,
                       struct token_refusal *refusal);

struct claims {
    bool has_exp, has_nbf, has_scope;
    int64_t exp_s;
    int64_t nbf_s;
    struct grant_terms terms; /* points into the two lists and the text below */
    struct slice hosts[GRANT_HOSTS_MAX];
    struct slice topics[GRANT_TOPICS_MAX];
    struct buffer text; /* unescaped strings */
};

/* Form only. The caller ends with claims_done(), also after false. Must not be moved. */
bool claims_read(struct slice json, struct claims *ret_claims, struct token_refusal *refusal);
void claims_done(struct claims *claims);

#endif
