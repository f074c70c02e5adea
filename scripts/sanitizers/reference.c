// Tells the thread sanitizer what orders a buffer's last reader and whoever then writes to it in place.
//
// Copy on write rests on the reference count: a reader that is done gives up its reference, and who finds that his is the
// only one left writes without copying. The count is an atomic of libswiftCore, which is not instrumented, so that the
// sanitizer does not see that the read came before. NIO reads the next request into the buffer of the last one as soon as
// nobody else holds it, on another thread than the one that took that apart; an array that was handed out of a lock is
// appended to in place once whoever got it is done.
// scripts/sanitize prove shows it with reference.swift and array.swift.
//
// This is no suppression: it adds the one edge that is there, from giving up a reference to finding one's own the only one,
// on the object's own address, and every other race is still seen. Of every object it would cost as much as the suite
// itself, so it is done of NIO's buffers and of what the standard library keeps arrays, dictionaries and sets in; with
// -DEVERY of all. Linked into the program (scripts/sanitize), these take the
// place of the library's, and call them.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#ifdef EVERY
static bool is_watched(void *object) { return object != NULL; }
#else
// NIOCore.ByteBuffer._Storage, the class: the first word of each of its objects
extern const char buffer[] __asm__("$s7NIOCore10ByteBufferV8_StorageCN") __attribute__((weak));
// what is said once of a generic class of libswiftCore, whatever it is of: _ContiguousArrayStorage, _DictionaryStorage, …
extern const char array[] __asm__("$ss23_ContiguousArrayStorageCMn");
extern const char dictionary[] __asm__("$ss18_DictionaryStorageCMn");
extern const char set[] __asm__("$ss11_SetStorageCMn");

// the start of a class as the compiler lays it out without Objective-C; the kind of a class is 0
struct class_metadata {
    uintptr_t kind;
    const void *superclass;
    uint32_t flags, address_point;
    uint32_t instance_size;
    uint16_t instance_alignment, reserved;
    uint32_t class_size, class_address_point;
    const void *description;
};

static bool is_watched(void *object) {
    if (object == NULL) return false;
    const struct class_metadata *class = *(const struct class_metadata *const *)object;
    if ((const char *)class == buffer) return true;
    if (class->kind != 0) return false;
    const char *said = class->description;
    return said == array || said == dictionary || said == set;
}
#endif

static void (*release)(void *);
static void (*release_n)(void *, uint32_t);
static bool (*is_unique)(const void *);
static bool (*is_unique_or_null)(const void *);

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    // another version of Swift: see how it counts
    if (found == NULL) abort();
    return found;
}

void swift_release(void *object) {
    if (release == NULL) release = (void (*)(void *))next("swift_release");
    if (is_watched(object)) __tsan_release(object);
    release(object);
}

void swift_release_n(void *object, uint32_t count) {
    if (release_n == NULL) release_n = (void (*)(void *, uint32_t))next("swift_release_n");
    if (is_watched(object)) __tsan_release(object);
    release_n(object, count);
}

bool swift_isUniquelyReferenced_nonNull_native(const void *object) {
    if (is_unique == NULL) is_unique = (bool (*)(const void *))next("swift_isUniquelyReferenced_nonNull_native");
    bool unique = is_unique(object);
    if (unique && is_watched((void *)object)) __tsan_acquire((void *)object);
    return unique;
}

bool swift_isUniquelyReferenced_native(const void *object) {
    if (is_unique_or_null == NULL) is_unique_or_null = (bool (*)(const void *))next("swift_isUniquelyReferenced_native");
    bool unique = is_unique_or_null(object);
    if (unique && is_watched((void *)object)) __tsan_acquire((void *)object);
    return unique;
}
