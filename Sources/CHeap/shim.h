#ifndef COUNTERSIGN_CHEAP_SHIM_H
#define COUNTERSIGN_CHEAP_SHIM_H

/* What glibc has to say about its heap and does not show to Swift: malloc.h is in no module of it. With another C library
   both do nothing, and say so. */

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
static inline int cheap_limit_arenas(int count) { return mallopt(M_ARENA_MAX, count); }
static inline int cheap_give_back(void) { return malloc_trim(0); }
#else
static inline int cheap_limit_arenas(int count) { (void)count; return 0; }
static inline int cheap_give_back(void) { return 0; }
#endif

#endif
