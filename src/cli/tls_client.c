/*
 * TLS of the client. The SSL_CTX is made here rather than by libwebsockets, which only logs that a
 * file can't be used, and cuts the name to be checked at its first colon, that of an IPv6 address
 * too.
 */
#include "tls_client.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

static int fail(const char *what, const char *path, struct error *error)
{
    unsigned long code = ERR_peek_error();
    const char *why =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    int status = error_set(error, ERROR_INVALID, "can't take the %s from %s: %s", what, path,
                           why ? why : "not understood");
    ERR_clear_error();
    return status;
}

static bool name_server(SSL_CTX *context, const struct url *url)
{
    X509_VERIFY_PARAM *rules = SSL_CTX_get0_param(context);
    const char *host = url->socket[0] ? "localhost" : url->host;
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_ip_asc(rules, host) == 1 ||
           X509_VERIFY_PARAM_set1_host(rules, host, 0) == 1;
}

static int load_files(SSL_CTX *context, const struct tls_client *options, struct error *error)
{
    const char *key = options->key ? options->key : options->certificate;
    if (options->ca && SSL_CTX_load_verify_file(context, options->ca) != 1) {
        return fail("certificates", options->ca, error);
    }
    if (!options->certificate) {
        return 0;
    }
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1) {
        return fail("certificate", options->certificate, error);
    }
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return fail("key", key, error);
    }
    return 0;
}

int tls_client_new(const struct tls_client *options, const struct url *url, SSL_CTX **ret_context,
                   struct error *error)
{
    int status = 0;
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        (!options->ca && SSL_CTX_set_default_verify_paths(context) != 1) ||
        !name_server(context, url)) {
        status = error_set(error, ERROR_SYSTEM, "OpenSSL can't be used here");
    } else {
        status = load_files(context, options, error);
    }
    ERR_clear_error();
    if (status < 0) {
        SSL_CTX_free(context);
        return status;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    *ret_context = context;
    return 0;
}
