/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded, makes ptrace() answer as on a processor with AMX: the XSAVE area has 11008 bytes, and
 * the kernel refuses to set less of it (EFAULT). Both ways to the system call lead here.
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define AREA 11008

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall" : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    if (result < 0 && result > -4096) {
        errno = -result;
        return -1;
    }
    return result;
}

static long with_amx(long request, long pid, long address, long data)
{
    struct iovec *set = (struct iovec *)data;
    size_t asked;
    long result;

    if (address != NT_X86_XSTATE || (request != PTRACE_GETREGSET && request != PTRACE_SETREGSET))
        return kernel(SYS_ptrace, request, pid, address, data, 0, 0);
    asked = set->iov_len;
    if (request == PTRACE_SETREGSET && asked < AREA) {
        errno = EFAULT;
        return -1;
    }
    result = kernel(SYS_ptrace, request, pid, address, data, 0, 0);
    if (!result && request == PTRACE_GETREGSET) {
        asked = asked < AREA ? asked : AREA;
        if (set->iov_len < asked)
            memset((char *)set->iov_base + set->iov_len, 0, asked - set->iov_len);
        set->iov_len = asked;
    }
    return result;
}

long syscall(long number, ...)
{
    va_list words;
    long word[6];

    va_start(words, number);
    for (int i = 0; i < 6; i++)
        word[i] = va_arg(words, long);
    va_end(words);
    if (number == SYS_ptrace)
        return with_amx(word[0], word[1], word[2], word[3]);
    return kernel(number, word[0], word[1], word[2], word[3], word[4], word[5]);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list words;
    long pid, address, data, word, result;

    va_start(words, request);
    pid = va_arg(words, int);
    address = va_arg(words, long);
    data = va_arg(words, long);
    va_end(words);
    if (request < PTRACE_PEEKTEXT || request > PTRACE_PEEKUSER)
        return with_amx(request, pid, address, data);
    result = kernel(SYS_ptrace, request, pid, address, (long)&word, 0, 0);
    return result ? result : word;
}
