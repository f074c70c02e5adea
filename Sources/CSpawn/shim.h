#ifndef COUNTERSIGN_CSPAWN_SHIM_H
#define COUNTERSIGN_CSPAWN_SHIM_H

/* What glibc (2.34 and later) has and does not show to Swift: the declarations need _GNU_SOURCE. */

#include <spawn.h>

int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
int pipe2(int[2], int);

static inline int cspawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
static inline int cspawn_pipe(int ends[2], int flags) { return pipe2(ends, flags); }

#endif
