// OpenSSL 3.0 as Swift sees it. Function-like macros and variadic functions do not import, so each one that is used
// has a static inline twin here, prefixed cossl_. Nothing else belongs in this file.
#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static inline EVP_PKEY *cossl_generate_ec(const char *curve) { return EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve); }
static inline EVP_PKEY *cossl_generate_rsa(size_t bits) { return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits); }
static inline EVP_PKEY *cossl_generate_ed25519(void) { return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); }

static inline long cossl_BIO_get_mem_data(BIO *b, char **p) { return BIO_get_mem_data(b, p); }

static inline STACK_OF(X509) *cossl_sk_X509_new(void) { return sk_X509_new_null(); }
static inline int cossl_sk_X509_push(STACK_OF(X509) *s, X509 *x) { return sk_X509_push(s, x); }
static inline int cossl_sk_X509_num(const STACK_OF(X509) *s) { return sk_X509_num(s); }
static inline X509 *cossl_sk_X509_value(const STACK_OF(X509) *s, int i) { return sk_X509_value(s, i); }
/* Frees the stack, not the certificates in it. */
static inline void cossl_sk_X509_free(STACK_OF(X509) *s) { sk_X509_free(s); }

/* RFC 2253 text that leaves UTF-8 readable; the flag is a cast expression, which does not import. */
static inline unsigned long cossl_name_flags(void) { return XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB; }
