// Tells the thread sanitizer of a continuation that is resumed before its task comes to wait for it.
//
// swift_continuation_await then goes on at once, in libswift_Concurrency, which is not instrumented and tells the sanitizer
// only of tasks that it enqueues: that what the other thread wrote came before is not seen, and is reported as a race. An
// answer that is quick enough does it: the database's or libcurl's thread has it ready before the caller waits.
// scripts/sanitize prove shows it with continuation.swift: resumed early it is reported each time, resumed late never.
//
// This is no suppression: it adds the one edge that is there, from the resumption to what its task does after the next call
// that it awaited, on the task's own address, and every other race is still seen. Linked into the program (scripts/sanitize),
// these take the place of the library's, and call them.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define RETURNING "$sScC6resume9returningyxn_tF"
#define THROWING "$sScC6resume8throwingyq_n_tF"
#define swiftcall __attribute__((swiftcall))
#define swift_self __attribute__((swift_context))

// CheckedContinuation: one reference, to an object that has the task behind its header, until it is resumed
struct canary {
    void *header[2];
    void *task;
};
typedef swiftcall void resume(void *value, void *type, swift_self struct canary **self);

static resume *returning;
static resume *throwing;
static swiftcall void (*dealloc)(void *);
static swiftcall void *(*current_task)(void);

__attribute__((constructor)) static void find(void) {
    returning = (resume *)dlsym(RTLD_NEXT, RETURNING);
    throwing = (resume *)dlsym(RTLD_NEXT, THROWING);
    dealloc = (swiftcall void (*)(void *))dlsym(RTLD_NEXT, "swift_task_dealloc");
    current_task = (swiftcall void *(*)(void))dlsym(RTLD_NEXT, "swift_task_getCurrent");
    // another version of Swift: see what its continuations do
    if (returning == NULL || throwing == NULL || dealloc == NULL || current_task == NULL) abort();
}

static void release(struct canary **self) {
    void *task = __atomic_load_n(&(*self)->task, __ATOMIC_RELAXED);
    if (task != NULL) __tsan_release(task);
}

// CheckedContinuation.resume(returning:)
swiftcall void countersign_resume_returning(void *value, void *type, swift_self struct canary **self) __asm__(RETURNING);
swiftcall void countersign_resume_returning(void *value, void *type, swift_self struct canary **self) {
    release(self);
    returning(value, type, self);
}

// CheckedContinuation.resume(throwing:)
swiftcall void countersign_resume_throwing(void *value, void *type, swift_self struct canary **self) __asm__(THROWING);
swiftcall void countersign_resume_throwing(void *value, void *type, swift_self struct canary **self) {
    release(self);
    throwing(value, type, self);
}

// What a caller does first once the function that it awaited has returned: it frees that function's frame.
swiftcall void countersign_task_dealloc(void *frame) __asm__("swift_task_dealloc");
swiftcall void countersign_task_dealloc(void *frame) {
    void *task = current_task();
    if (task != NULL) __tsan_acquire(task);
    dealloc(frame);
}
