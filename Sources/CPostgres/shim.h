#include <libpq-fe.h>
#include <pthread.h>
/* Glibc's module map leaves this one out; the listener's wake-up descriptor needs it. */
#include <sys/eventfd.h>
/* Declared by pthread.h only under _GNU_SOURCE, which a module map cannot set. */
extern int pthread_setname_np(pthread_t thread, const char *name);
