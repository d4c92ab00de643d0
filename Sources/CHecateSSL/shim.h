#pragma once

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// What OpenSSL has as macros, which Swift does not see.

/// TLS 1.2 at least; returns 1.
static inline int hecate_ssl_require_tls12(SSL_CTX *context) {
    return (int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/// Buffers are given back while a connection rests; what is written may be written in parts, and from another place the next time.
static inline void hecate_ssl_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
}

/// As much is read from the socket as is there, where it would be a record's header first.
static inline void hecate_ssl_read_ahead(SSL_CTX *context) { SSL_CTX_set_read_ahead(context, 1); }

/// No renegotiation; of a server's ciphers the server's order counts. A client that closes without a word has said all it wanted:
/// where a request ends, the request says itself. Sessions are not kept here: a client that comes again brings a ticket.
static inline void hecate_ssl_set_server_options(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline int hecate_ssl_choose_protocol(SSL *session, const unsigned char **chosen, unsigned char *length,
                                             const unsigned char *offered, unsigned int size, void *nothing) {
    static const unsigned char spoken[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    (void)session;
    (void)nothing;
    return SSL_select_next_proto((unsigned char **)chosen, length, spoken, sizeof spoken, offered, size) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/// Of the protocols that a client offers (ALPN), HTTP/1.1 is chosen; none where it is not among them.
static inline void hecate_ssl_choose_http11(SSL_CTX *context) {
    SSL_CTX_set_alpn_select_cb(context, hecate_ssl_choose_protocol, NULL);
}

/// The name that a client asks for (SNI); returns 1.
static inline int hecate_ssl_set_server_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

/// A context for HMAC-SHA256; NULL where there is none to be had.
static inline EVP_MAC_CTX *hecate_hmac_sha256_new(EVP_MAC *mac) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
    if (context != NULL && EVP_MAC_CTX_set_params(context, parameters) != 1) {
        EVP_MAC_CTX_free(context);
        return NULL;
    }
    return context;
}

/// The bits of the public exponent of an RSA key; 0 where it has none, or an even one.
static inline int hecate_rsa_exponent_bits(const EVP_PKEY *key) {
    BIGNUM *exponent = NULL;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) return 0;
    int bits = BN_is_odd(exponent) ? BN_num_bits(exponent) : 0;
    BN_free(exponent);
    return bits;
}
