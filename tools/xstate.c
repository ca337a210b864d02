/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into user-mode Linux (linux.uml) by tools/guest.py: completes the register sets that it
 * sets in the processes of its guest.
 *
 * Linux 6.1 as user-mode Linux keeps 2696 bytes for the XSAVE area of a processor. Processors with
 * AMX have a larger one (11008 bytes). PTRACE_GETREGSET of NT_X86_XSTATE (0x202) returns as much
 * as fits into the caller's buffer, but PTRACE_SETREGSET of less than the whole area fails with
 * EFAULT, on which the guest panics in its first process ("put_fp_registers ... Attempted to kill
 * init!"). The ptrace() below reads the whole area of the process, puts what user-mode Linux gave
 * over its beginning, and sets the whole. The components behind the first 2696 bytes keep their
 * values. Where the area is not larger than what was given, each call is passed on as it is.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not on the stack, as those of user-mode Linux have 16 KiB. One thread of it calls ptrace(). */
static char area[65536] __attribute__((aligned(64)));

static long system_call(long request, pid_t pid, void *address, void *data)
{
    return syscall(SYS_ptrace, request, pid, address, data);
}

static long set_registers(pid_t pid, void *set, struct iovec *given)
{
    struct iovec whole = { area, sizeof(area) };

    if (system_call(PTRACE_GETREGSET, pid, set, &whole) || whole.iov_len <= given->iov_len)
        return system_call(PTRACE_SETREGSET, pid, set, given);
    memcpy(area, given->iov_base, given->iov_len);
    return system_call(PTRACE_SETREGSET, pid, set, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    pid_t pid;
    void *address, *data;
    long word, result;

    va_start(arguments, request);
    pid = va_arg(arguments, pid_t);
    address = va_arg(arguments, void *);
    data = va_arg(arguments, void *);
    va_end(arguments);

    switch (request) {
    case PTRACE_SETREGSET:
        if ((unsigned long)address == NT_X86_XSTATE)
            return set_registers(pid, address, data);
        break;
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
    case PTRACE_PEEKUSER:
        /* The system call stores the word; ptrace(2) of the C library returns it. */
        result = system_call(request, pid, address, &word);
        if (result == 0) {
            errno = 0;
            result = word;
        }
        return result;
    default:
        break;
    }
    return system_call(request, pid, address, data);
}
