/*
 * TLS: certificates, and how connections get them.
 *
 * lws makes an SSL_CTX for its vhost and every SSL from that one. Changing it in place can't be
 * undone when the new pair is bad, and leaves an old RSA pair beside a new EC one. So lws's own is
 * a mere shell without a certificate. What is loaded becomes an SSL_CTX of its own, which is either
 * whole or thrown away, and the shell's first callback of a handshake, on the client's hello, hands
 * the connection over to the newest of them. OpenSSL counts references: an old one goes with its
 * last connection.
 *
 * Sessions are not resumed, neither by ticket nor from a cache: connections here are long, ticket
 * keys that live as long as the process would undo forward secrecy in TLS 1.2, and a client's
 * certificate is then always held against the present client_ca.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "livetally/mem.h"
#include "livetally/tls.h"
#include "net.h"

#define CIPHERS_12  "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_13  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define DETAIL_ROOM 256

struct tls {
    SSL_CTX *context;
    int least_version;
    int verify;
    int64_t begins_s;
    int64_t ends_s;
    bool key_is_exposed;
};

/* --- What went wrong, for people -------------------------------------------------------------- */

/* The oldest error in OpenSSL's queue is the cause; those after it tell how far it came up. */
static const char *cause(void)
{
    unsigned long code = ERR_peek_error();
    const char *text;

    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        return "there is none in PEM form";
    text = ERR_reason_error_string(code);
    return text ? text : "not understood";
}

static int fail(struct error *error, const char *what, const char *path)
{
    int result =
        error_set(error, ERROR_INVALID, "can't take the %s from %s: %s", what, path, cause());

    ERR_clear_error();
    return result;
}

/* --- Loading ---------------------------------------------------------------------------------- */

/* Instead of OpenSSL's own, which would ask on the terminal. */
static int refuse_password(char *out, int size, int writing, void *context)
{
    bool *encrypted = context;

    (void)out;
    (void)size;
    (void)writing;
    *encrypted = true;
    return -1;
}

