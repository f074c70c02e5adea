// Tells the thread sanitizer of the contended half of Synchronization.Mutex.
//
// Mutex's fast path is inlined into our code, where the sanitizer sees its atomics. As soon as two threads meet, lock and
// unlock go through two functions of libswiftSynchronization, which is not instrumented, and into the kernel (FUTEX_LOCK_PI,
// FUTEX_UNLOCK_PI): that one thread's unlock came before the other's lock is then not seen, and what the Mutex guards is
// reported as a race. scripts/sanitize prove shows it with mutex.swift.
//
// This is no suppression: it adds the one edge that is there, on the lock's own word, and every other race is still seen.
// Linked into the program (scripts/sanitize), these two take the place of the library's, and call them.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define swiftcall __attribute__((swiftcall))
#define swift_self __attribute__((swift_context))

// dlsym goes through the loader's lock, so it is asked once, before main
static swiftcall void (*lock)(uint32_t, swift_self void *);
static swiftcall void (*unlock)(swift_self void *);

__attribute__((constructor)) static void find(void) {
    lock = (swiftcall void (*)(uint32_t, swift_self void *))dlsym(RTLD_NEXT, LOCK);
    unlock = (swiftcall void (*)(swift_self void *))dlsym(RTLD_NEXT, UNLOCK);
    if (lock == NULL || unlock == NULL) abort();  // another version of Swift: see what its Mutex does
}

// _MutexHandle._lockSlow(_ threadID: UInt32)
swiftcall void countersign_lock_slow(uint32_t thread, swift_self void *handle) __asm__(LOCK);
swiftcall void countersign_lock_slow(uint32_t thread, swift_self void *handle) {
    lock(thread, handle);
    __tsan_acquire(handle);
}

// _MutexHandle._unlockSlow()
swiftcall void countersign_unlock_slow(swift_self void *handle) __asm__(UNLOCK);
swiftcall void countersign_unlock_slow(swift_self void *handle) {
    __tsan_release(handle);
    unlock(handle);
}
