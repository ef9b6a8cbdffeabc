/* larder: fibers - own context switch on x86-64 and aarch64, ucontext elsewhere */
#include "tests/schedules/fiber.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#define FIBER_UCONTEXT 1
#else
#define FIBER_UCONTEXT 0
#endif

enum { GUARD_BYTES = 64 << 10 };

struct fiber {
    void *stack_pointer; /* while it does not run */
    uint8_t *mapping;    /* guard, then stack; NULL: the thread's own stack */
    void (*body)(void *context);
    void *context;
#if FIBER_UCONTEXT
    ucontext_t machine;
#endif
};

#if FIBER_UCONTEXT

static void fiber_enter(unsigned high, unsigned low) {
    struct fiber *fiber = (struct fiber *)(uintptr_t)((uint64_t)high << 32 | low);

    fiber->body(fiber->context);
    abort();
}

void fiber_prepare(struct fiber *fiber, void (*body)(void *context), void *context) {
    uint64_t self = (uint64_t)(uintptr_t)fiber;

    ASSERT(fiber->mapping);
    fiber->body = body;
    fiber->context = context;
    ASSERT(getcontext(&fiber->machine) == 0);
    fiber->machine.uc_stack.ss_sp = fiber->mapping + GUARD_BYTES;
    fiber->machine.uc_stack.ss_size = FIBER_STACK_BYTES;
    fiber->machine.uc_link = NULL;
    makecontext(&fiber->machine, (void (*)(void))fiber_enter, 2, (unsigned)(self >> 32),
                (unsigned)self);
}

void fiber_switch(struct fiber *from, struct fiber *to) {
    ASSERT(swapcontext(&from->machine, &to->machine) == 0);
}

#else

/* Saves what the ABI lets a callee keep on the stack, stores the stack pointer to *save, takes over
 * `load` and restores. fiber_start is where a fresh stack returns to. */
void fiber_swap(void **save, void *load);
void fiber_start(void);
void fiber_enter(struct fiber *fiber);

#if defined(__x86_64__)
/* System V ABI, AMD64 supplement: rbx, rbp, r12-r15, and the control bits of mxcsr and x87, which
 * nothing here changes. */
__asm__(".text\n"
        ".globl fiber_swap\n"
        ".hidden fiber_swap\n"
        ".type fiber_swap,@function\n"
        "fiber_swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fiber_swap,.-fiber_swap\n"
        ".globl fiber_start\n"
        ".hidden fiber_start\n"
        ".type fiber_start,@function\n"
        "fiber_start:\n"
        "    movq %r12, %rdi\n"
        "    call fiber_enter\n"
        "    ud2\n"
        ".size fiber_start,.-fiber_start\n");

/* r15 r14 r13 r12 rbx rbp, return address, and two words that align the stack to 16 at the call */
enum { FRAME_WORDS = 9, FRAME_FIBER = 3, FRAME_RETURN = 6 };
#else
/* Procedure call standard for AArch64: x19-x30, d8-d15. */
__asm__(".text\n"
        ".globl fiber_swap\n"
        ".hidden fiber_swap\n"
        ".type fiber_swap,@function\n"
        "fiber_swap:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size fiber_swap,.-fiber_swap\n"
        ".globl fiber_start\n"
        ".hidden fiber_start\n"
        ".type fiber_start,@function\n"
        "fiber_start:\n"
        "    mov x0, x19\n"
        "    bl fiber_enter\n"
        "    brk #0\n"
        ".size fiber_start,.-fiber_start\n");

enum { FRAME_WORDS = 20, FRAME_FIBER = 0, FRAME_RETURN = 11 };
#endif

__attribute__((used)) void fiber_enter(struct fiber *fiber) {
    fiber->body(fiber->context);
    abort();
}

void fiber_prepare(struct fiber *fiber, void (*body)(void *context), void *context) {
    ASSERT(fiber->mapping);
    uintptr_t *top = (uintptr_t *)(void *)(fiber->mapping + GUARD_BYTES + FIBER_STACK_BYTES);
    uintptr_t *frame = top - FRAME_WORDS;

    for (unsigned i = 0; i < FRAME_WORDS; i++)
        frame[i] = 0;
    frame[FRAME_FIBER] = (uintptr_t)fiber;
    frame[FRAME_RETURN] = (uintptr_t)fiber_start;
    fiber->stack_pointer = frame;
    fiber->body = body;
    fiber->context = context;
}

void fiber_switch(struct fiber *from, struct fiber *to) {
    fiber_swap(&from->stack_pointer, to->stack_pointer);
}

#endif

bool fiber_holds(const struct fiber *fiber, uintptr_t address) {
    uintptr_t bottom = (uintptr_t)fiber->mapping + GUARD_BYTES;

    return address - bottom < FIBER_STACK_BYTES;
}

struct fiber *fiber_create_stackless(void) {
    return calloc(1, sizeof(struct fiber));
}

struct fiber *fiber_create(void) {
    struct fiber *fiber = fiber_create_stackless();

    if (!fiber)
        return NULL;
    uint8_t *mapping = mmap(NULL, GUARD_BYTES + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapping == MAP_FAILED || mprotect(mapping, GUARD_BYTES, PROT_NONE) != 0) {
        free(fiber);
        return NULL;
    }
    fiber->mapping = mapping;
    return fiber;
}

void fiber_destroy(struct fiber *fiber) {
    if (!fiber)
        return;
    if (fiber->mapping)
        munmap(fiber->mapping, GUARD_BYTES + FIBER_STACK_BYTES);
    free(fiber);
}
