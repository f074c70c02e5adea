#ifndef COUNTERSIGN_CCURL_SHIM_H
#define COUNTERSIGN_CCURL_SHIM_H

/* Doors into libcurl for what Swift cannot import: variadic functions, function-like macros, and one
 * flexible struct. The parentheses around a function's name switch off curl's type-checking macros. */

#define CURL_STRICTER 1 /* CURL and CURLM as two opaque types, not two names of void */
#include <curl/curl.h>

/* Swift cannot read the tail of `struct curl_sockaddr`: an IPv6 address is longer than its `addr` field. */
static inline const struct sockaddr *ccurl_socket_address(const struct curl_sockaddr *a) { return &a->addr; }

typedef size_t (*ccurl_data_callback)(char *, size_t, size_t, void *);

static inline CURLcode ccurl_set_long(CURL *h, CURLoption o, long v) { return (curl_easy_setopt)(h, o, v); }
static inline CURLcode ccurl_set_offset(CURL *h, CURLoption o, curl_off_t v) { return (curl_easy_setopt)(h, o, v); }
static inline CURLcode ccurl_set_string(CURL *h, CURLoption o, const char *v) { return (curl_easy_setopt)(h, o, v); }
static inline CURLcode ccurl_set_pointer(CURL *h, CURLoption o, const void *v) { return (curl_easy_setopt)(h, o, v); }
static inline CURLcode ccurl_set_list(CURL *h, CURLoption o, struct curl_slist *v) { return (curl_easy_setopt)(h, o, v); }
static inline CURLcode ccurl_set_data_callback(CURL *h, CURLoption o, ccurl_data_callback v) {
    return (curl_easy_setopt)(h, o, v);
}
static inline CURLcode ccurl_set_opensocket_callback(CURL *h, curl_opensocket_callback v) {
    return (curl_easy_setopt)(h, CURLOPT_OPENSOCKETFUNCTION, v);
}
static inline CURLcode ccurl_set_seek_callback(CURL *h, curl_seek_callback v) {
    return (curl_easy_setopt)(h, CURLOPT_SEEKFUNCTION, v);
}
static inline CURLcode ccurl_set_prereq_callback(CURL *h, curl_prereq_callback v) {
    return (curl_easy_setopt)(h, CURLOPT_PREREQFUNCTION, v);
}

static inline CURLcode ccurl_get_long(CURL *h, CURLINFO i, long *v) { return (curl_easy_getinfo)(h, i, v); }

static inline CURLMcode ccurl_multi_set_long(CURLM *m, CURLMoption o, long v) { return (curl_multi_setopt)(m, o, v); }
static inline CURLcode ccurl_message_result(const CURLMsg *m) { return m->data.result; }

#endif