static int load_key(SSL_CTX *context, const char *path, struct error *error)
{
    bool encrypted = false;
    int result;

    SSL_CTX_set_default_passwd_cb(context, refuse_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
    result = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (result == 1 && SSL_CTX_check_private_key(context) == 1) {
        ERR_clear_error();
        return 0;
    }
    if (result == 1 || (ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509 &&
                        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)) {
        ERR_clear_error();
        return error_set(error, ERROR_INVALID, "the key in %s is not that of the certificate",
                         path);
    }
    if (encrypted) {
        ERR_clear_error();
        return error_set(error, ERROR_INVALID, "the key in %s is encrypted; it must not be", path);
    }
    return fail(error, "private key", path);
}

static int load_client_ca(struct tls *tls, const char *path, struct error *error)
{
    STACK_OF(X509_NAME) * names;

    if (SSL_CTX_load_verify_file(tls->context, path) != 1)
        return fail(error, "certificates of client_ca", path);
    names = SSL_load_client_CA_file(path);
    if (!names)
        return fail(error, "certificates of client_ca", path);
    SSL_CTX_set_client_CA_list(tls->context, names);
    tls->verify = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    return 0;
}

static int64_t unix_time(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool is_exposed(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

static int load_files(struct tls *tls, const struct tls_files *files, enum tls_file *at,
                      struct error *error)
{
    const char *key = files->key[0] ? files->key : files->certificate;
    X509 *certificate;

    *at = TLS_FILE_CERTIFICATE;
    if (SSL_CTX_use_certificate_chain_file(tls->context, files->certificate) != 1)
        return fail(error, "certificate", files->certificate);
    *at = files->key[0] ? TLS_FILE_KEY : TLS_FILE_CERTIFICATE;
    if (load_key(tls->context, key, error))
        return ERROR_INVALID;
    *at = TLS_FILE_CLIENT_CA;
    if (files->client_ca[0] && load_client_ca(tls, files->client_ca, error))
        return ERROR_INVALID;
    certificate = SSL_CTX_get0_certificate(tls->context);
    tls->begins_s = unix_time(X509_get0_notBefore(certificate));
    tls->ends_s = unix_time(X509_get0_notAfter(certificate));
    tls->key_is_exposed = is_exposed(key);
    return 0;
}

/* ALPN: what lws speaks best; its HTTP/2 can't be told to stop reading. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *offered, unsigned int size, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)context;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof(ours) - 1, offered, size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int tls_load(const struct tls_files *files, bool only_tls13, struct tls **ret_tls,
             enum tls_file *ret_at, struct error *error)
{
    struct tls *tls = mem_zalloc(sizeof(*tls));
    enum tls_file at = TLS_FILE_CERTIFICATE;
    int result;

    ERR_clear_error();
    tls->least_version = only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
    tls->verify = SSL_VERIFY_NONE;
    tls->context = SSL_CTX_new(TLS_server_method());
    if (!tls->context || SSL_CTX_set_cipher_list(tls->context, CIPHERS_12) != 1 ||
        SSL_CTX_set_ciphersuites(tls->context, CIPHERS_13) != 1) {
        result = error_set(error, ERROR_SYSTEM, "OpenSSL can't be used: %s", cause());
        goto out;
    }
    SSL_CTX_set_alpn_select_cb(tls->context, choose_protocol, NULL);
    result = load_files(tls, files, &at, error);
out:
    ERR_clear_error();
    if (result) {
        tls_free(tls);
        *ret_at = at;
    } else {
        *ret_tls = tls;
    }
    return result;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

void tls_describe(const struct tls *tls, struct buffer *out)
{
    X509 *certificate = SSL_CTX_get0_certificate(tls->context);
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *serial = number ? BN_bn2hex(number) : NULL;
    BIO *subject = BIO_new(BIO_s_mem());
    char until[32] = "?";
    time_t ends = (time_t)tls->ends_s;
    struct tm tm;
    char *text = NULL;
    long size = 0;

    if (subject &&
        X509_NAME_print_ex(subject, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
        size = BIO_get_mem_data(subject, &text);
    if (gmtime_r(&ends, &tm))
        (void)strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
    buffer_printf(out, "certificate subject=\"%.*s\" serial=%s expires=%s",
                  (int)(size < DETAIL_ROOM ? size : DETAIL_ROOM), text ? text : "",
                  serial ? serial : "?", until);
    BIO_free(subject);
    OPENSSL_free(serial);
    BN_free(number);
}

int64_t tls_begins_s(const struct tls *tls)
{
    return tls->begins_s;
}

int64_t tls_ends_s(const struct tls *tls)
{
    return tls->ends_s;
}

bool tls_key_is_exposed(const struct tls *tls)
{
    return tls->key_is_exposed;
}

/* --- Connections ------------------------------------------------------------------------------ */

/* Failed ones are those that began and were not done: an alert often gets lost with its socket. */
static void on_state(const SSL *ssl, int where, int value)
{
    struct server *server = SSL_get_app_data(ssl);

    (void)value;
    if (where & SSL_CB_HANDSHAKE_DONE)
        server->stats->tls_handshakes++;
}

static int on_hello(SSL *ssl, int *alert, void *context)
{
    struct server *server = context;
    const struct tls *tls = server->tls;

    SSL_set_app_data(ssl, server);
    SSL_set_info_callback(ssl, on_state);
    server->stats->tls_handshakes_begun++;
    /* What an SSL took from the shell when it was made does not change with its SSL_CTX. */
    SSL_set_verify(ssl, tls->verify, NULL);
    if (SSL_set_SSL_CTX(ssl, tls->context) &&
        SSL_set_min_proto_version(ssl, tls->least_version) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

void tls_prepare_context(SSL_CTX *context, struct server *server)
{
    SSL_CTX_set_client_hello_cb(context, on_hello, server);
    /* lws's would look for a vhost by the name that a peer made up. */
    SSL_CTX_set_tlsext_servername_callback(context, NULL);
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 0);
}

void tls_shut_half(struct connection *connection)
{
    SSL *ssl = lws_get_ssl(connection->wsi);

    if (ssl) {
        ERR_clear_error();
        (void)SSL_shutdown(ssl);
        ERR_clear_error();
    }
    (void)shutdown(lws_get_socket_fd(connection->wsi), SHUT_WR);
}

void tls_resume(struct connection *connection)
{
    SSL *ssl = lws_get_ssl(connection->wsi);

    if (ssl && SSL_pending(ssl) > 0)
        lws_cancel_service(connection->server->context);
}
